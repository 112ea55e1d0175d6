//! References to foreign IP sets: what only such a set lets in stays in force until ours do.

use std::time::Duration;

use serde_json::json;
use wafsync::aws::ReadCache;
use wafsync::report::Document;
use wafsync::run::outcome::Outcome;
use wafsync::run::record::Command;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Phase, When};

use crate::running;
use crate::world::{TABLE, World, changes, in_force, ip, ips, item};

const GROUP: &str = "wafsync-1";

const OURS: &str = "wafsync-ipv4-000";

/// The name of the foreign IP set.
const FOREIGN: &str = "offices";

/// Three CIDRs fit into an IP set.
fn small() -> Config {
    Config { set_capacity: 3, ..Config::default() }
}

/// Items 1 to 3 are in force by ours. Then a hand lets in items 4 and 5 by a foreign set in our rule. The fourth has to stay
/// in force at every call.
async fn world(config: Config, args: &[&str]) -> World {
    let world = World::with(config, args);
    world.items(1..=3);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.refer_to_foreign(GROUP, FOREIGN, &[&ip(4), &ip(5)]);
    world.items(4..=4);
    world.aws.on_call(|aws, call| {
        assert!(in_force(aws).contains(&ip(4)), "locked out after {} {}", call.operation, call.target);
    });
    world
}

fn put(aws: &Aws, number: u32) {
    let key = format!("c{number}");
    aws.put_item(TABLE, &key, item(&key, &[&ip(number)]));
}

fn fail_the_second_scan(world: &World) {
    world.once("Scan", Phase::After, |aws, _| {
        let (operation, when, kind) = (Some("Scan".to_owned()), When::Before, FaultKind::InternalError);
        aws.fail(Fault { operation, target: None, skip: 0, times: 100, when, kind });
    });
}

/// Runs without a look at the policy, which names no rule group that the settings do not need.
async fn run(world: &World, command: Command) -> Document {
    let (stop, mut cache) = (world.signal.stop(None), ReadCache::default());
    let run = running::run(&world.connection(), &world.settings, command, &mut cache, &stop).await;
    Document::new(&run, &world.settings)
}

fn refers(world: &World) -> bool {
    let arn = world.aws.ip_set(FOREIGN).unwrap().arn;
    world.aws.rule_group(GROUP).unwrap().rules.to_string().contains(&arn)
}

/// Asserts that the reference stays.
fn assert_kept(world: &World, document: &Document, outcome: Outcome) {
    assert_eq!((document.outcome, refers(world)), (outcome, true), "{}", document.reason);
}

const STAYS: &str = "a reference to an IP set that is not ours stays, because";

#[tokio::test(start_paused = true)]
async fn it_is_dropped_only_after_a_second_scan() {
    let mut world = world(Config::default(), &[]).await;
    world.set_approval().await;
    // The first scan misses an item whose key is changing.
    world.aws.delete_item(TABLE, "c4");
    world.once("Scan", Phase::After, |aws, _| put(aws, 4));
    let document = world.next_apply().await;
    assert_eq!((document.outcome, world.calls("Scan")), (Outcome::Changed, 2), "{}", document.reason);
    assert_eq!((refers(&world), world.in_force()), (false, ips(1..=4)));
    world.settings.guards.approve = None;
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_dropped_a_minute_after_the_last_write_of_the_run() {
    // The addition waits for the removal that makes room.
    let mut world = world(small(), &["--max-ip-sets=1", "--settle=2m"]).await;
    world.no_items(3..=3);
    world.set_approval().await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    let log = world.aws.log();
    let [added, dropped] = ["UpdateIPSet", "UpdateRuleGroup"]
        .map(|operation| log.iter().find(|call| call.operation == operation).unwrap().at);
    assert!(dropped >= added + Duration::from_mins(1), "{added:?} {dropped:?}");
}

#[tokio::test(start_paused = true)]
async fn it_stays_if_only_an_earlier_scan_asks_for_what_it_lets_in() {
    let mut world = world(small(), &["--max-ip-sets=1"]).await;
    world.no_items(3..=3);
    world.set_approval().await;
    // The addition waits for the removal that makes room; then the second scan misses its item.
    world.once("Scan", Phase::After, |aws, _| aws.delete_item(TABLE, "c4"));
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Partial);
    assert!(document.reason.contains(STAYS), "{}", document.reason);
    assert_eq!(changes(&document), [format!("update_ip_set {OURS} -{}", ip(3))]);
}

