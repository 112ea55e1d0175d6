//! What a plan may not do without a person: a pure decision that carries its reasons.
//!
//! Additions are never held. Nothing here looks at the clock, at AWS or at the plan's order.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::current::Current;
use crate::model::naming::Target;
use crate::model::settings::{GuardSettings, MaxRemovals, OnRejection};
use crate::planning::diff::{Class, Diff, Unwanted};
use crate::planning::plan::{Change, Plan, Stage};
use crate::planning::rule_changes::RuleChange;
use crate::text::hex;
use crate::text::number::{counted, grouped};

/// Removals of a family that a percentage always allows, so that a small table can change at all.
pub const ALWAYS_ALLOWED_REMOVALS: usize = 5;

/// A percentage such as 33.3 is no exact double; this keeps the error from costing a removal.
const ROUNDING: f64 = 1e-6;

/// What was decided about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No guard had anything against it.
    Pass,
    /// Additions go through, some removals wait for a person.
    Held,
    /// Nothing may be written before a person has looked.
    Blocked,
    /// A guard would have stopped it, but its digest was approved.
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

/// Why a plan was held or blocked.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// More removals than `--max-removals` allows.
    TooMany {
        /// The family.
        family: Family,
        /// Removals of this run, done and planned.
        removals: usize,
        /// CIDRs in force when the run began.
        in_force: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// The family would be left without any CIDR.
    Empties {
        /// The family.
        family: Family,
        /// CIDRs in force when the run began.
        in_force: usize,
    },
    /// Fewer CIDRs than `--min-addresses` would be left.
    BelowMinimum {
        /// The family.
        family: Family,
        /// What would be left.
        left: usize,
        /// The limit.
        minimum: usize,
    },
    /// The table holds something that could not be read, so what is missing from it proves nothing.
    Rejections {
        /// How many, those of `--ignore-item` left out.
        rejections: usize,
        /// Removals that wait.
        removals: usize,
    },
    /// An adopted IP set has not been written before.
    Adopted {
        /// Its name.
        ip_set: String,
        /// How many of its CIDRs would go.
        removals: usize,
    },
    /// The table gave no entry.
    EmptyTable {
        /// CIDRs in force that would go.
        in_force: usize,
    },
    /// A rule would change.
    Rule(RuleChange),
    /// A digest was approved, but it is not this plan's.
    OtherDigest {
        /// The one that was given.
        given: String,
    },
    /// The approved plan did not name these removals.
    NotApproved {
        /// How many.
        removals: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { family, removals, in_force, allowed } => write!(
                f,
                "{} of {} {} CIDRs would be removed; --max-removals allows {} in one run",
                grouped(*removals),
                grouped(*in_force),
                family.title(),
                grouped(*allowed)
            ),
            Self::Empties { family, in_force } => {
                let family = family.title();
                match in_force {
                    1 => write!(f, "the only {family} CIDR would be removed, and the table asks for no other"),
                    all => write!(
                        f,
                        "all {} {family} CIDRs would be removed, and the table asks for no other",
                        grouped(*all)
                    ),
                }
            }
            Self::BelowMinimum { family, left, minimum } => {
                let (left, family, minimum) = (grouped(*left), family.title(), grouped(*minimum));
                write!(
                    f,
                    "{left} {family} CIDRs of the table would be left; --min-addresses asks for at least {minimum}"
                )
            }
            Self::Rejections { rejections, removals } => write!(
                f,
                "{} in the table could not be read, so {} not proven to be unwanted; correct the table, or name the \
                 items with --ignore-item",
                counted(*rejections, "value"),
                are(*removals, "removal"),
            ),
            Self::Adopted { ip_set, removals } => write!(
                f,
                "{} would be removed from the adopted IP set {ip_set}, which wafsync has not written before",
                counted(*removals, "CIDR")
            ),
            Self::EmptyTable { in_force } => {
                write!(f, "the table gave no address at all while {} in force", are(*in_force, "CIDR"))
            }
            Self::Rule(change) => change.fmt(f),
            Self::OtherDigest { given } => write!(f, "the plan is no longer the one that was approved as {given}"),
            Self::NotApproved { removals } => {
                write!(f, "{} not in the plan that was approved", are(*removals, "removal"))
            }
        }
    }
}

fn are(count: usize, noun: &str) -> String {
    format!("{} {}", counted(count, noun), if count == 1 { "is" } else { "are" })
}

/// A plan that may be carried out. There is no other way to one than past the guards.
#[derive(Debug)]
pub struct ApprovedPlan(Plan);

