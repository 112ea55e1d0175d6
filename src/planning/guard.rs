//! Guards: decide what a plan may not do without approval, and why.
//!
//! Removals are held by several limits, additions by `--max-additions` alone. Nothing here looks at the clock, at AWS or
//! at the plan's order.

mod approval;
mod evidence;
mod reason;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

pub use self::approval::Approval;
pub use self::evidence::{ALWAYS_ALLOWED_REMOVALS, Evidence};
pub use self::reason::Reason;
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::settings::OnRejection;
use crate::planning::change::{Change, Stage};
use crate::planning::diff::Class;
use crate::planning::plan::Plan;
use crate::planning::rule_changes::RuleChange;

/// The verdict of the guards on a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No guard objected.
    Pass,
    /// Some removals or additions need approval; the rest may be carried out.
    Held,
    /// Nothing may be written without approval.
    Blocked,
    /// A guard objected, but the digest was approved.
    Approved,
}

impl Verdict {
    /// Its stable name in documents, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Approved => "approved",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A plan that no guard stops. Only [`ApprovedPlan::new`] makes one, and only such a plan can be carried out.
#[derive(Debug)]
pub struct ApprovedPlan(Plan);

impl ApprovedPlan {
    /// Approves the plan, or gives it back: if the judgment blocks it, or if it removes or adds what the judgment holds.
    ///
    /// # Errors
    ///
    /// The plan, not approved.
    pub fn new(plan: Plan, judgment: &Judgment) -> Result<Self, Plan> {
        let held = |cidr: &Cidr| judgment.held.binary_search(cidr).is_ok();
        let waits = |cidr: &Cidr| judgment.waiting.binary_search(cidr).is_ok();
        let removes_held = plan.changes.iter().flat_map(|change| &change.remove).any(|cidr| held(&cidr));
        let adds_waiting = plan.changes.iter().flat_map(|change| &change.add).any(|cidr| waits(&cidr));
        if judgment.verdict == Verdict::Blocked || removes_held || adds_waiting {
            return Err(plan);
        }
        Ok(Self(plan))
    }

    /// The changes of one stage, in order.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Vec<&Change> {
        self.0.changes.iter().filter(|change| change.stage == stage).collect()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.changes.is_empty()
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.0
    }

    /// The plan without its approval.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.0
    }

    /// Splits the changes into those for which `first` holds and the rest. Both parts are approved.
    #[must_use]
    pub fn partition(self, first: impl FnMut(&Change) -> bool) -> (Self, Self) {
        let Self(mut plan) = self;
        let (first, rest): (Vec<Change>, Vec<Change>) = std::mem::take(&mut plan.changes).into_iter().partition(first);
        let of_first = plan.minimum.min(first.len());
        let rest = Plan { changes: rest, minimum: plan.minimum - of_first, ..plan.clone() };
        (Self(Plan { changes: first, minimum: of_first, ..plan }), Self(rest))
    }
}

/// The judgment of the guards on a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgment {
    /// The verdict.
    pub verdict: Verdict,
    /// The objections, including those overruled by the approval; empty for a pass.
    pub reasons: Vec<Reason>,
    /// CIDRs that may not be removed now, sorted and distinct.
    pub held: Vec<Cidr>,
    /// CIDRs that may not be added now, sorted and distinct.
    pub waiting: Vec<Cidr>,
    /// CIDRs that `--max-additions` counts, sorted and distinct; empty without that setting.
    pub additions: Vec<Cidr>,
    /// Shards (indices into `Current::shards`) to which nothing may be added now, so that they keep their mark.
    pub closed: Vec<usize>,
    /// The digest for `--approve`.
    pub digest: String,
    /// What was approved, for the next round of this run.
    pub approval: Option<Approval>,
}

/// The state of a judgment in progress.
struct Scales<'a> {
    evidence: &'a Evidence<'a>,
    /// What was approved.
    approval: Option<Approval>,
    /// The additions of each family that wait.
    growth: PerFamily<Growth>,
    /// Reasons that hold or block.
    reasons: Vec<Reason>,
    /// Reasons that are overruled by the approval.
    passed: Vec<Reason>,
    held: BTreeSet<Cidr>,
}

