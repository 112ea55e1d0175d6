//! What a person has approved: the digest that a run printed, for what could be removed or changed at the time.

use std::collections::BTreeSet;

use super::promise::Promise;
use super::{State, Watched};
use crate::ranges::Ranges;

/// Everything that a digest can cover.
#[derive(Clone, Debug, Default)]
pub(super) struct Approval {
    pub(super) removals: BTreeSet<String>,
    pub(super) additions: BTreeSet<String>,
    pub(super) rules: BTreeSet<(String, Promise)>,
    /// A table without any entry.
    pub(super) emptied: bool,
}

impl State {
    /// The CIDRs of the sets that count as in force, as they are written.
    pub(super) fn standing(&self) -> BTreeSet<String> {
        self.now.standing(&self.terms.adopted)
    }

    /// Records the digest of a run. It can only cover what was in force at some time of the run and was not wanted all
    /// the time, and the additions that the run reports as held.
    pub(super) fn issues_digest(&mut self, run: &Watched, digest: &str, said: &[String]) {
        let steady = self.epoch.as_ref().map(|epoch| epoch.steady.clone()).unwrap_or_default();
        let standing: BTreeSet<String> = run.at_start.union(&self.standing()).cloned().collect();
        let mut rules = self.now.problems(&self.terms.adopted);
        rules.extend(run.problems.iter().cloned());
        // For an adopted set, it also covers CIDRs that something wanted covers.
        let held = |set: &String, cidr: &String| self.now.sets.get(set).is_some_and(|cidrs| cidrs.contains(cidr));
        let adopted = |cidr: &String| self.terms.adopted.iter().any(|set| held(set, cidr));
        let mut removals: BTreeSet<String> = standing.into_iter().collect();
        removals.retain(|cidr| !Ranges::of([cidr]).within(&steady) || run.errand.aggregates || adopted(cidr));
        let is_empty = run.table_moved || self.table.is_empty();
        let approval = self.issued.entry(digest.to_owned()).or_default();
        approval.removals.extend(removals);
        approval.additions.extend(said.iter().cloned());
        approval.rules.extend(rules);
        // A table that changed may have been empty when it was scanned.
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
