//! The record of a run: plain values that report and metrics are made from, without an AWS type in them.

use std::collections::BTreeSet;

use crate::model::cidr::Cidr;
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::naming::Target;
use crate::planning::plan::{Change, Plan};
use crate::run::applied::{Applied, Origin};
use crate::run::decision::Decision;
use crate::run::end::{End, Trouble};

/// Everything about one run that somebody may want to know.
#[derive(Debug)]
pub struct Run {
    /// The rules that it works on, and the table that feeds them.
    pub target: Target,
    /// Whether it was to write.
    pub command: Command,
    /// What table and WAF showed; `None` if they could not both be read.
    pub seen: Option<Seen>,
    /// The plans that it carried out, in their order.
    pub rounds: Vec<Round>,
    /// The last plan, if it was made and not carried out.
    pub pending: Option<Decision>,
    /// What `--approve` takes: for the last plan, or for what a guard holds of it after the rest was carried out.
    pub digest: Option<String>,
    /// How it ended.
    pub end: End,
}

/// What a run was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Look only.
    Plan,
    /// Write.
    Apply,
}

/// What table and WAF showed.
#[derive(Debug)]
pub struct Seen {
    /// The complete scans.
    pub scans: Scans,
    /// Read capacity units of all scans.
    pub consumed_capacity: f64,
    /// What WAF held when it was read last, and what was written since.
    pub current: Current,
}

/// The complete scans of a run: one or more.
#[derive(Debug)]
pub struct Scans {
    /// What the newest one wants.
    pub newest: Desired,
    /// What those before it want, in their order.
    pub earlier: Vec<Desired>,
}

/// A plan that was carried out, and what became of it.
#[derive(Debug)]
pub struct Round {
    /// The plan, what it was made from, and what guards said of it.
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

    /// What WAF held when it was read last, and what was written since.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.seen.as_ref().map(|seen| &seen.current)
    }

    /// The last plan and what guards said of it.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        self.pending.as_ref().or_else(|| self.rounds.last().map(|round| &round.decision))
    }

    /// Every plan that was made to be carried out, in their order.
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

    /// Writes that AWS confirmed.
    #[must_use]
    pub fn writes_done(&self) -> usize {
        self.rounds.iter().map(|round| round.applied.done.len()).sum()
    }

    /// Writes of which it is not known what became of them.
    #[must_use]
    pub fn writes_unsure(&self) -> usize {
        let unsure = self.rounds.iter().flat_map(|round| &round.applied.unsure);
        unsure.map(Origin::of).collect::<BTreeSet<_>>().len()
    }

    /// Distinct CIDRs that some round took for drift and that were taken out.
    #[must_use]
    pub fn drift_removed(&self) -> usize {
        let removed: BTreeSet<&Cidr> = self.written().flat_map(|change| &change.remove).collect();
        let drift: BTreeSet<Cidr> = self.rounds.iter().flat_map(Round::drift).collect();
        drift.iter().filter(|cidr| removed.contains(cidr)).count()
    }
}

impl Scans {
    /// All of them, the newest last.
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

    /// Drift that it set out to remove, whatever became of it.
    fn drift(&self) -> impl Iterator<Item = Cidr> {
        let removing: BTreeSet<Cidr> = self.decision.removals().collect();
        self.decision.diff.drift().filter(move |cidr| removing.contains(cidr))
    }
}