/// The additions of a family above `--max-additions`.
#[derive(Debug, Default)]
struct Growth {
    /// Those that wait, sorted.
    waiting: Vec<Cidr>,
    /// Why they wait or, if none does, what was approved.
    reason: Option<Reason>,
}

/// Judges a plan. `approval` is what was approved earlier in this run.
#[must_use]
pub fn judge(evidence: &Evidence<'_>, approval: Option<&Approval>) -> Judgment {
    let additions = evidence.additions();
    let stoppable = Approval::of(evidence, &additions);
    let digest = stoppable.digest(evidence.target);
    let is_named = evidence.settings.approve.as_ref() == Some(&digest);
    let approval = approval.cloned().or_else(|| is_named.then(|| stoppable.clone()));
    let mut scales = Scales {
        evidence,
        approval,
        reasons: Vec::new(),
        passed: Vec::new(),
        held: BTreeSet::new(),
        growth: PerFamily::default(),
    };
    scales.growth = PerFamily::from_fn(|family| scales.weigh_additions(family, additions.get(family)));
    let waiting: Vec<Cidr> = Family::ALL.iter().flat_map(|family| scales.growth.get(*family).waiting.clone()).collect();
    let is_blocked = scales.weigh_blocking();
    scales.weigh_removals();
    scales.weigh_unnamed(&stoppable.removals);
    scales.tell_growth();
    let verdict = if is_blocked {
        Verdict::Blocked
    } else if !scales.held.is_empty() || !waiting.is_empty() {
        Verdict::Held
    } else if scales.passed.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Approved
    };
    let Scales { approval, reasons, passed, held, .. } = scales;
    let mut reasons = if verdict == Verdict::Approved { passed } else { reasons };
    if matches!(verdict, Verdict::Blocked | Verdict::Held)
        && approval.is_none()
        && let Some(given) = &evidence.settings.approve
    {
        reasons.push(Reason::OtherDigest { given: given.clone() });
    }
    Judgment {
        verdict,
        reasons,
        closed: closed(evidence, &held),
        held: held.into_iter().collect(),
        waiting,
        additions: additions.ipv4.into_iter().chain(additions.ipv6).collect(),
        digest,
        approval,
    }
}

