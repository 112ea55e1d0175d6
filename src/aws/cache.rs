//! What a process that lives on remembers of WAF between its runs.

use std::collections::BTreeMap;

use tracing::warn;

use super::ip_sets::IpSet;
use super::receipt::Receipt;
use super::rule_groups::Group;
use crate::model::current::{GroupRule, LockToken};
use crate::model::spec::{IpSetSpec, RuleGroupSpec};
use crate::text;

/// IP sets and rule groups as they were last read, by id.
///
/// An entry is served only if its lock token is the one that a list shows now; everything else is read again.
#[derive(Debug, Default)]
pub struct ReadCache {
    ip_sets: BTreeMap<String, IpSet>,
    rule_groups: BTreeMap<String, Group>,
    /// The foreign IP sets that the log has named already.
    foreign: Vec<String>,
}

impl ReadCache {
    /// The IP set as it was last read, if that is the content that this token guards.
    pub(super) fn ip_set(&self, id: &str, token: Option<&LockToken>) -> Option<&IpSet> {
        self.ip_sets.get(id).filter(|set| Some(&set.token) == token)
    }

    /// The rule group as it was last read, if that is the content that this token guards.
    pub(super) fn rule_group(&self, id: &str, token: Option<&LockToken>) -> Option<&Group> {
        self.rule_groups.get(id).filter(|group| Some(&group.token) == token)
    }

    /// Remembers these IP sets and forgets all others.
    pub(super) fn keep_ip_sets<'a>(&mut self, read: impl Iterator<Item = &'a IpSet>) {
        self.ip_sets = read.map(|set| (set.id.clone(), set.clone())).collect();
    }

    /// Remembers these rule groups and forgets all others.
    pub(super) fn keep_rule_groups<'a>(&mut self, read: impl Iterator<Item = &'a Group>) {
        self.rule_groups = read.map(|group| (group.id.clone(), group.clone())).collect();
    }

    /// Remembers an IP set as this process has written it, so that a list that shows this token proves what is in it.
    pub fn wrote_ip_set(&mut self, spec: &IpSetSpec, receipt: &Receipt) {
        let Receipt { id, arn, token } = receipt.clone();
        let IpSetSpec { name, family, cidrs, description } = spec.clone();
        self.ip_sets.insert(id.clone(), IpSet { name, id, arn, family, description, token, cidrs });
    }

    /// Remembers a rule group as this process has written it.
    pub fn wrote_rule_group(&mut self, spec: &RuleGroupSpec, rule: GroupRule, capacity: u64, receipt: &Receipt) {
        let Receipt { id, arn, token } = receipt.clone();
        let (name, description) = (spec.name.clone(), spec.description.to_string());
        self.rule_groups.insert(id.clone(), Group { name, id, arn, description, capacity, token, rule });
    }

    /// Logs the foreign IP sets, once until they change.
    pub(super) fn warn_of_foreign(&mut self, foreign: &[String]) {
        if !foreign.is_empty() && self.foreign != foreign {
            let list = foreign.iter().map(|name| text::line(name)).collect::<Vec<_>>().join(", ");
            warn!(ip_sets = list, "left alone: named like ours, but not ours; their numbers are skipped");
        }
        self.foreign = foreign.to_vec();
    }
}
