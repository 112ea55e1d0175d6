//! The lower bound is never above what is planned, and nearly always equal to it.

use proptest::prelude::*;

use super::world::{
    GROUP, SMALL, World, cidr, cidrs, config, flat_worlds, nested_worlds, unwired, waiting_worlds, wired,
};
use crate::model::limits::Limits;
use crate::planning::layout::Layout;
use crate::planning::lower_bound::{self, counts};

fn bound(world: &World, layout: &Layout) -> usize {
    world.with_input(|input| lower_bound::writes(&counts::counts(input, layout)))
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn the_bound_is_met_by_worlds_of_single_addresses(world in flat_worlds()) {
        let layout = world.lay_out();
        prop_assert_eq!(bound(&world, &layout), world.writes(&layout), "{:#?}", layout);
    }

    #[test]
    fn the_bound_is_met_by_worlds_of_nested_cidrs_except_where_sets_rely_on_others(world in nested_worlds()) {
        let layout = world.lay_out();
        let (bound, planned) = (bound(&world, &layout), world.writes(&layout));
        let relies = layout.shards.iter().any(|shard| !shard.relying.is_empty());
        prop_assert!(bound == planned || (relies && bound < planned), "{bound} {planned} {layout:#?}");
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn the_bound_holds_where_a_run_plans_again_and_additions_wait(world in waiting_worlds()) {
        let layout = world.lay_out();
        let (bound, planned) = (bound(&world, &layout), world.writes(&layout));
        prop_assert!(bound <= planned, "{bound} {planned} {layout:#?}");
    }
}

#[test]
fn a_set_is_wired_although_a_doubled_cidr_leaves_it() {
    let limits = Limits { set_capacity: 2, group_references: 1, max_ip_sets: 4 };
    let shards = vec![wired("s-000", 2, "203.0.113.8/29"), unwired("s-001", "203.0.113.2/32 203.0.113.8/29")];
    let wanted = "203.0.113.0/28 203.0.113.0/29 203.0.113.0/30 203.0.113.3/32 203.0.113.4/30 203.0.113.8/29";
    let world = World::new(limits, shards, vec![GROUP, GROUP, GROUP], cidrs(wanted));
    let layout = world.lay_out();
    assert_eq!(layout.shards[1].group, Some(0));
    assert_eq!(layout.shards[1].relying, [cidr("203.0.113.8/29")]);
    assert_eq!((bound(&world, &layout), world.writes(&layout)), (5, 5));
}

#[test]
fn a_wasteful_layout_is_found_out() {
    let wanted = cidrs("203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32");
    let shards =
        vec![wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32 203.0.113.9/32"), wired("s-001", 0, "203.0.113.2/32")];
    let world = World::new(SMALL, shards, vec![GROUP, GROUP], wanted);
    let layout = world.lay_out();
    assert_eq!(world.writes(&layout), 1);
    assert_eq!(bound(&world, &layout), 1);

    let mut elsewhere = layout.clone();
    let moved = elsewhere.shards[0].add.pop().unwrap();
    elsewhere.shards[1].add.push(moved);
    assert!(world.writes(&elsewhere) > bound(&world, &elsewhere));

    let mut created = layout.clone();
    let moved = created.shards[0].add.pop().unwrap();
    created.new.push(crate::planning::layout::NewShard { family: moved.family(), cidrs: [moved].into(), group: 1 });
    assert!(world.writes(&created) > bound(&world, &created));
}
