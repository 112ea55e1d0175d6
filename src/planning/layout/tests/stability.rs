//! A small change costs little, and what has been laid out stays as it is.

use proptest::prelude::*;

use super::world::{
    GROUP, SMALL, World, cidr, cidrs, config, deferred, flat_worlds, is_quiet, nested_worlds, roomy_worlds, wired,
};
use crate::model::cidr::{Cidr, Family};
use crate::model::limits::Limits;

/// Runs until nothing is left to do; returns the number of runs that changed something.
fn runs_until_quiet(world: &World) -> (usize, World) {
    let mut now = world.clone();
    for run in 0..10 {
        let layout = now.lay_out();
        if is_quiet(&now, &layout) {
            return (run, now);
        }
        now = now.after(&layout);
    }
    panic!("never quiet");
}

proptest! {
    #![proptest_config(config(3000))]

    /// What found no room can find some in the next run: a copy in a set that has been wired only now lets another go.
    #[test]
    fn with_single_addresses_one_run_is_enough(world in flat_worlds()) {
        let all_placed = world.lay_out().unplaced.is_empty();
        let (runs, _) = runs_until_quiet(&world);
        prop_assert!(runs <= if all_placed { 1 } else { 2 }, "{runs}");
    }

    /// A removal relies only on what was in force when its run began, so sets that replace each other's CIDRs take turns. One
    /// that a web ACL enforces may wait as long as another one is not enforced.
    #[test]
    fn with_nested_cidrs_every_set_may_take_a_turn_and_deferred_ones_only_get_fewer(world in nested_worlds()) {
        let first = world.lay_out();
        let second = world.after(&first);
        let later = deferred(&second.lay_out());
        prop_assert!(later.iter().all(|cidr| deferred(&first).contains(cidr)));
        let (runs, end) = runs_until_quiet(&world);
        prop_assert!(runs <= 1 + world.shards.len().max(2), "{runs}");
        let last = end.lay_out();
        let waits = !last.unplaced.is_empty() || end.groups.iter().any(|group| !group.referred);
        prop_assert!(deferred(&last).is_empty() || waits, "{last:#?}");
    }

    #[test]
    fn the_same_input_gives_the_same_layout(world in nested_worlds()) {
        prop_assert_eq!(world.lay_out(), world.clone().lay_out());
    }

    #[test]
    fn one_address_replaced_by_another_costs_one_write(world in roomy_worlds(), pick in any::<prop::sample::Index>()) {
        let mut settled = runs_until_quiet(&world).1;
        settled.groups.iter_mut().for_each(|group| group.written_anyway = false);
        let replaceable = |cidr: &Cidr| {
            let mut holders = settled.shards.iter().filter(|shard| shard.cidrs.contains(cidr));
            let open = holders.next().is_some_and(|shard| !shard.closed);
            open && holders.next().is_none() && !settled.held.contains(cidr)
        };
        let candidates: Vec<Cidr> = settled.wanted.iter().copied().filter(replaceable).collect();
        if candidates.is_empty() {
            return Ok(());
        }
        let gone = *pick.get(&candidates);
        let mut changed = settled.clone();
        changed.wanted.remove(&gone);
        changed.wanted.insert(match gone.family() {
            Family::Ipv4 => cidr("192.0.2.1/32"),
            Family::Ipv6 => cidr("2001:db8:1::1/128"),
        });
        prop_assert_eq!(changed.writes(&changed.lay_out()), 1);
    }
}

#[test]
fn one_address_replaced_by_another_among_many_costs_one_write() {
    let limits = Limits { set_capacity: 10_000, group_references: 50, max_ip_sets: 100 };
    let hosts = |range: std::ops::Range<u32>| range.filter_map(|n| Cidr::new(std::net::Ipv4Addr::from(n).into(), 32));
    let start = 0x0b00_0000_u32;
    let shards = (0..10).map(|at| {
        let mut shard = wired(&format!("s-{at:03}"), 0, "");
        shard.cidrs = hosts(start + at * 10_000..start + (at + 1) * 10_000).collect();
        shard
    });
    let wanted = hosts(start + 1..start + 100_001).collect();
    let world = World::new(limits, shards.collect(), vec![GROUP, GROUP], wanted);
    let layout = world.lay_out();
    assert_eq!(world.writes(&layout), 1);
    assert_eq!(layout.shards[0].add, hosts(start + 100_000..start + 100_001).collect::<Vec<_>>());
    assert_eq!(layout.shards[0].remove, hosts(start..start + 1).collect::<Vec<_>>());
}

#[test]
fn nothing_to_change_costs_nothing() {
    let wanted = cidrs("203.0.113.0/32 203.0.113.1/32");
    let world = World::new(SMALL, vec![wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32")], vec![GROUP], wanted);
    let layout = world.lay_out();
    assert!(is_quiet(&world, &layout));
    assert_eq!(world.writes(&layout), 0);
}
