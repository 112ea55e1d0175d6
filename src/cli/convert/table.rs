//! Converts the settings of the table.

use std::collections::BTreeSet;
use std::time::Duration;

use super::guards::MAX_CIDRS;
use crate::cli::args::{EntryArgs, TableArgs};
use crate::cli::values::{Checked, Invalid, arn, attribute, check, cidr, is_word, number};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::limits::{MAX_TABLE_NAME, MIN_TABLE_NAME};
use crate::model::settings::{MAX_SEGMENTS, TableSettings, is_region};

/// The highest read capacity, in units per second: far more than a table gets by default (40,000).
const MAX_READ_CAPACITY: u32 = 1_000_000;

pub(super) fn table(table: TableArgs, entries: EntryArgs, settle: Duration) -> Checked<TableSettings> {
    let (table, region) = table_and_region(table)?;
    let widest = PerFamily {
        ipv4: number("--widest-ipv4", &entries.widest_ipv4, 1..=Family::Ipv4.bits())?,
        ipv6: number("--widest-ipv6", &entries.widest_ipv6, 1..=Family::Ipv6.bits())?,
    };
    let read_capacity = entries.read_capacity.map(|units| number("--read-capacity", &units, 1..=MAX_READ_CAPACITY));
    let expiry_attribute = entries.expiry_attribute.map(|name| attribute("--expiry-attribute", name));
    for key in &entries.ignore_item {
        check("--ignore-item", key, !key.is_empty(), "must be the key of an item")?;
    }
    // Duplicates are harmless; sorted, so that the same settings are the same value.
    let always = entries.always.iter().map(|text| cidr("--always", text)).collect::<Checked<BTreeSet<Cidr>>>()?;
    Ok(TableSettings {
        table,
        region,
        key_attribute: attribute("--key-attribute", entries.key_attribute)?,
        cidr_attribute: attribute("--cidr-attribute", entries.cidr_attribute)?,
        expiry_attribute: expiry_attribute.transpose()?,
        segments: number("--segments", &entries.segments, 1..=MAX_SEGMENTS)?,
        read_capacity: read_capacity.transpose()?,
        settle,
        widest,
        max_per_item: number("--max-per-item", &entries.max_per_item, 1..=MAX_CIDRS)?,
        ignored_items: entries.ignore_item.into_iter().collect(),
        always: always.into_iter().collect(),
        aggregate: entries.aggregate,
    })
}

/// The table as given, and its Region if that is known.
pub(super) fn table_and_region(args: TableArgs) -> Checked<(String, Option<String>)> {
    const FLAG: &str = "--table-region";
    let missing =
        || Invalid { flag: "--table", value: None, allowed: "is required: the name or ARN of the table".to_owned() };
    let table = args.table.ok_or_else(missing)?;
    let arn = if table.starts_with("arn:") { Some(arn("--table", &table, "dynamodb", "table/")?) } else { None };
    let name = arn.as_ref().map_or(table.as_str(), |arn| arn.name);
    let length = MIN_TABLE_NAME..=MAX_TABLE_NAME;
    let allowed = format!(
        "must be a table name ({MIN_TABLE_NAME} to {MAX_TABLE_NAME} of A-Z a-z 0-9 _ . -) or the ARN of a table"
    );
    check("--table", &table, is_word(name, length, "_.-"), &allowed)?;
    if let Some(region) = &args.table_region {
        check(FLAG, region, is_region(region), "must be a Region such as eu-west-1")?;
    }
    let of_arn = arn.map(|arn| arn.region.to_owned());
    match (of_arn, args.table_region) {
        (Some(of_arn), Some(given)) if of_arn != given => {
            Err(Invalid::new(FLAG, &given, format!("must be {of_arn}, as in the ARN of --table, or left out")))
        }
        (of_arn, given) => Ok((table, of_arn.or(given))),
    }
}
