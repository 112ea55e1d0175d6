//! No lock-out, no leak, nothing lost and nothing too full, address by address.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{World, config, waiting_worlds};
use crate::model::cidr::{Cidr, Family};
use crate::planning::layout::Layout;

type Addresses = BTreeSet<(Family, u128)>;

fn addresses<'a>(cidrs: impl IntoIterator<Item = &'a Cidr>) -> Addresses {
    let each = |cidr: &Cidr| {
        let family = cidr.family();
        (cidr.first()..=cidr.last()).map(move |address| (family, address))
    };
    cidrs.into_iter().flat_map(each).collect()
}

/// Addresses in wired shards, and those in wired or adopted ones.
fn in_force(world: &World) -> (Addresses, Addresses) {
    let wired = world.shards.iter().filter(|shard| shard.group.is_some());
    let either = world.shards.iter().filter(|shard| shard.group.is_some() || shard.adopted);
    (addresses(wired.flat_map(|shard| &shard.cidrs)), addresses(either.flat_map(|shard| &shard.cidrs)))
}

/// The contents of a shard once the layout is carried out.
fn contents_after(world: &World, layout: &Layout, at: usize) -> BTreeSet<Cidr> {
    let mut cidrs = world.shards[at].cidrs.clone();
    cidrs.retain(|cidr| !layout.shards[at].remove.contains(cidr));
    cidrs.extend(&layout.shards[at].add);
    cidrs
}

