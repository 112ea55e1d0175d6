//! Holders: the CIDRs of all shards in one list, and the shards that hold each.

use super::draft::Draft;
use crate::model::cidr::Cidr;
use crate::model::cidrs::{Builder, Cidrs};
use crate::model::coverage;
use crate::model::merged::Merged;

/// The distinct CIDRs of all shards, and the shards that hold each.
#[derive(Debug)]
pub(super) struct Holders {
    cidrs: Cidrs,
    /// For each CIDR the end of its part of `shards`.
    ends: Vec<usize>,
    shards: Vec<usize>,
}

impl Holders {
    pub(super) fn new(drafts: &[Draft<'_>]) -> Self {
        let (mut cidrs, mut ends, mut shards) = (Builder::default(), Vec::new(), Vec::new());
        let mut merged = Merged::new(drafts.iter().map(|draft| draft.shard.cidrs));
        while let Some((cidr, holders)) = merged.step() {
            cidrs.push(cidr);
            shards.extend(holders);
            ends.push(shards.len());
        }
        Self { cidrs: cidrs.finish(), ends, shards }
    }

    /// The CIDRs that share an address with `cidr`, each with every shard that holds it.
    pub(super) fn overlapping(&self, cidr: Cidr) -> impl Iterator<Item = (Cidr, usize)> {
        let of = |cidr: Cidr| self.of(cidr).iter().map(move |shard| (cidr, *shard));
        coverage::overlapping(&self.cidrs, cidr).flat_map(of)
    }

    /// The shards that hold this CIDR of the list.
    fn of(&self, cidr: Cidr) -> &[usize] {
        let index = self.cidrs.len() - self.cidrs.as_slice().starting_at(cidr).len();
        let end = |index: usize| self.ends.get(index).copied();
        let from = index.checked_sub(1).and_then(end).unwrap_or_default();
        end(index).and_then(|to| self.shards.get(from..to)).unwrap_or_default()
    }
}
