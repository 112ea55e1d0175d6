//! Replaced CIDRs, case by case: what leaves at once, what waits, and what ends the waiting.

use super::world::{GROUP, SMALL, Shard, World, adopted, cidr, cidrs, deferred, idle, is_quiet, unwired, wired};
use crate::model::cidr::Cidr;
use crate::model::limits::Limits;
use crate::planning::layout::{GroupInput, Layout};
use crate::planning::lower_bound::{self, counts};

fn world(shards: Vec<Shard>, wanted: &str) -> World {
    World::new(SMALL, shards, vec![GROUP; 3], cidrs(wanted))
}

fn list(text: &str) -> Vec<Cidr> {
    cidrs(text).into_iter().collect()
}

/// Checks one shard of a layout.
fn check(layout: &Layout, shard: usize, add: &str, remove: &str, deferred: &str) {
    let shard = &layout.shards[shard];
    assert_eq!((&shard.add, &shard.remove, &shard.deferred), (&list(add), &list(remove), &list(deferred)));
}

/// The layout while these wanted CIDRs may not be added.
fn while_waiting(world: &World, waiting: &str) -> Layout {
    World { waiting: cidrs(waiting), ..world.clone() }.lay_out()
}

/// Which shards a shard relies on.
fn relies_on(layout: &Layout, shard: usize) -> &[usize] {
    &layout.shards[shard].relies_on
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
fn as_many_nested_cidrs_are_replaced_as_the_room_of_the_inner_ones_allows() {
    // In the order of what they need: a /30 for two, three nested ones for the same two, two nested ones for three, and a
    // /24 for four, for which the room is not enough.
    let contents = "192.0.2.1/32 198.51.100.0/30 203.0.113.0/27 203.0.113.0/28 203.0.113.0/29 203.0.113.64/26 203.0.113.64/27 \
                    198.51.101.0/24";
    let first =
        "198.51.100.0/32 198.51.100.2/32 203.0.113.0/32 203.0.113.2/32 203.0.113.64/32 203.0.113.66/32 203.0.113.68/32";
    let last = "198.51.101.0/32 198.51.101.2/32 198.51.101.4/32 198.51.101.6/32";
    let wanted = cidrs(&format!("192.0.2.1/32 {first} {last}"));
    let limits = Limits { set_capacity: 9, max_ip_sets: 1, ..SMALL };
    let world = World::new(limits, vec![wired("s-000", 0, contents)], vec![GROUP], wanted);
    let leaving = "198.51.100.0/30 203.0.113.0/27 203.0.113.0/28 203.0.113.0/29 203.0.113.64/26 203.0.113.64/27";
    let layout = world.lay_out();
    check(&layout, 0, first, leaving, "198.51.101.0/24");
}

#[test]
fn a_cidr_that_replaces_others_in_two_sets_goes_to_both() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/32"), wired("s-001", 0, "203.0.113.1/32")];
    let world = world(shards, "203.0.113.0/31");
    let layout = world.lay_out();
    check(&layout, 0, "203.0.113.0/31", "203.0.113.0/32", "");
    check(&layout, 1, "203.0.113.0/31", "203.0.113.1/32", "");
    let end = world.after(&layout);
    assert!(is_quiet(&end, &end.lay_out()), "the copies stay");
}

#[test]
fn a_narrow_cidr_in_another_set_than_the_wide_one_that_covers_it_gets_a_copy_of_it() {
    // The wide one may narrow in a run that sees another table: neither may rely on the other.
    let shards = vec![wired("s-000", 0, "203.0.113.0/30"), wired("s-001", 0, "203.0.113.1/32")];
    let layout = world(shards.clone(), "203.0.113.0/30").lay_out();
    check(&layout, 0, "", "", "");
    check(&layout, 1, "203.0.113.0/30", "203.0.113.1/32", "");
    let narrowed = world(shards, "203.0.113.1/32").lay_out();
    check(&narrowed, 0, "203.0.113.1/32", "203.0.113.0/30", "");
}

#[test]
fn a_split_cidr_whose_parts_do_not_fit_relies_in_a_later_run_on_the_set_that_took_them() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32")];
    let world = world(shards, "203.0.113.0/32 203.0.113.2/32 203.0.113.8/32 203.0.113.9/32");
    let first = world.lay_out();
    check(&first, 0, "", "", "203.0.113.0/30");
    assert_eq!(first.new[0].cidrs, list("203.0.113.0/32 203.0.113.2/32").into());

    let mut again = world.after(&first);
    again.shards[1].fresh = again.shards[1].cidrs.clone();
    check(&again.lay_out(), 0, "", "", "203.0.113.0/30");

    let next = world.after(&first);
    let second = next.lay_out();
    check(&second, 0, "", "203.0.113.0/30", "");
    assert_eq!((relies_on(&second, 0), &second.shards[0].relying), (&[1][..], &list("203.0.113.0/30")));
    let end = next.after(&second);
    assert!(is_quiet(&end, &end.lay_out()));
}

