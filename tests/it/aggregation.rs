//! Replaced CIDRs: merged, split or covered. Addresses that stay wanted are always in force.

use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, FaultKind, Phase, When};

use crate::world::{World, changes, ended, texts};

#[tokio::test(start_paused = true)]
async fn aggregation_is_switched_on_and_off_in_one_write_each_if_it_fits_one_set() {
    let mut world = World::new(&[]);
    world.item("a", &["198.51.100.6"]);
    world.item("b", &["198.51.100.7"]);
    world.apply().await;
    world.set(&["--aggregate"]);
    let on = world.next_apply().await;
    let expected = "update_ip_set wafsync-ipv4-000 +198.51.100.6/31 -198.51.100.6/32 -198.51.100.7/32";
    assert_eq!((changes(&on), ended(&on)), (vec![expected.to_owned()], (Outcome::Changed, 1, 1)));
    world.later().await;
    world.settled().await;
    world.set(&[]);
    let off = world.next_apply().await;
    let expected = "update_ip_set wafsync-ipv4-000 +198.51.100.6/32 +198.51.100.7/32 -198.51.100.6/31";
    assert_eq!((changes(&off), ended(&off)), (vec![expected.to_owned()], (Outcome::Changed, 1, 1)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_cidr_that_replaces_cidrs_of_several_sets_is_added_to_each_of_them() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4", "--max-removals", "0"]);
    for (key, address) in [("a", "198.51.100.4"), ("b", "198.51.100.5"), ("c", "198.51.100.6"), ("d", "198.51.100.7")] {
        world.item(key, &[address]);
    }
    world.apply().await;
    world.set(&["--aggregate", "--max-removals", "0", "--max-ip-sets", "4"]);
    let first = world.next_apply().await;
    let expected = [
        "update_ip_set wafsync-ipv4-000 +198.51.100.4/30 -198.51.100.4/32 -198.51.100.5/32",
        "update_ip_set wafsync-ipv4-001 +198.51.100.4/30 -198.51.100.6/32 -198.51.100.7/32",
    ];
    assert_eq!((changes(&first), first.writes.minimum), (expected.map(ToOwned::to_owned).to_vec(), 2));
    assert_eq!((first.outcome, texts(&first.deferred)), (Outcome::Changed, vec![]), "{}", first.reason);
    assert!(world.in_force().iter().all(|cidr| cidr == "198.51.100.4/30"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_wide_cidr_that_is_split_stays_until_its_parts_are_in_force() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.item("a", &["198.51.100.0/24"]);
    world.item("b", &["203.0.113.1"]);
    world.apply().await;
    world.item("a", &["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
    let first = world.next_apply().await;
    assert_eq!(texts(&first.deferred), ["198.51.100.0/24"]);
    assert_eq!(first.outcome, Outcome::Partial, "{}", first.reason);
    let reason = "partial: some unwanted addresses cannot be removed safely before a later run; 3 writes were made";
    assert_eq!(first.reason, reason);
    let second = world.next_apply().await;
    assert_eq!((ended(&second), texts(&second.deferred)), ((Outcome::Changed, 1, 1), vec![]), "{}", second.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_round_does_not_rely_on_additions_of_the_first() {
    // The second set has a conflict, so the run plans again and sees the parts of the /24, which AWS may not have
    // propagated yet.
    let config = Config { set_capacity: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.item("a", &["198.51.100.0/24"]);
    world.item("b", &["203.0.113.1"]);
    world.apply().await;
    world.item("c", &["203.0.113.5", "203.0.113.7"]);
    world.next_apply().await;
    world.item("a", &["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
    world.item("c", &["203.0.113.5"]);
    world.fail_target("UpdateIPSet", "wafsync-ipv4-001", 1, When::Before, FaultKind::OptimisticLock);
    let first = world.next_apply().await;
    assert_eq!(texts(&first.deferred), ["198.51.100.0/24"], "{:?}", changes(&first));
    assert_eq!(first.outcome, Outcome::Partial, "{}", first.reason);
    let second = world.next_apply().await;
    assert_eq!((ended(&second), texts(&second.deferred)), ((Outcome::Changed, 1, 1), vec![]), "{}", second.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_relies_on_other_sets_is_deferred_if_one_of_them_changes() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.item("a", &["198.51.100.0/24"]);
    world.item("b", &["203.0.113.1"]);
    world.apply().await;
    world.item("a", &["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
    world.next_apply().await;
    // The /24 can be removed, because the new sets cover what is wanted of it. Then a manual edit takes a part from one
    // of them.
    let mut scans = 0;
    world.aws.on_call(move |aws, call| {
        scans += usize::from(call.operation == "Scan" && call.phase == Phase::After);
        if scans == 2 && call.operation == "Scan" {
            aws.edit_ip_set("wafsync-ipv4-001", |set| set.retain(|address| address != "198.51.100.1/32"));
        }
        let holds = |address: &str| aws.ip_sets().iter().any(|set| set.addresses.iter().any(|held| held == address));
        assert!(holds("198.51.100.0/24") || holds("198.51.100.1/32"), "locked out");
    });
    let run = world.next_apply().await;
    assert!(matches!(run.outcome, Outcome::Changed | Outcome::Partial), "{}", run.reason);
    world.later().await;
    world.next_apply().await;
    for part in ["198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32"] {
        assert!(world.in_force().contains(&part.to_owned()), "{part}");
    }
    world.later().await;
    world.settled().await;
}
