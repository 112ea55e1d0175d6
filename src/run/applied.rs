//! What was written: the writes that AWS confirmed, and those of which nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cidrs::Cidrs;
use crate::model::current::{Current, RuleGroup, Shard};
use crate::model::spec::WriteKind;
use crate::planning::plan::Write;

/// What was written of a plan.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Writes that AWS confirmed, by kind.
    pub writes: BTreeMap<WriteKind, usize>,
    /// The new state of each IP set that was written, by name.
    pub ip_sets: BTreeMap<String, Cidrs>,
    /// The names that each rule group that was written refers to, by name.
    pub rule_groups: BTreeMap<String, BTreeSet<String>>,
    /// Writes of which it is not known what became of them, by name of what they write.
    pub unsure: BTreeMap<String, Write>,
    /// Writes that met somebody else's.
    pub conflicts: usize,
}

impl Applied {
    /// Writes that AWS confirmed.
    #[must_use]
    pub fn done(&self) -> usize {
        self.writes.values().sum()
    }

    /// Whether this was written.
    #[must_use]
    pub fn wrote(&self, target: &str) -> bool {
        self.ip_sets.contains_key(target) || self.rule_groups.contains_key(target)
    }

    /// Counts as written what a fresh read shows although its answer was lost.
    pub fn acknowledge(&mut self, current: &Current) {
        for (name, write) in std::mem::take(&mut self.unsure) {
            let mut written = Self::default();
            written.note(&write);
            if written.shows_in(current) {
                self.note(&write);
            } else {
                self.unsure.insert(name, write);
            }
        }
    }

    /// Of two rounds of one run, what both sent counts once: `self` is the later one.
    pub fn settle_with(&mut self, earlier: &mut Self) {
        earlier.unsure.retain(|target, _| !self.wrote(target) && !self.unsure.contains_key(target));
        // Reads that lag can have a run send again what AWS has confirmed.
        self.unsure.retain(|_, write| !earlier.has_written(write));
    }

    /// Whether AWS confirmed a write that left what `write` leaves.
    fn has_written(&self, write: &Write) -> bool {
        let mut written = Self::default();
        written.note(write);
        written.ip_sets.iter().all(|(name, cidrs)| self.ip_sets.get(name) == Some(cidrs))
            && written.rule_groups.iter().all(|(name, sets)| self.rule_groups.get(name) == Some(sets))
    }

    pub(super) fn note(&mut self, write: &Write) {
        *self.writes.entry(write.kind()).or_default() += 1;
        match write {
            Write::CreateIpSet(spec) | Write::UpdateIpSet { spec, .. } => {
                self.ip_sets.insert(spec.name.clone(), spec.cidrs.clone());
            }
            Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } => {
                let names = spec.references.iter().map(|reference| reference.name.clone()).collect();
                self.rule_groups.insert(spec.name.clone(), names);
            }
        }
    }

    /// Whether a fresh read shows everything that was written.
    #[must_use]
    pub fn shows_in(&self, current: &Current) -> bool {
        let set = |name: &String| current.shards.iter().find(|shard| shard.name == *name);
        let sets = self.ip_sets.iter().all(|(name, cidrs)| set(name).is_some_and(|shard| shard.cidrs == *cidrs));
        let names = |group: &RuleGroup| -> BTreeSet<String> {
            let referred = |shard: &&Shard| group.rule.references().contains(&shard.arn);
            current.shards.iter().filter(referred).map(|shard| shard.name.clone()).collect()
        };
        let group = |name: &String| current.groups.iter().find(|group| group.name == *name);
        let groups = self.rule_groups.iter().all(|(name, sets)| group(name).is_some_and(|group| names(group) == *sets));
        sets && groups
    }
}
