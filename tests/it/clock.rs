//! Decisions about access use AWS's clock, not this machine's.

use serde_json::json;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Config, FaultKind, When};

use crate::world::{NOW, TABLE, World, ended};

/// Puts an address that is wanted until this time.
fn put_item_until(world: &World, key: &str, address: &str, expiry: i64) {
    let item = json!({"id": {"S": key}, "ips": {"S": address}, "ttl": {"N": expiry.to_string()}});
    world.aws.put_item(TABLE, key, item);
}

#[tokio::test(start_paused = true)]
async fn an_item_expires_by_the_clock_of_aws_not_of_this_machine() {
    let machine = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let machine = i64::try_from(machine).unwrap();
    for (aws, expiry, in_force) in [
        // This machine is two hours ahead. By its clock, an item that is valid for another hour would be expired.
        (machine - 7200, machine - 3600, 2),
        // This machine is two hours behind. By its clock, an item that expired an hour ago would be valid.
        (machine + 7200, machine + 3600, 1),
    ] {
        let mut world = World::new(&["--expiry-attribute", "ttl"]);
        world.aws = Aws::new(Config { epoch: Some(aws), ..Config::default() });
        world.aws.create_table("eu-central-1", TABLE);
        put_item_until(&world, "a", "198.51.100.1", machine + 86_400);
        put_item_until(&world, "b", "198.51.100.2", expiry);
        assert_eq!(world.apply().await.outcome, Outcome::Changed);
        assert_eq!(world.in_force().len(), in_force, "AWS's clock shows {aws}, the item expires at {expiry}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_date_from_aws_nothing_expires() {
    let mut world = World::new(&["--expiry-attribute", "ttl"]);
    world.aws = Aws::new(Config { epoch: None, ..Config::default() });
    world.aws.create_table("eu-central-1", TABLE);
    put_item_until(&world, "a", "198.51.100.1", NOW - 1_000_000);
    let document = world.apply().await;
    assert_eq!((document.table.expired, document.outcome), (0, Outcome::Changed));
    assert_eq!(world.in_force(), ["198.51.100.1/32"]);
}

#[tokio::test(start_paused = true)]
async fn a_denied_write_fails_at_once_even_if_the_clocks_differ() {
    let world = World::new(&[]);
    world.items(1..=3);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.items(4..=4);
    world.fail_times("UpdateIPSet", 100, When::Before, FaultKind::AccessDenied);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Failed, 1, 0), "{}", document.reason);
    assert_eq!(world.calls("UpdateIPSet"), 1);
}
