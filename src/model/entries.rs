//! Pairs of a CIDR and an item that asks for it: a million of them, packed and sorted in place.

use crate::model::cidr::{Cidr, Family};

/// The bits of a packed IPv4 entry for the item's number, below its address and prefix length.
const ITEM_BITS: u32 = 27;

/// The largest item number that fits. Items beyond it share it; that many would not fit into memory anyway.
pub(super) const LAST_ITEM: u32 = 134_217_727;

const _: () = assert!(LAST_ITEM == (1 << ITEM_BITS) - 1, "the largest number has all bits set");

/// A list of pairs of a CIDR and the number of an item that asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// Address, prefix length minus one, item number, from the most significant bit on.
    ipv4: Vec<u64>,
    /// Address, prefix length, item number, most significant byte first.
    ipv6: Vec<[u8; 21]>,
}

impl Entries {
    /// Adds a pair.
    pub(super) fn push(&mut self, cidr: Cidr, item: u32) {
        match cidr.octets() {
            Ok(octets) => {
                let first = first_of(u32::from_be_bytes(octets), cidr.prefix());
                self.ipv4.push(first | u64::from(item.min(LAST_ITEM)));
            }
            Err(octets) => {
                let mut packed = [0; 21];
                let (address, rest) = packed.split_at_mut(16);
                address.copy_from_slice(&octets);
                let [a, b, c, d] = item.to_be_bytes();
                rest.copy_from_slice(&[cidr.prefix(), a, b, c, d]);
                self.ipv6.push(packed);
            }
        }
    }

    /// The pairs of `own`, and those of `earlier` whose items were taken over; sorted, as `earlier` has to be.
    pub(super) fn merge(mut own: Self, earlier: &Self, is_taken: impl Fn(u32) -> bool) -> Self {
        own.sort();
        let taken4 = earlier.ipv4.iter().copied().filter(|packed| is_taken(unpack4(*packed).1));
        let taken6 = earlier.ipv6.iter().copied().filter(|packed| is_taken(unpack6(packed).1));
        let mut merged =
            Self { ipv4: Vec::with_capacity(earlier.ipv4.len()), ipv6: Vec::with_capacity(earlier.ipv6.len()) };
        merge(own.ipv4, taken4, |packed| *packed, &mut merged.ipv4);
        merge(own.ipv6, taken6, key, &mut merged.ipv6);
        merged
    }

    /// The number of pairs.
    pub(super) const fn len(&self) -> usize {
        self.ipv4.len() + self.ipv6.len()
    }

    /// Sorts by CIDR, then by item. All lookups need this first.
    pub(super) fn sort(&mut self) {
        self.ipv4.sort_unstable();
        self.ipv6.sort_unstable_by_key(key);
        self.ipv4.shrink_to_fit();
        self.ipv6.shrink_to_fit();
    }

    /// All pairs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cidr, u32)> {
        self.ipv4.iter().map(|packed| unpack4(*packed)).chain(self.ipv6.iter().map(unpack6))
    }

    /// The CIDRs of one family in order, each as often as items ask for it.
    pub(super) fn cidrs(&self, family: Family) -> impl Iterator<Item = Cidr> {
        let (ipv4, ipv6): (&[u64], &[[u8; 21]]) = match family {
            Family::Ipv4 => (&self.ipv4, &[]),
            Family::Ipv6 => (&[], &self.ipv6),
        };
        ipv4.iter().map(|packed| unpack4(*packed).0).chain(ipv6.iter().map(|packed| unpack6(packed).0))
    }

    /// The pairs of exactly this CIDR.
    pub(super) fn of(&self, cidr: Cidr) -> impl Iterator<Item = (Cidr, u32)> {
        self.starting_at(cidr).take_while(move |(other, _)| *other == cidr)
    }

    /// The pairs of the CIDRs within `cidr`, itself included.
    pub(super) fn within(&self, cidr: Cidr) -> impl Iterator<Item = (Cidr, u32)> {
        self.starting_at(cidr).take_while(move |(other, _)| cidr.covers(*other))
    }

    fn starting_at(&self, cidr: Cidr) -> impl Iterator<Item = (Cidr, u32)> {
        let (from4, from6) = match cidr.octets() {
            Ok(octets) => {
                let first = first_of(u32::from_be_bytes(octets), cidr.prefix());
                (self.ipv4.partition_point(|packed| *packed < first), 0)
            }
            Err(octets) => {
                let first = (u128::from_be_bytes(octets), cidr.prefix(), 0);
                (self.ipv4.len(), self.ipv6.partition_point(|packed| key(packed) < first))
            }
        };
        let ipv4 = self.ipv4.iter().skip(from4).map(|packed| unpack4(*packed));
        ipv4.chain(self.ipv6.iter().skip(from6).map(unpack6))
    }
}

