//! The rules of placement, case by case.

use super::world::{GROUP, SMALL, Shard, World, adopted, cidrs, idle, is_quiet, wired};
use crate::model::cidr::{Cidr, Family};
use crate::planning::layout::{GroupInput, Layout, NewShard, keeps_its_promise};

fn world(shards: Vec<Shard>, groups: Vec<GroupInput>, wanted: &str) -> World {
    World::new(SMALL, shards, groups, cidrs(wanted))
}

fn list(text: &str) -> Vec<Cidr> {
    cidrs(text).into_iter().collect()
}

/// The additions to each existing shard and the contents of each new one.
fn additions(layout: &Layout) -> Vec<String> {
    let existing = layout.shards.iter().map(|shard| shard.add.clone());
    let lists = existing.chain(layout.new.iter().map(|new| new.cidrs.iter().collect()));
    let text = |list: Vec<Cidr>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    lists.map(text).collect()
}

#[test]
fn the_first_run_fills_new_sets_in_sorted_order_ipv4_first() {
    let wanted = "2001:db8::/48 203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    let layout = world(vec![], vec![GROUP; 3], wanted).lay_out();
    let expected = ["203.0.113.0/32 203.0.113.1/32 203.0.113.2/32", "203.0.113.3/32", "2001:db8::/48"];
    assert_eq!(additions(&layout), expected);
    assert_eq!(layout.new.iter().map(|new| new.family).collect::<Vec<_>>(), [Family::Ipv4, Family::Ipv4, Family::Ipv6]);
    // Two references a group: the third set needs a second group.
    assert_eq!(layout.new.iter().map(|new| new.group).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn nothing_wanted_and_nothing_there_is_nothing_to_do() {
    assert_eq!(world(vec![], vec![GROUP], "").lay_out(), Layout::default());
}

#[test]
fn additions_ride_along_with_a_removal() {
    let shards =
        vec![wired("s-000", 0, "203.0.113.0/32"), wired("s-001", 0, "203.0.113.1/32 203.0.113.2/32 203.0.113.9/32")];
    let layout = world(shards, vec![GROUP], "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32").lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.3/32"]);
}

#[test]
fn among_equals_the_fullest_set_that_fits_is_taken_and_the_lowest_name_of_those() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/32"),
        wired("s-001", 0, "203.0.113.1/32 203.0.113.2/32"),
        wired("s-002", 1, "203.0.113.3/32 203.0.113.4/32"),
    ];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 203.0.113.4/32";
    let groups = vec![GROUP; 3];
    let one = world(shards.clone(), groups.clone(), &format!("{kept} 203.0.113.5/32")).lay_out();
    assert_eq!(additions(&one), ["", "203.0.113.5/32", ""]);
    let two = world(shards, groups, &format!("{kept} 203.0.113.5/32 203.0.113.6/32")).lay_out();
    assert_eq!(additions(&two), ["203.0.113.5/32 203.0.113.6/32", "", ""]);
}

#[test]
fn an_empty_set_is_used_only_where_it_saves_a_write() {
    let shards = vec![Shard { family: Family::Ipv4, ..wired("s-000", 0, "") }, wired("s-001", 0, "203.0.113.0/32")];
    let groups = vec![GROUP];
    let two = world(shards.clone(), groups.clone(), "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32").lay_out();
    assert_eq!(additions(&two), ["", "203.0.113.1/32 203.0.113.2/32"]);
    let three = world(shards, groups, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32").lay_out();
    assert_eq!(additions(&three), ["203.0.113.1/32 203.0.113.2/32 203.0.113.3/32", ""]);
}

#[test]
fn no_empty_set_is_used_where_as_many_others_have_room() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32"),
        wired("s-001", 0, "203.0.113.2/32"),
        wired("s-002", 1, "203.0.113.3/32"),
        Shard { family: Family::Ipv4, ..wired("s-003", 1, "") },
    ];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    let wanted = format!("{kept} 203.0.113.4/32 203.0.113.5/32 203.0.113.6/32 203.0.113.7/32");
    let layout = world(shards, vec![GROUP; 2], &wanted).lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.4/32 203.0.113.5/32", "203.0.113.6/32 203.0.113.7/32", ""]);
}

