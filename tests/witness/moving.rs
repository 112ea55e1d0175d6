//! An item that moves during a scan, in the order of events in which the scan misses it.
//!
//! The addresses of an item are part of its key, so every change of address is a new row and a deletion of the old one.
//! The rows of a partition are ordered by sort key, and pages end between them. A scan that has passed the position of
//! the new row, but has not reached the old one, sees neither.

use std::future::Future;

use serde_json::Value;
use wafsync::run::outcome::Outcome;

use crate::interceptor::Exchange;
use crate::world::{self, World};

/// The partition that contains all rows.
const KEY: &str = "fleet";

/// An address that the moving item always asks for.
const STAYS: &str = "198.51.100.7/32";

/// Two keys of the moving row: before all others, and after them.
const FRONT: [&str; 2] = ["10.0.0.1/32", STAYS];
const BACK: [&str; 1] = [STAYS];

/// Rows in between: more than fit on a scan's first page under a read budget.
const ROWS: usize = 150;

pub(crate) async fn an_item_moves_past_the_scan() {
    let world = World::new("moving", &["--read-capacity", "100000"]).await;
    for row in 0..ROWS {
        world.item(KEY, &[&format!("10.1.0.{row}/32")]).await;
    }
    world.item(KEY, &BACK).await;
    world.apply().await;
    world.settled().await;

    // One scan alone would lock the address out. `plan` scans only once, and its report says so.
    world.interceptor.drain();
    world.interceptor.before("Scan", 1, moves(&world, &BACK, &FRONT));
    let plan = world.plan().await;
    let scans = scans(&world.interceptor.drain());
    assert_eq!(scans.iter().map(|scan| scan.pages).collect::<Vec<_>>(), [2]);
    assert!(!scans.iter().any(|scan| scan.saw_it), "the scan misses the row");
    let removed: Vec<String> =
        plan.changes.iter().map(|change| serde_json::to_string(&change.remove).unwrap()).collect();
    assert_eq!(removed, [format!("[\"{STAYS}\"]")], "{}", plan.reason);
    moves(&world, &FRONT, &BACK).await;
    world.settled().await;

    // `apply` scans again before it removes.
    world.interceptor.drain();
    world.interceptor.before("Scan", 1, moves(&world, &BACK, &FRONT));
    world.applies(Outcome::Changed, 1).await;
    stays_in_force(&world.interceptor.drain(), &[false, true]);
    world.settled().await;

    // In the other direction the row is seen twice, which is harmless.
    world.interceptor.drain();
    world.interceptor.before("Scan", 1, moves(&world, &FRONT, &BACK));
    world.applies(Outcome::Converged, 0).await;
    stays_in_force(&world.interceptor.drain(), &[true]);
    world.applies(Outcome::Changed, 1).await;
    world.settled().await;
}

/// Moves the row as the table's writer does: puts the new row, then deletes the old one.
fn moves(world: &World, from: &'static [&str], to: &'static [&str]) -> impl Future<Output = ()> + Send + use<> {
    let (dynamodb, table) = (world.dynamodb.clone(), world.name);
    async move {
        world::put(&dynamodb, table, KEY, to).await;
        world::delete(&dynamodb, table, KEY, from).await;
    }
}

/// The result of one scan.
struct Scan {
    pages: usize,
    saw_it: bool,
}

fn scans(exchanges: &[Exchange]) -> Vec<Scan> {
    let mut scans: Vec<Scan> = Vec::new();
    for page in exchanges.iter().filter(|call| call.operation == "Scan") {
        if page.request["ExclusiveStartKey"] == Value::Null {
            scans.push(Scan { pages: 0, saw_it: false });
        }
        let scan = scans.last_mut().unwrap();
        scan.pages += 1;
        scan.saw_it |= page.answer["Items"].to_string().contains(STAYS);
    }
    scans
}

/// Asserts which of the scans saw the row, and that every write contained its address.
fn stays_in_force(exchanges: &[Exchange], saw_it: &[bool]) {
    assert_eq!(scans(exchanges).iter().map(|scan| scan.saw_it).collect::<Vec<_>>(), saw_it);
    for write in exchanges.iter().filter(|call| call.operation == "UpdateIPSet") {
        assert!(write.request["Addresses"].to_string().contains(STAYS), "a write without the address of a moving row");
    }
}
