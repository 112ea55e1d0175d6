//! What has to be so before anything goes from force: proof, limits, order, and no gap while AWS spreads it.

use std::collections::BTreeSet;

use wafsync_test_aws::Attempt;

use super::State;
use crate::ranges::Ranges;
use crate::snapshot::Snapshot;

impl State {
    /// What is to stay as it is while AWS spreads a change: it stood where it stands when the first run began.
    pub(super) fn keeps_spread(&mut self) {
        let counting = self.now.counting(&self.terms.adopted);
        if let Some(epoch) = &mut self.epoch {
            epoch.spread.retain(|name, _| counting.contains_key(name));
            for (name, cidrs) in &mut epoch.spread {
                cidrs.retain(|cidr| counting.get(name).is_some_and(|now| now.contains(cidr)));
            }
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
        if after.difference(before).next().is_some() {
            if run.newest_removal > run.newest_list && index > run.newest_removal {
                let text = format!("call {} by {caller}: {operation} {target} adds after a removal", index - 1);
                self.broken.push(text);
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
        let knows = self.runs.get(caller).is_some_and(|run| self.is_undisturbed(run));
        let wired = old.wired.contains(target);
        let counts = wired || self.terms.adopted.contains(target);
        let (Some(before), Some(after), Some(epoch), true, true) =
            (old.sets.get(target), self.now.sets.get(target), &self.epoch, knows, counts)
        else {
            return;
        };
        let gone = Ranges::of(before.difference(after)).and(&epoch.protected);
        let surely = |name: &String| name != target && (!wired || self.now.wired.contains(name));
        let elsewhere = epoch.spread.iter().filter(|(name, _)| surely(name)).flat_map(|(_, cidrs)| cidrs);
        let gap = gone.without(&Ranges::of(elsewhere.chain(after)));
        if !gap.is_empty() {
            let text = format!("{} {target} by {caller}: a gap while it spreads: {gap:?}", attempt.operation);
            self.broken.push(text);
        }
    }

    /// Whatever goes from force has gone twice from the table, is within the limit, and is not held.
    pub(super) fn has_proof(&mut self, attempt: &Attempt, old: &Snapshot) {
        let Attempt { target, caller, .. } = attempt;
        let (Some(before), Some(after)) = (old.sets.get(target), self.now.sets.get(target)) else { return };
        let mut found = Vec::new();
        let (Some(run), Some(epoch)) = (self.runs.get_mut(caller), &self.epoch) else { return };
        let counts = old.wired.contains(target) && run.wired.contains(target) || self.terms.adopted.contains(target);
        if run.approved && run.newest_scan.is_none() {
            found.push("written without any scan".to_owned());
        }
        if epoch.emptied && !run.approved {
            found.push(format!("{} {target} although the table is empty", attempt.operation));
        }
        let read = self.tokens.get(&(caller.clone(), target.clone())).map(|(_, at)| *at);
        for cidr in before.difference(after).filter(|_| counts) {
            let by_hand = self.by_hand.contains(&(target.clone(), cidr.clone()));
            // What stays covered as the newest scan saw it, or stands twice, is no loss.
            if by_hand || Ranges::of([cidr]).within(&run.seen) {
                continue;
            }
            let text = format!("{target}: {cidr} removed");
            match (run.first_scan, run.newest_scan, read) {
                (Some(first), Some((_, newest)), Some(read)) => {
                    if newest < first + self.terms.settle {
                        found.push(format!("{text} without a second scan, or too early"));
                    } else if newest < read {
                        found.push(format!("{text}, but WAF was read after the newest scan"));
                    }
                }
                _ => found.push(format!("{text} without a scan or a read")),
            }
            if run.approved {
                continue;
            }
            if !old.marked.contains(target) && self.terms.adopted.contains(target) {
                found.push(format!("{text} from an adopted set without approval"));
            }
            if epoch.rejected && self.terms.holds_rejections {
                found.push(format!("{text} although the table has rejections"));
            }
            if !self.now.stands(cidr, &self.terms.adopted) {
                run.removed.insert(cidr.clone());
            }
        }
        for ipv6 in [false, true] {
            let removed = run.removed.iter().filter(|cidr| cidr.contains(':') == ipv6).count();
            if removed > self.terms.max_removals && !run.approved {
                found.push(format!("{removed} of a family removed in one run: {:?}", run.removed));
            }
        }
        let call = self.attempts - 1;
        self.broken.extend(found.into_iter().map(|text| format!("call {call} by {caller}: {text}")));
    }
}
