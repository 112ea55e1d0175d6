//! Reasons for holding or blocking a plan, and their text.

use std::fmt;

use crate::model::cidr::Family;
use crate::planning::rule_changes::RuleChange;
use crate::text::number::{counted, grouped};

/// A reason for holding or blocking a plan.
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
        /// The number that is allowed.
        allowed: usize,
    },
    /// The family would be left without any CIDR.
    Empties {
        /// The family.
        family: Family,
        /// CIDRs in force when the run began.
        in_force: usize,
        /// Additions that wait for approval.
        waiting: usize,
    },
    /// Fewer CIDRs than `--min-addresses` would be left.
    BelowMinimum {
        /// The family.
        family: Family,
        /// The number that would be left.
        left: usize,
        /// The limit.
        minimum: usize,
    },
    /// The table has rejections, so what it omits may be wanted.
    Rejections {
        /// The number of rejections, without those of `--ignore-item`.
        rejections: usize,
        /// The removals that wait.
        removals: usize,
    },
    /// More additions than `--max-additions` allows.
    TooManyAdditions {
        /// The family.
        family: Family,
        /// Additions of this run, done and planned.
        additions: usize,
        /// CIDRs in force when the run began.
        in_force: usize,
        /// The number that is allowed.
        allowed: usize,
    },
    /// Removals from an adopted IP set that wafsync does not manage yet.
    Adopted {
        /// Its name.
        ip_set: String,
        /// The number of its CIDRs that would be removed.
        removals: usize,
    },
    /// The table gave no entry.
    EmptyTable {
        /// The CIDRs in force, including drift.
        in_force: usize,
    },
    /// A change of a rule.
    Rule(RuleChange),
    /// The table has rejections, so what a foreign IP set lets in may be wanted.
    ForeignRejections {
        /// The number of rejections, without those of `--ignore-item`.
        rejections: usize,
    },
    /// The approved digest is not that of this plan.
    OtherDigest {
        /// The approved digest.
        given: String,
    },
    /// The approved plan did not name these removals.
    NotApproved {
        /// Their number.
        removals: usize,
    },
    /// The approved plan did not name these additions, and they are more than `--max-additions` allows.
    AdditionsNotApproved {
        /// Their number.
        additions: usize,
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
            Self::Empties { family, in_force, waiting } => {
                let family = family.title();
                match in_force {
                    1 => write!(f, "the only {family} CIDR would be removed")?,
                    all => write!(f, "all {} {family} CIDRs would be removed", grouped(*all))?,
                }
                match waiting {
                    0 => f.write_str(", and the table asks for no other"),
                    waiting => write!(f, " before {} that wait for approval", counted(*waiting, "addition")),
                }
            }
            Self::BelowMinimum { family, left, minimum } => {
                let (left, family, minimum) = (grouped(*left), family.title(), grouped(*minimum));
                write!(
                    f,
                    "{left} {family} CIDRs of the table would be left; --min-addresses asks for at least {minimum}"
                )
            }
            Self::TooManyAdditions { family, additions, in_force, allowed } => write!(
                f,
                "{} {} CIDRs would be added to {} in force; --max-additions allows {} in one run",
                grouped(*additions),
                family.title(),
                grouped(*in_force),
                grouped(*allowed)
            ),
            Self::Rejections { rejections, removals } => write!(
                f,
                "{} invalid in the table, so {} {}: the items may still ask for these addresses; correct the table, or name \
                 the items with --ignore-item",
                are(*rejections, "value"),
                counted(*removals, "removal"),
                if *removals == 1 { "waits" } else { "wait" },
            ),
            Self::Adopted { ip_set, removals } => write!(
                f,
                "{} would be removed from the adopted IP set {ip_set}, which wafsync does not manage yet",
                counted(*removals, "CIDR")
            ),
            Self::EmptyTable { in_force } => {
                write!(f, "the table gave no address at all while {} in force", are(*in_force, "CIDR"))
            }
            Self::Rule(change) => change.fmt(f),
            Self::ForeignRejections { rejections } => write!(
                f,
                "{} invalid in the table, and IP sets that are not ours may let in what the items ask for; correct the \
                 table, or name the items with --ignore-item",
                are(*rejections, "value"),
            ),
            Self::OtherDigest { given } => write!(f, "the plan is no longer the one that was approved as {given}"),
            Self::NotApproved { removals } => {
                write!(f, "{} not in the plan that was approved", are(*removals, "removal"))
            }
            Self::AdditionsNotApproved { additions } => {
                write!(f, "{} not in the plan that was approved", are(*additions, "addition"))
            }
        }
    }
}

fn are(count: usize, noun: &str) -> String {
    format!("{} {}", counted(count, noun), if count == 1 { "is" } else { "are" })
}
