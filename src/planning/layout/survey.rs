//! What stands where: which wanted CIDRs are missing or doubled, and which addresses surely stay in force.

use super::draft::{Draft, Force};
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Slice;
use crate::model::merged::Merged;

/// How one address family stands before anything is moved.
#[derive(Debug)]
pub(super) struct Standing {
    /// Wanted CIDRs that stand in no shard that ends wired, sorted.
    missing: Vec<Cidr>,
    /// Wanted CIDRs that stand in no wired shard, sorted, the widest only: what they cover follows from them.
    loose: Vec<Loose>,
    /// Whether anything may leave, so that it matters which addresses stay in force.
    replaces: bool,
    /// Addresses that are in force in a wired shard and stay so whatever is decided.
    wired: Ranges,
    /// The same, with those of adopted shards.
    in_force: Ranges,
}

/// A wanted CIDR that no wired shard holds yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    pub(super) cidr: Cidr,
    /// No shard that ends wired holds it either, so that it can be placed at will.
    pub(super) missing: bool,
    /// The shard (its index) that takes it in place of a CIDR that leaves.
    pub(super) taker: Option<usize>,
}

impl Standing {
    /// Merges what is wanted with what stands in the shards of this family, and notes in the drafts which copies of
    /// doubled CIDRs can be spared.
    pub(super) fn survey(desired: Slice<'_>, waiting: &[Cidr], family: Family, drafts: &mut [Draft<'_>]) -> Self {
        let ours = drafts.iter().enumerate().filter(|(_, draft)| draft.shard.family == family);
        let (indices, lists): (Vec<usize>, Vec<Slice<'_>>) =
            ours.map(|(index, draft)| (index, draft.shard.cidrs)).unzip();
        let mut copies = Merged::new(lists);
        let replaces = drafts.iter().any(|draft| draft.shard.family == family && !draft.shard.leaving.is_empty());

        let mut standing = Self {
            missing: Vec::new(),
            loose: Vec::new(),
            replaces,
            wired: Ranges::default(),
            in_force: Ranges::default(),
        };
        let mut wanted = desired.iter().peekable();
        let mut holders: Vec<usize> = Vec::new();
        while let Some((cidr, lists)) = copies.step() {
            holders.clear();
            holders.extend(lists.iter().filter_map(|list| indices.get(*list)));
            while let Some(absent) = wanted.next_if(|wanted| *wanted < cidr) {
                standing.note_missing(absent, waiting);
            }
            if wanted.next_if_eq(&cidr).is_some() {
                standing.note_wanted(cidr, &holders, drafts);
            } else {
                standing.note_unwanted(cidr, &holders, drafts);
            }
        }
        wanted.for_each(|absent| standing.note_missing(absent, waiting));
        standing
    }

    fn note_missing(&mut self, cidr: Cidr, waiting: &[Cidr]) {
        let placeable = waiting.binary_search(&cidr).is_err();
        if placeable {
            self.missing.push(cidr);
        }
        self.note_loose(cidr, placeable);
    }

    fn note_loose(&mut self, cidr: Cidr, missing: bool) {
        if !self.replaces {
            return;
        }
        // In sorted order whatever covers a CIDR has come before it.
        if !self.loose.last().is_some_and(|wider| wider.cidr.covers(cidr)) {
            self.loose.push(Loose { cidr, missing, taker: None });
        }
    }

    fn note_wanted(&mut self, cidr: Cidr, holders: &[usize], drafts: &mut [Draft<'_>]) {
        let holders = || holders.iter().copied();
        let mut best = Force::Idle;
        let mut keeper = None;
        for (index, draft) in holders().filter_map(|index| drafts.get(index).map(|draft| (index, draft))) {
            let force = draft.force_of(cidr);
            best = best.min(force);
            let rank = (force, draft.force, index);
            if draft.ends_wired && keeper.is_none_or(|kept| rank < kept) {
                keeper = Some(rank);
            }
        }
        if let Some((kept, _, keeper)) = keeper {
            for index in holders().filter(|&index| index != keeper) {
                // A copy in force goes only where another surely is.
                let spare = |draft: &&mut Draft<'_>| draft.force == Force::Idle || kept <= draft.force;
                if let Some(draft) = drafts.get_mut(index).filter(|draft| draft.takes_more()).filter(spare) {
                    draft.doubled.push(cidr);
                }
            }
        }
        if keeper.is_none() {
            self.missing.push(cidr);
        }
        if best != Force::Wired {
            self.note_loose(cidr, keeper.is_none());
        }
        self.note_staying(cidr, best);
    }

    fn note_unwanted(&mut self, cidr: Cidr, holders: &[usize], drafts: &[Draft<'_>]) {
        let stays = |draft: &&Draft<'_>| draft.shard.closed || draft.shard.leaving.binary_search(&cidr).is_err();
        let holders = holders.iter().filter_map(|&index| drafts.get(index));
        self.note_staying(cidr, holders.filter(stays).map(|draft| draft.force_of(cidr)).min().unwrap_or(Force::Idle));
    }

    fn note_staying(&mut self, cidr: Cidr, force: Force) {
        if !self.replaces {
            return;
        }
        if force == Force::Wired {
            self.wired.push(cidr);
        }
        if force != Force::Idle {
            self.in_force.push(cidr);
        }
    }

    /// The wanted CIDRs without which an address would get lost if `leaving` left a shard of this force.
    ///
    /// What leaves a wired shard relies on wired shards alone: an adopted one is wired later in the run.
    pub(super) fn needed_for(&mut self, leaving: Cidr, force: Force) -> impl Iterator<Item = &mut Loose> {
        let safe = if force == Force::Wired { &self.wired } else { &self.in_force };
        // One CIDR that covers `leaving` can come right before those that it covers.
        let start = self.loose.partition_point(|loose| loose.cidr < leaving).saturating_sub(1);
        self.loose
            .iter_mut()
            .skip(start)
            .take_while(move |loose| loose.cidr < leaving || leaving.covers(loose.cidr))
            .filter(move |loose| loose.cidr.overlaps(leaving))
            .filter(move |loose| !safe.cover(if loose.cidr.covers(leaving) { leaving } else { loose.cidr }))
    }

    /// The wanted CIDRs that are still without a place, sorted.
    pub(super) fn into_missing(self) -> Vec<Cidr> {
        let taken: Vec<Cidr> =
            self.loose.iter().filter(|loose| loose.taker.is_some()).map(|loose| loose.cidr).collect();
        self.missing.into_iter().filter(|cidr| taken.binary_search(cidr).is_err()).collect()
    }
}

/// Addresses as ranges `(first, last)`: sorted, disjoint and not adjacent.
#[derive(Debug, Default)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// Adds a CIDR; they come in sorted order.
    fn push(&mut self, cidr: Cidr) {
        match self.0.last_mut() {
            Some((_, last)) if cidr.first() <= last.saturating_add(1) => *last = cidr.last().max(*last),
            _ => self.0.push((cidr.first(), cidr.last())),
        }
    }

    /// Whether every address of `cidr` is in them.
    fn cover(&self, cidr: Cidr) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= cidr.first());
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, last)| cidr.last() <= last)
    }
}
