//! The main job on the witnesses. Each scenario ends in "plan again: nothing to do".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_wafv2::types::{IpAddressVersion, Scope};
use wafsync::report::Outcome;

use crate::world::{self, World};

/// Runs every scenario; answers how many.
pub(crate) async fn run_all() -> usize {
    let mut ran = 0;
    macro_rules! scenario {
        ($($name:ident),+ $(,)?) => {$(
            $name().await;
            println!("scenario {} ... ok", stringify!($name).replace('_', " "));
            ran += 1;
        )+};
    }
    scenario!(
        first_run_and_one_change,
        growth_over_the_edge_of_a_set,
        a_hand_edit_is_put_right,
        half_of_the_table_vanishes,
        the_table_is_empty,
        a_hand_made_set_is_adopted,
        aggregation_is_switched_on,
        an_item_moves_while_the_scan_runs,
    );
    ran
}

async fn first_run_and_one_change() {
    let world = World::new("first", &[]).await;
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]).await;
    world.item("b", &["203.0.113.0/28"]).await;
    world.applies(Outcome::Changed, 4).await;
    assert_eq!(world.addresses().await.len(), 3);
    world.settled().await;
    world.no_item("a", &["198.51.100.7/32", "2001:db8:1::/48"]).await;
    world.item("a", &["198.51.100.8/32", "2001:db8:1::/48"]).await;
    world.applies(Outcome::Changed, 1).await;
    assert!(world.addresses().await.contains("198.51.100.8/32"));
    world.settled().await;
}

async fn growth_over_the_edge_of_a_set() {
    let world = World::new("growth", &["--max-per-item", "10000"]).await;
    let address = |n: usize| format!("10.{}.{}.{}/32", n / 65_536, n / 256 % 256, n % 256);
    // A sort key holds 1,024 bytes: some forty addresses an item.
    for (item, chunk) in (0..10_020).map(address).collect::<Vec<_>>().chunks(40).enumerate() {
        let ips: Vec<&str> = chunk.iter().map(String::as_str).collect();
        world.item(&format!("cluster-{item}"), &ips).await;
    }
    world.applies(Outcome::Changed, 4).await;
    let mut sizes: Vec<usize> = world.ip_sets().await.iter().map(|set| set.addresses.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 10_000]);
    world.settled().await;
}

async fn a_hand_edit_is_put_right() {
    let world = World::new("drift", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    let set = world.ip_sets().await.remove(0);
    world.edit_by_hand(&set, &["198.51.100.7/32", "192.0.2.66/32"]).await;
    let applied = world.applies(Outcome::Changed, 1).await;
    assert_eq!(applied.drift.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.66/32"]);
    world.settled().await;
}

async fn half_of_the_table_vanishes() {
    let mut world = World::new("half", &[]).await;
    for n in 0..20 {
        world.item(&format!("c{n}"), &[&format!("198.51.100.{n}/32")]).await;
    }
    world.apply().await;
    for n in 0..10 {
        world.no_item(&format!("c{n}"), &[&format!("198.51.100.{n}/32")]).await;
    }
    world.item("new", &["203.0.113.9/32"]).await;
    let held = world.applies(Outcome::Held, 1).await;
    assert_eq!(held.held.len(), 10);
    assert_eq!(world.addresses().await.len(), 21);
    world.settings.guards.approve = held.digest;
    world.applies(Outcome::Changed, 1).await;
    assert_eq!(world.addresses().await.len(), 11);
    world.settled().await;
}

async fn the_table_is_empty() {
    let world = World::new("empty", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    world.no_item("a", &["198.51.100.7/32"]).await;
    world.applies(Outcome::Blocked, 0).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.applies(Outcome::Converged, 0).await;
    world.settled().await;
}

async fn a_hand_made_set_is_adopted() {
    let mut world = World::new("adopt", &["--adopt", "hand-made"]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    let create = world.waf.create_ip_set().scope(Scope::Regional).name("hand-made");
    let addresses = Some(vec!["198.51.100.7/32".to_owned(), "192.0.2.1/32".to_owned()]);
    create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(addresses).send().await.unwrap();
    let held = world.apply().await;
    assert_eq!((held.outcome, held.held.len()), (Outcome::Held, 1), "{}", held.reason);
    world.settings.guards.approve = held.digest;
    world.applies(Outcome::Changed, 1).await;
    world.settled().await;
}

async fn aggregation_is_switched_on() {
    let mut world = World::new("aggregate", &[]).await;
    world.item("a", &["198.51.100.6/32"]).await;
    world.item("b", &["198.51.100.7/32"]).await;
    world.apply().await;
    world.settings.table.aggregate = true;
    world.applies(Outcome::Changed, 1).await;
    assert_eq!(world.addresses().await.into_iter().collect::<Vec<_>>(), ["198.51.100.6/31"]);
    world.settled().await;
}

/// The address of a cluster is part of the key, so a change of the others in its item is a new row and a delete. A scan
/// can miss both; the address may not go for that.
async fn an_item_moves_while_the_scan_runs() {
    let world = World::new("moving", &["--read-capacity", "100000", "--max-removals", "100%"]).await;
    for n in 0..400 {
        world.item(&format!("c{n}"), &[&format!("10.0.{}.{}/32", n / 256, n % 256)]).await;
    }
    let stays = "198.51.100.7/32";
    world.item("moving", &[stays]).await;
    world.apply().await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (done, dynamodb, table) = (Arc::clone(&done), world.dynamodb.clone(), world.name);
        async move {
            let mut moves = 0_u32;
            let mut now = vec![stays.to_owned()];
            while !done.load(Ordering::Relaxed) {
                let next = vec![stays.to_owned(), format!("203.0.113.{}/32", moves % 250)];
                world::put(&dynamodb, table, "moving", &next).await;
                if next != now {
                    world::delete(&dynamodb, table, "moving", &now).await;
                }
                now = next;
                moves += 1;
            }
            moves
        }
    });
    for _ in 0..10 {
        let applied = world.apply().await;
        assert_eq!(applied.outcome.exit_code() % 4, 0, "{}", applied.reason);
        assert!(world.addresses().await.contains(stays), "the address of a moving item went");
    }
    done.store(true, Ordering::Relaxed);
    let moves = writer.await.unwrap();
    assert!(moves > 10, "the writer was too slow to prove anything: {moves} moves");
    world.apply().await;
    world.settled().await;
}
