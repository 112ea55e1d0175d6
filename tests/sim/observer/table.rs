//! What the table asks for, according to the world and to AWS's clock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Observer, State};
use crate::ranges::Ranges;
use crate::world::TABLE;
use wafsync_test_aws::Aws;

/// When an item expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// In seconds since 1970. After it, the item counts as gone.
    At(i64),
    /// A value that is not a valid time, as written to DynamoDB: a rejection, and the item stays.
    Bad(Value),
}

/// One item.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    cidrs: Vec<String>,
    /// It has an invalid value.
    bad: bool,
    expires: Option<i64>,
}

/// Every item by its key.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
    /// AWS's clock at the newest call.
    date: i64,
}

impl Table {
    fn standing(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.expires.is_none_or(|expires| self.date <= expires))
    }

    pub(super) fn cidrs(&self) -> impl Iterator<Item = &String> {
        self.standing().flat_map(|row| &row.cidrs)
    }

    /// Whether an item has an invalid value.
    pub(super) fn has_rejection(&self) -> bool {
        self.standing().any(|row| row.bad)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cidrs().next().is_none()
    }

    /// Advances the clock and returns whether an item has expired.
    fn is_older(&mut self, date: i64) -> bool {
        let before = self.standing().count();
        self.date = date;
        self.standing().count() < before
    }
}

impl Observer {
    /// Adds or changes an item. `bad` are invalid values.
    pub(crate) fn put_item(&self, aws: &Aws, key: &str, cidrs: &[&str], bad: &[&str]) {
        self.put_item_until(aws, key, cidrs, bad, None);
    }

    /// The same, with an expiry.
    pub(crate) fn put_item_until(&self, aws: &Aws, key: &str, cidrs: &[&str], bad: &[&str], expiry: Option<Expiry>) {
        let values: Vec<&&str> = cidrs.iter().chain(bad).collect();
        let mut item = json!({"id": {"S": key}, "ips": {"S": json!(values).to_string()}});
        match &expiry {
            Some(Expiry::At(seconds)) => item["expires"] = json!({"N": seconds.to_string()}),
            Some(Expiry::Bad(value)) => item["expires"] = value.clone(),
            None => {}
        }
        aws.put_item(TABLE, key, item);
        let cidrs = cidrs.iter().map(|cidr| (*cidr).to_owned()).collect();
        let bad = !bad.is_empty() || matches!(expiry, Some(Expiry::Bad(_)));
        self.with(|state| {
            state.note(format!("table: {key} asks for {values:?} until {expiry:?}"));
            let expires = expiry.and_then(|expiry| if let Expiry::At(at) = expiry { Some(at) } else { None });
            state.table.rows.insert(key.to_owned(), Row { cidrs, bad, expires });
            state.advance_clock(aws);
            state.table_is_new();
        });
    }

    pub(crate) fn delete_item(&self, aws: &Aws, key: &str) {
        aws.delete_item(TABLE, key);
        self.with(|state| {
            state.note(format!("table: {key} is gone"));
            state.table.rows.remove(key);
            state.table_is_new();
        });
    }

    /// The CIDRs of an item.
    pub(crate) fn item(&self, key: &str) -> Vec<String> {
        self.with(|state| state.table.rows.get(key).map(|row| row.cidrs.clone()).unwrap_or_default())
    }

    /// The keys of all items.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.with(|state| state.table.rows.keys().cloned().collect())
    }
}

impl State {
    /// Treats items past their expiry by AWS's clock as gone.
    pub(super) fn advance_clock(&mut self, aws: &Aws) {
        if let Some(date) = aws.date()
            && self.table.is_older(date)
        {
            self.note(format!("table: an item has expired by {date}"));
            self.table_is_new();
        }
    }

    pub(super) fn wanted(&self) -> Ranges {
        Ranges::of(self.table.cidrs().chain(&self.terms.always))
    }

    /// Whether the table, without `--always`, asks for nothing of a family.
    pub(super) fn family_is_empty(&self, ipv6: bool) -> bool {
        self.table.cidrs().all(|cidr| cidr.contains(':') != ipv6)
    }

    /// Whether the table, without `--always`, asks for fewer CIDRs of a family than `--min-addresses`.
    pub(super) fn family_is_small(&self, ipv6: bool) -> bool {
        let asked = self.table.cidrs().filter(|cidr| cidr.contains(':') == ipv6 && !self.terms.always.contains(cidr));
        asked.collect::<BTreeSet<_>>().len() < self.terms.min_addresses
    }

    pub(super) fn table_is_new(&mut self) {
        self.table_changed = self.newest;
        let (wanted, rejected, empty) = (self.wanted(), self.table.has_rejection(), self.table.is_empty());
        let no_family = [false, true].map(|ipv6| self.family_is_empty(ipv6));
        let too_few = [false, true].map(|ipv6| self.family_is_small(ipv6));
        for run in self.runs.values_mut() {
            for segment in run.segments.values_mut() {
                segment.seen = segment.seen.or(&wanted);
            }
            run.table_moved = true;
        }
        if let Some(epoch) = &mut self.epoch {
            epoch.allowed = epoch.allowed.or(&wanted);
            epoch.steady = epoch.steady.and(&wanted);
            epoch.protected = epoch.protected.and(&wanted);
            epoch.behind.values_mut().for_each(|lets_in| *lets_in = lets_in.and(&wanted));
            epoch.fresh = epoch.fresh.and(&wanted);
            epoch.rejected &= rejected;
            epoch.emptied &= empty;
            epoch.no_family = [0, 1].map(|family| epoch.no_family[family] && no_family[family]);
            epoch.too_few = [0, 1].map(|family| epoch.too_few[family] && too_few[family]);
        }
    }
}
