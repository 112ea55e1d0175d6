//! The moving item, with the interleaving in which a scan misses it.
//!
//! The addresses of an item are part of its key, so every change of them is a new row and a delete of the old one. All
//! rows of a partition lie in the order of their sort keys, pages end in between, and a scan that has read past the
//! place of the new row, but not yet up to the old one, sees neither.

use std::future::Future;

use serde_json::Value;
use wafsync::run::outcome::Outcome;

use crate::between::Exchange;
use crate::world::{self, World};

/// The partition that all rows are in.
const KEY: &str = "fleet";

/// An address that the moving item always asks for.
const STAYS: &str = "198.51.100.7/32";

/// Two keys of the moving row: in front of all others, and behind them.
const FRONT: [&str; 2] = ["10.0.0.1/32", STAYS];
const BACK: [&str; 1] = [STAYS];

/// Rows in between: more than a scan's first page has under a read budget.
const ROWS: usize = 150;

pub(crate) async fn an_item_moves_past_the_scan() {
    let world = World::new("moving", &["--read-capacity", "100000"]).await;
    for row in 0..ROWS {
        world.item(KEY, &[&format!("10.1.0.{row}/32")]).await;
    }
    world.item(KEY, &BACK).await;
    world.apply().await;
    world.settled().await;

    // Who trusts one scan would lock the address out: `plan` scans once, and says so.
    world.between.heard();
    world.between.before("Scan", 1, moves(&world, &BACK, &FRONT));
    let plan = world.plan().await;
    let scans = scans(&world.between.heard());
    assert_eq!(scans.iter().map(|scan| scan.pages).collect::<Vec<_>>(), [2]);
    assert!(!scans.iter().any(|scan| scan.saw_it), "the scan misses the row");
    let removed: Vec<String> =
        plan.changes.iter().map(|change| serde_json::to_string(&change.remove).unwrap()).collect();
    assert_eq!(removed, [format!("[\"{STAYS}\"]")], "{}", plan.reason);
    moves(&world, &FRONT, &BACK).await;
    world.settled().await;

    // `apply` scans again before it removes.
    world.between.heard();
    world.between.before("Scan", 1, moves(&world, &BACK, &FRONT));
    world.applies(Outcome::Changed, 1).await;
    stays_in_force(&world.between.heard(), &[false, true]);
    world.settled().await;

    // The other way it is seen twice, which does no harm.
    world.between.heard();
    world.between.before("Scan", 1, moves(&world, &FRONT, &BACK));
    world.applies(Outcome::Converged, 0).await;
    stays_in_force(&world.between.heard(), &[true]);
    world.applies(Outcome::Changed, 1).await;
    world.settled().await;
}

/// What the writer of the table does: the new row, then the old one's end.
fn moves(world: &World, from: &'static [&str], to: &'static [&str]) -> impl Future<Output = ()> + Send + use<> {
    let (dynamodb, table) = (world.dynamodb.clone(), world.name);
    async move {
        world::put(&dynamodb, table, KEY, to).await;
        world::delete(&dynamodb, table, KEY, from).await;
    }
}

/// What one scan came to.
struct Scan {
    pages: usize,
    saw_it: bool,
}

fn scans(heard: &[Exchange]) -> Vec<Scan> {
    let mut scans: Vec<Scan> = Vec::new();
    for page in heard.iter().filter(|call| call.operation == "Scan") {
        if page.request["ExclusiveStartKey"] == Value::Null {
            scans.push(Scan { pages: 0, saw_it: false });
        }
        let scan = scans.last_mut().unwrap();
        scan.pages += 1;
        scan.saw_it |= page.answer["Items"].to_string().contains(STAYS);
    }
    scans
}

/// Which of the scans saw it, and that no write lacked it.
fn stays_in_force(heard: &[Exchange], saw_it: &[bool]) {
    assert_eq!(scans(heard).iter().map(|scan| scan.saw_it).collect::<Vec<_>>(), saw_it);
    for write in heard.iter().filter(|call| call.operation == "UpdateIPSet") {
        assert!(write.request["Addresses"].to_string().contains(STAYS), "a write without the address of a moving row");
    }
}