#[test]
fn a_set_of_nothing_but_copies_counts_as_empty() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32"),
        wired("s-001", 0, "203.0.113.0/32 203.0.113.2/32"),
        wired("s-002", 1, "203.0.113.1/32 203.0.113.3/32"),
        wired("s-003", 1, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32"),
    ];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    let wanted = format!("{kept} 203.0.113.4/32 203.0.113.5/32 203.0.113.6/32 203.0.113.7/32");
    let mut world = world(shards, vec![GROUP; 2], &wanted);
    world.limits.max_ip_sets = 4;
    let layout = world.lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.4/32 203.0.113.5/32", "203.0.113.6/32 203.0.113.7/32", ""]);
}

#[test]
fn of_two_families_that_would_save_as_much_ipv6_gets_the_new_set() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32"),
        wired("s-001", 0, "203.0.113.2/32 203.0.113.3/32"),
        wired("s-002", 1, "2001:db8::/128 2001:db8::1/128"),
        wired("s-003", 1, "2001:db8::2/128 2001:db8::3/128"),
    ];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 2001:db8::/128 2001:db8::1/128 \
                2001:db8::2/128 2001:db8::3/128";
    let wanted = format!("{kept} 203.0.113.4/32 203.0.113.5/32 2001:db8::4/128 2001:db8::5/128");
    let written = GroupInput { written_anyway: true, ..GROUP };
    let layout = world(shards, vec![GROUP, GROUP, written], &wanted).lay_out();
    let expected = ["203.0.113.4/32", "203.0.113.5/32", "", "", "2001:db8::4/128 2001:db8::5/128"];
    assert_eq!(additions(&layout), expected);
}

