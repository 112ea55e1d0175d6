//! Aggregation: the fewest CIDRs that cover exactly the same addresses.

use crate::model::cidr::Cidr;
use crate::model::cidrs::{Builder, Cidrs, Slice};

/// Merges covered and adjacent CIDRs of one family. Nothing is merged into a prefix shorter than `widest`, but a CIDR
/// that is already wider stays and absorbs what it covers.
#[must_use]
pub fn aggregate(sorted: Slice<'_>, widest: u8) -> Cidrs {
    let Some(family) = sorted.first().map(Cidr::family) else { return Cidrs::default() };
    let mut merged = Builder::default();
    for cidr in sorted {
        if merged.last(family).is_some_and(|last| last.covers(cidr)) {
            continue;
        }
        let mut cidr = cidr;
        while let Some(parent) = cidr.parent().filter(|parent| parent.prefix() >= widest)
            && merged.last(family).is_some_and(|last| last.parent() == Some(parent) && last != cidr)
        {
            merged.pop(family);
            cidr = parent;
        }
        merged.push(cidr);
    }
    merged.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &[&str], widest: u8, expect: &[&str]) {
        let sorted: Cidrs = input.iter().map(|text| Cidr::parse(text).unwrap()).collect();
        let merged: Vec<String> = aggregate(sorted.as_slice(), widest).iter().map(|cidr| cidr.to_string()).collect();
        assert_eq!(merged, expect);
    }

    #[test]
    fn siblings_merge_up_to_the_widest_allowed() {
        check(&["198.51.100.0/26", "198.51.100.64/26", "198.51.100.128/25"], 24, &["198.51.100.0/24"]);
        check(&["198.51.100.0/24", "198.51.101.0/24"], 24, &["198.51.100.0/24", "198.51.101.0/24"]);
    }

    #[test]
    fn neighbours_that_are_no_siblings_stay() {
        check(&["198.51.100.1", "198.51.100.2"], 24, &["198.51.100.1/32", "198.51.100.2/32"]);
    }

    #[test]
    fn what_is_wider_than_allowed_stays_and_takes_in_what_it_covers() {
        check(&["10.0.0.0/8", "10.1.2.3"], 24, &["10.0.0.0/8"]);
    }

    proptest! {
        #[test]
        fn the_same_addresses_in_no_more_cidrs_than_any_cover(
            hosts in prop::collection::vec((0_u8..32, 28_u8..=32), 0..20), widest in 27_u8..=32,
        ) {
            let list: Cidrs = hosts.iter().map(|(h, p)| Cidr::new([203, 0, 113, *h].into(), *p).unwrap()).collect();
            let merged = aggregate(list.as_slice(), widest);
            let base = u128::from(u32::from_be_bytes([203, 0, 113, 0]));
            let member = |cidrs: &Cidrs, n: u128| cidrs.iter().any(|c| c.first() <= n && n <= c.last());
            for number in base..base + 32 {
                prop_assert_eq!(member(&list, number), member(&merged, number));
            }
            // An independent count: the widest CIDRs whose addresses are all members, where one is allowed: either not
            // wider than the limit, or asked for as it is.
            let allowed = |c: &Cidr| c.prefix() >= widest || list.contains(*c);
            let full = |c: &Cidr| (c.first()..=c.last()).all(|n| member(&list, n));
            let mut fewest = std::collections::BTreeSet::new();
            for host in 0..32_u8 {
                let best = (27..=32)
                    .map(|p| Cidr::new([203, 0, 113, host].into(), p).unwrap())
                    .find(|c| allowed(c) && full(c));
                fewest.extend(best);
            }
            prop_assert_eq!(merged, fewest.into_iter().collect::<Cidrs>());
        }
    }
}
