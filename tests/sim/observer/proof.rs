//! What must hold before anything is removed from force: proof, limits, order, and no gap during propagation.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use wafsync_test_aws::Attempt;

use super::{Limit, Promise, State, Watched};
use crate::ranges::Ranges;
use crate::snapshot::Snapshot;

impl State {
    /// Keeps the contents that AWS has certainly propagated: those that were there when the run, or the first one, began.
    pub(super) fn keeps_spread(&mut self) {
        let counting = self.now.counting(&self.terms.adopted);
        let of_runs = self.runs.values_mut().map(|run| &mut run.spread);
        for spread in self.epoch.iter_mut().map(|epoch| &mut epoch.spread).chain(of_runs) {
            spread.retain(|name, _| counting.contains_key(name));
            for (name, cidrs) in spread {
                cidrs.retain(|cidr| counting.get(name).is_some_and(|now| now.contains(cidr)));
            }
        }
    }

    /// Drops problems that were repaired meanwhile.
    pub(super) fn keeps_problems(&mut self) {
        let problems = self.now.problems(&self.terms.adopted);
        if let Some(epoch) = &mut self.epoch {
            epoch.problems.retain(|trouble| problems.contains(trouble));
        }
    }

    /// Checks that nothing is written while a rule needs approval, least of all its rule group.
    pub(super) fn needs_no_approval(&mut self, attempt: &Attempt, old: &Snapshot) {
        let (Some(run), Some(epoch)) = (self.runs.get(&attempt.caller), &self.epoch) else { return };
        let here = old.problems(&self.terms.adopted).into_iter().filter(|(group, _)| *group == attempt.target);
        // With lagging reads, a run need not see an edit right before it. The token of the group shows it.
        let shown = self.is_undisturbed(run);
        let all = epoch.problems.iter().filter(|_| shown).cloned();
        let needs: BTreeSet<_> = here.chain(all).filter(|trouble| !run.may_change(trouble)).collect();
        for (group, promise) in needs {
            let Attempt { operation, target, caller, .. } = attempt;
            self.says(promise, format!("{group} at call {}, {operation} {target} by {caller}", self.attempts - 1));
        }
    }

