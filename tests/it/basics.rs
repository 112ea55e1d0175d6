//! The basic scenarios, step by step.

use wafsync::run::outcome::Outcome;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_first_run_puts_everything_in_force() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    world.item("b", &["203.0.113.0/28"]);
    let plan = world.plan().await;
    assert_eq!((plan.outcome, plan.writes.planned, plan.writes.minimum), (Outcome::Planned, 4, 4), "{}", plan.reason);
    assert_eq!(world.aws.ip_sets().len(), 0);
    world.later().await;
    let applied = world.apply().await;
    assert_eq!((applied.outcome, applied.writes.done), (Outcome::Changed, 4), "{}", applied.reason);
    assert_eq!(world.in_force(), ["198.51.100.7/32", "2001:db8:1::/48", "203.0.113.0/28"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn one_address_replaced_by_another_is_one_write() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    world.item("b", &["203.0.113.1"]);
    world.apply().await;
    world.later().await;
    world.item("a", &["198.51.100.8/32"]);
    world.aws.clear_log();
    let applied = world.apply().await;
    assert_eq!((applied.outcome, applied.writes.done), (Outcome::Changed, 1), "{}", applied.reason);
    assert_eq!(world.calls("UpdateIPSet"), 1);
    assert_eq!(world.calls("Scan"), 2);
    assert_eq!(world.in_force(), ["198.51.100.8/32", "203.0.113.1/32"]);
    world.later().await;
    world.settled().await;
}