impl ApprovedPlan {
    /// `None` if the judgement blocks it, or if the plan removes what the judgement holds.
    #[must_use]
    pub fn new(plan: Plan, judgement: &Judgement) -> Option<Self> {
        let held = |cidr: &Cidr| judgement.held.binary_search(cidr).is_ok();
        let in_force = |change: &&Change| change.stage != Stage::Strip;
        let removes_held = plan.changes.iter().filter(in_force).flat_map(|change| &change.remove).any(held);
        (judgement.verdict != Verdict::Blocked && !removes_held).then_some(Self(plan))
    }

    /// The changes of one stage, in their order.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Vec<&Change> {
        self.0.changes.iter().filter(|change| change.stage == stage).collect()
    }

    /// Every CIDR that it removes from somewhere.
    pub fn removals(&self) -> impl Iterator<Item = Cidr> {
        self.0.changes.iter().flat_map(|change| change.remove.iter().copied())
    }

    /// The plan.
    #[must_use]
    pub fn into_inner(self) -> Plan {
        self.0
    }
}

/// What a person approved, as the plan named it at the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    removals: BTreeSet<Cidr>,
    rules: Vec<RuleChange>,
    empty_table: bool,
}

/// Everything that guards look at.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The limits.
    pub settings: &'a GuardSettings,
    /// Where.
    pub target: &'a Target,
    /// What is unwanted.
    pub diff: &'a Diff,
    /// What was read.
    pub current: &'a Current,
    /// Entries that the table gave, in both families.
    pub entries: usize,
    /// Distinct CIDRs that the table asks for, `--always` left out.
    pub wanted: PerFamily<usize>,
    /// Rejections that may hold removals back.
    pub rejections: usize,
    /// Changes of rules that need a person.
    pub rules: &'a [RuleChange],
    /// CIDRs in force when the run began.
    pub in_force_at_start: PerFamily<usize>,
    /// Counted CIDRs that this run has removed already.
    pub removed: &'a BTreeSet<Cidr>,
    /// What was approved earlier in this run.
    pub approval: Option<&'a Approval>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Pass, held, blocked or approved.
    pub verdict: Verdict,
    /// Why, unless it is a pass: what stands in the way, or what would have without the approval.
    pub reasons: Vec<Reason>,
    /// CIDRs that may not be removed now: sorted, distinct.
    pub held: Vec<Cidr>,
    /// Shards (indices into [`Current::shards`]) to which nothing may be added now, so that they keep their mark.
    pub closed: Vec<usize>,
    /// What `--approve` takes.
    pub digest: String,
    /// What has been approved, for the next round of this run.
    pub approval: Option<Approval>,
}

/// Decides.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    let counted = PerFamily::from_fn(|family| evidence.diff.distinct(family, Class::Withdrawn));
    let adopted: Vec<Cidr> = Family::ALL.iter().flat_map(|f| evidence.diff.distinct(*f, Class::Adopted)).collect();
    let removals: BTreeSet<Cidr> = counted.ipv4.iter().chain(&counted.ipv6).chain(&adopted).copied().collect();
    let digest = digest(evidence.target, &removals, evidence.rules);
    let empty = empty_table(evidence);
    let granted =
        || Approval { removals: removals.clone(), rules: evidence.rules.to_vec(), empty_table: empty.is_some() };
    let named = |given: &String| *given == digest;
    let approval =
        evidence.approval.cloned().or_else(|| evidence.settings.approve.as_ref().is_some_and(named).then(granted));

    let (blocking, mut passed) =
        split(empty.into_iter().map(|reason| (approval.as_ref().is_some_and(|a| a.empty_table), reason)).chain(
            evidence.rules.iter().map(|change| {
                (approval.as_ref().is_some_and(|a| a.rules.contains(change)), Reason::Rule(change.clone()))
            }),
        ));
    let mut reasons = Vec::new();
    let mut held = BTreeSet::new();
    let mut weigh = |removals: &[Cidr], found: Vec<Reason>| {
        // Whatever an approval does not name is held, for that reason alone, further down.
        if approval.is_some() {
            passed.extend(found);
        } else if !found.is_empty() {
            held.extend(removals);
            reasons.extend(found);
        }
    };
    for family in Family::ALL {
        weigh(counted.get(family), family_reasons(evidence, family, counted.get(family)));
    }
    let all: Vec<Cidr> = counted.ipv4.iter().chain(&counted.ipv6).copied().collect();
    let rejections = evidence.rejections;
    if evidence.settings.on_rejection == OnRejection::Hold && rejections > 0 && !all.is_empty() {
        weigh(&all, vec![Reason::Rejections { rejections, removals: all.len() }]);
    }
    for (shard, unwanted) in evidence.current.shards.iter().zip(&evidence.diff.unwanted) {
        let here = adopted_removals(unwanted);
        if !here.is_empty() {
            weigh(&here, vec![Reason::Adopted { ip_set: shard.name.clone(), removals: here.len() }]);
        }
    }
    if let Some(approval) = &approval {
        let unnamed: Vec<Cidr> = removals.iter().filter(|c| !approval.removals.contains(c)).copied().collect();
        if !unnamed.is_empty() {
            held.extend(&unnamed);
            reasons.push(Reason::NotApproved { removals: unnamed.len() });
        }
    }
    let waits = |unwanted: &[Unwanted]| adopted_removals(unwanted).iter().any(|cidr| held.contains(cidr));
    let closed = (evidence.diff.unwanted.iter().enumerate())
        .filter_map(|(index, unwanted)| waits(unwanted).then_some(index))
        .collect();
    let verdict = if !blocking.is_empty() {
        Verdict::Blocked
    } else if !held.is_empty() {
        Verdict::Held
    } else if passed.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Approved
    };
    let mut reasons: Vec<Reason> = match verdict {
        Verdict::Approved => passed,
        _ => blocking.into_iter().chain(reasons).collect(),
    };
    if matches!(verdict, Verdict::Blocked | Verdict::Held)
        && approval.is_none()
        && let Some(given) = &evidence.settings.approve
    {
        reasons.push(Reason::OtherDigest { given: given.clone() });
    }
    Judgement { verdict, reasons, held: held.into_iter().collect(), closed, digest, approval }
}

