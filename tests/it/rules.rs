//! Rule groups, web ACLs, and changes to them that need approval.

use std::sync::{Arc, Mutex};

use serde_json::json;
use wafsync::aws::Connection;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, Phase, When};

use crate::world::{World, changes, ended, in_force, ip, ips, reference_to};

const GROUP: &str = "wafsync-1";

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=10);
    world.apply().await;
    world
}

/// Asserts that a run is blocked for exactly this reason and writes nothing, and that it succeeds once approved.
async fn blocked_then_approved(world: &mut World, reason: &str) {
    let before = world.aws.rule_groups();
    let blocked = world.next_apply().await;
    assert_eq!(blocked.outcome, Outcome::Blocked, "{}", blocked.reason);
    assert_eq!(
        (blocked.guard.verdict.as_str(), blocked.guard.reasons.as_slice()),
        ("blocked", &[reason.to_owned()][..])
    );
    assert_eq!(world.aws.rule_groups(), before);
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!(
        (approved.outcome, approved.guard.verdict.as_str()),
        (Outcome::Changed, "approved"),
        "{}",
        approved.reason
    );
    world.settings.guards.approve = None;
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn rules_of_another_table_are_blocked() {
    let mut world = World::new(&["--max-ip-sets", "10"]);
    world.items(1..=10);
    world.apply().await;
    world.aws.create_table("eu-central-1", "others");
    world.settings.table.table = "others".to_owned();
    for number in 1..=10 {
        let item = json!({"id": {"S": format!("c{number}")}, "ips": {"SS": [ip(number)]}});
        world.aws.put_item("others", &format!("c{number}"), item);
    }
    let ours = Connection::new(world.sdk(), &world.settings)
        .unwrap()
        .waf_reader()
        .target()
        .table_tag(Some("111122223333"))
        .unwrap();
    let found = world.aws.rule_group(GROUP).unwrap().description.unwrap().replace("wafsync wafsync table:", "");
    let reason =
        format!("rule group wafsync-1 was last fed from another table (table:{found}, this one is table:{ours})");
    blocked_then_approved(&mut world, &reason).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_group_without_a_table_does_not_block_and_gets_one_at_the_next_write() {
    let world = world(&[]).await;
    world.aws.describe_rule_group(GROUP, Some("wafsync wafsync by hand"));
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    world.item("six", &["2001:db8:1::/48"]);
    assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 2, 2));
    let description = world.aws.rule_group(GROUP).unwrap().description.unwrap();
    assert!(description.starts_with("wafsync wafsync table:"), "{description}");
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn another_action_is_blocked() {
    let mut world = world(&[]).await;
    world.set(&["--action", "count"]);
    let reason = r#"rule group wafsync-1 would change from "allow" to "count and label""#;
    blocked_then_approved(&mut world, reason).await;
    let rule = &world.aws.rule_group(GROUP).unwrap().rules[0];
    assert_eq!((&rule["Action"], &rule["RuleLabels"]), (&json!({"Count": {}}), &json!([{"Name": "wafsync"}])));
}

#[tokio::test(start_paused = true)]
async fn another_header_is_blocked_but_not_another_spelling() {
    let mut world = world(&[]).await;
    world.set(&["--forwarded-ip-header", "X-Forwarded-For", "--forwarded-ip-position", "last"]);
    let reason = r#"rule group wafsync-1 would change from "allow" to "allow by the last address in X-Forwarded-For""#;
    blocked_then_approved(&mut world, reason).await;
    world.set(&["--forwarded-ip-header", "x-forwarded-for", "--forwarded-ip-position", "last"]);
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rule_edited_by_hand_is_blocked() {
    let mut world = world(&[]).await;
    world.aws.edit_rule_group(GROUP, |rules| {
        let inner = rules[0]["Statement"].take();
        rules[0]["Statement"] = json!({"NotStatement": {"Statement": inner}});
    });
    let reason = "the rules of rule group wafsync-1 were edited by hand and would be replaced by \"allow\"";
    blocked_then_approved(&mut world, reason).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_changed_to_block_is_blocked_and_a_renamed_one_is_restored() {
    let mut world = world(&[]).await;
    world.aws.edit_rule_group(GROUP, |rules| rules[0]["Name"] = json!("renamed"));
    let document = world.next_apply().await;
    assert_eq!(changes(&document), ["update_rule_group wafsync-1"]);
    assert_eq!(document.outcome, Outcome::Changed);
    world.aws.edit_rule_group(GROUP, |rules| rules[0]["Action"] = json!({"Block": {}}));
    let reason = "the rules of rule group wafsync-1 were edited by hand and would be replaced by \"allow\"";
    blocked_then_approved(&mut world, reason).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_removed_by_hand_is_restored_without_approval() {
    let world = world(&[]).await;
    world.aws.edit_rule_group(GROUP, |rules| *rules = json!([]));
    assert_eq!(world.in_force(), Vec::<String>::new());
    let document = world.next_apply().await;
    assert_eq!(changes(&document), ["update_rule_group wafsync-1 +wafsync-ipv4-000"]);
    assert_eq!((document.outcome, world.in_force()), (Outcome::Changed, ips(1..=10)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_without_references_stays_until_all_it_may_let_in_has_its_place() {
    let world = world(&[]).await;
    let ours = world.aws.rule_group(GROUP).unwrap().rules;
    world.aws.edit_rule_group(GROUP, |rules| {
        rules[0]["Statement"] = json!({"GeoMatchStatement": {"CountryCodes": ["DE"]}});
    });
    let rules = world.aws.rule_group(GROUP).unwrap().rules;
    world.items(11..=11);
    world.fail("UpdateIPSet", When::Before, FaultKind::AccessDenied);
    let failed = world.next_apply().await;
    assert_eq!((failed.outcome, world.aws.rule_group(GROUP).unwrap().rules), (Outcome::Failed, rules));
    // What concerns others does not keep it: it may let in no one.
    world.no_items(11..=11);
    world.item("six", &["2001:db8:1::/48"]);
    let other = world.aws.put_ip_set("REGIONAL", "wafsync-ipv6-000", "IPV6", &[], Some("wafsync wafsync sum"));
    world.aws.edit_rule_group("wafsync-2", |rules| {
        *rules = ours;
        rules[0]["Statement"] = json!({"IPSetReferenceStatement": {"ARN": other}});
        rules[0]["VisibilityConfig"]["MetricName"] = json!("wafsync-2");
    });
    world.fail_target("UpdateIPSet", "wafsync-ipv6-000", 100, When::Before, FaultKind::AccessDenied);
    let failed = world.next_apply().await;
    assert_eq!((failed.outcome, world.in_force()), (Outcome::Failed, ips(1..=10)), "{}", failed.reason);
    world.aws.clear_faults();
    world.items(11..=11);
    let document = world.next_apply().await;
    let all = [ips(1..=11), vec!["2001:db8:1::/48".to_owned()]].concat();
    assert_eq!((document.outcome, world.in_force()), (Outcome::Changed, all), "{}", document.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_reference_to_a_foreign_set_is_not_dropped_without_approval() {
    let mut world = world(&[]).await;
    let arn = world.refer_to_foreign(GROUP, "offices", &["203.0.113.0/24"]);
    let shown = arn.replace("111122223333", "************");
    let reason = format!("rule group wafsync-1 would no longer refer to {shown}, which is not one of ours");
    blocked_then_approved(&mut world, &reason).await;
    assert_eq!(world.in_force(), ips(1..=10));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_reference_is_dropped_once_what_replaces_it_is_wired() {
    let config = Config { set_capacity: 1, group_references: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=2);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    let refer = |group: &str, sets: &[&str], world: &World| {
        let arns = sets.iter().map(|set| world.aws.ip_set(set).unwrap().arn);
        let statements: Vec<_> = arns.map(|arn| json!({"IPSetReferenceStatement": {"ARN": arn}})).collect();
        world.aws.edit_rule_group(group, |rules| match rules[0]["Statement"].as_object() {
            Some(_) => rules[0]["Statement"] = json!({"OrStatement": {"Statements": statements}}),
            None => panic!("no rule in {group}: {rules}"),
        });
    };
    world.items(3..=3);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed, "wafsync-2 has a rule");
    // Hands let the fourth address in through another set in the first group, and another set into the second group.
    world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &[&ip(4)], None);
    world.aws.put_ip_set("REGIONAL", "guests", "IPV4", &["192.0.2.1/32"], None);
    refer("wafsync-1", &["wafsync-ipv4-000", "wafsync-ipv4-001", "offices"], &world);
    refer("wafsync-2", &["wafsync-ipv4-002", "guests"], &world);
    world.items(4..=4);
    world.set_approval().await;
    // The list does not show the new set at once.
    world.once("CreateIPSet", Phase::After, |aws, _| {
        for _ in 0..3 {
            let (when, kind) = (When::Before, FaultKind::Omits("wafsync-ipv4-003".to_owned()));
            aws.fail(Fault { operation: Some("ListIPSets".into()), target: None, skip: 0, times: 1, when, kind });
        }
    });
    let lost = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lost);
    world.aws.on_call(move |aws, call| {
        if !in_force(aws).contains(&ip(4)) {
            seen.lock().unwrap().push(call.operation.clone());
        }
    });
    let approved = world.next_apply().await;
    assert_eq!(approved.outcome, Outcome::Changed, "{}", approved.reason);
    assert_eq!(*lost.lock().unwrap(), Vec::<String>::new());
    assert_eq!(world.in_force(), ips(1..=4));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_rule_group_under_our_name_fails_the_run() {
    let world = World::new(&[]);
    world.aws.put_rule_group("REGIONAL", GROUP, 10, Some("of another team"), json!([]));
    world.items(1..=1);
    let document = world.apply().await;
    let error = "GetRuleGroup wafsync-1: it is foreign: its description does not begin with \"wafsync wafsync \", so wafsync \
                 leaves it alone; hint: choose another --name, or delete that rule group if it is not in use";
    assert_eq!((document.outcome, document.error.as_deref()), (Outcome::Failed, Some(error)));
    assert_eq!(world.aws.ip_sets().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_installation_with_a_longer_name_is_not_touched() {
    let mut world = World::new(&["--name", "wafsync-prod"]);
    world.items(1..=3);
    world.apply().await;
    world.set(&[]);
    world.no_items(2..=3);
    let before = world.aws.ip_set("wafsync-prod-ipv4-000");
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3));
    assert_eq!(world.aws.ip_set("wafsync-prod-ipv4-000"), before);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_web_acl_without_one_reference_is_unenforced() {
    let mut world = world(&[]).await;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.set(&["--web-acl", "front"]);
    let lacking = world.next_apply().await;
    assert_eq!(ended(&lacking), (Outcome::Unenforced, 0, 0));
    assert_eq!(lacking.reason, "unenforced: web ACL front does not enforce wafsync-1; no write was made");

    world.set(&["--web-acl", "front", "--deadline", "10s", "--settle", "1s"]);
    world.items(11..=11);
    world.fail("UpdateIPSet", When::After, FaultKind::Never);
    let cut_off = world.next_apply().await;
    assert_eq!(
        cut_off.reason,
        "unenforced: web ACL front does not enforce wafsync-1; no write was confirmed, the effect of 1 is unknown; not \
         finished: stopped before the deadline"
    );
    world.set(&["--web-acl", "front"]);

    let arn = world.aws.rule_group(GROUP).unwrap().arn;
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&arn, 0)]));
    let refers = world.next_apply().await;
    assert_eq!(refers.outcome, Outcome::Converged, "{}", refers.reason);
    assert_eq!((&refers.web_acls[0].referred[..], &refers.web_acls[0].missing[..]), (&[GROUP.to_owned()][..], &[][..]));

    world.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"Count": {}}));
    assert_eq!(world.next_apply().await.outcome, Outcome::Unenforced);
    for (action, outcome) in [
        ("Count", Outcome::Unenforced),
        ("Block", Outcome::Unenforced),
        ("Captcha", Outcome::Unenforced),
        ("Challenge", Outcome::Unenforced),
        ("Allow", Outcome::Converged),
    ] {
        world.aws.edit_web_acl("front", |rules| {
            *rules = json!([reference_to(&arn, 0)]);
            rules[0]["Statement"]["RuleGroupReferenceStatement"]["RuleActionOverrides"] =
                json!([{"Name": "wafsync", "ActionToUse": {action: {}}}]);
        });
        assert_eq!(world.next_apply().await.outcome, outcome, "{action}");
    }
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_count_rule_may_be_overridden_to_count() {
    let mut world = world(&["--action", "count"]).await;
    let mut rule = reference_to(&world.aws.rule_group(GROUP).unwrap().arn, 0);
    let overrides = json!([{"Name": "wafsync", "ActionToUse": {"Count": {}}}]);
    rule["Statement"]["RuleGroupReferenceStatement"]["RuleActionOverrides"] = overrides;
    world.aws.put_web_acl("REGIONAL", "front", "Allow", json!([rule]));
    world.set(&["--action", "count", "--web-acl", "front"]);
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_web_acl_fails() {
    let mut world = world(&[]).await;
    world.set(&["--web-acl", "front"]);
    let document = world.next_apply().await;
    let error = "ListWebACLs front: there is no web ACL of this name in regional scope; hint: check --web-acl, --scope and \
                 AWS_REGION";
    assert_eq!((document.outcome, document.error.as_deref()), (Outcome::Failed, Some(error)));
}

#[tokio::test(start_paused = true)]
async fn a_new_set_goes_to_the_lowest_group_that_every_web_acl_refers_to() {
    let config = Config { set_capacity: 2, group_references: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "6"]);
    world.apply().await;
    let arn = |name: &str| world.aws.rule_group(name).unwrap().arn;
    let rules = json!([reference_to(&arn("wafsync-2"), 0), reference_to(&arn("wafsync-3"), 1)]);
    world.aws.put_web_acl("REGIONAL", "front", "Block", rules);
    world.set(&["--max-ip-sets", "6", "--web-acl", "front"]);
    world.items(1..=4);
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let groups: Vec<_> = document.ip_sets.iter().map(|set| set.rule_group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["wafsync-2", "wafsync-2"]);
    world.items(5..=10);
    let full = world.next_apply().await;
    assert_eq!(full.outcome, Outcome::Unenforced, "{}", full.reason);
    let groups: Vec<_> = full.ip_sets.iter().map(|set| set.rule_group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["wafsync-2", "wafsync-2", "wafsync-3", "wafsync-3", "wafsync-1"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn cloudfront_is_in_us_east_1_and_the_table_in_its_own_region() {
    let world = World::new(&["--scope", "cloudfront"]);
    world.items(1..=2);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let set = world.aws.ip_set("wafsync-ipv4-000").unwrap();
    assert_eq!(set.scope, "CLOUDFRONT");
    assert!(set.arn.starts_with("arn:aws:wafv2:us-east-1:111122223333:global/ipset/"), "{}", set.arn);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_web_acl_does_not_stop_writes() {
    let mut world = world(&[]).await;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.set(&["--web-acl", "front"]);
    let denied = "failed: GetWebACL front: AccessDeniedException";
    let slow = "partial: some reads failed: GetWebACL front: WAFInternalErrorException";
    for (number, fault, outcome, reason) in [
        (31, FaultKind::AccessDenied, Outcome::Failed, denied),
        (32, FaultKind::NonexistentItem, Outcome::Failed, "failed: GetWebACL front: WAFNonexistentItemException"),
        (33, FaultKind::InternalError, Outcome::Partial, slow),
    ] {
        world.items(number..=number);
        world.fail_times("GetWebACL", 100, When::Before, fault);
        let document = world.next_apply().await;
        assert_eq!(ended(&document), (outcome, 1, 1), "{}", document.reason);
        assert!(document.reason.starts_with(reason), "{}", document.reason);
        assert!(world.in_force().contains(&ip(number)));
        world.aws.clear_faults();
    }
    world.set(&["--web-acl", "front", "--max-removals", "0"]);
    world.no_items(33..=33);
    world.fail_times("GetWebACL", 100, When::Before, FaultKind::InternalError);
    let held = world.next_apply().await;
    let reason =
        "held: 1 removal waits for approval; no write was made; not finished: some reads failed: GetWebACL front";
    assert!(held.reason.starts_with(reason), "{}", held.reason);
}

/// A rule group attached by a Firewall Manager policy.
fn imposed(group: &str, action: &str) -> serde_json::Value {
    json!({
        "Name": "imposed",
        "Priority": 0,
        "FirewallManagerStatement": {"RuleGroupReferenceStatement": {"ARN": group}},
        "OverrideAction": {action: {}},
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"},
    })
}

#[tokio::test(start_paused = true)]
async fn firewall_manager_enforces_a_rule_group_like_a_rule_of_the_web_acl() {
    let mut world = world(&[]).await;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let group = world.aws.rule_group(GROUP).unwrap().arn;
    world.set(&["--web-acl", "front"]);
    for (first, last, outcome) in [
        (json!([imposed(&group, "None")]), json!([]), Outcome::Converged),
        (json!([]), json!([imposed(&group, "None")]), Outcome::Converged),
        (json!([imposed(&group, "Count")]), json!([]), Outcome::Unenforced),
        (json!([imposed(&group, "Count")]), json!([imposed(&group, "None")]), Outcome::Converged),
    ] {
        world.aws.attach_by_firewall_manager("front", first, last);
        let document = world.next_apply().await;
        assert_eq!(document.outcome, outcome, "{}", document.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_of_the_same_name_in_another_account_is_blocked() {
    let world = world(&["--max-ip-sets", "10"]).await;
    let mut target = Connection::new(world.sdk(), &world.settings).unwrap().waf_reader().target();
    target.table_account = Some("444455556666".to_owned());
    world.aws.describe_rule_group(GROUP, Some(&target.group_description(None).to_string()));
    let blocked = world.next_apply().await;
    assert_eq!(ended(&blocked), (Outcome::Blocked, 1, 0), "{}", blocked.reason);
    assert!(blocked.guard.reasons[0].starts_with("rule group wafsync-1 was last fed from another table"));
}

#[tokio::test(start_paused = true)]
async fn the_description_of_an_earlier_version_means_the_same_table_and_is_rewritten() {
    let world = world(&["--max-ip-sets", "10"]).await;
    let description = world.aws.rule_group(GROUP).unwrap().description;
    let old = Connection::new(world.sdk(), &world.settings).unwrap().waf_reader().target().old_table_tag();
    world.aws.describe_rule_group(GROUP, Some(&format!("wafsync wafsync table:{old}")));
    let document = world.next_apply().await;
    assert_eq!(
        (changes(&document), ended(&document)),
        (vec![format!("update_rule_group {GROUP}")], (Outcome::Changed, 1, 1))
    );
    assert_eq!(world.aws.rule_group(GROUP).unwrap().description, description);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_table_of_an_empty_first_run_is_recorded_once_it_has_items() {
    let world = World::new(&["--max-ip-sets", "10"]);
    world.apply().await;
    let description = || world.aws.rule_group(GROUP).unwrap().description.unwrap();
    assert_eq!(description(), "wafsync wafsync without a table so far");
    world.later().await;
    world.settled().await;
    world.items(1..=1);
    world.next_apply().await;
    assert!(description().starts_with("wafsync wafsync table:"), "{}", description());
    world.later().await;
    world.settled().await;
}