    /// Checks that a run, between two reads of WAF, removes nothing from force before it has made its additions.
    pub(super) fn keeps_order(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, operation, .. } = attempt;
        let index = self.attempts;
        let Some(run) = self.runs.get_mut(caller) else { return };
        let none = BTreeSet::new();
        let (before, after) = (old.sets.get(target).unwrap_or(&none), self.now.sets.get(target).unwrap_or(&none));
        // Calls are numbered on arrival, so a delayed call keeps its place.
        if !old.wired.contains(target) && before.difference(after).next().is_some() {
            run.stripped.insert(target.clone());
        }
        if after.difference(before).next().is_some() {
            if run.newest_removal > run.newest_list && index > run.newest_removal {
                self.says(Promise::AddsFirst, format!("call {} by {caller}: {operation} {target}", index - 1));
            }
        } else if old.wired.contains(target) && run.wired.contains(target) && before.difference(after).next().is_some()
        {
            run.newest_removal = run.newest_removal.max(index);
        }
    }

    /// AWS propagates each set independently. Addresses that stay wanted must stay in force through contents that are
    /// already propagated, or be added in the same update.
    pub(super) fn leaves_no_gap(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        // Other writers can remove what the run relies on, or change what counts as propagated.
        let run = self.runs.get(caller).filter(|run| self.is_undisturbed(run));
        let wired = old.wired.contains(target);
        let counts = wired || self.terms.adopted.contains(target);
        let (Some(before), Some(after), Some(epoch), Some(run), true) =
            (old.sets.get(target), self.now.sets.get(target), &self.epoch, run, counts)
        else {
            return;
        };
        // A run cannot know whether an overlapping run wrote just before it read. It may rely on contents that it has seen
        // for a minute.
        let long = run.began_at.is_some_and(|began| began + Duration::from_mins(1) <= Instant::now());
        let spread = epoch.spread.iter().chain(run.spread.iter().filter(|_| long));
        let gone = Ranges::of(before.difference(after)).and(&epoch.protected);
        let surely = |name: &String| name != target && (!wired || self.now.wired.contains(name));
        let elsewhere = spread.filter(|(name, _)| surely(name)).flat_map(|(_, cidrs)| cidrs);
        let gap = gone.without(&Ranges::of(elsewhere.chain(after)));
        if !gap.is_empty() {
            self.says(Promise::NoGap, format!("{} {target} by {caller}: {gap:?}", attempt.operation));
        }
    }

    /// Checks that removed addresses were missing in two scans, are within the limit, and are not held.
    pub(super) fn has_proof(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        let (Some(before), Some(after)) = (old.sets.get(target), self.now.sets.get(target)) else { return };
        let mut found: Vec<(Promise, String)> = Vec::new();
        let standing = self.standing();
        let knows = self.runs.get(caller).is_some_and(|run| self.is_undisturbed(run));
        let (Some(run), Some(epoch)) = (self.runs.get_mut(caller), &self.epoch) else { return };
        let seen = run.seen();
        let wired = old.wired.contains(target) && run.wired.contains(target);
        let marked = old.marked.contains(target) && !run.created.contains(target);
        let counts = wired || marked || self.terms.adopted.contains(target);
        if epoch.emptied && !run.approval.as_ref().is_some_and(|approval| approval.emptied) {
            found.push((Promise::EmptyTable, attempt.operation.clone()));
        }
        // Nothing is added to an adopted set until its removals are approved, because the set would then have our mark.
        let unwanted = |cidr: &&String| !Ranges::of([cidr]).within(&seen) && !run.may_remove(cidr);
        let answers = old.marked.contains(target) && (old.wired.contains(target) || !knows);
        let unmarked = self.terms.adopted.contains(target) && !answers;
        if unmarked && let Some(cidr) = before.intersection(after).find(unwanted) {
            found.push((Promise::AdoptedMark, format!("{cidr} stays")));
        }
        let read = self.tokens.get(&(caller.clone(), target.clone())).map(|(_, at)| *at);
        for cidr in before.difference(after).filter(|_| counts) {
            let by_hand = self.by_hand.contains(&(target.clone(), cidr.clone()));
            // What stays covered, as of the newest scan, or is there twice, is no loss.
            if Ranges::of([cidr]).within(&seen) {
                continue;
            }
            // For addresses added by hand since the set was written, a second read is enough, without a wait.
            let settle = if by_hand { Duration::ZERO } else { self.terms.settle };
            match (run.first_scan, run.newest_scan(), read.max(run.first_set_list)) {
                (Some(first), Some((_, newest)), _) if newest < first + settle => {
                    found.push((Promise::SecondScan, cidr.clone()));
                }
                (Some(_), Some((_, newest)), Some(read)) if newest >= read => {}
                (Some(_), Some(_), Some(_)) => found.push((Promise::ScanAfterRead, cidr.clone())),
                _ => found.push((Promise::SecondScan, format!("{cidr}, with no scan or no read at all"))),
            }
            if run.may_remove(cidr) {
                continue;
            }
            if epoch.rejected && self.terms.holds_rejections {
                found.push((Promise::Rejections, cidr.clone()));
            }
            if by_hand {
                continue;
            }
            if unmarked {
                found.push((Promise::AdoptedRemoval, cidr.clone()));
            }
            if epoch.no_family[usize::from(cidr.contains(':'))] {
                found.push((Promise::EmptyFamily, cidr.clone()));
            }
            if epoch.too_few[usize::from(cidr.contains(':'))] {
                found.push((Promise::MinAddresses, cidr.clone()));
            }
            if !standing.contains(cidr) {
                run.removed.insert(cidr.clone());
            }
        }
        for ipv6 in [false, true] {
            let removed = run.removed.iter().filter(|cidr| cidr.contains(':') == ipv6).count();
            if removed > self.terms.max_removals {
                found.push((Promise::MaxRemovals, format!("{removed}: {:?}", run.removed)));
            }
        }
        let call = self.attempts - 1;
        for (promise, what) in found {
            self.says(promise, format!("{what}, in {target}, at call {call} by {caller}"));
        }
    }

    /// The number of CIDRs of a family that this run may add without approval, or any number. A percentage has no limit where
    /// all is drift.
    fn most_additions(&self, run: &Watched, ipv6: bool) -> usize {
        let percent = match self.terms.max_additions {
            None => return usize::MAX,
            Some(Limit::Count(count)) => return count,
            Some(Limit::Percent(percent)) => percent,
        };
        let is_limited = run.by_table_at_start.iter().any(|cidr| self.counts(cidr, ipv6));
        let in_ours = run.ours_at_start.iter().filter(|cidr| self.counts(cidr, ipv6));
        if is_limited { in_ours.count() * percent / 100 } else { usize::MAX }
    }

    /// Whether a CIDR counts for the percentages of this family.
    pub(super) fn counts(&self, cidr: &String, ipv6: bool) -> bool {
        cidr.contains(':') == ipv6 && !self.terms.always.contains(cidr)
    }

    /// Checks that unapproved additions to what is in force are within the limit.
    pub(super) fn adds_within_the_limit(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        let Some(run) = self.runs.get(caller).filter(|_| self.terms.max_additions.is_some()) else { return };
        // It may have read another state.
        let knows = self.is_undisturbed(run);
        let most = [false, true].map(|ipv6| self.most_additions(run, ipv6));
        let (standing, always) = (Ranges::of(old.standing(&self.terms.adopted)), self.terms.always.clone());
        let none = BTreeSet::new();
        let (before, after) = (old.sets.get(target).unwrap_or(&none), self.now.sets.get(target).unwrap_or(&none));
        let Some(run) = self.runs.get_mut(caller) else { return };
        let adds = |cidr: &&String| !Ranges::of([cidr]).within(&standing) && !always.contains(cidr);
        run.added.extend(after.difference(before).filter(adds).cloned());
        let over = [false, true].map(|ipv6| {
            let added = run.added.iter().filter(|cidr| cidr.contains(':') == ipv6);
            added.filter(|cidr| !run.may_add(cidr)).count() > most[usize::from(ipv6)]
        });
        if knows && over.contains(&true) {
            let text = format!("{:?}, in {target}, at call {} by {caller}", run.added, self.attempts - 1);
            self.says(Promise::MaxAdditions, text);
        }
    }
}