#[test]
fn of_three_full_sets_with_the_same_cidr_two_rely_on_the_one_that_keeps_it() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"),
        wired("s-001", 0, "203.0.113.0/30 203.0.113.10/32 203.0.113.11/32"),
        wired("s-002", 1, "203.0.113.0/30 203.0.113.12/32 203.0.113.13/32"),
    ];
    let others = "203.0.113.8/32 203.0.113.9/32 203.0.113.10/32 203.0.113.11/32 203.0.113.12/32 203.0.113.13/32";
    let layout = world(shards, &format!("203.0.113.0/32 203.0.113.2/32 {others}")).lay_out();
    assert_eq!([0, 1, 2].map(|shard| relies_on(&layout, shard)), [&[1][..], &[], &[1]]);
    assert_eq!(deferred(&layout), list("203.0.113.0/30"));
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
    // The wider one waits, so that the other can rely on it.
    check(&first, 0, "", "", "203.0.113.0/30");
    check(&first, 1, "203.0.113.0/32", "203.0.113.0/31", "");
    assert_eq!(relies_on(&first, 1), [0]);
    assert_eq!(first.new[0].cidrs, list("203.0.113.1/32").into());
    let next = world.after(&first);
    let second = next.lay_out();
    check(&second, 0, "", "203.0.113.0/30", "");
    assert_eq!(relies_on(&second, 0), [1, 2]);
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
    assert_eq!(relies_on(&second, 0), [1]);
    let end = next.after(&second);
    assert!(is_quiet(&end, &end.lay_out()));
    assert_eq!(end.lay_out().unplaced, []);
}

#[test]
fn what_is_held_back_in_a_set_covers_what_leaves_it() {
    let mut world = world(vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.0/31")], "203.0.113.0/32");
    world.held = cidrs("203.0.113.0/30");
    let layout = world.lay_out();
    assert_eq!((layout.shards[0].remove.as_slice(), deferred(&layout)), (&*list("203.0.113.0/31"), vec![]));
}

/// A full set with a CIDR in it whose parts another set holds.
fn full_beside(other: Shard) -> World {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"), other];
    world(shards, "203.0.113.0/32 203.0.113.1/32 203.0.113.8/32 203.0.113.9/32")
}

#[test]
fn a_set_that_is_not_wired_yet_is_not_relied_on() {
    let parts = "203.0.113.0/32 203.0.113.1/32";
    for other in [idle("s-001", parts), unwired("s-001", parts), adopted("s-001", parts)] {
        let world = full_beside(other);
        let first = world.lay_out();
        check(&first, 0, "", "", "203.0.113.0/30");
        assert_eq!(first.shards[1].group, Some(0));
        let second = world.after(&first).lay_out();
        check(&second, 0, "", "203.0.113.0/30", "");
        assert_eq!(relies_on(&second, 0), [1]);
    }
}

#[test]
fn an_adopted_set_covers_itself() {
    let shards =
        vec![adopted("hand-made", "203.0.113.0/31 203.0.113.8/31 203.0.113.8/32"), wired("s-000", 0, "203.0.113.0/32")];
    let layout = world(shards, "203.0.113.0/32 203.0.113.8/32").lay_out();
    check(&layout, 0, "203.0.113.0/32", "203.0.113.0/31 203.0.113.8/31", "");
}

#[test]
fn what_is_not_in_force_goes_without_further_questions() {
    let shards = vec![idle("s-000", "203.0.113.0/30 203.0.113.8/32")];
    let layout = world(shards, "203.0.113.0/32").lay_out();
    check(&layout, 0, "203.0.113.0/32", "203.0.113.0/30 203.0.113.8/32", "");
}

#[test]
fn a_set_that_no_rule_was_seen_to_refer_to_covers_itself_and_is_wired_once_it_is_clean() {
    let world = world(vec![unwired("s-000", "203.0.113.0/30 203.0.113.8/32")], "203.0.113.0/32");
    let layout = world.lay_out();
    check(&layout, 0, "203.0.113.0/32", "203.0.113.0/30 203.0.113.8/32", "");
    assert_eq!(layout.shards[0].group, Some(0));
    let full = full_beside(wired("s-001", 0, "203.0.113.0/32 203.0.113.1/32"));
    let mut unclean = full.clone();
    unclean.shards[0].group = None;
    unclean.shards[1].fresh = unclean.shards[1].cidrs.clone();
    let layout = unclean.lay_out();
    check(&layout, 0, "", "", "203.0.113.0/30");
    assert_eq!(layout.shards[0].group, None);
}

#[test]
fn several_that_leave_share_what_is_added_in_their_place() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.0/31 203.0.113.8/32")];
    let layout = world(shards, "203.0.113.0/32 203.0.113.1/32 203.0.113.8/32").lay_out();
    check(&layout, 0, "203.0.113.0/32 203.0.113.1/32", "203.0.113.0/30 203.0.113.0/31", "");
}

