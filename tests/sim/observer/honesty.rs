//! Whether a run's report is true.

use std::collections::BTreeSet;

use serde_json::Value;

use wafsync_test_aws::FaultKind;

use super::{Limit, Promise, State, Watched};
use crate::ranges::{Bounds, Ranges};
use crate::snapshot::NAME;

/// Whether a fault of this kind is permanent, or a run may treat it as permanent. A write with a temporary error or a
/// lost answer is looked up and planned again.
pub(super) fn lasts(kind: &FaultKind, operation: &str) -> bool {
    use FaultKind as Kind;
    let passes = match kind {
        Kind::Throttled | Kind::InternalError | Kind::TagOperation | Kind::TagOperationInternalError => true,
        Kind::AccessDenied
        | Kind::ExpiredToken
        | Kind::UnrecognizedClient
        | Kind::LimitsExceeded
        | Kind::InvalidParameter
        | Kind::Validation
        | Kind::InvalidOperation
        | Kind::SubscriptionNotFound
        | Kind::ConfigurationWarning
        | Kind::Body(_) => false,
        Kind::AssociatedItem => operation.starts_with("Update"),
        _ => operation.starts_with("Update") || operation.starts_with("Create"),
    };
    !passes
}

/// The texts that a document lists under this key.
pub(super) fn texts(said: &Value, key: &str) -> Vec<String> {
    said[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The number of writes whose effect is unknown, in the reason of a run that could not finish.
fn unknown(reason: &str) -> u64 {
    let number = |(_, after): (&str, &str)| after.split(' ').next()?.parse().ok();
    let named = reason
        .split_once("the effect of ")
        .filter(|_| reason.contains("not finished") || reason.starts_with("partial"));
    named.and_then(number).unwrap_or_default()
}

impl State {
    /// Compares the report of a run with what it did.
    pub(super) fn judge(&mut self, caller: &str, run: &Watched, said: &Value) {
        let outcome = said["outcome"].as_str().unwrap_or_default().to_owned();
        let done = said["writes"]["done"].as_u64().unwrap_or(u64::MAX);
        let planned = said["writes"]["planned"].as_u64().unwrap_or_default();
        let mut found: Vec<(Promise, String)> = Vec::new();
        let code = match outcome.as_str() {
            "converged" | "changed" => 0,
            "blocked" | "held" | "unenforced" => 3,
            "partial" => 4,
            "failed" => 1,
            _ => u64::MAX,
        };
        if said["exit_code"].as_u64() != Some(code) {
            found.push((Promise::ExitCode, said["exit_code"].to_string()));
        }
        let effects = run.effects as u64;
        // The effect of calls that were denied or could not be read is unknown.
        let looked = run.newest_list > run.newest_effect && outcome != "partial" && outcome != "failed";
        let undisturbed = self.is_undisturbed(run);
        let knows = !run.misreported && (looked && undisturbed || run.faults == 0);
        // If others made the same write and an answer or a call was lost, it is unknown whose write it was.
        let may_be_others = (run.faults > 0 || self.hangs_since(run)) && !undisturbed;
        let reason = said["reason"].as_str().unwrap_or_default();
        if done > effects && !may_be_others || done + unknown(reason) < effects && knows {
            found.push((Promise::WritesCounted, format!("{done} done, {effects} had an effect")));
        }
        if done > planned {
            found.push((Promise::WritesPlanned, format!("{done} done, {planned} planned")));
        }
        if (outcome == "converged" || outcome == "blocked") && effects > 0 && !run.misreported && !may_be_others {
            found.push((Promise::NothingWritten, format!("{effects} had an effect")));
        }
        if outcome == "changed" && effects == 0 && !may_be_others {
            found.push((Promise::SomethingWritten, String::new()));
        }
        // Reads lag, so a run need not see what others did to WAF during the run.
        let quiet = run.newest_scan().is_some_and(|(first_page, _)| first_page > self.table_changed) && undisturbed;
        let wanted = self.wanted();
        // A run depends on its last reads, whatever others did before.
        let saw = run.newest_scan().is_some_and(|(first_page, _)| first_page > self.table_changed)
            && (undisturbed || self.listed_after_all(run));
        if (outcome == "converged" || outcome == "changed") && saw && self.now.in_force != wanted {
            found.push((Promise::InForce, format!("in force is {:?}, wanted is {wanted:?}", self.now.in_force)));
        }
        let unharmed = run.faults == 0 && self.hanging.is_empty() && quiet;
        let smooth = unharmed && run.refused == 0;
        if outcome == "failed" && quiet && !self.must_fail() {
            if unharmed {
                found.push((Promise::FailedReason, String::new()));
            } else if !run.lasting && !self.hangs_since(run) {
                found.push((Promise::FailedInPassing, String::new()));
            }
        }
        if undisturbed {
            found.extend(self.judge_enforcement(run, &outcome, smooth));
        }
        if quiet {
            found.extend(self.judge_approvals(run, said, &outcome, smooth));
        }
        // What our mark covers counts as in force, independent of the rules.
        let counts = Ranges::of(self.standing()).or(&self.now.in_force);
        let waits = !texts(said, "deferred").is_empty() || !texts(said, "unplaced").is_empty();
        let spreads = !self.terms.propagation.is_zero() || !self.terms.read_lag.is_zero();
        if outcome == "partial" && smooth && !run.errand.hurried && !spreads && !(waits && counts != wanted) {
            found.push((Promise::PartialReason, String::new()));
        }
        // The approval for an adopted set, or for additions, may match only once the rest is removed.
        let needs_approval = !self.terms.adopted.is_empty() || self.terms.max_additions.is_some();
        let late_approval = run.errand.approve.is_some() && needs_approval;
        if smooth && !run.table_moved && !late_approval {
            self.has_fewest_writes(caller, run);
        }
        for (promise, what) in found {
            self.says(promise, format!("{what}: {caller} says {outcome} ({reason})"));
        }
    }

    /// Whether a foreign rule group has the name of one of ours.
    fn must_fail(&self) -> bool {
        self.foreign_groups.iter().any(|group| group.name.starts_with(&format!("{NAME}-")))
    }

    /// Checks what it reports about the web ACLs.
    fn judge_enforcement(&self, run: &Watched, outcome: &str, smooth: bool) -> Option<(Promise, String)> {
        let unenforced = self.now.is_unenforced(&run.errand.web_acls, &self.terms.adopted);
        let silent = match outcome {
            "converged" | "changed" => true,
            // One that had to stop early may have read nothing.
            "partial" => smooth && !run.errand.hurried,
            _ => false,
        };
        if unenforced && silent {
            return Some((Promise::Enforced, String::new()));
        }
        let lags = !self.terms.read_lag.is_zero();
        (!unenforced && outcome == "unenforced" && !lags).then(|| (Promise::Unenforced, String::new()))
    }

    /// Checks what it leaves to a person.
    fn judge_approvals(&self, run: &Watched, said: &Value, outcome: &str, smooth: bool) -> Vec<(Promise, String)> {
        let mut found = Vec::new();
        let (held, wanted, adopted) = (texts(said, "held"), self.wanted(), &self.terms.adopted);
        let blocked = said["guard"]["verdict"] == "blocked";
        let standing = self.standing();
        let in_adopted =
            |cidr: &String| adopted.iter().any(|set| self.now.sets.get(set).is_some_and(|s| s.contains(cidr)));
        if outcome == "held" && !blocked {
            let covered = |cidr: &String| Ranges::of([cidr]).within(&wanted) && !in_adopted(cidr);
            let in_force = Ranges::of(&standing);
            // What is in sets that it created and could not wire yet may still wait.
            let own = run.created.iter().filter(|name| !self.now.wired.contains(*name));
            let own: BTreeSet<&String> = own.filter_map(|name| self.now.sets.get(name)).flatten().collect();
            let waits = |cidr: &String| {
                let range = Ranges::of([cidr]);
                let is_new = own.contains(cidr) || !range.within(&in_force);
                self.terms.max_additions.is_some() && range.within(&wanted) && is_new
            };
            // An unfinished scan says nothing about newly wanted addresses.
            let may_wait = self.terms.max_additions.is_some() && run.errand.hurried;
            let lies = |cidr: &&String| {
                !waits(cidr) && (!standing.contains(*cidr) && !may_wait || covered(cidr) && !run.errand.hurried)
            };
            if let Some(cidr) = held.iter().find(lies) {
                found.push((Promise::HeldStands, cidr.clone()));
            }
            let waiting = held.iter().filter(|cidr| waits(cidr));
            let unplaced = Ranges::of(texts(said, "unplaced").iter().chain(waiting));
            if smooth
                && !run.errand.hurried
                && self.terms.propagation.is_zero()
                && !wanted.without(&unplaced).within(&self.now.in_force)
            {
                found.push((Promise::HeldAdds, format!("{:?}", wanted.without(&self.now.in_force))));
            }
            // One plan is approved. Other removals are held.
            if run.approval.is_none() && !run.table_moved && !self.has_reason_to_hold(run) {
                found.push((Promise::HeldReason, held.join(" ")));
            }
        }
        let troubled = !run.problems.is_empty() || !self.now.problems(adopted).is_empty();
        let emptied = self.table.is_empty() && !self.standing().is_empty();
        // A table that changed may have been empty when it was scanned.
        let emptied = emptied || run.table_moved;
        if (outcome == "blocked" || outcome == "held" && blocked) && !troubled && !emptied {
            found.push((Promise::BlockedReason, String::new()));
        }
        found
    }

    fn has_reason_to_hold(&self, run: &Watched) -> bool {
        let unwanted = self.holds_unwanted();
        let family = |ipv6| run.removed.iter().chain(&unwanted).filter(move |cidr| cidr.contains(':') == ipv6);
        let limits = [false, true].iter().any(|ipv6| {
            let most = family(*ipv6).collect::<BTreeSet<_>>().len();
            most > self.terms.max_removals
                || most > 0 && (self.family_is_empty(*ipv6) || self.leaves_too_few(run, *ipv6))
        }) || self.adds_too_much(run);
        let adopted =
            self.terms.adopted.iter().any(|set| !self.now.marked.contains(set) || !self.now.wired.contains(set));
        limits || adopted || !unwanted.is_empty() && self.table.has_rejection() && self.terms.holds_rejections
    }

    /// Whether the table asks for fewer CIDRs of a family, merged or not, than `--min-addresses`.
    fn leaves_too_few(&self, run: &Watched, ipv6: bool) -> bool {
        let asked = Ranges::of(self.table.cidrs().filter(|cidr| !self.terms.always.contains(cidr)));
        let merged = self.wanted_cidrs(run.errand.aggregates);
        let counts = |cidr: &&Bounds| cidr.0 == usize::from(ipv6) && asked.touches(**cidr);
        let merged = merged.iter().filter(counts).count();
        self.family_is_small(ipv6) || merged < self.terms.min_addresses
    }

    /// Whether the CIDRs that it added and that are still missing exceed `--max-additions`.
    fn adds_too_much(&self, run: &Watched) -> bool {
        let standing = Ranges::of(self.standing());
        let missing = Ranges::of(self.table.cidrs()).without(&standing);
        let wanted = self.wanted_cidrs(run.errand.aggregates);
        let missing = |family| wanted.iter().filter(|cidr| cidr.0 == family && missing.touches(**cidr)).count();
        let added = |ipv6| run.added.iter().filter(|cidr| cidr.contains(':') == ipv6).count();
        [false, true].into_iter().any(|ipv6| missing(usize::from(ipv6)) + added(ipv6) > self.surely_allowed(run, ipv6))
    }

    /// The smallest number of CIDRs of a family that a run may have to allow without approval. What a hand added to our sets
    /// need not count as in force. There is no limit while nothing is in force.
    fn surely_allowed(&self, run: &Watched, ipv6: bool) -> usize {
        let percent = match self.terms.max_additions {
            None => return usize::MAX,
            Some(Limit::Count(count)) => return count,
            Some(Limit::Percent(percent)) => percent,
        };
        let count = |cidrs: &BTreeSet<String>| cidrs.iter().filter(|cidr| self.counts(cidr, ipv6)).count();
        if count(&run.ours_at_start) == 0 { usize::MAX } else { count(&run.by_table_at_start) * percent / 100 }
    }
}
