//! Replaced CIDRs, case by case: what leaves at once, what waits, and what ends the waiting.

use super::world::{GROUP, SMALL, Shard, World, adopted, cidrs, idle, is_quiet, wired};
use crate::model::cidr::Cidr;
use crate::planning::layout::Layout;

fn world(shards: Vec<Shard>, wanted: &str) -> World {
    World::new(SMALL, shards, vec![GROUP; 3], cidrs(wanted))
}

fn list(text: &str) -> Vec<Cidr> {
    cidrs(text).into_iter().collect()
}

/// Checks one shard of a layout and what is deferred.
fn check(layout: &Layout, shard: usize, add: &str, remove: &str, deferred: &str) {
    assert_eq!(layout.shards[shard].add, list(add), "added");
    assert_eq!(layout.shards[shard].remove, list(remove), "removed");
    assert_eq!(layout.deferred, list(deferred), "deferred");
}

#[test]
fn a_wider_cidr_takes_the_place_of_those_it_covers_in_one_update() {
    let world = world(vec![wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32")], "203.0.113.0/31");
    check(&world.lay_out(), 0, "203.0.113.0/31", "203.0.113.0/32 203.0.113.1/32", "");
}

#[test]
fn a_split_cidr_leaves_with_the_update_that_adds_its_parts() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32"), wired("s-001", 0, "203.0.113.9/32")];
    let world = world(shards, "203.0.113.0/32 203.0.113.2/31 203.0.113.8/32 203.0.113.9/32");
    check(&world.lay_out(), 0, "203.0.113.0/32 203.0.113.2/31", "203.0.113.0/30", "");
}

#[test]
fn a_split_cidr_whose_parts_do_not_fit_waits_until_they_are_in_force_elsewhere() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32")];
    let world = world(shards, "203.0.113.0/32 203.0.113.2/32 203.0.113.8/32 203.0.113.9/32");
    let first = world.lay_out();
    check(&first, 0, "", "", "203.0.113.0/30");
    assert_eq!(first.new[0].cidrs, list("203.0.113.0/32 203.0.113.2/32"));

    let next = world.after(&first);
    let second = next.lay_out();
    check(&second, 0, "", "203.0.113.0/30", "");
    let end = next.after(&second);
    assert!(is_quiet(&end, &end.lay_out()));
}

#[test]
fn of_one_cidr_replaced_in_two_sets_the_second_waits() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/32"), wired("s-001", 0, "203.0.113.1/32")];
    let world = world(shards, "203.0.113.0/31");
    let first = world.lay_out();
    check(&first, 0, "203.0.113.0/31", "203.0.113.0/32", "203.0.113.1/32");
    check(&world.after(&first).lay_out(), 1, "", "203.0.113.1/32", "");
}

#[test]
fn two_cidrs_that_leave_never_rely_on_each_other() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"),
        wired("s-001", 0, "203.0.113.0/31 203.0.113.10/32 203.0.113.11/32"),
    ];
    let kept = "203.0.113.8/32 203.0.113.9/32 203.0.113.10/32 203.0.113.11/32";
    let world = world(shards, &format!("203.0.113.0/32 203.0.113.1/32 {kept}"));
    let first = world.lay_out();
    // The wider one waits and covers the other, which makes room for one of the parts.
    check(&first, 0, "", "", "203.0.113.0/30");
    check(&first, 1, "203.0.113.0/32", "203.0.113.0/31", "203.0.113.0/30");
}

#[test]
fn two_full_sets_do_not_wait_for_each_other_for_ever() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"),
        wired("s-001", 0, "203.0.113.0/31 203.0.113.10/32 203.0.113.11/32"),
    ];
    let kept = "203.0.113.8/32 203.0.113.9/32 203.0.113.10/32 203.0.113.11/32";
    let mut world = world(shards, &format!("203.0.113.0/32 203.0.113.1/32 {kept}"));
    world.limits.max_ip_sets = 2;
    let first = world.lay_out();
    assert_eq!(first.unplaced, list("203.0.113.1/32"));
    let next = world.after(&first);
    let second = next.lay_out();
    check(&second, 0, "203.0.113.1/32", "203.0.113.0/30", "");
    let end = next.after(&second);
    assert!(is_quiet(&end, &end.lay_out()));
    assert_eq!(end.lay_out().unplaced, []);
}

#[test]
fn what_is_held_back_can_be_relied_on() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30"), wired("s-001", 0, "203.0.113.0/31")];
    let mut world = world(shards, "203.0.113.0/32");
    world.held = cidrs("203.0.113.0/30");
    let layout = world.lay_out();
    check(&layout, 1, "203.0.113.0/32", "203.0.113.0/31", "");
    check(&layout, 0, "", "", "");
}

#[test]
fn a_set_that_is_not_wired_yet_is_not_relied_on() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/31"), idle("s-001", "203.0.113.0/32")];
    let world = world(shards, "203.0.113.0/32");
    let first = world.lay_out();
    check(&first, 0, "", "", "203.0.113.0/31");
    assert_eq!(first.shards[1].group, Some(0));
    check(&world.after(&first).lay_out(), 0, "", "203.0.113.0/31", "");
}

#[test]
fn a_wired_set_does_not_rely_on_an_adopted_one_before_that_is_wired() {
    let shards = vec![adopted("hand-made", "203.0.113.0/32"), wired("s-000", 0, "203.0.113.0/31")];
    let first = world(shards, "203.0.113.0/32").lay_out();
    check(&first, 1, "", "", "203.0.113.0/31");
}

#[test]
fn an_adopted_set_may_rely_on_a_wired_one_and_on_itself() {
    let shards =
        vec![adopted("hand-made", "203.0.113.0/31 203.0.113.8/31 203.0.113.8/32"), wired("s-000", 0, "203.0.113.0/32")];
    let layout = world(shards, "203.0.113.0/32 203.0.113.8/32").lay_out();
    check(&layout, 0, "", "203.0.113.0/31 203.0.113.8/31", "");
}

#[test]
fn what_is_not_in_force_goes_without_further_questions() {
    let shards = vec![idle("s-000", "203.0.113.0/30 203.0.113.8/32")];
    let layout = world(shards, "203.0.113.0/32").lay_out();
    check(&layout, 0, "203.0.113.0/32", "203.0.113.0/30 203.0.113.8/32", "");
}
