//! What a run has done so far: the plans that it carried out, what became of them, and what a person approved.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::current::Current;
use crate::planning::guard::Approval;
use crate::run::applied::Origin;
use crate::run::decision::Decision;
use crate::run::end::End;
use crate::run::record::Round;

/// What was done so far.
#[derive(Default)]
pub(super) struct History {
    /// The plans that were carried out.
    pub(super) rounds: Vec<Round>,
    /// The last plan, until it is carried out.
    pub(super) pending: Option<Decision>,
    /// What a person approved of this run.
    pub(super) approval: Option<Approval>,
}

impl History {
    /// Takes down what became of a plan.
    pub(super) fn carried_out(&mut self, round: Round) {
        let settled: Vec<Origin> = round.applied.done.iter().map(Origin::of).collect();
        self.forget(&settled);
        self.rounds.push(round);
    }

    /// Counts as done what a fresh read shows although its answer was lost.
    pub(super) fn acknowledge(&mut self, current: &Current, installation: &str) {
        for at in 0..self.rounds.len() {
            let found = self.rounds.get_mut(at).map(|round| round.applied.acknowledge(current, installation));
            self.forget(&found.unwrap_or_default());
        }
    }

    /// Forgets the unsure writes of these origins: another one had its effect in their place.
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

    /// Whether something may be in WAF that was not there when it was read.
    pub(super) fn may_have_written(&self) -> bool {
        self.has_written() || self.rounds.iter().any(|round| !round.applied.unsure.is_empty())
    }

    /// Keeps a plan that finds nothing to write, unless the last one that was carried out says as much.
    pub(super) fn keep(&mut self, decision: Decision) {
        let says_the_same = |last: &Decision| {
            last.judgement.held == decision.judgement.held
                && last.plan.deferred == decision.plan.deferred
                && last.plan.unplaced == decision.plan.unplaced
        };
        let said = self.rounds.last().is_some_and(|round| says_the_same(&round.decision));
        self.pending = (!said).then_some(decision);
    }

    /// CIDRs in force when the run began, without drift; `None` before its first plan was carried out.
    pub(super) fn in_force_at_start(&self) -> Option<PerFamily<usize>> {
        self.rounds.first().map(|round| round.decision.diff.in_force_by_table)
    }

    /// Counted CIDRs that this run has removed: what WAF no longer holds is gone, also if the answer was lost.
    pub(super) fn removed(&self, current: &Current) -> BTreeSet<Cidr> {
        let mut removed = BTreeSet::new();
        for Round { decision, .. } in &self.rounds {
            let removing: BTreeSet<Cidr> = decision.removals().collect();
            removed.extend(decision.diff.withdrawn().filter(|cidr| removing.contains(cidr)));
        }
        removed.retain(|cidr| !current.holds_in_force(*cidr));
        removed
    }

    /// Additions that `--max-additions` counts and that this run has set out to make.
    pub(super) fn added(&self) -> BTreeSet<Cidr> {
        let mut added = BTreeSet::new();
        for Round { decision, .. } in &self.rounds {
            let adding = decision.plan.changes.iter().flat_map(|change| &change.add);
            let counted = |cidr: &&Cidr| decision.judgement.additions.binary_search(cidr).is_ok();
            added.extend(adding.filter(counted));
        }
        added
    }

    /// How the run ends if no further round can follow: what failed in the last one counts for more.
    pub(super) fn cut_short(&self, end: End) -> End {
        let troubles = self.rounds.last().into_iter().flat_map(|round| &round.troubles);
        troubles.map(End::from).find(|end| matches!(end, End::Failed(_))).unwrap_or(end)
    }
}
