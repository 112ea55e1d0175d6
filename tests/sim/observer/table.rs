//! What the table asks for, as the world tells it and as AWS's clock has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Observer, State};
use crate::ranges::Ranges;
use crate::world::TABLE;
use wafsync_test_aws::Aws;

/// When an item expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// In seconds since 1970: past it, the item counts as gone.
    At(i64),
    /// Something that is no time at all, as written to DynamoDB: a rejection, and the item stays.
    Bad(Value),
}

/// One item.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    cidrs: Vec<String>,
    /// It has something that no reader could use.
    bad: bool,
    expires: Option<i64>,
}

/// Every item by its key.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
    /// What AWS's clock showed last.
    date: i64,
}

impl Table {
    fn standing(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.expires.is_none_or(|expires| self.date <= expires))
    }

    pub(super) fn cidrs(&self) -> impl Iterator<Item = &String> {
        self.standing().flat_map(|row| &row.cidrs)
    }

    /// Whether an item of it has something that no reader can use.
    pub(super) fn has_rejection(&self) -> bool {
        self.standing().any(|row| row.bad)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cidrs().next().is_none()
    }

    /// Moves the clock on; whether an item has expired by that.
    fn is_older(&mut self, date: i64) -> bool {
        let before = self.standing().count();
        self.date = date;
        self.standing().count() < before
    }
}

impl Observer {
    /// An item comes or changes. `bad` are values that no reader could use.
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
            state.notes(format!("table: {key} asks for {values:?} until {expiry:?}"));
            let expires = expiry.and_then(|expiry| if let Expiry::At(at) = expiry { Some(at) } else { None });
            state.table.rows.insert(key.to_owned(), Row { cidrs, bad, expires });
            state.reads_the_clock(aws);
            state.table_is_new();
        });
    }

    pub(crate) fn delete_item(&self, aws: &Aws, key: &str) {
        aws.delete_item(TABLE, key);
        self.with(|state| {
            state.notes(format!("table: {key} is gone"));
            state.table.rows.remove(key);
            state.table_is_new();
        });
    }

    /// What an item asks for.
    pub(crate) fn item(&self, key: &str) -> Vec<String> {
        self.with(|state| state.table.rows.get(key).map(|row| row.cidrs.clone()).unwrap_or_default())
    }

    /// The keys of all items.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.with(|state| state.table.rows.keys().cloned().collect())
    }
}

impl State {
    /// An item that is past its expiry by AWS's clock is gone from then on.
    pub(super) fn reads_the_clock(&mut self, aws: &Aws) {
        if let Some(date) = aws.date()
            && self.table.is_older(date)
        {
            self.notes(format!("table: an item has expired by {date}"));
            self.table_is_new();
        }
    }

    pub(super) fn wanted(&self) -> Ranges {
        Ranges::of(self.table.cidrs().chain(&self.terms.always))
    }

    /// Whether the table, and not `--always`, asks for nothing of a family.
    pub(super) fn family_is_empty(&self, ipv6: bool) -> bool {
        self.table.cidrs().all(|cidr| cidr.contains(':') != ipv6)
    }

    /// Whether the table, and not `--always`, asks for less of a family than removals have to leave.
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
            epoch.fresh = epoch.fresh.and(&wanted);
            epoch.rejected &= rejected;
            epoch.emptied &= empty;
            epoch.no_family = [0, 1].map(|family| epoch.no_family[family] && no_family[family]);
            epoch.too_few = [0, 1].map(|family| epoch.too_few[family] && too_few[family]);
        }
    }
}
