//! Converts the settings of the guards.

use crate::cli::args::GuardArgs;
use crate::cli::values::{Checked, Invalid, check, decimal, digits, number};
use crate::model::limits::SET_CAPACITY;
use crate::model::settings::{GuardSettings, MaxAdditions, MaxRemovals, OnRejection};

/// The highest `--max-ip-sets`: the names of IP sets have three digits.
pub(super) const MAX_IP_SETS: usize = 1000;

/// The highest count of CIDRs in a setting: the capacity of all those IP sets.
pub(super) const MAX_CIDRS: usize = MAX_IP_SETS * SET_CAPACITY;

/// The highest `--max-removals`, in percent: all CIDRs of a family.
const MAX_PERCENT: f64 = 100.0;

/// The guards of commands that change nothing.
pub(super) const NO_CHANGES: GuardSettings = GuardSettings {
    on_rejection: OnRejection::Hold,
    max_removals: MaxRemovals::Count(0),
    min_addresses: 0,
    max_additions: None,
    approve: None,
};

pub(super) fn guards(args: GuardArgs) -> Checked<GuardSettings> {
    Ok(GuardSettings {
        on_rejection: args.on_rejection,
        max_removals: max_removals(&args.max_removals)?,
        min_addresses: number("--min-addresses", &args.min_addresses, 0..=MAX_CIDRS)?,
        max_additions: args.max_additions.map(|limit| max_additions(&limit)).transpose()?,
        approve: args.approve.map(|digest| approve(&digest)).transpose()?,
    })
}

fn max_removals(text: &str) -> Checked<MaxRemovals> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => decimal(percent).filter(|percent| *percent <= MAX_PERCENT).map(MaxRemovals::Percent),
        None => digits(text).map(MaxRemovals::Count),
    };
    limit.ok_or_else(|| Invalid::new("--max-removals", text, "must be a percentage from 0% to 100%, or a count"))
}

fn max_additions(text: &str) -> Checked<MaxAdditions> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => decimal(percent).filter(|percent| percent.is_finite()).map(MaxAdditions::Percent),
        None => digits(text).map(MaxAdditions::Count),
    };
    limit.ok_or_else(|| Invalid::new("--max-additions", text, "must be a percentage such as 20%, or a count"))
}

fn approve(text: &str) -> Checked<String> {
    check("--approve", text, is_digest(text), "must be sha256: and 64 hexadecimal digits, as printed with the plan")?;
    Ok(text.to_owned())
}

/// Digests are written in lower case.
pub(in crate::cli) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
