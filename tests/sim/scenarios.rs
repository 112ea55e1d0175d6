//! Scenarios that random worlds reach too rarely, each checked by the observer.

use std::time::Duration;

use serde_json::json;
use wafsync::aws::THROTTLED_ATTEMPTS;
use wafsync_test_aws::{Fault, FaultKind, When};

use crate::world::{World, small};

#[tokio::test(start_paused = true)]
async fn an_empty_table_blocks_even_if_a_leftover_would_be_stripped() {
    let world = World::new(small(), &[]);
    world.item("a", &["198.51.100.1/32"]);
    world.converges().await;
    let leftover = ("wafsync-ipv4-004", ["203.0.113.7/32"], Some("wafsync wafsync sum"));
    world.by_hand(|aws| drop(aws.put_ip_set("REGIONAL", leftover.0, "IPV4", &leftover.1, leftover.2)));
    world.later().await;
    world.observer.delete_item(&world.aws, "a");
    world.apply(&world.process("run")).await;
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_stays_throttled_is_left_to_the_next_run() {
    let world = World::new(small(), &[]);
    world.item("a", &["198.51.100.1/32"]);
    world.converges().await;
    world.later().await;
    world.item("b", &["198.51.100.2/32"]);
    // As many attempts as one call makes.
    let times = usize::try_from(THROTTLED_ATTEMPTS).unwrap();
    world.aws.fail(Fault { times, ..once("UpdateIPSet", 0, FaultKind::Throttled) });
    world.apply(&world.process("run")).await;
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_foreign_rule_group_under_our_name_is_not_written() {
    let mut world = World::new(small(), &[]);
    // One rule group is enough.
    world.settings.waf.limits.max_ip_sets = 2;
    world.aws.put_rule_group("REGIONAL", "wafsync-1", 120, Some("Not yours"), json!([]));
    world.set_foreign(&[]);
    world.item("a", &["198.51.100.1/32"]);
    world.apply(&world.process("run")).await;
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_set_is_not_considered_deleted_after_one_read() {
    let world = World::new(small(), &[]);
    world.item("a", &["198.51.100.1/32"]);
    world.converges().await;
    world.later().await;
    world.aws.fail(once("GetIPSet", 0, FaultKind::NonexistentItem));
    world.apply(&world.process("run")).await;
    world.assert_sound();
}

#[tokio::test(start_paused = true)]
async fn a_limit_includes_removals_of_earlier_rounds() {
    let world = World::new(small(), &[]);
    world.item("a", &["198.51.100.1/32", "198.51.100.2/32"]);
    world.item("b", &["198.51.100.3/32", "198.51.100.4/32", "198.51.100.5/32"]);
    world.converges().await;
    world.later().await;
    world.item("c", &["198.51.100.6/32", "198.51.100.7/32", "198.51.100.8/32"]);
    let slow = FaultKind::Slow(Duration::from_secs(6));
    world.aws.fail(once("UpdateIPSet", 0, slow));
    let (early, late) = (world.process("early"), world.process("late"));
    let soon = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for gone in ["a", "c"] {
            world.observer.delete_item(&world.aws, gone);
        }
        // Two of these go where two are removed, the third into the set that the other run is writing.
        world.item("d", &["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"]);
        world.apply(&late).await
    };
    tokio::join!(world.apply(&early), soon);
    world.assert_sound();
}

/// A fault of one attempt of this operation, after this many successful ones.
fn once(operation: &str, skip: usize, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip, times: 1, when: When::Before, kind }
}