#[test]
fn what_needs_the_least_goes_first_and_makes_room_for_the_next() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/31 203.0.113.4/30 203.0.113.8/30")];
    let world = world(shards, "203.0.113.4/32 203.0.113.5/32 203.0.113.8/32 203.0.113.9/32");
    let (add, remove) = ("203.0.113.4/32 203.0.113.5/32", "203.0.113.0/31 203.0.113.4/30");
    check(&world.lay_out(), 0, add, remove, "203.0.113.8/30");
}

#[test]
fn what_need_not_be_added_after_all_leaves_its_room_to_another() {
    // The /30 stays and covers the /31, so there is room for what replaces the /29.
    let shards = vec![wired("s-000", 0, "203.0.113.0/29 203.0.113.12/30 203.0.113.12/31")];
    let wanted = "203.0.113.0/31 203.0.113.3/32 203.0.113.12/32 203.0.113.14/32 203.0.113.15/32";
    let layout = world(shards, wanted).lay_out();
    let (add, remove) = ("203.0.113.0/31 203.0.113.3/32", "203.0.113.0/29 203.0.113.12/31");
    check(&layout, 0, add, remove, "203.0.113.12/30");
}

#[test]
fn what_is_inside_another_that_leaves_takes_no_room_from_it() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/29 203.0.113.4/30 203.0.113.8/29 203.0.113.14/31")];
    let wanted = cidrs("203.0.113.4/31 203.0.113.6/31 203.0.113.8/31 203.0.113.10/31 203.0.113.14/31");
    let limits = Limits { set_capacity: 4, ..SMALL };
    let layout = World::new(limits, shards, vec![GROUP; 3], wanted).lay_out();
    let (add, remove) = ("203.0.113.4/31 203.0.113.6/31", "203.0.113.0/29 203.0.113.4/30");
    check(&layout, 0, add, remove, "203.0.113.8/29");
}

