//! No unnecessary writes: a bound from counts alone, without the planner's code.
//!
//! Everything missing could be put into new sets, each written once, and everything to be removed is in sets that are
//! written once each. A plan with the fewest writes never needs more.

use std::collections::BTreeSet;

use wafsync_test_aws::Attempt;

use super::promise::Promise;
use super::{Errand, State, Watched};
use crate::ranges::{Bounds, Ranges, bounds};
use crate::snapshot::{Snapshot, is_set_name};

impl State {
    /// Checks that a write changes something.
    pub(super) fn changes_something(&mut self, attempt: &Attempt, old: &Snapshot) {
        let target = &attempt.target;
        let set =
            |snapshot: &Snapshot| (snapshot.sets.get(target).cloned(), snapshot.descriptions.get(target).cloned());
        // Correcting a description is a reason to write.
        let same_set = set(old) == set(&self.now);
        let group = |snapshot: &Snapshot| snapshot.groups.iter().find(|group| group.name == *target).cloned();
        let same_group = group(old).is_some_and(|before| {
            group(&self.now).is_some_and(|now| (now.rules, now.description) == (before.rules, before.description))
        });
        let updates = |kind| attempt.operation == format!("Update{kind}");
        if updates("IPSet") && same_set || updates("RuleGroup") && same_group {
            self.says(Promise::IdleWrite, format!("{} {target} by {}", attempt.operation, attempt.caller));
        }
    }

    /// The writes that suffice for what is wanted now, without interference. `None` if new sets are not allowed.
    pub(super) fn sufficient_writes(&self, errand: &Errand) -> Option<usize> {
        let adopted = &self.terms.adopted;
        let owned = |name: &String| {
            let known = self.now.marked.contains(name) || self.now.wired.contains(name);
            adopted.contains(name) || is_set_name(name) && known
        };
        let wanted = self.wanted_cidrs(errand.aggregates);
        let (mut changed, mut present, mut count, mut unwired) = (0, BTreeSet::new(), 0, 0);
        for (name, cidrs) in self.now.sets.iter().filter(|(name, _)| owned(name)) {
            let cidrs: BTreeSet<Bounds> = cidrs.iter().map(|cidr| bounds(cidr)).collect();
            changed += usize::from(!cidrs.is_subset(&wanted) || self.now.is_unsealed(name));
            present.extend(cidrs);
            count += 1;
            unwired += usize::from(!self.now.wired.contains(name));
        }
        let missing = |family| wanted.difference(&present).filter(|cidr| cidr.0 == family).count();
        let new: usize = [0, 1].map(|family| missing(family).div_ceil(self.terms.set_capacity)).into_iter().sum();
        if count + new > errand.max_ip_sets {
            return None;
        }
        let groups = errand.max_ip_sets.div_ceil(self.terms.group_references);
        let ours = || self.now.groups.iter().filter(|group| group.is_ours);
        let untidy = ours().filter(|group| !group.is_tidy(&self.now, adopted)).count();
        let absent = groups.saturating_sub(ours().count());
        let referring = (new + unwired).min(ours().count() - untidy);
        Some(changed + new + absent + untidy + referring)
    }

    /// The CIDRs that the sets should hold.
    pub(super) fn wanted_cidrs(&self, aggregates: bool) -> BTreeSet<Bounds> {
        if aggregates {
            return self.wanted().fewest(self.terms.widest).into_iter().collect();
        }
        self.table.cidrs().chain(&self.terms.always).map(|cidr| bounds(cidr)).collect()
    }

    /// Checks the number of writes at the end of an undisturbed run.
    pub(super) fn has_fewest_writes(&mut self, caller: &str, run: &Watched) {
        // A set whose removals rely on others is wired once they are made, after the writes that did not have to wait.
        let is_group = |name: &String| !is_set_name(name) && !self.terms.adopted.contains(name);
        let most = |name: &String| if is_group(name) && !run.stripped.is_empty() { 2 } else { 1 };
        let twice = run.written.iter().filter(|(name, count)| **count > most(name));
        let twice: Vec<String> = twice.map(|(name, _)| name.clone()).collect();
        // Without time for a confirming scan, a run plans again, and what would share a write with a removal goes
        // elsewhere.
        if !twice.is_empty() && !run.errand.hurried {
            self.says(Promise::WrittenOnce, format!("{caller}: {twice:?}"));
        }
        // What such a set holds may have gone elsewhere before, with a write of its own, and then another one wires the set.
        let stripped = run.stripped.difference(&run.created).count();
        if let Some(enough) = run.sufficient_writes.map(|enough| enough + 2 * stripped)
            && run.effects > enough
        {
            self.says(Promise::FewestWrites, format!("{caller}: {} writes, {enough} would do", run.effects));
        }
    }

    /// The unwanted CIDRs that are in force or in an adopted set.
    pub(super) fn holds_unwanted(&self) -> BTreeSet<String> {
        let wanted = self.wanted();
        self.standing().into_iter().filter(|cidr| !Ranges::of([cidr]).within(&wanted)).collect()
    }
}