impl Scales<'_> {
    fn approves(&self, approves: impl Fn(&Approval) -> bool) -> bool {
        self.approval.as_ref().is_some_and(approves)
    }

    /// Adds the reasons that block the whole plan. Returns whether there are any.
    fn weigh_blocking(&mut self) -> bool {
        let empty = self.evidence.empty_table().map(|reason| (self.approves(|a| a.empty_table), reason));
        let rules = self.evidence.rules.iter().map(|change| {
            let is_approved = self.approves(|approval| approval.rules.contains(change));
            (is_approved, Reason::Rule(change.clone()))
        });
        let rejections = self.evidence.rejections;
        let rejects = self.evidence.settings.on_rejection == OnRejection::Hold && rejections > 0;
        let foreign = (rejects && self.evidence.rules.iter().any(RuleChange::drops_foreign))
            .then(|| (self.approves(|approval| approval.rejections), Reason::ForeignRejections { rejections }));
        let (passed, blocking): (Vec<_>, Vec<_>) =
            empty.into_iter().chain(rules).chain(foreign).partition(|(is_approved, _)| *is_approved);
        self.passed.extend(passed.into_iter().map(|(_, reason)| reason));
        self.reasons.extend(blocking.into_iter().map(|(_, reason)| reason));
        !self.reasons.is_empty()
    }

    /// Adds the reasons that hold removals. Removals that an approval does not name are held later.
    fn weigh_removals(&mut self) {
        let Evidence { diff, settings, .. } = *self.evidence;
        for family in Family::ALL {
            let withdrawn = diff.distinct(family, Class::Withdrawn);
            let waiting = self.growth.get(family).waiting.len();
            let reasons = self.evidence.family_reasons(family, &withdrawn, waiting);
            let (passed, open) = reasons.into_iter().partition(|reason| self.approves(|a| a.passes(family, reason)));
            self.weigh(true, &[], passed);
            self.weigh(false, &withdrawn, open);
        }
        let rejections = self.evidence.rejections;
        let drift = self.evidence.drift_to_hold();
        let all: Vec<Cidr> = diff.withdrawn().chain(drift).chain(diff.all(Class::Adopted)).collect();
        if settings.on_rejection == OnRejection::Hold && rejections > 0 && !all.is_empty() {
            let removals = all.iter().collect::<BTreeSet<_>>().len();
            self.weigh(self.approves(|a| a.rejections), &all, vec![Reason::Rejections { rejections, removals }]);
        }
        for (_, ip_set, here) in self.evidence.adopted_removals() {
            let reason = Reason::Adopted { ip_set: ip_set.to_owned(), removals: here.len() };
            self.weigh(self.approval.is_some(), &here, vec![reason]);
        }
    }

    fn weigh(&mut self, is_approved: bool, removals: &[Cidr], reasons: Vec<Reason>) {
        if is_approved {
            self.passed.extend(reasons);
        } else if !reasons.is_empty() {
            self.held.extend(removals);
            self.reasons.extend(reasons);
        }
    }

    fn weigh_unnamed(&mut self, removals: &BTreeSet<Cidr>) {
        if let Some(approval) = &self.approval {
            let unnamed: Vec<Cidr> = removals.difference(&approval.removals).copied().collect();
            if !unnamed.is_empty() {
                self.reasons.push(Reason::NotApproved { removals: unnamed.len() });
                self.held.extend(unnamed);
            }
        }
    }

    /// Weighs additions: more than the limit wait, not counting those that an approval names.
    fn weigh_additions(&self, family: Family, planned: &[Cidr]) -> Growth {
        let Some((in_force, allowed)) = self.evidence.allowed_additions(family) else { return Growth::default() };
        let done = self.evidence.added_before(family, planned);
        let all = planned.len() + done.len();
        if planned.is_empty() || all <= allowed {
            return Growth::default();
        }
        let reason = Reason::TooManyAdditions { family, additions: all, in_force, allowed };
        let Some(approval) = &self.approval else { return Growth { waiting: planned.to_vec(), reason: Some(reason) } };
        let is_unnamed = |cidr: &&Cidr| !approval.additions.contains(cidr);
        let unnamed: Vec<Cidr> = planned.iter().filter(is_unnamed).copied().collect();
        if unnamed.is_empty() || unnamed.len() + done.iter().filter(|cidr| is_unnamed(cidr)).count() <= allowed {
            return Growth { waiting: Vec::new(), reason: Some(reason) };
        }
        let reason = Reason::AdditionsNotApproved { additions: unnamed.len() };
        Growth { waiting: unnamed, reason: Some(reason) }
    }

    /// Adds the reasons that hold additions.
    fn tell_growth(&mut self) {
        for family in Family::ALL {
            let Growth { waiting, reason } = self.growth.get(family);
            let reasons = if waiting.is_empty() { &mut self.passed } else { &mut self.reasons };
            reasons.extend(reason.clone());
        }
    }
}

/// Shards to which nothing may be added, because removals from them wait for approval.
fn closed(evidence: &Evidence<'_>, held: &BTreeSet<Cidr>) -> Vec<usize> {
    let waits = |removals: &[Cidr]| removals.iter().any(|cidr| held.contains(cidr));
    evidence.adopted_removals().filter(|(_, _, removals)| waits(removals)).map(|(index, ..)| index).collect()
}

/// The digest of the rest of a plan, once some of it was carried out.
#[must_use]
pub fn digest_of_the_rest(evidence: &Evidence<'_>) -> String {
    Approval::of(evidence, &evidence.additions()).digest(evidence.target)
}

#[cfg(test)]
mod tests;
