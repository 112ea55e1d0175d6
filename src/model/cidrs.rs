//! A sorted list of CIDRs in compact form: five bytes for an IPv4 CIDR, seventeen for an IPv6 one.
//!
//! A run holds a million CIDRs several times: as the table asks for them, as WAF holds them, and as they are written. A
//! [`Cidr`] takes eighteen bytes because it can be of either family.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::model::cidr::{Cidr, Family};
use crate::model::fingerprint::Fingerprint;

/// A packed IPv4 CIDR: its address, most significant byte first, and its prefix length. Ordered like [`Cidr`].
type Four = [u8; 5];

/// A packed IPv6 CIDR, likewise.
type Six = [u8; 17];

/// A sorted list of CIDRs without duplicates. A clone shares the memory.
#[derive(Clone, Default)]
pub struct Cidrs(Arc<Packed>);

#[derive(Clone, Default)]
struct Packed {
    ipv4: Vec<Four>,
    ipv6: Vec<Six>,
    /// What they add up to, once it was asked for.
    fingerprint: OnceLock<Fingerprint>,
}

/// A borrowed part of a [`Cidrs`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Slice<'a> {
    ipv4: &'a [Four],
    ipv6: &'a [Six],
}

/// Iterates over a [`Slice`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(Slice<'a>);

/// Collects CIDRs, in any order, into a [`Cidrs`].
#[derive(Default)]
pub struct Builder(Packed);

impl Cidrs {
    /// The whole list, borrowed.
    #[must_use]
    pub fn as_slice(&self) -> Slice<'_> {
        Slice { ipv4: &self.0.ipv4, ipv6: &self.0.ipv6 }
    }

    /// The number of CIDRs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The CIDRs, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.as_slice().iter()
    }

    /// Whether exactly this CIDR is in it.
    #[must_use]
    pub fn contains(&self, cidr: Cidr) -> bool {
        self.as_slice().contains(cidr)
    }

    /// The first CIDR.
    #[must_use]
    pub fn first(&self) -> Option<Cidr> {
        self.as_slice().first()
    }

    /// What they add up to. It is worked out once for all clones.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        *self.0.fingerprint.get_or_init(|| Fingerprint::of(self))
    }
}

impl PartialEq for Cidrs {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Cidrs {}

impl<'a> Slice<'a> {
    /// The number of CIDRs.
    #[must_use]
    pub const fn len(self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The CIDRs, in order.
    #[must_use]
    pub const fn iter(self) -> Iter<'a> {
        Iter(self)
    }

    /// The first CIDR.
    #[must_use]
    pub fn first(self) -> Option<Cidr> {
        self.split_first().map(|(first, _)| first)
    }

    /// The first CIDR and the rest.
    #[must_use]
    pub fn split_first(self) -> Option<(Cidr, Self)> {
        if let Some((first, ipv4)) = self.ipv4.split_first() {
            return Some((unpack4(*first), Self { ipv4, ..self }));
        }
        let (first, ipv6) = self.ipv6.split_first()?;
        Some((unpack6(*first), Self { ipv6, ..self }))
    }

    /// The last CIDR and those before it.
    #[must_use]
    pub fn split_last(self) -> Option<(Cidr, Self)> {
        if let Some((last, ipv6)) = self.ipv6.split_last() {
            return Some((unpack6(*last), Self { ipv6, ..self }));
        }
        let (last, ipv4) = self.ipv4.split_last()?;
        Some((unpack4(*last), Self { ipv4, ..self }))
    }

    /// Whether exactly this CIDR is in it.
    #[must_use]
    pub fn contains(self, cidr: Cidr) -> bool {
        self.starting_at(cidr).first() == Some(cidr)
    }

