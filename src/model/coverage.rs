//! Coverage: which addresses a sorted list of CIDRs covers, by binary search.
//!
//! It relies on the order of [`Cidr`]: a network sorts directly before everything that it covers.

use crate::model::cidr::Cidr;
use crate::model::cidrs::Slice;

/// The CIDRs of `sorted` that share an address with `cidr`, the wider ones first.
pub fn overlapping<'a>(sorted: impl Into<Slice<'a>>, cidr: Cidr) -> impl Iterator<Item = Cidr> {
    let sorted = sorted.into();
    around(sorted, cidr).chain(sorted.within(cidr))
}

/// The CIDRs of `sorted` that are wider than `cidr` and cover it, the widest first.
fn around(sorted: Slice<'_>, cidr: Cidr) -> impl Iterator<Item = Cidr> + use<> {
    let mut prefixes = 0_u128;
    let mut ahead = sorted.up_to(cidr);
    while let Some((last, before)) = ahead.split_last() {
        ahead = match cidr.joined(last) {
            // What covers `cidr` and sorts before `last` covers `last` too.
            Some(joined) if joined != last => before.up_to(joined),
            _ => before,
        };
        if last != cidr && last.covers(cidr) {
            prefixes |= 1 << last.prefix();
        }
    }
    let next = move || {
        let prefix = u8::try_from(prefixes.trailing_zeros()).ok()?;
        prefixes &= prefixes.checked_sub(1)?;
        cidr.widened(prefix)
    };
    std::iter::from_fn(next)
}

/// Whether `cidr` shares an address with any of `sorted`.
#[must_use]
pub fn overlaps<'a>(sorted: impl Into<Slice<'a>>, cidr: Cidr) -> bool {
    overlapping(sorted, cidr).next().is_some()
}

/// Whether every address of `cidr` is in one of `sorted`.
#[must_use]
pub fn covers<'a>(sorted: impl Into<Slice<'a>>, cidr: Cidr) -> bool {
    let mut next = cidr.first();
    for found in overlapping(sorted, cidr) {
        if found.first() > next {
            return false;
        }
        if found.last() >= cidr.last() {
            return true;
        }
        next = next.max(found.last() + 1);
    }
    false
}

/// Those of these sorted CIDRs that no other of them covers.
pub fn widest(sorted: impl IntoIterator<Item = Cidr>) -> impl Iterator<Item = Cidr> {
    let mut last: Option<Cidr> = None;
    sorted.into_iter().filter(move |cidr| {
        let is_widest = last.is_none_or(|last| !last.covers(*cidr));
        if is_widest {
            last = Some(*cidr);
        }
        is_widest
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cidrs::Cidrs;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn two_halves_cover_the_whole() {
        let first = Cidrs::from([cidr("198.51.100.0/25")]);
        let halves = Cidrs::from([cidr("198.51.100.0/25"), cidr("198.51.100.128/25")]);
        assert!(covers(&halves, cidr("198.51.100.0/24")));
        assert!(!covers(&first, cidr("198.51.100.0/24")));
        assert!(overlaps(&first, cidr("198.51.100.0/24")));
        assert!(!overlaps(&first, cidr("198.51.100.128/25")));
    }

    #[test]
    fn the_last_address_of_ipv6_does_not_overflow() {
        let top = cidr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
        assert!(covers(&Cidrs::from([top]), cidr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
    }

    /// CIDRs in 203.0.113.0/28, so that every address can be looked at.
    fn small() -> impl Strategy<Value = Cidr> {
        (0_u8..16, 28_u8..=32).prop_map(|(host, prefix)| Cidr::new([203, 0, 113, host].into(), prefix).unwrap())
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_every_address(list in prop::collection::vec(small(), 0..8), asked in small()) {
            let list = Cidrs::from(list);
            let has = |number: u128| list.iter().any(|c| c.first() <= number && number <= c.last());
            prop_assert_eq!(covers(&list, asked), (asked.first()..=asked.last()).all(has));
            prop_assert_eq!(overlaps(&list, asked), (asked.first()..=asked.last()).any(has));
            let naive: Vec<Cidr> = list.iter().filter(|c| c.overlaps(asked)).collect();
            prop_assert_eq!(overlapping(&list, asked).collect::<Vec<_>>(), naive);
            let is_widest = |cidr: &Cidr| !list.iter().any(|other| other != *cidr && other.covers(*cidr));
            let naive: Vec<Cidr> = list.iter().filter(is_widest).collect();
            prop_assert_eq!(widest(&list).collect::<Vec<_>>(), naive);
        }
    }
}
