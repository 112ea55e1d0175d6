//! Held CIDRs: the IP sets that they are in, and what approving their removal would empty.

use crate::model::cidr::{Cidr, Family};
use crate::model::current::{Current, Shard};
use crate::planning::guard::Reason;

/// The held CIDRs of one IP set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldIn {
    /// The name of the IP set.
    pub ip_set: String,
    /// CIDRs that stay until their removal is approved, sorted.
    pub cidrs: Vec<Cidr>,
}

/// What an approval would empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// The family, or all addresses.
    pub family: Option<Family>,
    /// CIDRs in force that would be removed.
    pub cidrs: usize,
}

/// The held CIDRs by IP set; both lists are sorted.
pub(super) fn by_set(current: &Current, held: &[Cidr]) -> Vec<HeldIn> {
    let in_set = |shard: &Shard| {
        let cidrs: Vec<Cidr> = shard.cidrs.iter().filter(|cidr| held.binary_search(cidr).is_ok()).collect();
        (!cidrs.is_empty()).then(|| HeldIn { ip_set: shard.name.clone(), cidrs })
    };
    if held.is_empty() {
        return Vec::new();
    }
    current.shards.iter().filter(|shard| shard.is_in_force()).filter_map(in_set).collect()
}

/// The most that approving despite these reasons would empty.
pub(super) fn lockout(reasons: &[Reason]) -> Option<Lockout> {
    let all = reasons.iter().find_map(|reason| match reason {
        Reason::EmptyTable { in_force } => Some(Lockout { family: None, cidrs: *in_force }),
        _ => None,
    });
    let family = reasons.iter().find_map(|reason| match reason {
        Reason::Empties { family, in_force, waiting: 0 } => Some(Lockout { family: Some(*family), cidrs: *in_force }),
        _ => None,
    });
    all.or(family)
}