#[tokio::test(start_paused = true)]
async fn it_stays_if_a_set_without_a_rule_holds_what_an_earlier_scan_asks_for() {
    let mut world = world(Config::default(), &[]).await;
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &[&ip(4)], Some("wafsync wafsync sum"));
    world.set_approval().await;
    // The rule would refer to it after the second scan, which misses the item.
    world.once("Scan", Phase::After, |aws, _| aws.delete_item(TABLE, "c4"));
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Partial);
}

#[tokio::test(start_paused = true)]
async fn it_stays_until_a_rule_group_that_the_first_list_leaves_out_was_read() {
    let mut world = world(Config::default(), &[]).await;
    // It is no longer needed, and another run could let it refer to something.
    world.set(&["--max-ip-sets=50"]);
    let plan = run(&world, Command::Plan).await;
    world.settings.guards.approve = plan.digest;
    world.fail("ListRuleGroups", When::Before, FaultKind::Omits("wafsync-2".to_owned()));
    world.later().await;
    world.aws.clear_log();
    let document = run(&world, Command::Apply).await;
    assert_eq!((document.outcome, refers(&world)), (Outcome::Changed, false), "{}", document.reason);
    let log = world.aws.log();
    let at = |operation: &str, target: &str| {
        log.iter().position(|call| call.operation == operation && call.target == target).unwrap()
    };
    assert!(at("GetRuleGroup", "wafsync-2") < at("UpdateRuleGroup", GROUP));
}

#[tokio::test(start_paused = true)]
async fn it_stays_if_the_second_scan_fails() {
    for (config, args) in [(Config::default(), &[][..]), (small(), &["--max-ip-sets=1"])] {
        let mut world = world(config, args).await;
        world.no_items(3..=3);
        world.set_approval().await;
        fail_the_second_scan(&world);
        let document = world.next_apply().await;
        assert_kept(&world, &document, Outcome::Partial);
    }
}

#[tokio::test(start_paused = true)]
async fn it_stays_while_additions_wait_for_approval() {
    let mut world = world(Config::default(), &[]).await;
    world.set(&["--max-additions=1"]);
    world.no_items(3..=3);
    world.set_approval().await;
    // The addition waits for the second scan, which has too many.
    world.once("Scan", Phase::After, |aws, _| [6, 7].into_iter().for_each(|number| put(aws, number)));
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Held);
    assert_eq!(world.in_force(), ips([1, 2, 4, 5]));
}

#[tokio::test(start_paused = true)]
async fn it_stays_until_an_approval_knows_of_the_rejections() {
    let mut world = world(Config::default(), &[]).await;
    world.set_approval().await;
    // What it lets in may be asked for by the rejected item.
    world.item("c4", &[&ip(4), "198.51.100.300/32"]);
    world.item("c5", &["198.51.100.400/32"]);
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Blocked);
    assert_eq!(document.writes.done, 0);
    world.set_approval().await;
    let document = world.next_apply().await;
    assert_eq!((document.outcome, refers(&world)), (Outcome::Changed, false), "{}", document.reason);
    assert!(world.in_force().contains(&ip(4)));
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_another_kind_stays_as_it_is_with_it() {
    let mut world = world(Config::default(), &[]).await;
    world.aws.edit_rule_group(GROUP, |rules| rules[0]["RuleLabels"] = json!([{"Name": "theirs"}]));
    let rules = world.aws.rule_group(GROUP).unwrap().rules;
    world.no_items(3..=3);
    world.set_approval().await;
    fail_the_second_scan(&world);
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Partial);
    assert_eq!(world.aws.rule_group(GROUP).unwrap().rules, rules);
}

#[tokio::test(start_paused = true)]
async fn what_is_wired_beside_it_fits_into_the_rule_group() {
    let config = Config { set_capacity: 3, group_references: 3, ..Config::default() };
    let mut world = world(config, &["--max-ip-sets=4"]).await;
    world.no_items(3..=3);
    world.set_approval().await;
    world.items(5..=9);
    fail_the_second_scan(&world);
    let document = world.next_apply().await;
    assert_kept(&world, &document, Outcome::Partial);
    assert!(ips(4..=9).iter().all(|ip| world.in_force().contains(ip)), "{:?}", world.in_force());
}
