//! AWS's real limits: ten thousand addresses in an IP set, fifty references in a rule group.

use std::fmt::Write as _;

use serde_json::json;
use wafsync::run::outcome::Outcome;

use crate::world::{TABLE, World, changes, ended};

/// Puts distinct hosts from 10.0.0.0/8, ten per item.
fn fill(world: &World, items: std::ops::Range<u32>) {
    for number in items {
        let mut list = String::from("[");
        for host in 0..10 {
            let [_, b, c, d] = (number * 10 + host).to_be_bytes();
            let _ = write!(list, "{}\"10.{b}.{c}.{d}/32\"", if host == 0 { "" } else { "," });
        }
        list.push(']');
        let key = format!("c{number}");
        world.aws.put_item(TABLE, &key, json!({"id": {"S": key}, "ips": {"S": list}}));
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_five_thousand_addresses_take_three_sets_and_one_change_takes_one_write() {
    let world = World::new(&[]);
    fill(&world, 0..2_500);
    let first = world.apply().await;
    assert_eq!(ended(&first), (Outcome::Changed, 5, 5), "{}", first.reason);
    let sizes: Vec<_> = first.ip_sets.iter().map(|set| (set.addresses, set.free)).collect();
    assert_eq!(sizes, [(10_000, 0), (10_000, 0), (5_000, 5_000)]);
    world.item("c7", &["192.0.2.1"]);
    let next = world.next_apply().await;
    assert_eq!(ended(&next), (Outcome::Changed, 1, 1), "{}", next.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_five_hundred_thousand_and_first_address_takes_a_new_set_in_the_second_rule_group() {
    let world = World::new(&[]);
    fill(&world, 0..50_000);
    world.aws.preload("eu-central-1", TABLE, "wafsync", 100);
    world.item("new", &["192.0.2.1"]);
    let grown = world.apply().await;
    let expected = ["create_ip_set wafsync-ipv4-050 +192.0.2.1/32", "update_rule_group wafsync-2 +wafsync-ipv4-050"];
    assert_eq!((changes(&grown).as_slice(), grown.outcome), (&expected.map(String::from)[..], Outcome::Changed));
    assert_eq!((grown.ip_sets.len(), grown.current.ipv4, grown.writes.minimum), (51, 500_001, 2));
    world.later().await;
    world.settled().await;
}
