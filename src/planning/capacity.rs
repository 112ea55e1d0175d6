//! Capacity: whether all wanted CIDRs fit, and the error if they do not.

use crate::model::aggregate;
use crate::model::cidr::{Family, PerFamily};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::limits::Limits;
use crate::text::number::{counted, grouped};

/// The error that more CIDRs are wanted than the IP sets can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} CIDRs are wanted ({} IPv4, {} IPv6), which need {} of {} each, but --max-ip-sets allows {max_ip_sets}; with \
     --aggregate it would be {} in {}; otherwise raise --max-ip-sets and AWS's quota \"Maximum number of IP sets per account\"",
    grouped(by_family.ipv4 + by_family.ipv6),
    grouped(by_family.ipv4),
    grouped(by_family.ipv6),
    counted(*ip_sets, "IP set"),
    grouped(*set_capacity),
    grouped(aggregated.ipv4 + aggregated.ipv6),
    counted(aggregated.ipv4.div_ceil(*set_capacity) + aggregated.ipv6.div_ceil(*set_capacity), "IP set")
)]
pub struct TooMany {
    by_family: PerFamily<usize>,
    /// The IP sets needed: existing ones, and those to create. Each holds one family.
    ip_sets: usize,
    max_ip_sets: usize,
    set_capacity: usize,
    aggregated: PerFamily<usize>,
}

/// Checks that `desired` fits if the IP sets held nothing else.
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
    let further = further(Family::Ipv4) + further(Family::Ipv6);
    if further <= new_sets {
        return Ok(());
    }
    let ip_sets = current.shards.len() + further;
    let aggregated =
        PerFamily::from_fn(|family| aggregate::aggregate(desired.cidrs(family), *widest.get(family)).len());
    Err(TooMany { by_family, ip_sets, max_ip_sets: limits.max_ip_sets, set_capacity: limits.set_capacity, aggregated })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::cidr::Cidr;
    use crate::model::current::{LockToken, Shard};
    use crate::model::item::{Attribute, Item, ItemRules, TableView};

    const LIMITS: Limits = Limits { set_capacity: 4, group_references: 50, max_ip_sets: 3 };
    const WIDEST: PerFamily<u8> = PerFamily { ipv4: 24, ipv6: 48 };

    /// This many hosts of each family.
    fn desired(ipv4: u8, ipv6: u8) -> Desired {
        let rules = ItemRules {
            cidr_attribute: "ips".into(),
            expiry_attribute: None,
            now: None,
            widest: WIDEST,
            max_per_item: 1000,
            ignored: BTreeSet::new(),
        };
        let hosts = (0..ipv4).map(|host| format!("198.51.100.{host}"));
        let texts = hosts.chain((0..ipv6).map(|host| format!("2001:db8::{host:x}"))).collect();
        let mut view = TableView::default();
        view.read(&Item { cidrs: Some(Attribute::TextSet(texts)), ..Item::default() }, &rules);
        Desired::new(view, &[], false, WIDEST)
    }

    /// Full of unwanted CIDRs, which can go.
    fn current(families: &[Family]) -> Current {
        let cidr = |family: &Family| match family {
            Family::Ipv4 => Cidr::parse("203.0.113.0/24"),
            Family::Ipv6 => Cidr::parse("2001:db8:f::/48"),
        };
        let shard = |family: &Family| Shard {
            name: String::new(),
            id: String::new(),
            arn: String::new(),
            family: *family,
            adopted: false,
            mark: None,
            token: LockToken(String::new()),
            cidrs: [cidr(family).unwrap()].into(),
            group: None,
            created: false,
        };
        Current { shards: families.iter().map(shard).collect(), ..Current::default() }
    }

    fn fits(ipv4: u8, ipv6: u8, existing: &[Family]) -> bool {
        check(&desired(ipv4, ipv6), &current(existing), LIMITS, WIDEST).is_ok()
    }

    #[test]
    fn families_share_the_sets_but_never_one_set() {
        assert!(fits(12, 0, &[]) && fits(8, 4, &[]) && fits(4, 5, &[]) && fits(0, 12, &[]));
        assert!(!fits(13, 0, &[]) && !fits(9, 4, &[]) && !fits(5, 5, &[Family::Ipv4, Family::Ipv4]));
    }

    #[test]
    fn a_set_keeps_its_family_so_that_the_other_cannot_have_it() {
        assert!(fits(8, 0, &[Family::Ipv6]));
        assert!(!fits(9, 0, &[Family::Ipv6]));
        assert!(!fits(0, 1, &[Family::Ipv4; 3]));
    }

    #[test]
    fn the_message_has_the_counts_and_the_ways_out() {
        let error = check(&desired(16, 2), &current(&[]), LIMITS, WIDEST).unwrap_err();
        let message = "18 CIDRs are wanted (16 IPv4, 2 IPv6), which need 5 IP sets of 4 each, but --max-ip-sets allows 3; \
                       with --aggregate it would be 2 in 2 IP sets; otherwise raise --max-ip-sets and AWS's quota \"Maximum number of IP sets per account\"";
        assert_eq!(error.to_string(), message);
    }
}
