//! The cache of WAF that a long-lived process keeps between runs.

use std::collections::BTreeMap;

use tracing::warn;

use super::ip_sets::IpSet;
use super::receipt::Receipt;
use super::rule_groups::Group;
use crate::model::current::{GroupRule, LockToken};
use crate::model::spec::{IpSetSpec, RuleGroupSpec};
use crate::text;

/// A cache of IP sets and rule groups as last read or written, by id.
///
/// An entry is used only if a list shows its lock token; otherwise the resource is read again.
#[derive(Debug, Default)]
pub struct ReadCache {
    ip_sets: BTreeMap<String, IpSet>,
    rule_groups: BTreeMap<String, Group>,
    /// The foreign IP sets that were logged last.
    foreign: Vec<String>,
    /// Whether the run has seen or written a rule group of ours since it began.
    knows_groups: bool,
}

impl ReadCache {
    /// Makes ready for another run, which does not know yet what its lists should show.
    pub fn begin_run(&mut self) {
        self.knows_groups = false;
    }

    /// Whether the run has seen or written a rule group of ours.
    pub(super) const fn knows_groups(&self) -> bool {
        self.knows_groups
    }

    /// The cached IP set, if it has this lock token.
    pub(super) fn ip_set(&self, id: &str, token: Option<&LockToken>) -> Option<&IpSet> {
        self.ip_sets.get(id).filter(|set| Some(&set.token) == token)
    }

    /// The cached rule group, if it has this lock token.
    pub(super) fn rule_group(&self, id: &str, token: Option<&LockToken>) -> Option<&Group> {
        self.rule_groups.get(id).filter(|group| Some(&group.token) == token)
    }

    /// Replaces all cached IP sets.
    pub(super) fn keep_ip_sets<'a>(&mut self, read: impl Iterator<Item = &'a IpSet>) {
        self.ip_sets = read.map(|set| (set.id.clone(), set.clone())).collect();
    }

    /// Replaces all cached rule groups.
    pub(super) fn keep_rule_groups<'a>(&mut self, read: impl Iterator<Item = &'a Group>) {
        self.rule_groups = read.map(|group| (group.id.clone(), group.clone())).collect();
        self.knows_groups |= !self.rule_groups.is_empty();
    }

    /// Adds an IP set that was written: a list that shows the receipt's token then proves its contents.
    pub fn wrote_ip_set(&mut self, spec: &IpSetSpec, receipt: &Receipt) {
        let Receipt { id, arn, token } = receipt.clone();
        let IpSetSpec { name, family, cidrs, description } = spec.clone();
        self.ip_sets.insert(id.clone(), IpSet { name, id, arn, family, description, token, cidrs });
    }

    /// Adds a rule group that was written.
    pub fn wrote_rule_group(&mut self, spec: &RuleGroupSpec, rule: GroupRule, capacity: u64, receipt: &Receipt) {
        let Receipt { id, arn, token } = receipt.clone();
        let (name, description) = (spec.name.clone(), spec.description.to_string());
        self.knows_groups = true;
        self.rule_groups.insert(id.clone(), Group { name, id, arn, description, capacity, token, rule });
    }

    /// Logs the foreign IP sets when they change.
    pub(super) fn warn_of_foreign(&mut self, foreign: &[String]) {
        if !foreign.is_empty() && self.foreign != foreign {
            let list = foreign.iter().map(|name| text::line(name)).collect::<Vec<_>>().join(", ");
            warn!(ip_sets = list, "foreign IP sets with names like ours: left alone, and their numbers skipped");
        }
        self.foreign = foreign.to_vec();
    }
}