/// The lowest entry of an IPv4 CIDR. `/0` is always rejected, so the prefix length minus one fits into five bits.
fn first_of(address: u32, prefix: u8) -> u64 {
    u64::from(address) << 32 | u64::from(prefix.saturating_sub(1)) << ITEM_BITS
}

/// Appends two sorted lists, as one.
fn merge<T, K: Ord>(one: Vec<T>, other: impl Iterator<Item = T>, key: impl Fn(&T) -> K, merged: &mut Vec<T>) {
    let mut one = one.into_iter().peekable();
    for pair in other {
        while let Some(before) = one.next_if(|before| key(before) < key(&pair)) {
            merged.push(before);
        }
        merged.push(pair);
    }
    merged.extend(one);
}

fn unpack4(packed: u64) -> (Cidr, u32) {
    let [a, b, c, d, rest @ ..] = packed.to_be_bytes();
    let rest = u32::from_be_bytes(rest);
    let [.., prefix] = (rest >> ITEM_BITS).to_be_bytes();
    (Cidr::canonical_v4([a, b, c, d].into(), prefix + 1), rest & LAST_ITEM)
}

fn key([address @ .., prefix, a, b, c, d]: &[u8; 21]) -> (u128, u8, u32) {
    (u128::from_be_bytes(*address), *prefix, u32::from_be_bytes([*a, *b, *c, *d]))
}

fn unpack6(packed: &[u8; 21]) -> (Cidr, u32) {
    let (address, prefix, item) = key(packed);
    (Cidr::canonical_v6(address.into(), prefix), item)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cidr() -> impl Strategy<Value = Cidr> {
        let ipv4 = (0_u8..16, 26_u8..=32).prop_map(|(host, prefix)| Cidr::new([203, 0, 113, host].into(), prefix));
        let any4 = (any::<[u8; 4]>(), 1_u8..=32).prop_map(|(address, prefix)| Cidr::new(address.into(), prefix));
        let ipv6 = (any::<[u8; 16]>(), 1_u8..=128).prop_map(|(address, prefix)| Cidr::new(address.into(), prefix));
        prop_oneof![ipv4, any4, ipv6].prop_map(Option::unwrap)
    }

    proptest! {
        #[test]
        fn a_merge_has_all_own_pairs_and_those_of_items_that_were_taken_over(
            list in prop::collection::vec((cidr(), 0..6_u32), 0..20), earlier in prop::collection::vec((cidr(), 0..6_u32), 0..20),
            taken in prop::collection::vec(any::<bool>(), 6),
        ) {
            let of = |list: &[(Cidr, u32)]| {
                let mut entries = Entries::default();
                for (cidr, item) in list {
                    entries.push(*cidr, *item);
                }
                entries
            };
            let is_taken = |item: u32| taken[usize::try_from(item).unwrap()];
            let mut sorted = of(&earlier);
            sorted.sort();
            let merged = Entries::merge(of(&list), &sorted, is_taken);
            let mut expected = list;
            expected.extend(earlier.into_iter().filter(|(_, item)| is_taken(*item)));
            expected.sort_unstable();
            prop_assert_eq!(merged.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn packed_entries_are_the_sorted_pairs(
            list in prop::collection::vec((cidr(), 0..=LAST_ITEM), 0..20), asked in cidr(),
        ) {
            let mut entries = Entries::default();
            let mut naive = list;
            for (cidr, item) in &naive {
                entries.push(*cidr, *item);
            }
            entries.sort();
            naive.sort_unstable();
            prop_assert_eq!(entries.len(), naive.len());
            prop_assert_eq!(entries.iter().collect::<Vec<_>>(), naive.clone());
            for family in Family::ALL {
                let of = naive.iter().map(|(cidr, _)| *cidr).filter(|cidr| cidr.family() == family);
                prop_assert_eq!(entries.cidrs(family).collect::<Vec<_>>(), of.collect::<Vec<_>>());
            }
            for cidr in naive.iter().map(|(cidr, _)| *cidr).chain([asked]) {
                let exactly = naive.iter().copied().filter(|(other, _)| *other == cidr);
                prop_assert_eq!(entries.of(cidr).collect::<Vec<_>>(), exactly.collect::<Vec<_>>());
                let inside = naive.iter().copied().filter(|(other, _)| cidr.covers(*other));
                prop_assert_eq!(entries.within(cidr).collect::<Vec<_>>(), inside.collect::<Vec<_>>());
            }
        }
    }
}
