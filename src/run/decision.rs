//! A decision: a plan, what it was made from, and what guards said of it.

use crate::model::cidr::{Cidr, Family};
use crate::planning::diff::{self, Diff};
use crate::planning::guard::Judgement;
use crate::planning::plan::{Change, Plan};

/// A plan, what it was made from, and what guards said of it.
#[derive(Debug)]
pub struct Decision {
    /// The plan.
    pub plan: Plan,
    /// What is unwanted.
    pub diff: Diff,
    /// What guards said.
    pub judgement: Judgement,
}

/// How sure a run has to be before it removes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// A second scan, at once: somebody put it there by hand, but the table may ask for it by now.
    Immediate,
    /// A second scan when things have settled: the table gave it.
    Settled,
}

impl Decision {
    /// What it takes before this plan may remove what it removes from force; `None` if it removes nothing.
    #[must_use]
    pub fn care(&self) -> Option<Care> {
        let removes = |cidrs: &[Cidr]| {
            let removed = |change: &Change| change.remove.iter().any(|cidr| cidrs.binary_search(cidr).is_ok());
            self.plan.changes.iter().any(removed)
        };
        if removes(&self.diff.unproven()) {
            Some(Care::Settled)
        } else if Family::ALL.iter().any(|family| removes(&self.diff.distinct(*family, diff::Class::Drift))) {
            Some(Care::Immediate)
        } else {
            None
        }
    }

    /// Every CIDR that the plan removes from somewhere.
    pub fn removals(&self) -> impl Iterator<Item = Cidr> {
        self.plan.changes.iter().flat_map(|change| change.remove.iter().copied())
    }
}