    /// The CIDRs from `cidr` on, in order.
    #[must_use]
    pub fn starting_at(self, cidr: Cidr) -> Self {
        match pack(cidr) {
            Either::Four(four) => {
                let from = gallop(self.ipv4, |other| key4(*other) < key4(four));
                Self { ipv4: self.ipv4.get(from..).unwrap_or_default(), ipv6: self.ipv6 }
            }
            Either::Six(six) => {
                let from = gallop(self.ipv6, |other| key6(other) < key6(&six));
                Self { ipv4: &[], ipv6: self.ipv6.get(from..).unwrap_or_default() }
            }
        }
    }

    /// The CIDRs of its family up to `cidr`, itself included, in order.
    #[must_use]
    pub fn up_to(self, cidr: Cidr) -> Self {
        match pack(cidr) {
            Either::Four(four) => {
                let to = self.ipv4.partition_point(|other| key4(*other) <= key4(four));
                Self { ipv4: self.ipv4.get(..to).unwrap_or_default(), ipv6: &[] }
            }
            Either::Six(six) => {
                let to = self.ipv6.partition_point(|other| key6(other) <= key6(&six));
                Self { ipv4: &[], ipv6: self.ipv6.get(..to).unwrap_or_default() }
            }
        }
    }

    /// The CIDRs within `cidr`, itself included; they are adjacent in the list.
    #[must_use]
    pub fn within(self, cidr: Cidr) -> Self {
        let rest = self.starting_at(cidr).of(cidr.family());
        let inside4 = rest.ipv4.partition_point(|other| cidr.covers(unpack4(*other)));
        let inside6 = rest.ipv6.partition_point(|other| cidr.covers(unpack6(*other)));
        let (ipv4, ipv6) = (rest.ipv4.get(..inside4), rest.ipv6.get(..inside6));
        Self { ipv4: ipv4.unwrap_or_default(), ipv6: ipv6.unwrap_or_default() }
    }

    /// The IPv4 CIDRs as numbers, in the same order.
    pub(super) fn keys4(self) -> impl ExactSizeIterator<Item = u64> {
        self.ipv4.iter().map(|four| key4(*four))
    }

    /// The IPv6 CIDRs as numbers, in the same order.
    pub(super) fn keys6(self) -> impl ExactSizeIterator<Item = (u128, u8)> {
        self.ipv6.iter().map(key6)
    }

    /// The CIDRs of one family.
    #[must_use]
    pub const fn of(self, family: Family) -> Self {
        match family {
            Family::Ipv4 => Self { ipv4: self.ipv4, ipv6: &[] },
            Family::Ipv6 => Self { ipv4: &[], ipv6: self.ipv6 },
        }
    }
}

impl Builder {
    /// A builder with room for this many CIDRs of a family.
    #[must_use]
    pub fn with_capacity(family: Family, capacity: usize) -> Self {
        let mut packed = Packed::default();
        match family {
            Family::Ipv4 => packed.ipv4.reserve_exact(capacity),
            Family::Ipv6 => packed.ipv6.reserve_exact(capacity),
        }
        Self(packed)
    }

    /// Adds a CIDR.
    pub fn push(&mut self, cidr: Cidr) {
        match pack(cidr) {
            Either::Four(four) => self.0.ipv4.push(four),
            Either::Six(six) => self.0.ipv6.push(six),
        }
    }

    /// Removes the CIDR of a family that was added last.
    pub fn pop(&mut self, family: Family) {
        match family {
            Family::Ipv4 => drop(self.0.ipv4.pop()),
            Family::Ipv6 => drop(self.0.ipv6.pop()),
        }
    }

    /// The CIDR of a family that was added last.
    #[must_use]
    pub fn last(&self, family: Family) -> Option<Cidr> {
        match family {
            Family::Ipv4 => self.0.ipv4.last().copied().map(unpack4),
            Family::Ipv6 => self.0.ipv6.last().copied().map(unpack6),
        }
    }

