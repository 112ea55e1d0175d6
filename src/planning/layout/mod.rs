//! Desired × current → the contents of every shard, by the fewest API writes.
//!
//! An address stays where it is. What must go goes, what is missing fills the sets that are written anyway, and only
//! the rest costs writes of its own. Nothing here looks at AWS, time or settings: the same [`Input`] gives the same
//! [`Layout`].
//!
//! 1. `slots`: which shards end wired, and to which rule group a new reference goes;
//! 2. `survey`: what stands where: missing, doubled, and the addresses that surely stay in force;
//! 3. `replacement`: which CIDRs can leave without a gap for an address that stays wanted;
//! 4. `packing`: which sets take what is still missing.

mod bins;
mod draft;
mod input;
mod packing;
mod replacement;
mod slots;
mod survey;
#[cfg(test)]
mod tests;

pub use self::input::{GroupInput, Input, Layout, NewShard, ShardInput, ShardLayout};
use crate::model::cidr::{Cidr, Family, PerFamily};
use draft::Draft;
use packing::Packing;
use slots::Slots;
use survey::Standing;

/// Works out what every shard holds after the run, with the fewest API writes.
///
/// It never fails: what finds no place is listed in [`Layout::unplaced`], what cannot leave yet in
/// [`Layout::deferred`]. The cost is `n log n` in the number of CIDRs.
#[must_use]
pub fn lay_out(input: &Input<'_>) -> Layout {
    let slots = Slots::new(input);
    let mut drafts = slots::wire(input, slots.total());
    let mut missing = PerFamily::from_fn(|_| Vec::new());
    for family in Family::ALL {
        let mut standing = Standing::survey(*input.desired.get(family), input.waiting, family, &mut drafts);
        replacement::settle(&mut drafts, &mut standing, family, input.limits.set_capacity);
        *missing.get_mut(family) = standing.into_missing();
    }
    let packing = Packing::best(input, &drafts, &missing, &slots);
    let (new, unplaced) = packing.fill(&mut drafts, missing, input.limits.set_capacity);
    let layout = finish(drafts, new, unplaced, &slots);
    debug_assert!(keeps_its_promise(input, &layout), "a wanted CIDR is lost or a set is too full");
    layout
}

/// Hands out the references, existing shards first, and puts everything in order.
fn finish(drafts: Vec<Draft<'_>>, new: Vec<(Family, Vec<Cidr>)>, unplaced: Vec<Cidr>, slots: &Slots) -> Layout {
    let unwired = drafts.iter().filter(|draft| draft.needs_slot()).count();
    let mut groups = slots.take(unwired + new.len()).into_iter();
    let mut deferred: Vec<Cidr> = drafts.iter().flat_map(|draft| draft.stuck.iter().copied()).collect();
    deferred.sort_unstable();
    deferred.dedup();
    let shards = drafts
        .into_iter()
        .map(|draft| {
            let group = if draft.needs_slot() { groups.next() } else { draft.shard.group };
            draft.into_layout(group)
        })
        .collect();
    let new = new.into_iter().zip(groups).map(|((family, cidrs), group)| NewShard { family, cidrs, group }).collect();
    Layout { shards, new, deferred, unplaced }
}

/// Whether every wanted CIDR is in a shard that ends wired, or listed as unplaced, and no shard is too full.
fn keeps_its_promise(input: &Input<'_>, layout: &Layout) -> bool {
    let mut fits = layout.new.iter().all(|new| new.cidrs.len() <= input.limits.set_capacity);
    let mut accounted: Vec<Cidr> = layout.new.iter().flat_map(|new| new.cidrs.iter().copied()).collect();
    accounted.extend(&layout.unplaced);
    accounted.extend(input.waiting);
    for (shard, after) in input.shards.iter().zip(&layout.shards) {
        let stays = |cidr: &Cidr| after.remove.binary_search(cidr).is_err();
        // What somebody overfilled may stay too full, but nothing is added to it.
        fits &= after.add.is_empty()
            || shard.cidrs.len() + after.add.len() <= input.limits.set_capacity + after.remove.len();
        if after.group.is_some() {
            accounted.extend(shard.cidrs.iter().filter(stays).chain(after.add.iter().copied()));
        }
    }
    accounted.sort();
    let is_there = |cidr| accounted.binary_search(&cidr).is_ok();
    fits && Family::ALL.into_iter().all(|family| input.desired.get(family).iter().all(is_there))
}
