//! The moving item: its key changes under a scan, which sees neither the new row nor the old one.
//!
//! In the article's table the addresses are part of the key, so every change of them writes a new row and then deletes
//! the old one. Both are neighbours; a page may end between them.

use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Phase};

use crate::world::{World, small};

/// The rows of one cluster, in the order in which a scan meets them.
const FRONT: &str = "cluster#1";
const MIDDLE: &str = "cluster#2";
const BACK: &str = "cluster#3";

/// What the row asks for that moves.
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

/// We have not written it, so by the set alone it is drift.
#[tokio::test(start_paused = true)]
async fn nor_if_somebody_had_let_its_address_in_by_hand_before_the_table_asked_for_it() {
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

/// A run during whose first scan the row goes from the back to the front.
async fn moves_under_a_scan(world: &World) {
    let starts = starts(world);
    let page_behind = starts.iter().position(|key| key == MIDDLE).expect("a page begins behind the row in the middle");
    world.aws.clear_log();

    // The page with the row in the middle has been read, the one behind it has not: the last row goes to the front.
    let (observer, mut pages) = (world.observer.clone(), 0);
    world.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == Phase::Before {
            if pages == page_behind {
                observer.put_item(aws, FRONT, &[ADDRESS], &[]);
                observer.delete_item(aws, BACK);
            }
            pages += 1;
        }
    });
    let run = world.apply(&world.process("run")).await;
    world.sound();
    assert_eq!((run.outcome, run.writes.done), (Outcome::Converged, 0), "{}", run.reason);
    let scans = starts_of(world).iter().filter(|start| start.is_empty()).count();
    assert_eq!(scans, 2, "the first scan missed it, so there was a second one");
}

/// Where each page of the newest scan began; the first one nowhere.
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