#[test]
fn several_full_sets_are_written_rather_than_a_new_one_with_its_reference() {
    let shards =
        vec![wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32"), wired("s-001", 0, "203.0.113.2/32 203.0.113.3/32")];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    let wanted = format!("{kept} 203.0.113.4/32 203.0.113.5/32");
    let layout = world(shards.clone(), vec![GROUP, GROUP], &wanted).lay_out();
    assert_eq!(additions(&layout), ["203.0.113.4/32", "203.0.113.5/32"]);

    // Where the reference is free, one new set is cheaper than two updates.
    let written = GroupInput { written_anyway: true, ..GROUP };
    let layout = world(shards, vec![GROUP, written], &wanted).lay_out();
    assert_eq!(additions(&layout), ["", "", "203.0.113.4/32 203.0.113.5/32"]);
    assert_eq!(layout.new[0].group, 1);
}

#[test]
fn a_set_that_ends_empty_stays_wired() {
    let world = world(vec![wired("s-000", 0, "203.0.113.0/32")], vec![GROUP], "");
    let layout = world.lay_out();
    assert_eq!((layout.shards[0].remove.as_slice(), layout.shards[0].group), (&*list("203.0.113.0/32"), Some(0)));
    let after = world.after(&layout);
    assert!(is_quiet(&after, &after.lay_out()));
}

#[test]
fn an_unwired_set_is_wired_even_if_it_is_empty_and_before_any_new_one() {
    let unwired = Shard { family: Family::Ipv6, ..idle("s-000", "") };
    let group = GroupInput { references: 1, ..GROUP };
    let layout = world(vec![unwired], vec![group], "203.0.113.0/32").lay_out();
    assert_eq!(layout.shards[0].group, Some(0));
    assert_eq!(layout.unplaced, list("203.0.113.0/32"));
}

#[test]
fn without_a_slot_an_unwired_set_does_not_count() {
    let group = GroupInput { references: 2, ..GROUP };
    let layout = world(vec![idle("s-000", "203.0.113.0/32")], vec![group], "203.0.113.0/32").lay_out();
    assert_eq!((layout.shards[0].group, layout.unplaced), (None, list("203.0.113.0/32")));
}

#[test]
fn a_set_that_would_bring_a_stranger_into_force_is_not_wired() {
    let mut world = world(vec![idle("s-000", "203.0.113.0/32 203.0.113.9/32")], vec![GROUP], "203.0.113.0/32");
    world.held = cidrs("203.0.113.9/32");
    world.strict_hold = true;
    let layout = world.lay_out();
    assert_eq!((layout.shards[0].group, additions(&layout)), (None, vec![String::new(), "203.0.113.0/32".to_owned()]));
}

#[test]
fn a_new_reference_goes_to_a_group_that_every_web_acl_refers_to_while_there_is_one() {
    let aside = GroupInput { referred: false, written_anyway: true, ..GROUP };
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 203.0.113.4/32 203.0.113.5/32";
    let one = world(vec![], vec![aside, GROUP], "203.0.113.0/32").lay_out();
    assert_eq!(one.new[0].group, 1);
    let narrow = GroupInput { references: 1, ..GROUP };
    let two = world(vec![], vec![aside, narrow], wanted).lay_out();
    assert_eq!(two.new.iter().map(|new| new.group).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn one_group_with_room_for_all_is_better_than_two_lower_ones() {
    let narrow = GroupInput { references: 1, ..GROUP };
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    let layout = world(vec![], vec![narrow, narrow, GROUP], wanted).lay_out();
    assert_eq!(layout.new.iter().map(|new| new.group).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_doubled_cidr_stays_until_its_room_is_needed_and_the_lowest_keeps_it() {
    let shards = || vec![wired("s-000", 0, "203.0.113.0/32"), wired("s-001", 0, "203.0.113.0/32 203.0.113.9/32")];
    let layout = world(shards(), vec![GROUP], "203.0.113.0/32").lay_out();
    assert_eq!(layout.shards[1].remove, list("203.0.113.9/32"), "it does not leave with another");

    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 203.0.113.4/32";
    let full = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32"),
        wired("s-001", 0, "203.0.113.0/32 203.0.113.3/32 203.0.113.4/32"),
    ];
    let wanted = format!("{kept} 203.0.113.5/32");
    let roomy = world(full.clone(), vec![GROUP, GROUP], &wanted).lay_out();
    assert_eq!(additions(&roomy), ["", "", "203.0.113.5/32"], "a new set is room as well");
    let mut crowded = world(full, vec![GROUP, GROUP], &wanted);
    crowded.limits.max_ip_sets = 2;
    let layout = crowded.lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.5/32"]);
    assert_eq!((&layout.shards[1].remove, &*layout.shards[1].relies_on), (&list("203.0.113.0/32"), &[0][..]));
}

#[test]
fn a_doubled_cidr_stays_where_the_other_one_is_not_surely_in_force_for_the_same_clients() {
    let full = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32"),
        wired("s-001", 1, "203.0.113.0/32 203.0.113.3/32 203.0.113.4/32"),
    ];
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 203.0.113.4/32 203.0.113.5/32";
    let mut crowded = world(full, vec![GROUP, GROUP], wanted);
    crowded.limits.max_ip_sets = 2;
    let unplaced = |world: &World| world.lay_out().unplaced;
    assert_eq!(unplaced(&crowded), []);
    // The run has added both.
    let mut added = crowded.clone();
    for shard in &mut added.shards {
        shard.fresh = cidrs("203.0.113.0/32");
    }
    assert_eq!(unplaced(&added), list("203.0.113.5/32"));
    // Two web ACLs, each of which refers to one of the rule groups.
    let apart = World { enforced_by: vec![0b01, 0b10], ..crowded.clone() };
    assert_eq!(unplaced(&apart), list("203.0.113.5/32"));
    let both = World { enforced_by: vec![0b11, 0b10], ..crowded };
    assert_eq!(unplaced(&both), []);
}

#[test]
fn only_as_many_copies_leave_as_their_room_is_needed() {
    let shards = vec![
        wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32"),
        wired("s-001", 0, "203.0.113.0/32 203.0.113.1/32 203.0.113.9/32"),
    ];
    let kept = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32";
    let mut world = world(shards, vec![GROUP], &format!("{kept} 203.0.113.3/32 203.0.113.4/32"));
    world.limits.max_ip_sets = 2;
    let layout = world.lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.3/32 203.0.113.4/32"]);
    assert_eq!(layout.shards[1].remove, list("203.0.113.0/32 203.0.113.9/32"));
}

#[test]
fn a_set_is_sealed_in_a_write_that_additions_share() {
    let mut sealed = wired("s-000", 0, "203.0.113.0/32");
    sealed.unsealed = true;
    let alone = world(vec![sealed.clone()], vec![GROUP], "203.0.113.0/32");
    let layout = alone.lay_out();
    assert!(layout.shards[0].sealed && alone.writes(&layout) == 1);
    assert!(is_quiet(&alone.after(&layout), &alone.after(&layout).lay_out()));
    let shards = vec![sealed, wired("s-001", 0, "203.0.113.1/32 203.0.113.2/32")];
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32";
    assert_eq!(additions(&world(shards, vec![GROUP], wanted).lay_out()), ["203.0.113.3/32", ""]);
}

#[test]
fn the_copy_in_force_is_the_one_that_is_kept() {
    let shards = vec![
        idle("s-000", "203.0.113.0/32 203.0.113.9/32"),
        adopted("s-001", "203.0.113.0/32 203.0.113.9/32"),
        wired("s-002", 0, "203.0.113.0/32 203.0.113.9/32"),
    ];
    let layout = world(shards, vec![GROUP; 2], "203.0.113.0/32").lay_out();
    let removed: Vec<Vec<Cidr>> = layout.shards.iter().map(|shard| shard.remove.clone()).collect();
    assert_eq!(removed, [list("203.0.113.9/32"), list("203.0.113.9/32"), list("203.0.113.9/32")]);
}

#[test]
fn a_copy_that_the_run_itself_has_added_stays_until_another_is_surely_in_force() {
    for other in [idle("s-000", "203.0.113.1/32"), adopted("s-000", "203.0.113.1/32")] {
        let mut added = wired("s-001", 0, "203.0.113.1/32 203.0.113.9/32");
        added.fresh = added.cidrs.clone();
        let layout = world(vec![other, added], vec![GROUP, GROUP], "203.0.113.1/32").lay_out();
        assert_eq!(layout.shards[1].remove, list("203.0.113.9/32"));
    }
}

#[test]
fn a_closed_set_is_left_alone() {
    let closed = Shard { closed: true, ..adopted("hand-made", "203.0.113.0/32 203.0.113.9/32") };
    let layout = world(vec![closed], vec![GROUP], "203.0.113.0/32 203.0.113.1/32").lay_out();
    assert_eq!((&layout.shards[0].add, &layout.shards[0].remove, layout.shards[0].group), (&vec![], &vec![], Some(0)));
    assert_eq!(additions(&layout), ["", "203.0.113.1/32"]);
}

#[test]
fn what_does_not_fit_is_listed_and_the_first_in_order_are_placed() {
    let mut world =
        world(vec![], vec![GROUP], "2001:db8::/48 203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32");
    world.limits.max_ip_sets = 1;
    let layout = world.lay_out();
    assert_eq!(additions(&layout), ["203.0.113.0/32 203.0.113.1/32 203.0.113.2/32"]);
    assert_eq!(layout.unplaced, list("203.0.113.3/32 2001:db8::/48"));
}

#[test]
fn a_layout_that_loses_an_address_or_overfills_a_set_breaks_its_promise() {
    let shards = vec![wired("s-000", 0, "203.0.113.0/32 203.0.113.1/32"), wired("s-001", 0, "203.0.113.9/32")];
    let wanted = "203.0.113.0/32 203.0.113.1/32 203.0.113.2/32 203.0.113.3/32 203.0.113.4/32";
    let world = world(shards, vec![GROUP], wanted);
    let keeps = |layout: &Layout| world.with_input(|input| keeps_its_promise(input, layout));
    let layout = world.lay_out();
    assert_eq!(additions(&layout), ["", "203.0.113.2/32 203.0.113.3/32 203.0.113.4/32"]);
    assert!(keeps(&layout));

    let mut lost = layout.clone();
    lost.shards[1].add.pop();
    assert!(!keeps(&lost));
    lost.unplaced = list("203.0.113.4/32");
    assert!(keeps(&lost), "it is listed");
    let mut unwired = layout.clone();
    unwired.shards[0].group = None;
    assert!(!keeps(&unwired));
    let mut removed = layout.clone();
    removed.shards[0].remove = list("203.0.113.1/32");
    assert!(!keeps(&removed));

    let mut overfull = layout.clone();
    overfull.shards[0].add = std::mem::take(&mut overfull.shards[1].add);
    assert!(!keeps(&overfull));
    let new = |cidrs: &str| NewShard { family: Family::Ipv4, cidrs: list(cidrs).into(), group: 0 };
    let mut created = layout;
    created.shards[1].add.clear();
    created.new = vec![new("203.0.113.2/32 203.0.113.3/32 203.0.113.4/32")];
    assert!(keeps(&created));
    created.new = vec![new("203.0.113.2/32 203.0.113.3/32 203.0.113.4/32 203.0.113.5/32")];
    assert!(!keeps(&created));
}
