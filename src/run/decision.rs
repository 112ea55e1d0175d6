//! A decision: a plan, what it was made from, and what guards said of it.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, Family};
use crate::planning::diff::{self, Diff};
use crate::planning::guard::Judgement;
use crate::planning::plan::{Change, Plan, Stage};

/// A plan, what it was made from, and what guards said of it.
#[derive(Clone, Debug)]
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

    /// The part of the plan that needs no proof, and the rest.
    ///
    /// No proof is needed for creations, updates that add, and the rule groups that wire no more than those. An update
    /// that removes waits with the additions that share it, and so does a rule group that lets go of something or refers to
    /// a set that waits: one write of each is enough.
    #[must_use]
    pub fn split(self) -> (Self, Self) {
        let (unproven, drift) = (self.diff.unproven(), self.diff.drift().collect::<BTreeSet<Cidr>>());
        let needs_proof = |cidr: &Cidr| unproven.binary_search(cidr).is_ok() || drift.contains(cidr);
        let waits = |change: &Change| {
            let removes = !change.remove.is_empty() && change.stage != Stage::Strip;
            removes || change.stage == Stage::Unwire || change.remove.iter().any(needs_proof)
        };
        let waiting = self.plan.changes.iter().filter(|change| waits(change));
        let waiting: BTreeSet<String> = waiting.map(|change| change.write.target().to_owned()).collect();
        let goes = |change: &Change| !waits(change) && !change.refer.iter().any(|set| waiting.contains(set));
        let Plan { changes, deferred, unplaced, minimum } = self.plan;
        let (first, rest): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(goes);
        let part = |changes: Vec<Change>, minimum, diff, judgement| {
            let (deferred, unplaced) = (deferred.clone(), unplaced.clone());
            Self { plan: Plan { changes, deferred, unplaced, minimum }, diff, judgement }
        };
        let of_first = minimum.min(first.len());
        let first = part(first, of_first, self.diff.clone(), self.judgement.clone());
        (first, part(rest, minimum - of_first, self.diff, self.judgement))
    }

    /// Every CIDR that the plan removes from somewhere.
    pub fn removals(&self) -> impl Iterator<Item = Cidr> {
        self.plan.changes.iter().flat_map(|change| change.remove.iter().copied())
    }
}
