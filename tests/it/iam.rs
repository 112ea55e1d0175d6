//! The policy that wafsync prints allows every call that it makes, and none to another installation.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::preflight::iam_policy::{self, Access, IamScope};
use wafsync_test_aws::{Attempt, Config, FaultKind, When, iam};

use crate::world::{TABLE, World, ip, reference_to};

/// The policy for these settings, as the command line prints it.
fn policy(access: Access, args: &[&str]) -> Value {
    let line = ["wafsync", "iam-policy", "--table", TABLE].iter().chain(args).map(std::ffi::OsString::from);
    let region = [("AWS_REGION".into(), "eu-central-1".into())];
    let Invocation::IamPolicy { scope, .. } = cli::parse(line, region).unwrap().invocation else { panic!("no policy") };
    // The stand-in's rule groups take two references instead of fifty.
    iam_policy::policy(access, &IamScope { rule_groups: 3, ..scope })
}

/// Asserts that the policy for these settings allows every call of these attempts.
pub(crate) fn assert_allowed(access: Access, settings: &Settings, attempts: &[Attempt]) {
    let policy = iam_policy::policy(access, &IamScope::of(settings, Some("eu-central-1")));
    for call in attempts.iter().flat_map(iam::calls) {
        assert!(iam::allows(&policy, &call), "{call:?} is not allowed by {policy:#}");
    }
}

/// Every kind of call, from runs that make all of them.
async fn everything(args: &[&str]) -> BTreeSet<iam::Call> {
    let config = Config { set_capacity: 2, group_references: 2, list_page: 2, ..Config::default() };
    let mut world = World::with(config, args);
    world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &["203.0.113.0/24"], Some("Offices"));
    world.aws.put_ip_set("REGIONAL", "foreign", "IPV4", &["203.0.113.0/24"], None);
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.items(1..=3);
    world.item("six", &["2001:db8:1::/48"]);
    world.apply().await;
    let name = world.settings.waf.name.clone();
    let arn = world.aws.rule_group(&format!("{name}-1")).unwrap().arn;
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&arn, 0)]));
    world.items(4..=6);
    world.no_items(1..=1);
    world.fail("CreateIPSet", When::After, FaultKind::ConnectionLost);
    world.later().await;
    world.apply().await;
    world.set_approval().await;
    world.later().await;
    world.apply().await;
    world.aws.edit_rule_group(&format!("{name}-1"), |rules| *rules = json!([]));
    world.aws.remove_ip_set(&format!("{name}-ipv4-000"));
    world.item("bad", &["hello", &ip(9)]);
    world.later().await;
    world.apply().await;
    world.plan().await;
    world.aws.log().iter().flat_map(iam::calls).collect()
}

const ARGS: [&str; 6] = ["--max-ip-sets", "6", "--web-acl", "front", "--adopt", "offices"];

#[tokio::test(start_paused = true)]
async fn every_call_is_allowed_by_the_policy_for_apply() {
    let calls = everything(&ARGS).await;
    let actions: BTreeSet<&str> = calls.iter().map(|(action, _)| action.as_str()).collect();
    let expected = [
        "dynamodb:Scan",
        "wafv2:CreateIPSet",
        "wafv2:CreateRuleGroup",
        "wafv2:GetIPSet",
        "wafv2:GetRuleGroup",
        "wafv2:GetWebACL",
        "wafv2:ListIPSets",
        "wafv2:ListRuleGroups",
        "wafv2:ListWebACLs",
        "wafv2:TagResource",
        "wafv2:UpdateIPSet",
        "wafv2:UpdateRuleGroup",
    ];
    assert_eq!(actions, expected.into());
    let policy = policy(Access::Apply, &ARGS);
    for call in &calls {
        assert!(iam::allows(&policy, call), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_plan_is_allowed_by_its_policy() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.apply().await;
    world.aws.clear_log();
    world.no_items(1..=1);
    world.items(5..=5);
    world.plan().await;
    let policy = policy(Access::Plan, &[]);
    for call in world.aws.log().iter().flat_map(iam::calls) {
        assert!(iam::allows(&policy, &call), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_check_is_allowed_by_its_policy() {
    for args in [&[][..], &["--web-acl", "front"], &["--adopt", "offices"]] {
        let config = Config { set_capacity: 2, group_references: 2, ..Config::default() };
        let mut world = World::with(config, &["--max-ip-sets", "6"]);
        world.set(&[&["--max-ip-sets", "6"], args].concat());
        world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &["203.0.113.0/24"], None);
        world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
        world.aws.put_web_acl("REGIONAL", "side", "Block", json!([]));
        world.items(1..=3);
        let policy = policy(Access::Check, args);
        for _ in ["before", "after the first apply"] {
            world.aws.clear_log();
            wafsync::aws::look(&world.connection(), &world.settings, &world.signal.stop(None)).await;
            // The queries of `explain --wait`.
            let (reader, table, stop) =
                (world.connection().table_reader(), &world.settings.table, world.signal.stop(None));
            assert!(reader.reads_by_key(table, &stop).await.unwrap());
            reader.items(table, &["c1".to_owned()], &stop).await.unwrap();
            for call in world.aws.log().iter().flat_map(iam::calls) {
                assert!(iam::allows(&policy, &call), "{args:?}: {call:?}");
            }
            world.later().await;
            world.apply().await;
            let arn = world.aws.rule_groups()[0].arn.clone();
            world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&arn, 0)]));
            world.later().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_allows_no_write_to_an_installation_with_a_longer_name() {
    let writes =
        |(action, _): &&iam::Call| action.contains(":Create") || action.contains(":Update") || action.contains(":Tag");
    for (ours, theirs) in [("wafsync", "wafsync-prod"), ("wafsync-prod", "wafsync"), ("wafsync", "wafsync-ipv4")] {
        let calls = everything(&["--name", theirs, "--max-ip-sets", "6"]).await;
        let policy = policy(Access::Apply, &["--name", ours, "--max-ip-sets", "6"]);
        for call in calls.iter().filter(writes) {
            assert!(!iam::allows(&policy, call), "{call:?}");
        }
    }
}
