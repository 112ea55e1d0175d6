//! A merge of sorted lists: a million CIDRs in a hundred IP sets, without copying them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::cidr::Cidr;
use crate::model::cidrs::Slice;

/// A merge of sorted lists, each without duplicates.
#[derive(Debug)]
pub struct Merged<'a> {
    /// The rest of each list.
    rests: Vec<Slice<'a>>,
    /// The first CIDR of each list that has a rest, with the list's index.
    heads: BinaryHeap<Reverse<(Cidr, usize)>>,
    /// That of the list that was walked last. Lists hardly interleave, so it is mostly the next one.
    last: Option<(Cidr, usize)>,
    holders: Vec<usize>,
}

impl<'a> Merged<'a> {
    /// Starts a merge of these lists.
    pub fn new(lists: impl IntoIterator<Item = Slice<'a>>) -> Self {
        let rests: Vec<Slice<'a>> = lists.into_iter().collect();
        let mut merged = Self { heads: BinaryHeap::with_capacity(rests.len()), rests, last: None, holders: Vec::new() };
        for index in 0..merged.rests.len() {
            let head = merged.take_head(index);
            merged.heads.extend(head.map(Reverse));
        }
        merged
    }

    /// The next CIDR in order, and the indices of the lists that hold it, ascending; `None` at the end.
    pub fn step(&mut self) -> Option<(Cidr, &[usize])> {
        self.holders.clear();
        if let Some((cidr, index)) = self.last.take() {
            if self.heads.peek().is_none_or(|Reverse((other, _))| cidr < *other) {
                self.holders.push(index);
                self.last = self.take_head(index);
                return Some((cidr, &self.holders));
            }
            self.heads.push(Reverse((cidr, index)));
        }
        let Reverse((cidr, first)) = self.heads.pop()?;
        self.holders.push(first);
        self.last = self.take_head(first);
        while let Some(Reverse((_, index))) = self.heads.peek().copied().filter(|Reverse((next, _))| *next == cidr) {
            self.heads.pop();
            self.holders.push(index);
            let head = self.take_head(index);
            self.heads.extend(head.map(Reverse));
        }
        Some((cidr, &self.holders))
    }

    /// The number of distinct CIDRs for which `counts` holds.
    pub fn count(mut self, counts: impl Fn(Cidr) -> bool) -> usize {
        let mut count = 0;
        while let Some((cidr, _)) = self.step() {
            count += usize::from(counts(cidr));
        }
        count
    }

    fn take_head(&mut self, index: usize) -> Option<(Cidr, usize)> {
        let list = self.rests.get_mut(index)?;
        let (first, rest) = list.split_first()?;
        *list = rest;
        Some((first, index))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::model::cidrs::Cidrs;

    proptest! {
        #[test]
        fn every_cidr_comes_once_in_order_with_all_its_holders(
            lists in prop::collection::vec(prop::collection::btree_set(0_u8..12, 0..8), 0..5),
        ) {
            let cidr = |host: &u8| Cidr::new([203, 0, 113, *host].into(), 32).unwrap();
            let lists: Vec<Cidrs> = lists.iter().map(|hosts: &BTreeSet<u8>| hosts.iter().map(cidr).collect()).collect();
            let mut expected: BTreeMap<Cidr, Vec<usize>> = BTreeMap::new();
            for (index, list) in lists.iter().enumerate() {
                for cidr in list {
                    expected.entry(cidr).or_default().push(index);
                }
            }
            let mut merged = Merged::new(lists.iter().map(Cidrs::as_slice));
            let mut found = Vec::new();
            while let Some((cidr, holders)) = merged.step() {
                found.push((cidr, holders.to_vec()));
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
