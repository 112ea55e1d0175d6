//! Sets of addresses as ranges of numbers: the observer's own arithmetic, without the program's code.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Family (0 or 1), first address and last address of a CIDR.
pub(crate) type Bounds = (usize, u128, u128);

/// Addresses of both families. Each family has ranges from first to last address, in ascending order, that neither
/// touch nor overlap.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges([Vec<(u128, u128)>; 2]);

impl Ranges {
    /// The addresses of these CIDRs.
    pub(crate) fn of<T: AsRef<str>>(cidrs: impl IntoIterator<Item = T>) -> Self {
        let mut ranges = Self::default();
        for cidr in cidrs {
            let (family, first, last) = bounds(cidr.as_ref());
            ranges.0[family].push((first, last));
        }
        ranges.0.iter_mut().for_each(tidy);
        ranges
    }

    /// The fewest CIDRs with exactly these addresses, none with a shorter prefix than the family's limit.
    pub(crate) fn fewest(&self, widest: [u32; 2]) -> Vec<Bounds> {
        let mut cidrs = Vec::new();
        for (family, (ranges, bits)) in self.0.iter().zip([32, 128]).enumerate() {
            let most = bits - widest[family];
            for (mut first, last) in ranges.iter().copied() {
                loop {
                    let fits = |free: &u32| first.trailing_zeros() >= *free && (1 << free) - 1 <= last - first;
                    let free = (0..=most).rev().find(fits).unwrap();
                    let end = first + ((1 << free) - 1);
                    cidrs.push((family, first, end));
                    if end == last {
                        break;
                    }
                    first = end + 1;
                }
            }
        }
        cidrs
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Addresses in either.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| {
            let mut all = [ours, theirs].concat();
            tidy(&mut all);
            all
        })
    }

    /// Addresses in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| {
            let pairs = ours.iter().flat_map(|a| theirs.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
            let mut common: Vec<(u128, u128)> = pairs.filter(|(first, last)| first <= last).collect();
            tidy(&mut common);
            common
        })
    }

    /// Addresses of this one that are not in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| {
            let mut left = ours.to_vec();
            for (first, last) in theirs {
                left = left.into_iter().flat_map(|range| cut(range, *first, *last)).collect();
            }
            left
        })
    }

    pub(crate) fn within(&self, other: &Self) -> bool {
        self.without(other).is_empty()
    }

    /// Whether it has an address of this CIDR.
    pub(crate) fn touches(&self, (family, first, last): Bounds) -> bool {
        self.0[family].iter().any(|range| range.0 <= last && first <= range.1)
    }

    fn combine(&self, other: &Self, f: impl Fn(&[(u128, u128)], &[(u128, u128)]) -> Vec<(u128, u128)>) -> Self {
        Self([f(&self.0[0], &other.0[0]), f(&self.0[1], &other.0[1])])
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 = |n: u128| Ipv4Addr::from(u32::try_from(n).unwrap()).to_string();
        let v6 = |n: u128| Ipv6Addr::from(n).to_string();
        let (old, new) = (&self.0[0], &self.0[1]);
        let texts = old.iter().map(|r| (v4(r.0), v4(r.1))).chain(new.iter().map(|r| (v6(r.0), v6(r.1))));
        f.debug_list().entries(texts.map(|(first, last)| format!("{first} to {last}"))).finish()
    }
}

/// Family (0 or 1), first and last address. Panics for an invalid CIDR, which is an error of the test or the stand-in.
pub(crate) fn bounds(cidr: &str) -> Bounds {
    let (address, length) = cidr.split_once('/').unwrap_or_else(|| panic!("not a CIDR: {cidr}"));
    let length: u32 = length.parse().unwrap();
    let (family, number, bits) = match address.parse::<Ipv4Addr>() {
        Ok(address) => (0, u128::from(u32::from(address)), 32),
        Err(_) => (1, u128::from(address.parse::<Ipv6Addr>().unwrap()), 128),
    };
    let host = if bits == length { 0 } else { u128::MAX >> (128 - (bits - length)) };
    (family, number & !host, number | host)
}

fn tidy(ranges: &mut Vec<(u128, u128)>) {
    ranges.sort_unstable();
    let mut tidy: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges.drain(..) {
        match tidy.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => tidy.push((first, last)),
        }
    }
    *ranges = tidy;
}

/// The parts of a range that are outside another.
fn cut((first, last): (u128, u128), from: u128, to: u128) -> Vec<(u128, u128)> {
    if to < first || last < from {
        return vec![(first, last)];
    }
    let in_front = (first < from).then(|| (first, from - 1));
    let behind = (to < last).then(|| (to + 1, last));
    in_front.into_iter().chain(behind).collect()
}

#[test]
fn ranges_match_their_addresses() {
    let all = Ranges::of(["192.0.2.0/30", "2001:db8::/127"]);
    let some = Ranges::of(["192.0.2.1/32", "2001:db8::1/128"]);
    assert_eq!(
        format!("{:?}", all.without(&some)),
        r#"["192.0.2.0 to 192.0.2.0", "192.0.2.2 to 192.0.2.3", "2001:db8:: to 2001:db8::"]"#
    );
    assert_eq!(all.without(&some).or(&some), all);
    assert_eq!(all.and(&some), some);
    assert!(some.within(&all) && !all.within(&some) && Ranges::default().within(&some));
    let three = Ranges::of(["192.0.2.1/32", "192.0.2.2/31", "2001:db8::/127"]);
    let fewest = three.fewest([31, 128]);
    let texts = ["192.0.2.1/32", "192.0.2.2/31", "2001:db8::/128", "2001:db8::1/128"];
    assert_eq!(fewest, texts.map(bounds));
    assert_eq!(all.fewest([24, 48]), ["192.0.2.0/30", "2001:db8::/127"].map(bounds));
    assert_eq!(Ranges::of(["192.0.2.0/31", "192.0.2.2/31"]), Ranges::of(["192.0.2.0/30"]));
    assert!(
        Ranges::of(["0.0.0.0/1", "128.0.0.0/1"]).without(&Ranges::of(["0.0.0.0/1"])) == Ranges::of(["128.0.0.0/1"])
    );
}
