//! A small change costs little, and what has been laid out stays as it is.

use proptest::prelude::*;

use super::world::{GROUP, SMALL, World, cidr, cidrs, config, flat_worlds, is_quiet, nested_worlds, wired};
use crate::cidr::Cidr;
use crate::limits::Limits;

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
    #![proptest_config(config(0x57ab1e, 3000))]

    #[test]
    fn with_single_addresses_one_run_is_enough(world in flat_worlds()) {
        let (runs, _) = runs_until_quiet(&world);
        prop_assert!(runs <= 1, "{runs}");
    }

    #[test]
    fn with_nested_cidrs_three_runs_are_enough_and_deferred_ones_only_get_fewer(world in nested_worlds()) {
        let first = world.lay_out();
        let second = world.after(&first);
        let deferred = second.lay_out().deferred;
        prop_assert!(deferred.iter().all(|cidr| first.deferred.contains(cidr)));
        let (runs, end) = runs_until_quiet(&world);
        prop_assert!(runs <= 3, "{runs}");
        let last = end.lay_out();
        prop_assert!(last.deferred.is_empty() || !last.unplaced.is_empty(), "{last:#?}");
    }

    #[test]
    fn the_same_input_gives_the_same_layout(world in nested_worlds()) {
        prop_assert_eq!(world.lay_out(), world.clone().lay_out());
    }

    #[test]
    fn one_address_replaced_by_another_costs_one_write(world in flat_worlds(), pick in any::<prop::sample::Index>()) {
        let mut settled = world;
        settled.held.clear();
        let settled = runs_until_quiet(&settled).1;
        prop_assume!(settled.lay_out().unplaced.is_empty());
        let open = |cidr: &Cidr| settled.shards.iter().any(|shard| !shard.closed && shard.cidrs.contains(cidr));
        let candidates: Vec<Cidr> = settled.wanted.iter().copied().filter(open).collect();
        prop_assume!(!candidates.is_empty());
        let gone = candidates[pick.index(candidates.len())];
        let copies = settled.shards.iter().filter(|shard| shard.cidrs.contains(&gone)).count();
        prop_assume!(copies == 1);
        let mut wanted = settled.wanted.clone();
        wanted.remove(&gone);
        wanted.insert(cidr(if gone.family() == crate::cidr::Family::Ipv4 { "192.0.2.1/32" } else { "2001:db8:1::1/128" }));
        let changed = World::new(settled.limits, settled.shards, settled.groups, wanted);
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
