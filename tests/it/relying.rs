//! A full IP set that relies on another: it has no room for what replaces a CIDR in it, and another set holds that.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Config, FaultKind, Phase, When};

use crate::world::{World, changes, ended, in_force};

const FULL: &str = "wafsync-ipv4-000";
const OTHER: &str = "wafsync-ipv4-001";

/// What stays wanted of the wide CIDR.
const PIECES: [&str; 2] = ["203.0.113.0/32", "203.0.113.1/32"];

/// A full set with a CIDR that the table no longer asks for, and a set that holds what stays wanted of it. At each call,
/// all of that has to be in force.
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

/// What came in from the second scan on.
fn after_the_second_scan(world: &World) -> Vec<String> {
    let log = world.aws.log();
    let scan = log.iter().rposition(|call| call.operation == "Scan").unwrap();
    log[scan + 1..].iter().map(|call| call.operation.clone()).collect()
}

/// Does this once the second scan has come to its end.
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
async fn it_is_written_right_after_lists_that_show_the_other_as_it_was_read() {
    let world = world().await;
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {FULL} -203.0.113.0/30")]);
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    assert_eq!(after_the_second_scan(&world)[..3], ["ListIPSets", "ListRuleGroups", "UpdateIPSet"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_not_written_once_a_hand_has_changed_the_other() {
    let world = world().await;
    once_proven(&world, |aws| aws.edit_ip_set(OTHER, Vec::clear));
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!(changes(&document), [format!("update_ip_set {OTHER} +{} +{}", PIECES[0], PIECES[1])]);
    // What was added in one run is relied on by the next.
    let next = world.next_apply().await;
    assert_eq!(changes(&next), [format!("update_ip_set {FULL} -203.0.113.0/30")]);
    assert_eq!(next.outcome, Outcome::Changed, "{}", next.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_not_written_once_no_rule_refers_to_the_other_any_more() {
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
async fn it_waits_for_the_next_run_if_this_one_has_met_any_trouble() {
    let world = world().await;
    world.items(4..=5);
    // Once while the settling time runs, and once with the removal.
    world.fail_target("UpdateIPSet", OTHER, 2, When::Before, FaultKind::InvalidParameter);
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
    assert!(world.aws.ip_set(FULL).unwrap().addresses.contains(&"203.0.113.0/30".to_owned()));
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}
