//! What a run has done so far: the plans that it carried out, what became of them, and what a person approved.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::current::Current;
use crate::planning::guard::Approval;
use crate::planning::plan::Write;
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
    pub(super) fn carried_out(&mut self, mut round: Round) {
        for earlier in &mut self.rounds {
            round.applied.settle_with(&mut earlier.applied);
        }
        self.rounds.push(round);
    }

    /// Counts as written what a fresh read shows although its answer was lost.
    pub(super) fn acknowledge(&mut self, current: &Current) {
        for round in &mut self.rounds {
            round.applied.acknowledge(current);
        }
    }

    /// Whether AWS has confirmed a write.
    pub(super) fn has_written(&self) -> bool {
        self.rounds.iter().any(|round| round.applied.done() > 0)
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

    /// Notes in a fresh read which IP sets this run has created. One that it has sent a reference to may be in force
    /// whatever the read shows.
    pub(super) fn mark_created(&self, current: &mut Current) {
        let mut created = BTreeSet::new();
        let mut referred = BTreeSet::new();
        for Round { decision, applied, .. } in &self.rounds {
            for change in &decision.plan.changes {
                if matches!(change.write, Write::CreateIpSet(_)) && applied.wrote(change.write.target()) {
                    created.insert(change.write.target());
                }
                if applied.wrote(change.write.target()) || applied.unsure.contains_key(change.write.target()) {
                    referred.extend(change.refer.iter().map(String::as_str));
                }
            }
        }
        for shard in &mut current.shards {
            shard.created = created.contains(shard.name.as_str()) && !referred.contains(shard.name.as_str());
        }
    }

    /// How the run ends if no further round can follow: what failed in the last one counts for more.
    pub(super) fn cut_short(&self, end: End) -> End {
        let troubles = self.rounds.last().into_iter().flat_map(|round| &round.troubles);
        troubles.map(End::from).find(|end| matches!(end, End::Failed(_))).unwrap_or(end)
    }
}
