//! Counts what happened in all worlds: which fault hit which operation, and which branches the runs took.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use wafsync::planning::guard::Verdict;
use wafsync::report::Document;
use wafsync_test_aws::{Attempt, FaultKind, Outcome, When};

use crate::faults::{OPERATIONS, is_possible, kinds};
use crate::world::{Lived, Process, World};

/// Propagation that takes longer than this counts as minutes.
const MINUTE: Duration = Duration::from_mins(1);

/// The rest of a deadline in which no call begins any more, and some time for the answer of the last call.
const CUT: Duration = Duration::from_secs(2);

/// Reads that can show an older state.
const LAGGING: [&str; 4] = ["ListIPSets", "GetIPSet", "ListRuleGroups", "GetRuleGroup"];

/// The branches of a run that the seeds have to reach.
pub(crate) const BRANCHES: [&str; 24] = [
    "adoption",
    "aggregation",
    "approval of another plan",
    "approved",
    "blocked",
    "changed",
    "converged",
    "cut while it hung",
    "cut while it was slow",
    "deferred",
    "drift",
    "failed",
    "held",
    "killed",
    "partial",
    "planned again",
    "rejections",
    "rules that need a person",
    "several at once",
    "unavailable for minutes",
    "unavailable for seconds",
    "unenforced",
    "unknown approval",
    "unwired leftovers",
];

/// Counts of faults, stale reads and branches.
#[derive(Default)]
pub(crate) struct Tally {
    /// By fault, operation and whether it came after the effect.
    faults: BTreeMap<(String, String, bool), usize>,
    /// By operation: reads that showed an older state.
    stale: BTreeMap<String, usize>,
    branches: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn took(&mut self, branch: &'static str) {
        *self.branches.entry(branch).or_default() += 1;
    }

    /// Counts a run that ended.
    pub(crate) fn ended(&mut self, run: &Document, process: &Process) {
        let rule =
            run.guard.reasons.iter().any(|reason| reason.starts_with("rule group ") || reason.contains("by hand"));
        let other = run.guard.reasons.iter().any(|reason| reason.contains("no longer the one that was approved"));
        for (branch, taken) in [
            ("approved", run.guard.verdict == Verdict::Approved),
            ("deferred", !run.deferred.is_empty()),
            ("drift", !run.drift.is_empty()),
            ("rejections", !run.table.rejections.is_empty()),
            ("rules that need a person", rule),
            ("approval of another plan", other && process.settings.guards.approve.as_deref() != Some(NO_DIGEST)),
            ("unknown approval", other && process.settings.guards.approve.as_deref() == Some(NO_DIGEST)),
        ] {
            if taken {
                self.took(branch);
            }
        }
        let outcome = run.outcome.to_string();
        if let Some(branch) = BRANCHES.into_iter().find(|branch| *branch == outcome) {
            self.took(branch);
        }
    }

    /// Counts what the runs of a world did.
    pub(crate) fn did(&mut self, lived: &[Lived]) {
        for run in lived {
            for (branch, taken) in [
                ("planned again", run.rounds > 1),
                ("unwired leftovers", run.stripped),
                ("adoption", run.adopted),
                ("aggregation", run.merged),
            ] {
                if taken {
                    self.took(branch);
                }
            }
        }
    }

    /// Counts runs that began together, if their calls interleaved and one of them wrote.
    pub(crate) fn together(&mut self, calls: &[Attempt]) {
        let callers: BTreeSet<&String> = calls.iter().map(|call| &call.caller).collect();
        let span = |caller: &String| {
            let first = calls.iter().position(|call| call.caller == *caller);
            first.zip(calls.iter().rposition(|call| call.caller == *caller))
        };
        let spans: Vec<(usize, usize)> = callers.into_iter().filter_map(span).collect();
        let overlap = |a: &(usize, usize), b: &(usize, usize)| a.0 < b.1 && b.0 < a.1;
        let overlapped = spans.iter().enumerate().any(|(at, a)| spans.iter().skip(at + 1).any(|b| overlap(a, b)));
        if overlapped && calls.iter().any(|call| call.effect) {
            self.took("several at once");
        }
    }

    /// Counts a single run whose last call was in flight at the deadline.
    pub(crate) fn cut(&mut self, calls: &[Attempt], began: Duration, deadline: Duration, ended: Duration) {
        let at_the_end = ended + CUT >= began + deadline;
        let hung = calls.last().and_then(|call| call.fault.as_ref()).map(|(_, kind)| kind);
        match hung {
            Some(FaultKind::Slow(delay)) if at_the_end && calls.last().is_some_and(|call| call.at + *delay > ended) => {
                self.took("cut while it was slow");
            }
            Some(FaultKind::Never) if at_the_end => self.took("cut while it hung"),
            _ => {}
        }
    }