    /// Sorts the CIDRs in place and drops duplicates.
    #[must_use]
    pub fn finish(mut self) -> Cidrs {
        // Most lists arrive sorted.
        if !self.0.ipv4.is_sorted_by(|a, b| key4(*a) < key4(*b)) {
            self.0.ipv4.sort_unstable_by_key(|four| key4(*four));
            self.0.ipv4.dedup();
        }
        if !self.0.ipv6.is_sorted_by(|a, b| key6(a) < key6(b)) {
            self.0.ipv6.sort_unstable_by_key(key6);
            self.0.ipv6.dedup();
        }
        self.0.ipv4.shrink_to_fit();
        self.0.ipv6.shrink_to_fit();
        Cidrs(Arc::new(self.0))
    }
}

impl Extend<Cidr> for Builder {
    fn extend<T: IntoIterator<Item = Cidr>>(&mut self, cidrs: T) {
        cidrs.into_iter().for_each(|cidr| self.push(cidr));
    }
}

impl FromIterator<Cidr> for Cidrs {
    fn from_iter<T: IntoIterator<Item = Cidr>>(cidrs: T) -> Self {
        let mut builder = Builder::default();
        builder.extend(cidrs);
        builder.finish()
    }
}

impl From<Vec<Cidr>> for Cidrs {
    fn from(cidrs: Vec<Cidr>) -> Self {
        cidrs.into_iter().collect()
    }
}

impl From<&[Cidr]> for Cidrs {
    fn from(cidrs: &[Cidr]) -> Self {
        cidrs.iter().copied().collect()
    }
}

impl<const N: usize> From<[Cidr; N]> for Cidrs {
    fn from(cidrs: [Cidr; N]) -> Self {
        cidrs.into_iter().collect()
    }
}

impl<'a> From<&'a Cidrs> for Slice<'a> {
    fn from(cidrs: &'a Cidrs) -> Self {
        cidrs.as_slice()
    }
}

impl<'a> IntoIterator for &'a Cidrs {
    type IntoIter = Iter<'a>;
    type Item = Cidr;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for Slice<'a> {
    type IntoIter = Iter<'a>;
    type Item = Cidr;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Iterator for Iter<'_> {
    type Item = Cidr;

    fn next(&mut self) -> Option<Cidr> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl fmt::Debug for Cidrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl fmt::Debug for Slice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|cidr| cidr.to_string())).finish()
    }
}

impl Serialize for Cidrs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

enum Either {
    Four(Four),
    Six(Six),
}

fn pack(cidr: Cidr) -> Either {
    match cidr.octets() {
        Ok([a, b, c, d]) => Either::Four([a, b, c, d, cidr.prefix()]),
        Err(octets) => {
            let mut six = [cidr.prefix(); 17];
            if let Some(address) = six.first_chunk_mut() {
                *address = octets;
            }
            Either::Six(six)
        }
    }
}

const fn unpack4([a, b, c, d, prefix]: Four) -> Cidr {
    Cidr::canonical_v4(Ipv4Addr::new(a, b, c, d), prefix)
}

fn unpack6(six: Six) -> Cidr {
    let [address @ .., prefix] = six;
    Cidr::canonical_v6(Ipv6Addr::from(address), prefix)
}

/// The CIDR as a number, in the same order.
fn key4([a, b, c, d, prefix]: Four) -> u64 {
    u64::from_be_bytes([0, 0, 0, a, b, c, d, prefix])
}

/// The CIDR with this number.
pub(super) const fn from_key4(key: u64) -> Cidr {
    let [_, _, _, a, b, c, d, prefix] = key.to_be_bytes();
    unpack4([a, b, c, d, prefix])
}

/// The CIDR with this number.
pub(super) fn from_key6(address: u128, prefix: u8) -> Cidr {
    Cidr::canonical_v6(Ipv6Addr::from(address), prefix)
}

fn key6(six: &Six) -> (u128, u8) {
    let [address @ .., prefix] = *six;
    (u128::from_be_bytes(address), prefix)
}

