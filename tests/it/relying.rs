//! A removal from a full IP set that relies on another set: the full set has no room for what replaces the removed
//! CIDR, and the other set holds it. Also the removal of a reference that relies on another one.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde_json::json;
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Config, FaultKind, Phase, When};

use crate::world::{TABLE, World, changes, ended, in_force, ip, ips, item, reference_to};

const FULL: &str = "wafsync-ipv4-000";
const OTHER: &str = "wafsync-ipv4-001";

/// What stays wanted of the wide CIDR.
const PIECES: [&str; 2] = ["203.0.113.0/32", "203.0.113.1/32"];

/// A full set with a CIDR that the table no longer asks for, and a set that holds the part of it that stays wanted.
/// That part must be in force at every call.
async fn world() -> World {
    world_of(Config { set_capacity: 4, ..Config::default() }).await
}

async fn world_of(config: Config) -> World {
    let world = World::with(config, &["--max-ip-sets=6"]);
    world.items(1..=3);
    world.item("wide", &["203.0.113.0/30"]);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.item("narrow", &PIECES);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(world.aws.ip_set(OTHER).unwrap().addresses, PIECES);
    world.aws.delete_item(TABLE, "wide");
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
            rules[0]["Statement"] = json!({"IPSetReferenceStatement": {"ARN": arn}});
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
async fn the_full_set_is_not_written_after_a_further_rule_group_began_to_refer_to_it() {
    let world = world_of(Config { set_capacity: 4, group_references: 1, ..Config::default() }).await;
    once_proven(&world, |aws| {
        // Behind another web ACL, which lets in nothing of the other set.
        let mut rules = aws.rule_group("wafsync-1").unwrap().rules;
        rules[0]["VisibilityConfig"]["MetricName"] = json!("wafsync-3");
        aws.edit_rule_group("wafsync-3", |now| *now = rules);
    });
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {FULL} -203.0.113.0/30")], "{}", document.reason);
    // Only a plan that knows of it may write.
    let log = world.aws.log();
    let scan = log.iter().rposition(|call| call.operation == "Scan").unwrap();
    let read = log.iter().rposition(|call| call.operation == "GetRuleGroup" && call.target == "wafsync-3").unwrap();
    let write = log.iter().position(|call| call.operation == "UpdateIPSet").unwrap();
    assert!(
        scan < write && read < write && log[read].at >= log[write].at - Duration::from_secs(30),
        "{scan} {read} {write}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_full_set_is_written_a_minute_after_a_write_that_may_still_take_effect() {
    let world = world().await;
    // Half a minute into the run, the other set takes what the full one has no room for.
    world.once("Scan", Phase::After, |aws, _| {
        aws.put_item(TABLE, "more", item("more", &[&ip(4), &ip(5)]));
    });
    world.fail_target("UpdateIPSet", OTHER, 1, When::After, FaultKind::ConnectionLost);
    let before = world.aws.log().last().unwrap().index;
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let log = world.aws.log();
    let first = |set: &str| {
        let is_write = |call: &&wafsync_test_aws::Attempt| call.operation == "UpdateIPSet" && call.target == set;
        log.iter().filter(|call| call.index > before).find(is_write).unwrap().at
    };
    assert!(first(FULL) >= first(OTHER) + Duration::from_mins(1), "{:?} {:?}", first(OTHER), first(FULL));
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

#[tokio::test(start_paused = true)]
async fn the_full_set_is_not_written_after_a_web_acl_has_dropped_the_rule_group_of_the_other_set() {
    let config = Config { set_capacity: 4, group_references: 1, ..Config::default() };
    let mut world = world_of(config).await;
    let arn = |name: &str| world.aws.rule_group(name).unwrap().arn;
    let rules = [("wafsync-1", 0), ("wafsync-2", 1)].map(|(name, at)| reference_to(&arn(name), at));
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!(rules));
    world.set(&["--max-ip-sets=6", "--web-acl=front"]);
    once_proven(&world, |aws| aws.edit_web_acl("front", |rules| drop(rules.as_array_mut().unwrap().pop())));
    let document = world.next_apply().await;
    assert_eq!((document.outcome, changes(&document)), (Outcome::Unenforced, vec![]), "{}", document.reason);
    assert!(world.aws.ip_set(FULL).unwrap().addresses.contains(&"203.0.113.0/30".to_owned()));
}

/// Two full IP sets, to both of which both rule groups refer, so that there is no place for a third. All of it must stay in
/// force at every call.
async fn doubled() -> World {
    let config = Config { set_capacity: 4, group_references: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets=4"]);
    world.items(1..=8);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    let mut rules = world.aws.rule_group("wafsync-1").unwrap().rules;
    rules[0]["VisibilityConfig"]["MetricName"] = json!("wafsync-2");
    world.aws.edit_rule_group("wafsync-2", |now| *now = rules);
    world.later().await;
    world.settled().await;
    world.items(9..=9);
    world.aws.on_call(|aws, call| {
        let in_force = in_force(aws);
        assert!(
            ips(1..=8).iter().all(|ip| in_force.contains(ip)),
            "locked out after {} {}",
            call.operation,
            call.target
        );
    });
    world
}

#[tokio::test(start_paused = true)]
async fn a_double_reference_gives_way_to_a_further_set() {
    let world = doubled().await;
    let plan = world.text(Command::Plan).await;
    assert!(plan.contains("rule group to refer to 1 IP set, to leave 1 IP set to another rule group"), "{plan}");
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let log = world.aws.log();
    let write = log.iter().position(|call| call.operation == "UpdateRuleGroup").unwrap();
    let before: Vec<&str> = log[..write].iter().map(|call| call.operation.as_str()).collect();
    assert!(before.ends_with(&["ListIPSets", "ListRuleGroups", "GetRuleGroup", "ListIPSets"]), "{before:?}");
    assert!(log[write].at - log[0].at >= Duration::from_mins(1));
    assert_eq!(world.in_force(), ips(1..=9));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_double_reference_stays_after_the_other_rule_group_was_edited() {
    let world = doubled().await;
    // Both sets are in force by the second rule group alone from then on.
    world.once("CreateIPSet", Phase::After, |aws, _| aws.edit_rule_group("wafsync-1", |rules| *rules = json!([])));
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let sets = world.aws.rule_group("wafsync-2").unwrap().rules.to_string();
    let kept = [FULL, OTHER].map(|name| sets.contains(&world.aws.ip_set(name).unwrap().arn));
    assert_eq!((kept, world.in_force()), ([true, true], ips(1..=9)));
    world.later().await;
    world.settled().await;
}