    /// Counts the faults in the calls of a world.
    pub(crate) fn struck(&mut self, world: &World, propagation: Duration) {
        for attempt in world.aws.log() {
            if attempt.stale {
                *self.stale.entry(attempt.operation.clone()).or_default() += 1;
            }
            let unavailable =
                matches!(&attempt.outcome, Outcome::Error { code, .. } if code == "WAFUnavailableEntityException");
            let Some((when, kind)) = attempt.fault else {
                if unavailable {
                    let minutes = propagation >= MINUTE;
                    self.took(if minutes { "unavailable for minutes" } else { "unavailable for seconds" });
                }
                continue;
            };
            let after = when == When::After;
            let writes = attempt.operation.starts_with("Create") || attempt.operation.starts_with("Update");
            // A fault after the effect counts only if there was an effect.
            if after && writes && !attempt.effect {
                continue;
            }
            let name = kinds().into_iter().find(|(_, known)| same(known, &kind)).map_or("?", |(name, _)| name);
            *self.faults.entry((name.to_owned(), attempt.operation, after)).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (cell, count) in other.faults {
            *self.faults.entry(cell).or_default() += count;
        }
        for (operation, count) in other.stale {
            *self.stale.entry(operation).or_default() += count;
        }
        for (branch, count) in other.branches {
            *self.branches.entry(branch).or_default() += count;
        }
    }

    fn count(&self, kind: &str, operation: &str, after: bool) -> usize {
        self.faults.get(&(kind.to_owned(), operation.to_owned(), after)).copied().unwrap_or_default()
    }

    /// Both tables as text: faults before / after the effect by operation, and branches.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:20}", "");
        for operation in OPERATIONS {
            let _ = write!(text, "{operation:>16}");
        }
        text.push('\n');
        for (kind, known) in kinds() {
            let _ = write!(text, "{kind:20}");
            for operation in OPERATIONS {
                let counts = format!("{}/{}", self.count(kind, operation, false), self.count(kind, operation, true));
                // Errors that AWS does not return for this operation may occur in the worlds but need not.
                let cell = if is_possible(&known, operation) { counts } else { format!("({counts})") };
                let _ = write!(text, "{cell:>16}");
            }
            text.push('\n');
        }
        let _ = write!(text, "{:20}", "stale");
        for operation in OPERATIONS {
            let _ = write!(text, "{:>16}", self.stale.get(operation).copied().unwrap_or_default());
        }
        text.push('\n');
        for (branch, count) in &self.branches {
            let _ = writeln!(text, "{branch:26}{count:>8}");
        }
        text
    }

    /// The numbers of the cells that were never reached.
    pub(crate) fn empty_cells(&self) -> Vec<usize> {
        let reached = |(kind, operation, when): &(FaultKind, &str, When)| {
            let name = kinds().into_iter().find(|(_, known)| same(known, kind)).map_or("?", |(name, _)| name);
            self.count(name, operation, *when == When::After) > 0
        };
        cells().iter().enumerate().filter(|(_, cell)| !reached(cell)).map(|(number, _)| number).collect()
    }

    /// Cells and branches that were never reached.
    pub(crate) fn empty(&self) -> Vec<String> {
        let cells = cells();
        let mut empty: Vec<String> = self.empty_cells().into_iter().map(|cell| format!("{:?}", cells[cell])).collect();
        empty
            .extend(LAGGING.iter().filter(|read| !self.stale.contains_key(**read)).map(|read| format!("stale {read}")));
        empty.extend(BRANCHES.iter().filter(|branch| !self.branches.contains_key(*branch)).map(|b| (*b).to_owned()));
        empty
    }
}

/// A digest that no run prints.
pub(crate) const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn same(a: &FaultKind, b: &FaultKind) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Every cell of the table of faults that has to be filled.
pub(crate) fn cells() -> Vec<(FaultKind, &'static str, When)> {
    let mut cells = Vec::new();
    for (_, kind) in kinds() {
        for when in [When::Before, When::After] {
            let operations = OPERATIONS.into_iter().filter(|operation| is_possible(&kind, operation));
            cells.extend(operations.map(|operation| (kind.clone(), operation, when)));
        }
    }
    cells
}