/// The states that the API shows one after the other, in the order of the plan; within a step in both directions.
fn states(world: &World, layout: &Layout, backwards: bool) -> Vec<World> {
    let mut now = world.after(&Layout { shards: layout.shards.clone(), ..Layout::default() });
    now.shards.clone_from(&world.shards);
    let mut states = Vec::new();
    for step in 1..=4 {
        let mut order: Vec<usize> = (0..world.shards.len()).collect();
        if backwards {
            order.reverse();
        }
        for at in order {
            let (before, change) = (&world.shards[at], &layout.shards[at]);
            let stripped = before.group.is_none() && !before.adopted && !change.remove.is_empty();
            let due = match step {
                1 => stripped,
                2 => !stripped && !change.add.is_empty(),
                3 => before.group != change.group,
                _ => !stripped && change.add.is_empty() && !change.remove.is_empty(),
            };
            if due && step == 3 {
                now.shards[at].group = change.group;
            } else if due {
                now.shards[at].cidrs.retain(|cidr| !change.remove.contains(cidr));
                now.shards[at].cidrs.extend(&change.add);
            }
            states.push(now.clone());
        }
        if step == 3 {
            let new = Layout { shards: Vec::new(), ..layout.clone() };
            now = now.after(&new);
            states.push(now.clone());
        }
    }
    states
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn after_every_call_nobody_is_locked_out_and_nobody_let_in(world in waiting_worlds()) {
        let layout = world.lay_out();
        let wanted = addresses(&world.wanted);
        let (wired, either) = in_force(&world);
        for backwards in [false, true] {
            for state in states(&world, &layout, backwards) {
                let (wired_now, either_now) = in_force(&state);
                prop_assert!(wired.intersection(&wanted).all(|address| wired_now.contains(address)), "{layout:#?}");
                prop_assert!(either.intersection(&wanted).all(|address| either_now.contains(address)), "{layout:#?}");
                let allowed = |address| either.contains(address) || wanted.contains(address);
                prop_assert!(either_now.iter().all(allowed), "{layout:#?}");
            }
        }
    }

    /// AWS spreads every set on its own: an edge may see any of the updates without the others, and no new reference;
    /// nor need it have seen what an earlier round of the run brought into force.
    #[test]
    fn whatever_part_of_the_updates_an_edge_has_seen_nobody_is_locked_out(world in waiting_worlds()) {
        let layout = world.lay_out();
        let wanted = addresses(&world.wanted);
        let mut start = world.clone();
        start.shards.iter_mut().for_each(|shard| shard.cidrs.retain(|cidr| !shard.fresh.contains(cidr)));
        let (wired, either) = in_force(&start);
        for mut seen in 0..3_u32.pow(u32::try_from(world.shards.len()).unwrap()) {
            let mut partial = start.clone();
            for (at, shard) in partial.shards.iter_mut().enumerate() {
                if seen % 3 > 0 {
                    shard.cidrs.clone_from(&world.shards[at].cidrs);
                }
                if seen % 3 > 1 {
                    shard.cidrs.retain(|cidr| !layout.shards[at].remove.contains(cidr));
                    shard.cidrs.extend(&layout.shards[at].add);
                }
                seen /= 3;
            }
            let (wired_now, either_now) = in_force(&partial);
            prop_assert!(wired.intersection(&wanted).all(|address| wired_now.contains(address)), "{layout:#?}");
            prop_assert!(either.intersection(&wanted).all(|address| either_now.contains(address)), "{layout:#?}");
        }
    }

    #[test]
    fn every_wanted_cidr_has_a_place_or_is_listed_and_no_set_is_too_full(world in waiting_worlds()) {
        let layout = world.lay_out();
        let after = world.after(&layout);
        let wired = || after.shards.iter().filter(|shard| shard.group.is_some());
        let mut placed: BTreeSet<Cidr> = wired().flat_map(|shard| shard.cidrs.iter().copied()).collect();
        placed.retain(|cidr| world.wanted.contains(cidr));
        let unplaced: BTreeSet<Cidr> = layout.unplaced.iter().copied().collect();
        prop_assert!(placed.is_disjoint(&unplaced));
        let due: BTreeSet<Cidr> = world.wanted.difference(&world.waiting).copied().collect();
        prop_assert_eq!(placed.union(&unplaced).copied().collect::<BTreeSet<_>>(), due);
        prop_assert!(after.shards.len() <= world.limits.max_ip_sets.max(world.shards.len()));
        prop_assert!(after.shards.iter().all(|shard| shard.cidrs.len() <= world.limits.set_capacity));
        prop_assert!(wired().all(|shard| shard.cidrs.iter().all(|cidr| cidr.family() == shard.family)));
        for (at, group) in after.groups.iter().enumerate() {
            let used = wired().filter(|shard| shard.group == Some(at)).count() + group.references;
            prop_assert!(used <= world.limits.group_references);
        }
    }

    #[test]
    fn changes_are_sorted_and_honest(world in waiting_worlds()) {
        let layout = world.lay_out();
        prop_assert!(layout.new.iter().all(|new| !new.cidrs.is_empty()));
        prop_assert!(layout.new.is_sorted_by_key(|new| new.family));
        prop_assert!(layout.unplaced.is_sorted_by(|a, b| a < b));
        for (shard, change) in world.shards.iter().zip(&layout.shards) {
            prop_assert!(change.add.is_sorted_by(|a, b| a < b) && change.remove.is_sorted_by(|a, b| a < b));
            let may_be_added = |cidr: &Cidr| world.wanted.contains(cidr) && !world.waiting.contains(cidr);
            prop_assert!(change.add.iter().all(|cidr| !shard.cidrs.contains(cidr) && may_be_added(cidr)));
            let leaving = world.leaving(shard);
            let may_leave = |cidr: &Cidr| leaving.contains(cidr) || world.wanted.contains(cidr);
            prop_assert!(change.remove.iter().all(|cidr| shard.cidrs.contains(cidr) && may_leave(cidr)));
            prop_assert!(!shard.closed || change.add.is_empty() && change.remove.is_empty());
            prop_assert!(shard.group.is_none() || shard.group == change.group);
            let doubled_only = !change.remove.is_empty()
                && change.add.is_empty()
                && change.remove.iter().all(|cidr| world.wanted.contains(cidr));
            prop_assert!(!doubled_only, "a copy is no reason to write");
        }
    }

    /// A lock token guards one set: whatever becomes of the others, what a set covers of what is wanted it still covers,
    /// except where it says on which others it relies.
    #[test]
    fn a_set_that_may_be_in_force_covers_itself_or_says_on_which_it_relies(world in waiting_worlds()) {
        let layout = world.lay_out();
        let wanted = addresses(&world.wanted);
        for (at, shard) in world.shards.iter().enumerate().filter(|(_, shard)| shard.is_in_force()) {
            let change = &layout.shards[at];
            let before: Addresses = addresses(&shard.cidrs).intersection(&wanted).copied().collect();
            let after = addresses(&contents_after(&world, &layout, at));
            let lost: Addresses = before.difference(&after).copied().collect();
            prop_assert!(lost.is_subset(&addresses(&change.relying)), "{layout:#?}");
            prop_assert!(change.relying.iter().all(|cidr| change.remove.contains(cidr)), "{layout:#?}");
            let relied = change.relies_on.iter().flat_map(|other| {
                let stays = contents_after(&world, &layout, *other);
                let other = &world.shards[*other];
                let surely = stays.intersection(&other.cidrs).filter(|cidr| !other.fresh.contains(cidr));
                surely.copied().filter(|_| other.group.is_some()).collect::<Vec<_>>()
            });
            prop_assert!(lost.is_subset(&addresses(&relied.collect::<Vec<_>>())), "{layout:#?}");
            prop_assert!(!change.relies_on.contains(&at) && (lost.is_empty() || !change.relies_on.is_empty()), "{layout:#?}");
        }
    }

    /// Every unwanted CIDR that may leave does, unless what would have to be added in its place does not fit or has to wait.
    /// Copies that left for the sake of additions count as if they had stayed. It also stays if another set relies on it.
    #[test]
    fn what_stays_although_it_may_leave_is_listed_and_has_no_room(world in waiting_worlds()) {
        let layout = world.lay_out();
        for (at, shard) in world.shards.iter().enumerate().filter(|(_, shard)| !shard.closed) {
            let change = &layout.shards[at];
            let leaving = world.leaving(shard);
            let stayed: Vec<Cidr> = leaving.into_iter().filter(|cidr| !change.remove.contains(cidr)).collect();
            prop_assert_eq!(&stayed, &change.deferred);
            for stuck in stayed {
                prop_assert!(shard.is_in_force());
                let mut after = contents_after(&world, &layout, at);
                after.remove(&stuck);
                let lost = |cidr: &&Cidr| {
                    let mut common = addresses([*cidr]);
                    common.retain(|address| addresses([&stuck]).contains(address));
                    !common.is_subset(&addresses(&after))
                };
                let (waiting, needed): (Vec<&Cidr>, Vec<&Cidr>) =
                    world.wanted.iter().filter(lost).partition(|cidr| world.waiting.contains(cidr));
                let replaced = addresses(after.iter().chain(needed.iter().copied()));
                let waits = waiting.iter().any(|cidr| {
                    let common = &addresses([*cidr]) & &addresses([&stuck]);
                    !common.is_subset(&replaced)
                });
                let is_widest = |cidr: &&&Cidr| !needed.iter().any(|other| other != *cidr && other.covers(***cidr));
                let needed = needed.iter().filter(is_widest).count();
                let copies = change.remove.iter().filter(|cidr| world.wanted.contains(cidr)).count();
                let has_room = after.len() + copies + needed <= world.limits.set_capacity;
                let is_relied_on = layout.shards.iter().any(|other| {
                    other.relies_on.contains(&at) && other.relying.iter().any(|cidr| cidr.overlaps(stuck))
                });
                prop_assert!(waits || is_relied_on || !has_room, "{stuck} could leave: {layout:#?}");
            }
        }
    }
}
