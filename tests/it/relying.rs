//! A removal from a full IP set that relies on another set: the full set has no room for what replaces the removed
//! CIDR, and the other set holds it.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Config, FaultKind, Phase, When};

use crate::world::{World, changes, ended, in_force};

const FULL: &str = "wafsync-ipv4-000";
const OTHER: &str = "wafsync-ipv4-001";

/// What stays wanted of the wide CIDR.
const PIECES: [&str; 2] = ["203.0.113.0/32", "203.0.113.1/32"];

/// A full set with a CIDR that the table no longer asks for, and a set that holds the part of it that stays wanted.
/// That part must be in force at every call.
async fn world() -> World {
    let world = World::with(Config { set_capacity: 4, ..Config::default() }, &["--max-ip-sets=6"]);
    world.items(1..=3);
    world.item("wide", &["203.0.113.0/30"]);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.item("narrow", &PIECES);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(world.aws.ip_set(OTHER).unwrap().addresses, PIECES);
    world.aws.delete_item(crate::world::TABLE, "wide");
    world.aws.on_call(|aws, call| assert!(lets_in_all(aws), "locked out after {} {}", call.operation, call.target));
    world
}

fn lets_in_all(aws: &Aws) -> bool {
    let nets: Vec<Ipv4Net> = in_force(aws).iter().filter_map(|cidr| cidr.parse().ok()).collect();
    let is_in = |address: Ipv4Addr| nets.iter().any(|net| net.contains(&address));
    is_in([203, 0, 113, 0].into()) && is_in([203, 0, 113, 1].into())
}

/// The operations called after the second scan.
fn after_the_second_scan(world: &World) -> Vec<String> {
    let log = world.aws.log();
    let scan = log.iter().rposition(|call| call.operation == "Scan").unwrap();
    log[scan + 1..].iter().map(|call| call.operation.clone()).collect()
}

/// Runs this once, after the second scan.
fn once_proven(world: &World, act: impl FnOnce(&Aws) + Send + 'static) {
    let (mut scans, mut act) = (0, Some(act));
    world.aws.on_call(move |aws, call| {
        scans += usize::from(call.operation == "Scan" && call.phase == Phase::After);
        if scans == 2
            && let Some(act) = act.take()
        {
            act(aws);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_written_after_lists_confirm_the_other_set() {
    let world = world().await;
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {FULL} -203.0.113.0/30")]);
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    assert_eq!(after_the_second_scan(&world)[..3], ["ListIPSets", "ListRuleGroups", "UpdateIPSet"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_written_a_minute_after_the_other_set_was_read() {
    let world = world().await;
    let planned = world.plan().await.estimate_seconds;
    assert!((60.0..65.0).contains(&planned), "the plan says so: {planned}");
    let before = world.aws.log().last().unwrap().index;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    let log = world.aws.log();
    let of_run = || log.iter().filter(|call| call.index > before);
    let read = of_run().find(|call| call.operation == "GetIPSet" && call.target == OTHER).unwrap();
    let write = of_run().find(|call| call.operation == "UpdateIPSet" && call.target == FULL).unwrap();
    assert!(write.at >= read.at + Duration::from_mins(1), "{:?} {:?}", read.at, write.at);
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_not_written_after_the_other_set_was_edited() {
    let world = world().await;
    once_proven(&world, |aws| aws.edit_ip_set(OTHER, Vec::clear));
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!(changes(&document), [format!("update_ip_set {OTHER} +{} +{}", PIECES[0], PIECES[1])]);
    // What one run adds, the next one can rely on.
    let next = world.next_apply().await;
    assert_eq!(changes(&next), [format!("update_ip_set {FULL} -203.0.113.0/30")]);
    assert_eq!(next.outcome, Outcome::Changed, "{}", next.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_not_written_after_the_other_set_lost_its_reference() {
    let world = world().await;
    once_proven(&world, |aws| {
        let arn = aws.ip_set(FULL).unwrap().arn;
        aws.edit_rule_group("wafsync-1", |rules| {
            rules[0]["Statement"] = serde_json::json!({"IPSetReferenceStatement": {"ARN": arn}});
        });
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!(changes(&document), [format!("update_rule_group wafsync-1 +{OTHER}")]);
    let next = world.next_apply().await;
    assert_eq!(changes(&next), [format!("update_ip_set {FULL} -203.0.113.0/30")]);
    assert_eq!(next.outcome, Outcome::Changed, "{}", next.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_left_to_the_next_run_after_any_error() {
    let world = world().await;
    world.items(4..=5);
    // The write fails once during the settling time and once with the removal.
    world.fail_target("UpdateIPSet", OTHER, 2, When::Before, FaultKind::InvalidParameter);
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
    assert!(world.aws.ip_set(FULL).unwrap().addresses.contains(&"203.0.113.0/30".to_owned()));
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}
