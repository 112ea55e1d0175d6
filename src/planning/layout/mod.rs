//! The layout: the contents of every shard, from desired and current state, with the fewest API writes.
//!
//! A wanted address stays where it is. Missing ones go into sets that are written anyway, and only the rest costs
//! additional writes. The same [`Input`] always gives the same [`Layout`].
//!
//! 1. `demand`: what is wanted of a CIDR that leaves;
//! 2. `cover`: what can leave each shard, and which copies it needs to still cover itself;
//! 3. `slots`: which shards are wired afterwards, and which rule group gets a new reference;
//! 4. `reliance`: what can leave a full shard because other shards cover it;
//! 5. `survey`: which wanted CIDRs are missing, and which are duplicated;
//! 6. `packing`: which sets take the missing CIDRs.

mod bins;
mod cover;
mod demand;
mod draft;
mod holders;
mod input;
mod packing;
mod reliance;
mod slots;
mod survey;
#[cfg(test)]
mod tests;

pub use self::input::{GroupInput, Input, Layout, NewShard, ShardInput, ShardLayout};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use demand::Demand;
use draft::Draft;
use packing::Packing;
use slots::Slots;

/// Works out what every shard holds after the run, with the fewest API writes.
///
/// It never fails: what finds no place is listed in [`Layout::unplaced`], what cannot leave yet in
/// [`ShardLayout::deferred`]. The cost is `n log n` in the number of CIDRs that are wanted and held; a set has at most 10,000.
#[must_use]
pub fn lay_out(input: &Input<'_>) -> Layout {
    let slots = Slots::new(input);
    let demand = PerFamily::from_fn(|family| Demand::new(input, family));
    let mut drafts = slots::wire(input, &demand, slots.total());
    reliance::release(&mut drafts, &demand, input.limits.set_capacity);
    let missing = PerFamily::from_fn(|family| survey::missing(input, family, &mut drafts));
    let mut packing = Packing::best(input, &drafts, &missing, &slots);
    if packing.unplaced > (0, 0) {
        // Copies leave only where there is no other room.
        allow_spares(&mut drafts, true);
        let without_copies = Packing::best(input, &drafts, &missing, &slots);
        if without_copies.unplaced < packing.unplaced {
            packing = without_copies;
        } else {
            allow_spares(&mut drafts, false);
        }
    }
    let (new, unplaced) = packing.fill(&mut drafts, &missing, input.limits.set_capacity);
    let layout = finish(input, drafts, new, unplaced, &slots);
    debug_assert!(keeps_its_promise(input, &layout), "a wanted CIDR is lost or a set is too full");
    layout
}

fn allow_spares(drafts: &mut [Draft<'_>], spares: bool) {
    for draft in drafts {
        draft.spares = spares;
    }
}

/// Hands out the references, existing shards first, and puts everything in order.
fn finish(
    input: &Input<'_>,
    drafts: Vec<Draft<'_>>,
    new: Vec<(Family, Cidrs)>,
    unplaced: Vec<Cidr>,
    slots: &Slots,
) -> Layout {
    let unwired = drafts.iter().filter(|draft| draft.needs_slot()).count();
    let mut groups = slots.take(unwired + new.len()).into_iter();
    let shards = drafts
        .into_iter()
        .map(|draft| {
            let group = if draft.needs_slot() { groups.next() } else { draft.shard.group };
            draft.into_layout(group, input.limits.set_capacity)
        })
        .collect();
    let new = new.into_iter().zip(groups).map(|((family, cidrs), group)| NewShard { family, cidrs, group }).collect();
    Layout { shards, new, unplaced }
}

/// Whether every wanted CIDR is in a shard that ends wired, or listed as unplaced, and no shard is too full.
fn keeps_its_promise(input: &Input<'_>, layout: &Layout) -> bool {
    let mut fits = layout.new.iter().all(|new| new.cidrs.len() <= input.limits.set_capacity);
    let mut accounted: Vec<Cidr> = layout.new.iter().flat_map(|new| &new.cidrs).collect();
    accounted.extend(&layout.unplaced);
    accounted.extend(input.waiting);
    for (shard, after) in input.shards.iter().zip(&layout.shards) {
        let stays = |cidr: &Cidr| after.remove.binary_search(cidr).is_err();
        // A set that was overfilled by hand may stay so, but nothing is added to it.
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