/// A table too large to compare each address with each other.
#[test]
fn a_range_put_in_by_hand_over_all_of_a_table_leaves_at_once() {
    let limits = Limits { set_capacity: 10_000, group_references: 50, max_ip_sets: 100 };
    let host =
        |n: usize| Cidr::new(std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap()).into(), 32).unwrap();
    // Neighbors are in different sets.
    let mut shards: Vec<Shard> = (0..10).map(|at| wired(&format!("s-{at:03}"), 0, "")).collect();
    for n in 0..99_999 {
        shards[n % 10].cidrs.insert(host(2 * n));
    }
    shards[9].cidrs.insert(cidr("10.0.0.0/8"));
    let wanted = (0..99_999).map(|n| host(2 * n)).collect();
    let world = World::new(limits, shards, vec![GROUP], wanted);
    let layout = world.lay_out();
    check(&layout, 9, "", "10.0.0.0/8", "");
    assert_eq!(relies_on(&layout, 9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let bound = world.with_input(|input| lower_bound::writes(&counts::counts(input, &layout)));
    assert_eq!((world.writes(&layout), bound), (1, 1));
}

#[test]
fn a_cidr_stays_while_what_replaces_it_may_not_be_added() {
    let world = world(vec![wired("s-000", 0, "203.0.113.0/30")], "203.0.113.0/31");
    let layout = while_waiting(&world, "203.0.113.0/31");
    check(&layout, 0, "", "", "203.0.113.0/30");
}

#[test]
fn a_cidr_that_could_rely_on_another_set_stays_while_the_rest_may_not_be_added() {
    let shards =
        vec![wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"), wired("s-001", 0, "203.0.113.0/32")];
    let world = world(shards, "203.0.113.0/32 203.0.113.1/32 203.0.113.8/32 203.0.113.9/32");
    let layout = world.lay_out();
    check(&layout, 0, "203.0.113.1/32", "203.0.113.0/30", "");
    assert_eq!(relies_on(&layout, 0), [1]);
    let layout = while_waiting(&world, "203.0.113.1/32");
    check(&layout, 0, "", "", "203.0.113.0/30");
}

#[test]
fn what_the_set_itself_still_covers_relies_on_no_other() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/30 203.0.113.0/31 203.0.113.8/32"),
        wired("s-001", 0, "203.0.113.0/32 203.0.113.1/32"),
    ];
    let world = world(shards, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.8/32");
    // The wide one has to wait, so the narrow one can go.
    let layout = while_waiting(&world, "203.0.113.2/32");
    check(&layout, 0, "", "203.0.113.0/31", "203.0.113.0/30");
    assert!(relies_on(&layout, 0).is_empty());
}

#[test]
fn narrow_cidrs_replace_one_although_a_wide_one_around_them_waits() {
    let shards = vec![wired("s-000", 0, "203.0.113.2/31")];
    let world = world(shards, "203.0.113.0/30 203.0.113.2/32 203.0.113.3/32");
    let layout = while_waiting(&world, "203.0.113.0/30");
    check(&layout, 0, "203.0.113.2/32 203.0.113.3/32", "203.0.113.2/31", "");
}

#[test]
fn a_cidr_inside_one_that_waits_relies_on_another_set_and_on_what_is_added() {
    let shards =
        vec![wired("s-000", 0, "203.0.113.2/31 203.0.113.8/32 203.0.113.9/32"), wired("s-001", 0, "203.0.113.2/32")];
    let world = world(shards, "203.0.113.0/30 203.0.113.2/32 203.0.113.3/32 203.0.113.8/32 203.0.113.9/32");
    let layout = while_waiting(&world, "203.0.113.0/30");
    check(&layout, 0, "203.0.113.3/32", "203.0.113.2/31", "");
    assert_eq!(relies_on(&layout, 0), [1]);
}

#[test]
fn what_relies_on_another_set_makes_room_for_what_replaces_the_next_one() {
    let shards = vec![wired("s-000", 0, "203.0.113.2/31"), wired("s-001", 1, "203.0.113.2/32 203.0.113.6/31")];
    let limits = Limits { set_capacity: 2, ..SMALL };
    let world = World::new(limits, shards, vec![GROUP, GROUP], cidrs("203.0.113.0/28 203.0.113.6/32 203.0.113.7/32"));
    let layout = while_waiting(&world, "203.0.113.0/28");
    check(&layout, 0, "", "", "203.0.113.2/31");
    check(&layout, 1, "203.0.113.6/32 203.0.113.7/32", "203.0.113.2/32 203.0.113.6/31", "");
    assert_eq!(relies_on(&layout, 1), [0]);
    assert_eq!(layout.shards[1].relying, list("203.0.113.2/32"));
}

#[test]
fn a_set_that_holds_more_than_fits_gets_nothing_in_place_of_what_could_rely_on_another() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.2/31 203.0.113.8/32 203.0.113.9/32 203.0.113.10/32"),
        wired("s-001", 0, "203.0.113.2/32"),
    ];
    let wanted = "203.0.113.2/32 203.0.113.3/32 203.0.113.8/32 203.0.113.9/32 203.0.113.10/32";
    let layout = world(shards, wanted).lay_out();
    check(&layout, 0, "", "", "203.0.113.2/31");
    check(&layout, 1, "203.0.113.3/32", "", "");
}

#[test]
fn a_cidr_stays_while_another_set_relies_on_it() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/31 203.0.113.8/32"),
        wired("s-001", 0, "203.0.113.0/31 203.0.113.4/30"),
        wired("s-002", 1, "203.0.113.4/32 203.0.113.5/32"),
    ];
    let limits = Limits { set_capacity: 2, ..SMALL };
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.4/32 203.0.113.5/32 203.0.113.8/32";
    let layout = World::new(limits, shards, vec![GROUP; 3], cidrs(wanted)).lay_out();
    assert_eq!(relies_on(&layout, 0), [1]);
    check(&layout, 0, "203.0.113.0/32", "203.0.113.0/31", "");
    check(&layout, 1, "203.0.113.1/32", "203.0.113.4/30", "203.0.113.0/31");
}

#[test]
fn what_a_web_acl_enforces_relies_on_no_set_that_it_does_not() {
    let shards = || {
        vec![
            wired("s-000", 0, "203.0.113.0/30 203.0.113.8/32 203.0.113.9/32"),
            wired("s-001", 1, "203.0.113.0/32 203.0.113.1/32"),
        ]
    };
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.8/32 203.0.113.9/32";
    let layout = |enforced_by: [u128; 2]| {
        let groups = enforced_by.map(|enforced_by| GroupInput { referred: enforced_by == 3, ..GROUP });
        let world = World::new(SMALL, shards(), groups.to_vec(), cidrs(wanted));
        World { enforced_by: enforced_by.to_vec(), ..world }.lay_out()
    };
    // Two web ACLs.
    for enforced_by in [[3, 0], [3, 1], [1, 2], [2, 0]] {
        check(&layout(enforced_by), 0, "", "", "203.0.113.0/30");
    }
    for enforced_by in [[3, 3], [1, 3], [2, 2], [0, 0], [0, 3]] {
        check(&layout(enforced_by), 0, "", "203.0.113.0/30", "");
        assert_eq!(relies_on(&layout(enforced_by), 0), [1]);
    }
}
