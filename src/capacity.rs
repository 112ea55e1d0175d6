//! Whether what is wanted fits at all, and what to say if it does not.

use crate::aggregate;
use crate::cidr::{Family, PerFamily};
use crate::current::Current;
use crate::desired::Desired;
use crate::limits::Limits;
use crate::number::grouped;

/// More CIDRs are wanted than the IP sets can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} CIDRs are wanted ({} IPv4, {} IPv6), more than fit in {max_ip_sets} IP sets of {}; with --aggregate it would be \
     {}; else raise --max-ip-sets and AWS's quota \"Maximum number of IP sets per account\"",
    grouped(*wanted),
    grouped(by_family.ipv4),
    grouped(by_family.ipv6),
    grouped(*set_capacity),
    grouped(*aggregated)
)]
pub struct TooMany {
    wanted: usize,
    by_family: PerFamily<usize>,
    max_ip_sets: usize,
    set_capacity: usize,
    aggregated: usize,
}

/// Whether `desired` would fit if nothing else stood in the IP sets.
///
/// # Errors
///
/// [`TooMany`], with the numbers.
pub fn check(desired: &Desired, current: &Current, limits: Limits, widest: PerFamily<u8>) -> Result<(), TooMany> {
    let by_family = PerFamily::from_fn(|family| desired.cidrs(family).len());
    let existing = |family| current.shards.iter().filter(|shard| shard.family == family).count();
    let further = |family: Family| {
        let beyond = by_family.get(family).saturating_sub(existing(family) * limits.set_capacity);
        beyond.div_ceil(limits.set_capacity)
    };
    let new_sets = limits.max_ip_sets.saturating_sub(current.shards.len());
    if further(Family::Ipv4) + further(Family::Ipv6) <= new_sets {
        return Ok(());
    }
    let aggregated =
        Family::ALL.iter().map(|family| aggregate::aggregate(desired.cidrs(*family), *widest.get(*family)).len()).sum();
    let wanted = by_family.ipv4 + by_family.ipv6;
    Err(TooMany { wanted, by_family, max_ip_sets: limits.max_ip_sets, set_capacity: limits.set_capacity, aggregated })
}