/// Like `partition_point`, but faster where the result is near the start.
fn gallop<T>(sorted: &[T], before: impl Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while sorted.get(step - 1).is_some_and(&before) {
        step *= 2;
    }
    // `before` holds for everything in front of `step / 2` and fails at `step - 1`.
    let (from, to) = (step / 2, (step - 1).min(sorted.len()));
    from + sorted.get(from..to).unwrap_or_default().partition_point(before)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Networks of both families, near each other.
    fn near() -> impl Strategy<Value = Cidr> {
        let ipv4 = (0_u8..16, 24_u8..=32).prop_map(|(host, prefix)| Cidr::new([203, 0, 113, host].into(), prefix));
        let ipv6 = (0_u16..16, 120_u8..=128)
            .prop_map(|(host, prefix)| Cidr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, host].into(), prefix));
        prop_oneof![ipv4, ipv6].prop_map(Option::unwrap)
    }

    fn any_cidr() -> impl Strategy<Value = Cidr> {
        let ipv4 = (any::<[u8; 4]>(), 0_u8..=32).prop_map(|(address, prefix)| Cidr::new(address.into(), prefix));
        let ipv6 = (any::<[u8; 16]>(), 0_u8..=128).prop_map(|(address, prefix)| Cidr::new(address.into(), prefix));
        prop_oneof![ipv4, ipv6].prop_map(Option::unwrap)
    }

    proptest! {
        #[test]
        fn a_packed_list_is_a_sorted_set_of_its_cidrs(
            list in prop::collection::vec(prop_oneof![near(), any_cidr()], 0..20), asked in prop_oneof![near(), any_cidr()],
        ) {
            let (packed, naive) = (Cidrs::from(list.clone()), list.iter().copied().collect::<BTreeSet<Cidr>>());
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), naive.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!((packed.len(), packed.iter().len(), packed.is_empty()), (naive.len(), naive.len(), naive.is_empty()));
            prop_assert_eq!(packed.first(), naive.first().copied());
            let last = packed.as_slice().split_last().map(|(last, before)| (last, before.len() + 1));
            prop_assert_eq!(last, naive.last().map(|last| (*last, naive.len())));
            for cidr in list.iter().chain([&asked]) {
                prop_assert_eq!(packed.contains(*cidr), naive.contains(cidr));
                let after: Vec<Cidr> = naive.range(*cidr..).copied().collect();
                prop_assert_eq!(packed.as_slice().starting_at(*cidr).iter().collect::<Vec<_>>(), after);
                let of_family = |other: &Cidr| other.family() == cidr.family();
                let before: Vec<Cidr> = naive.range(..=*cidr).copied().filter(of_family).collect();
                prop_assert_eq!(packed.as_slice().up_to(*cidr).iter().collect::<Vec<_>>(), before);
                let inside: Vec<Cidr> = naive.iter().copied().filter(|other| cidr.covers(*other)).collect();
                prop_assert_eq!(packed.as_slice().within(*cidr).iter().collect::<Vec<_>>(), inside);
            }
            for family in Family::ALL {
                let of: Vec<Cidr> = naive.iter().copied().filter(|cidr| cidr.family() == family).collect();
                prop_assert_eq!(packed.as_slice().of(family).iter().collect::<Vec<_>>(), of);
            }
            prop_assert_eq!(Cidrs::from(naive.into_iter().rev().collect::<Vec<_>>()), packed);
        }

        #[test]
        fn galloping_finds_what_a_binary_search_finds(
            sorted in prop::collection::btree_set(0_u8..60, 0..60), asked in 0_u8..60,
        ) {
            let sorted: Vec<u8> = sorted.into_iter().collect();
            prop_assert_eq!(gallop(&sorted, |other| *other < asked), sorted.partition_point(|other| *other < asked));
        }
    }

    #[test]
    fn a_clone_shares_the_memory() {
        let cidrs = Cidrs::from([Cidr::parse("198.51.100.7").unwrap()]);
        assert!(std::ptr::eq(cidrs.as_slice().ipv4, cidrs.clone().as_slice().ipv4));
    }
}
