//! A decision: a plan, the difference it closes, and the guards' judgment of it.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, Family};
use crate::planning::change::{Change, Stage};
use crate::planning::diff::{self, Diff};
use crate::planning::guard::{ApprovedPlan, Judgment, Verdict};
use crate::planning::plan::Plan;
use crate::run::end::{End, Failure};

/// A plan, the difference it closes, and the guards' judgment of it. Only a `Decision<ApprovedPlan>` can be carried
/// out.
#[derive(Clone, Debug)]
pub struct Decision<P = Plan> {
    /// The plan.
    pub plan: P,
    /// What WAF holds and nothing asks for.
    pub diff: Diff,
    /// The guards' judgment.
    pub judgment: Judgment,
}

/// The proof that a run needs before it removes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// A second scan, at once: it was added by hand, but the table may ask for it by now.
    Immediate,
    /// A second scan after the settling time: it came from the table.
    Settled,
}

impl Decision {
    /// The decision with its plan approved, or the decision as it was if a guard stops it.
    pub(super) fn approve(self) -> Result<Decision<ApprovedPlan>, Box<Self>> {
        let Self { plan, diff, judgment } = self;
        match ApprovedPlan::new(plan, &judgment) {
            Ok(plan) => Ok(Decision { plan, diff, judgment }),
            Err(plan) => Err(Box::new(Self { plan, diff, judgment })),
        }
    }

    /// How a run ends whose plan was not approved.
    pub(super) fn refusal(&self) -> End {
        match self.judgment.verdict {
            Verdict::Blocked => End::Blocked,
            // Plans are made without what a guard holds.
            Verdict::Pass | Verdict::Held | Verdict::Approved => {
                End::failed(Failure::Internal("a plan contains what a guard holds"))
            }
        }
    }

    /// The proof that this plan needs before it takes anything from force; `None` if it takes nothing. What a foreign IP set
    /// holds is unknown: the table may ask for it.
    #[must_use]
    pub fn care(&self) -> Option<Care> {
        let removes = |cidrs: &[Cidr]| {
            let removed = |change: &Change| change.remove.iter().any(|cidr| cidrs.binary_search(&cidr).is_ok());
            self.plan.changes.iter().any(removed)
        };
        if removes(&self.diff.unproven()) || self.plan.changes.iter().any(Change::drops_foreign) {
            Some(Care::Settled)
        } else if Family::ALL.iter().any(|family| removes(&self.diff.distinct(*family, diff::Class::Drift))) {
            Some(Care::Immediate)
        } else {
            None
        }
    }

    /// Every CIDR that the plan removes from an IP set.
    pub fn removals(&self) -> impl Iterator<Item = Cidr> {
        self.plan.changes.iter().flat_map(|change| &change.remove)
    }
}

impl Decision<ApprovedPlan> {
    /// Splits the plan into the part that needs no proof and the rest.
    ///
    /// Creations, updates that only add, and rule groups that wire no more than those need no proof. An update that
    /// removes waits, together with the additions in the same call. So does a rule group that drops a reference or
    /// refers to a set that waits: each is written once. A rule that a hand has edited may let in what is added later.
    pub(super) fn split(self) -> (Self, Self) {
        let (unproven, drift) = (self.diff.unproven(), self.diff.drift().collect::<BTreeSet<Cidr>>());
        let needs_proof = |cidr: &Cidr| unproven.binary_search(cidr).is_ok() || drift.contains(cidr);
        let waits = |change: &Change| {
            let removes = !change.remove.is_empty() && change.stage != Stage::Strip;
            removes || !change.unrefer.is_empty() || change.remove.iter().any(|cidr| needs_proof(&cidr))
        };
        let waiting: Vec<&Change> = self.plan.plan().changes.iter().filter(|change| waits(change)).collect();
        let adds_later = waiting.iter().any(|change| !change.add.is_empty());
        let waiting: BTreeSet<String> = waiting.iter().map(|change| change.write.target().to_owned()).collect();
        let goes = |change: &Change| {
            let needs_waiting = change.refer.iter().any(|set| waiting.contains(set));
            !(waits(change) || needs_waiting || adds_later && change.replaces_edited())
        };
        let (first, rest) = self.plan.partition(goes);
        let first = Self { plan: first, diff: self.diff.clone(), judgment: self.judgment.clone() };
        (first, Self { plan: rest, diff: self.diff, judgment: self.judgment })
    }

    /// The decision without its approval, for the record.
    pub(super) fn into_record(self) -> Decision {
        Decision { plan: self.plan.into_plan(), diff: self.diff, judgment: self.judgment }
    }
}

#[cfg(test)]
mod tests;
