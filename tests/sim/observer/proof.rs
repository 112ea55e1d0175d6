//! What has to be so before anything goes from force: proof, limits, order, and no gap while AWS spreads it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use wafsync_test_aws::Attempt;

use super::{Promise, State};
use crate::ranges::Ranges;
use crate::snapshot::Snapshot;

impl State {
    /// What must stay in place while AWS propagates a change: it was there when the run, or the first one, began.
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

    /// What needs a person now did not when it has been put right meanwhile.
    pub(super) fn keeps_troubles(&mut self) {
        let troubles = self.now.troubles(&self.terms.adopted);
        if let Some(epoch) = &mut self.epoch {
            epoch.troubles.retain(|trouble| troubles.contains(trouble));
        }
    }

    /// Nothing is written while a rule needs a person, and no rule group is that does.
    pub(super) fn needs_nobody(&mut self, attempt: &Attempt, old: &Snapshot) {
        let (Some(run), Some(epoch)) = (self.runs.get(&attempt.caller), &self.epoch) else { return };
        let here = old.troubles(&self.terms.adopted).into_iter().filter(|(group, _)| *group == attempt.target);
        // An edit right before a run need not show in it where reads lag; the token of the group itself tells.
        let shown = self.is_undisturbed(run);
        let all = epoch.troubles.iter().filter(|_| shown).cloned();
        let needs: BTreeSet<_> = here.chain(all).filter(|trouble| !run.may_change(trouble)).collect();
        for (group, promise) in needs {
            let Attempt { operation, target, caller, .. } = attempt;
            self.says(promise, format!("{group} at call {}, {operation} {target} by {caller}", self.attempts - 1));
        }
    }

    /// Between two reads of WAF, a run takes nothing from force before it has added what it adds.
    pub(super) fn keeps_order(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, operation, .. } = attempt;
        let index = self.attempts;
        let Some(run) = self.runs.get_mut(caller) else { return };
        let none = BTreeSet::new();
        let (before, after) = (old.sets.get(target).unwrap_or(&none), self.now.sets.get(target).unwrap_or(&none));
        // Calls are numbered as they come in, so one that was held up on its way keeps its place.
        run.stripped |= !old.wired.contains(target) && before.difference(after).next().is_some();
        if after.difference(before).next().is_some() {
            if run.newest_removal > run.newest_list && index > run.newest_removal {
                self.says(Promise::AddsFirst, format!("call {} by {caller}: {operation} {target}", index - 1));
            }
        } else if old.wired.contains(target) && run.wired.contains(target) && before.difference(after).next().is_some()
        {
            run.newest_removal = run.newest_removal.max(index);
        }
    }

    /// AWS spreads each set on its own, so addresses that stay wanted stay in force through what has been spread, or
    /// come with the same update.
    pub(super) fn leaves_no_gap(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        // Whoever else writes to WAF meanwhile can take away what the run relies on, or seem to have spread it.
        let run = self.runs.get(caller).filter(|run| self.is_undisturbed(run));
        let wired = old.wired.contains(target);
        let counts = wired || self.terms.adopted.contains(target);
        let (Some(before), Some(after), Some(epoch), Some(run), true) =
            (old.sets.get(target), self.now.sets.get(target), &self.epoch, run, counts)
        else {
            return;
        };
        // Whether what it has read was written just before, by a run that it overlaps, it cannot know: it may rely on what
        // it has seen there for a minute.
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

    /// Whatever goes from force has gone twice from the table, is within the limit, and is not held.
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
        // Until a person has approved what would go from it, nothing comes to it either: it would bear our mark then.
        let unwanted = |cidr: &&String| !Ranges::of([cidr]).within(&seen) && !run.may_remove(cidr);
        let answers = old.marked.contains(target) && (old.wired.contains(target) || !knows);
        let unmarked = self.terms.adopted.contains(target) && !answers;
        if unmarked && let Some(cidr) = before.intersection(after).find(unwanted) {
            found.push((Promise::AdoptedMark, format!("{cidr} stays")));
        }
        let read = self.tokens.get(&(caller.clone(), target.clone())).map(|(_, at)| *at);
        for cidr in before.difference(after).filter(|_| counts) {
            let by_hand = self.by_hand.contains(&(target.clone(), cidr.clone()));
            // What stays covered as the newest scan saw it, or is there twice, is no loss.
            if Ranges::of([cidr]).within(&seen) {
                continue;
            }
            // For what a hand has put there since the set was written, a second look is enough, at once.
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

    /// What lets in more than was in force is within the limit, but for what was approved.
    pub(super) fn adds_within_the_limit(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        let Some(most) = self.terms.max_additions else { return };
        // What it was shown may have been another state.
        let knows = self.runs.get(caller).is_some_and(|run| self.is_undisturbed(run));
        let (standing, always) = (Ranges::of(old.standing(&self.terms.adopted)), self.terms.always.clone());
        let none = BTreeSet::new();
        let (before, after) = (old.sets.get(target).unwrap_or(&none), self.now.sets.get(target).unwrap_or(&none));
        let Some(run) = self.runs.get_mut(caller) else { return };
        let adds = |cidr: &&String| !Ranges::of([cidr]).within(&standing) && !always.contains(cidr);
        run.added.extend(after.difference(before).filter(adds).cloned());
        let over = [false, true].map(|ipv6| {
            let added = run.added.iter().filter(|cidr| cidr.contains(':') == ipv6);
            added.filter(|cidr| !run.may_add(cidr)).count() > most
        });
        if knows && over.contains(&true) {
            let text = format!("{:?}, in {target}, at call {} by {caller}", run.added, self.attempts - 1);
            self.says(Promise::MaxAdditions, text);
        }
    }
}
