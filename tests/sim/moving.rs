//! An item whose key changes during a scan, which sees neither the new row nor the old one.
//!
//! When the addresses are part of the key, every change of address writes a new row and then deletes the old one. The
//! rows are neighbors, and a page may end between them.

use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Phase};

use crate::world::{World, small};

/// The rows of one cluster, in scan order.
const FRONT: &str = "cluster#1";
const MIDDLE: &str = "cluster#2";
const BACK: &str = "cluster#3";

/// The address of the row that moves.
const ADDRESS: &str = "198.51.100.7/32";

#[tokio::test(start_paused = true)]
async fn a_scan_that_misses_an_item_whose_key_changes_removes_nothing() {
    // Every page holds one row.
    let world = World::new(Config { scan_page_bytes: 1, ..small() }, &[]);
    world.item("other", &["203.0.113.1/32"]);
    world.item(MIDDLE, &["203.0.113.2/32"]);
    world.item(BACK, &[ADDRESS]);
    world.converges().await;
    world.later().await;
    moves_under_a_scan(&world).await;
}

/// wafsync did not add this address, so the set alone makes it look like drift.
#[tokio::test(start_paused = true)]
async fn a_scan_that_misses_an_item_keeps_its_address_even_if_it_was_once_added_by_hand() {
    let world = World::new(Config { scan_page_bytes: 1, ..small() }, &[]);
    world.item("other", &["203.0.113.1/32"]);
    world.item(MIDDLE, &["203.0.113.2/32"]);
    world.converges().await;
    world.later().await;
    world.by_hand(|aws| aws.edit_ip_set("wafsync-ipv4-000", |set| set.push(ADDRESS.to_owned())));
    world.item(BACK, &[ADDRESS]);
    world.converges().await;
    world.later().await;
    moves_under_a_scan(&world).await;
}

/// A run during whose first scan the row moves from the back to the front.
async fn moves_under_a_scan(world: &World) {
    let starts = starts(world);
    let next_page = starts.iter().position(|key| key == MIDDLE).expect("a page begins after the row in the middle");
    world.aws.clear_log();

    // The page with the middle row has been read, the next one has not. Now the last row moves to the front.
    let (observer, mut pages) = (world.observer.clone(), 0);
    world.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == Phase::Before {
            if pages == next_page {
                observer.put_item(aws, FRONT, &[ADDRESS], &[]);
                observer.delete_item(aws, BACK);
            }
            pages += 1;
        }
    });
    let run = world.apply(&world.process("run")).await;
    world.assert_sound();
    assert_eq!((run.outcome, run.writes.done), (Outcome::Converged, 0), "{}", run.reason);
    let scans = starts_of(world).iter().filter(|start| start.is_empty()).count();
    assert_eq!(scans, 2, "the first scan missed the row, so there was a second one");
}

/// The start key of each page of the newest scan. It is empty for the first page.
fn starts(world: &World) -> Vec<String> {
    let all = starts_of(world);
    let newest = all.iter().rposition(String::is_empty).expect("there was a scan");
    all[newest..].to_vec()
}

fn starts_of(world: &World) -> Vec<String> {
    let scans = world.aws.log().into_iter().filter(|attempt| attempt.operation == "Scan");
    scans
        .map(|scan| {
            scan.request.pointer("/ExclusiveStartKey/id/S").and_then(|key| key.as_str()).unwrap_or("").to_owned()
        })
        .collect()
}