fn adopted_removals(unwanted: &[Unwanted]) -> Vec<Cidr> {
    unwanted.iter().filter(|u| u.class == Class::Adopted).map(|u| u.cidr).collect()
}

/// Reasons that stand, and those that a person approved.
fn split(reasons: impl Iterator<Item = (bool, Reason)>) -> (Vec<Reason>, Vec<Reason>) {
    let (approved, blocking): (Vec<_>, Vec<_>) = reasons.partition(|(is_approved, _)| *is_approved);
    let only = |reasons: Vec<(bool, Reason)>| reasons.into_iter().map(|(_, reason)| reason).collect();
    (only(blocking), only(approved))
}

fn empty_table(evidence: &Evidence<'_>) -> Option<Reason> {
    let in_force = evidence.diff.in_force_by_table.ipv4 + evidence.diff.in_force_by_table.ipv6;
    (evidence.entries == 0 && in_force > 0).then_some(Reason::EmptyTable { in_force })
}

fn family_reasons(evidence: &Evidence<'_>, family: Family, counted: &[Cidr]) -> Vec<Reason> {
    if counted.is_empty() {
        return Vec::new();
    }
    let in_force = *evidence.in_force_at_start.get(family);
    let left = *evidence.wanted.get(family);
    let done = evidence.removed.iter().filter(|cidr| cidr.family() == family && counted.binary_search(cidr).is_err());
    let removals = counted.len() + done.count();
    let allowed = allowed_removals(evidence.settings.max_removals, in_force);
    let mut reasons = Vec::new();
    if removals > allowed {
        reasons.push(Reason::TooMany { family, removals, in_force, allowed });
    }
    if left == 0 {
        reasons.push(Reason::Empties { family, in_force });
    } else if left < evidence.settings.min_addresses {
        reasons.push(Reason::BelowMinimum { family, left, minimum: evidence.settings.min_addresses });
    }
    reasons
}

fn allowed_removals(limit: MaxRemovals, in_force: usize) -> usize {
    match limit {
        MaxRemovals::Count(count) => count,
        MaxRemovals::Percent(percent) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a million addresses are exact in a double, and the result is between none and all of them"
            )]
            let share = (in_force as f64 * percent / 100.0 + ROUNDING).floor() as usize;
            share.max(ALWAYS_ALLOWED_REMOVALS)
        }
    }
}

/// The digest of what is left of a plan for a person to approve, once some of it was carried out: what `diff` shows now.
#[must_use]
pub fn digest_of_the_rest(target: &Target, diff: &Diff, rules: &[RuleChange]) -> String {
    let of_class = |class| Family::ALL.into_iter().flat_map(move |family| diff.distinct(family, class));
    digest(target, &of_class(Class::Withdrawn).chain(of_class(Class::Adopted)).collect(), rules)
}

/// `sha256:` and 64 hexadecimal digits over what a guard can stop.
fn digest(target: &Target, removals: &BTreeSet<Cidr>, rules: &[RuleChange]) -> String {
    let mut hash = Sha256::new();
    let mut line = |text: String| {
        // The length in front keeps two lines from reading like one.
        hash.update(format!("{}:{text}\n", text.len()));
    };
    line(format!("target {} {} {}", target.scope, target.region, target.name));
    line(format!("table {}", target.table));
    for cidr in removals {
        line(format!("remove {cidr}"));
    }
    for change in rules {
        line(format!("rule {change}{}", change.seen()));
    }
    let bytes: [u8; 32] = hash.finalize().into();
    format!("sha256:{}", hex(&bytes))
}

#[cfg(test)]
mod tests;
