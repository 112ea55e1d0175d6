//! Replaced CIDRs: merged, split, covered; nothing that stays wanted is out of force for a moment.

use wafsync::report::Outcome;
use wafsync_test_aws::Config;

use crate::world::{World, changes, ended, texts};

#[tokio::test(start_paused = true)]
async fn aggregation_is_switched_on_and_off_in_one_write_each_where_it_fits_one_set() {
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
async fn what_replaces_a_cidr_of_another_set_comes_into_force_a_run_before_it_goes() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4", "--max-removals", "0"]);
    world.item("a", &["198.51.100.4"]);
    world.item("b", &["198.51.100.6"]);
    world.item("c", &["198.51.100.7"]);
    world.apply().await;
    world.item("d", &["198.51.100.5"]);
    world.next_apply().await;
    world.later().await;
    world.settled().await;
    world.set(&["--aggregate", "--max-removals", "0", "--max-ip-sets", "4"]);
    let first = world.next_apply().await;
    assert!(!first.deferred.is_empty(), "{:?}", changes(&first));
    // Every address of what is deferred stays wanted, so that nothing unwanted is let in.
    assert_eq!(first.outcome, Outcome::Changed, "{}", first.reason);
    let second = world.next_apply().await;
    assert_eq!((second.outcome, texts(&second.deferred)), (Outcome::Changed, vec![]), "{}", second.reason);
    assert_eq!(world.in_force(), ["198.51.100.4/30"]);
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
    let reason = "partial: unwanted addresses stay in force until what replaces their CIDRs is; 3 writes were made";
    assert_eq!(first.reason, reason);
    let second = world.next_apply().await;
    assert_eq!((ended(&second), texts(&second.deferred)), ((Outcome::Changed, 1, 1), vec![]), "{}", second.reason);
    world.later().await;
    world.settled().await;
}
