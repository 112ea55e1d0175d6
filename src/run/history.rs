//! What a run has decided and done so far.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::current::Current;
use crate::planning::change::Change;
use crate::planning::guard::Approval;
use crate::run::applied::Origin;
use crate::run::decision::Decision;
use crate::run::end::{End, Trouble};
use crate::run::record::Round;

/// What a run has decided and done so far.
#[derive(Default)]
pub(super) struct History {
    /// The plans that were carried out, oldest first.
    pub(super) rounds: Vec<Round>,
    /// The last plan, unless it was carried out.
    pub(super) pending: Option<Decision>,
    /// What `--approve` has approved for this run; its digest is spent.
    pub(super) approval: Option<Approval>,
}

impl History {
    /// Records a plan that was carried out.
    pub(super) fn carried_out(&mut self, round: Round) {
        let settled: Vec<Origin> = round.applied.done.iter().map(Origin::of).collect();
        self.forget(&settled);
        self.rounds.push(round);
    }

    /// Counts writes whose answers were lost as done where a newer read shows their effect.
    pub(super) fn acknowledge(&mut self, current: &Current, installation: &str) {
        for at in 0..self.rounds.len() {
            let found = self.rounds.get_mut(at).map(|round| round.applied.acknowledge(current, installation));
            self.forget(&found.unwrap_or_default());
        }
    }

    /// Forgets the unsure writes of these origins: another write took effect in their place.
    fn forget(&mut self, origins: &[Origin]) {
        for round in &mut self.rounds {
            for origin in origins {
                round.applied.forget(origin);
            }
        }
    }

    /// Whether AWS has confirmed a write.
    pub(super) fn has_written(&self) -> bool {
        self.rounds.iter().any(|round| !round.applied.done.is_empty())
    }

    /// Whether a write may have taken effect that the newest read does not show.
    pub(super) fn may_have_written(&self) -> bool {
        self.has_written() || self.rounds.iter().any(|round| !round.applied.unsure.is_empty())
    }

    /// Records a plan without changes, unless it says the same as the last one that was carried out.
    pub(super) fn keep(&mut self, decision: Decision) {
        let says_the_same = |last: &Decision| {
            last.judgment.held == decision.judgment.held
                && last.judgment.waiting == decision.judgment.waiting
                && last.plan.deferred == decision.plan.deferred
                && last.plan.unplaced == decision.plan.unplaced
                && last.plan.keeps_foreign == decision.plan.keeps_foreign
        };
        let said = self.rounds.last().is_some_and(|round| says_the_same(&round.decision));
        self.pending = (!said).then_some(decision);
    }

    /// The number of CIDRs in force when the run began, without drift; `None` before the first plan was carried out.
    pub(super) fn in_force_at_start(&self) -> Option<PerFamily<usize>> {
        self.rounds.first().map(|round| round.decision.diff.in_force_by_table)
    }

    /// CIDRs removed by this run that the guards count, including those whose answer was lost.
    pub(super) fn removed(&self, current: &Current) -> BTreeSet<Cidr> {
        let mut removed = BTreeSet::new();
        for Round { decision, .. } in &self.rounds {
            let removing: BTreeSet<Cidr> = decision.removals().collect();
            removed.extend(decision.diff.withdrawn().filter(|cidr| removing.contains(cidr)));
        }
        removed.retain(|cidr| !current.holds_in_force(*cidr));
        removed
    }

    /// Additions of this run that `--max-additions` counts, including those whose answer was lost.
    pub(super) fn added(&self) -> BTreeSet<Cidr> {
        let mut added = BTreeSet::new();
        for Round { decision, applied, .. } in &self.rounds {
            let written = decision.plan.changes.iter().filter(|change| applied.may_have_written(change));
            let adding = written.flat_map(|change| &change.add);
            let counted = |cidr: &Cidr| decision.judgment.additions.binary_search(cidr).is_ok();
            added.extend(adding.filter(counted));
        }
        added
    }

    /// Why the last plan was not carried out in full. If it was stopped, that may be the same as with the one before, unless all
    /// that was missing then has been written since.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        let is_stopped = |round: &Round| round.troubles.iter().any(|trouble| matches!(trouble, Trouble::Stopped(_)));
        let stopped = self.rounds.iter().rev().take_while(|round| is_stopped(round)).count();
        let (before, last) = self.rounds.split_at(self.rounds.len() - stopped);
        let is_written = |change: &Change| last.iter().any(|round| round.applied.wrote(change));
        let is_made_up = |round: &Round| {
            let mut missing =
                round.decision.plan.changes.iter().filter(|change| !round.applied.wrote(change)).peekable();
            missing.peek().is_some() && missing.all(is_written)
        };
        let before = before.last().filter(|round| !is_made_up(round));
        last.iter().rev().chain(before).flat_map(|round| &round.troubles)
    }

    /// How a run ends that `end` cuts short: a failure before that comes first.
    pub(super) fn cut_short(&self, end: End) -> End {
        self.troubles().map(End::from).find(|end| matches!(end, End::Failed(_))).unwrap_or(end)
    }
}
