//! The record of a run: the plain values from which report and metrics are made, without an AWS type.

use std::collections::BTreeSet;

use crate::model::cidr::Cidr;
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::naming::Target;
use crate::planning::change::Change;
use crate::planning::plan::Plan;
use crate::run::applied::{Applied, Origin};
use crate::run::decision::Decision;
use crate::run::end::{End, Trouble};

/// The record of a run.
#[derive(Debug)]
pub struct Run {
    /// The target of the run.
    pub target: Target,
    /// Whether it was a `plan` or an `apply`.
    pub command: Command,
    /// What was read; `None` if the table or WAF could not be read.
    pub seen: Option<Seen>,
    /// The plans that were carried out, in order.
    pub rounds: Vec<Round>,
    /// The last plan, unless it was carried out.
    pub pending: Option<Decision>,
    /// The digest for `--approve`: of the last plan, or of what a guard still holds after the rest was carried out.
    pub digest: Option<String>,
    /// How it ended.
    pub end: End,
}

/// The command of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Only plan.
    Plan,
    /// Plan and write.
    Apply,
}

/// What a run read from the table and WAF.
#[derive(Debug)]
pub struct Seen {
    /// The complete scans.
    pub scans: Scans,
    /// Read capacity units of all scans.
    pub consumed_capacity: f64,
    /// What WAF holds: the newest read, updated with confirmed writes.
    pub current: Current,
}

/// The complete scans of a run: one or more.
#[derive(Debug)]
pub struct Scans {
    /// What the newest scan wants.
    pub newest: Desired,
    /// What earlier scans want, in order, without the items that ask for it.
    pub earlier: Vec<Desired>,
}

/// A plan that was carried out, and the result.
#[derive(Debug)]
pub struct Round {
    /// The plan, the difference that it closes, and the guards' judgment.
    pub decision: Decision,
    /// What was written.
    pub applied: Applied,
    /// Why the rest was not written.
    pub troubles: Vec<Trouble>,
}

/// How much of a plan was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// All of it.
    Written,
    /// Not all of it, because what was read is out of date.
    Outdated,
    /// Not all of it, and reading again would not help.
    Troubled,
}

impl Run {
    /// The record of a run that could not read both the table and WAF.
    pub(super) const fn unseen(target: Target, command: Command, end: End) -> Self {
        Self { target, command, seen: None, rounds: Vec::new(), pending: None, digest: None, end }
    }

    /// What the newest complete scan wants.
    #[must_use]
    pub fn newest(&self) -> Option<&Desired> {
        self.seen.as_ref().map(|seen| &seen.scans.newest)
    }

    /// What WAF holds: the newest read, updated with confirmed writes.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.seen.as_ref().map(|seen| &seen.current)
    }

    /// The last plan and the guards' judgment of it.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        self.pending.as_ref().or_else(|| self.rounds.last().map(|round| &round.decision))
    }

    /// All plans, in order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        let pending = self.pending.iter().map(|decision| &decision.plan);
        self.rounds.iter().map(|round| &round.decision.plan).chain(pending)
    }

    /// Every change that was written.
    pub fn written(&self) -> impl Iterator<Item = &Change> {
        self.rounds.iter().flat_map(Round::written)
    }

    /// The changes that were written before the last plan was made.
    pub fn written_before(&self) -> impl Iterator<Item = &Change> {
        let carried_out = usize::from(self.pending.is_none());
        self.rounds.iter().take(self.rounds.len().saturating_sub(carried_out)).flat_map(Round::written)
    }

    /// The number of writes that took effect.
    #[must_use]
    pub fn writes_done(&self) -> usize {
        self.rounds.iter().map(|round| round.applied.done.len()).sum()
    }

    /// The number of writes whose effect is unknown.
    #[must_use]
    pub fn writes_unsure(&self) -> usize {
        let unsure = self.rounds.iter().flat_map(|round| &round.applied.unsure);
        unsure.map(Origin::of).collect::<BTreeSet<_>>().len()
    }

    /// The number of distinct CIDRs that were removed as drift.
    #[must_use]
    pub fn drift_removed(&self) -> usize {
        let removed: BTreeSet<Cidr> = self.written().flat_map(|change| &change.remove).collect();
        let drift: BTreeSet<Cidr> = self.rounds.iter().flat_map(Round::drift).collect();
        drift.iter().filter(|cidr| removed.contains(cidr)).count()
    }
}

impl Scans {
    /// All scans, the newest last.
    pub fn all(&self) -> impl Iterator<Item = &Desired> {
        self.earlier.iter().chain([&self.newest])
    }
}

impl Round {
    /// The changes that were written.
    pub fn written(&self) -> impl Iterator<Item = &Change> {
        self.decision.plan.changes.iter().filter(|change| self.applied.wrote(change))
    }

    /// How much of the plan was written.
    pub(super) fn completion(&self) -> Completion {
        if self.troubles.iter().any(|trouble| matches!(trouble, Trouble::Outdated(_))) {
            Completion::Outdated
        } else if self.troubles.is_empty() {
            Completion::Written
        } else {
            Completion::Troubled
        }
    }

    /// Drift that the plan removes, whether or not it was written.
    fn drift(&self) -> impl Iterator<Item = Cidr> {
        let removing: BTreeSet<Cidr> = self.decision.removals().collect();
        self.decision.diff.drift().filter(move |cidr| removing.contains(cidr))
    }
}
