//! What a person has approved: the digest that a run handed out, for what could be removed or changed at the time.

use std::collections::BTreeSet;

use super::promise::Promise;
use super::{State, Watched};
use crate::ranges::Ranges;

/// Everything that a digest can have been about.
#[derive(Clone, Debug, Default)]
pub(super) struct Approval {
    pub(super) removals: BTreeSet<String>,
    pub(super) additions: BTreeSet<String>,
    pub(super) rules: BTreeSet<(String, Promise)>,
    /// A table without any entry.
    pub(super) emptied: bool,
}

impl State {
    /// The contents of a set that counts, each CIDR as it is written there.
    pub(super) fn standing(&self) -> BTreeSet<String> {
        self.now.standing(&self.terms.adopted)
    }

    /// A run hands out a digest: it can only be about what stood at some time of it and was not wanted all the time, and
    /// about additions that it says it holds.
    pub(super) fn hands_out(&mut self, run: &Watched, digest: &str, said: &[String]) {
        let steady = self.epoch.as_ref().map(|epoch| epoch.steady.clone()).unwrap_or_default();
        let standing: BTreeSet<String> = run.stood.union(&self.standing()).cloned().collect();
        let mut rules = self.now.troubles(&self.terms.adopted);
        rules.extend(run.troubles.iter().cloned());
        // Of an adopted set it names also what something wanted covers.
        let held = |set: &String, cidr: &String| self.now.sets.get(set).is_some_and(|cidrs| cidrs.contains(cidr));
        let adopted = |cidr: &String| self.terms.adopted.iter().any(|set| held(set, cidr));
        let mut removals: BTreeSet<String> = standing.into_iter().collect();
        removals.retain(|cidr| !Ranges::of([cidr]).within(&steady) || run.errand.aggregates || adopted(cidr));
        let is_empty = run.table_moved || self.table.is_empty();
        let approval = self.handed_out.entry(digest.to_owned()).or_default();
        approval.removals.extend(removals);
        approval.additions.extend(said.iter().cloned());
        approval.rules.extend(rules);
        // A table that moved may have been empty when it was scanned.
        approval.emptied |= is_empty;
    }
}

impl Watched {
    pub(super) fn may_remove(&self, cidr: &str) -> bool {
        self.approval.as_ref().is_some_and(|approval| approval.removals.contains(cidr))
    }

    pub(super) fn may_add(&self, cidr: &str) -> bool {
        self.approval.as_ref().is_some_and(|approval| approval.additions.contains(cidr))
    }

    pub(super) fn may_change(&self, rule: &(String, Promise)) -> bool {
        self.approval.as_ref().is_some_and(|approval| approval.rules.contains(rule))
    }
}
