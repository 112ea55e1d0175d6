//! The policy that wafsync prints allows every call that it makes, and no other installation's.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::cli::{self, Invocation};
use wafsync::iam_policy::{self, Access, IamScope};
use wafsync_test_aws::{Attempt, Config, FaultKind, When};

use crate::world::{NOW, TABLE, World, ip, reference_to};

/// What IAM is asked for an attempt: action and resource.
type Call = (String, String);

const ACCOUNT: &str = "111122223333";

/// The policy of these settings, as the command line prints it.
fn policy(access: Access, args: &[&str]) -> Value {
    let line = ["wafsync", "iam-policy", "--table", TABLE].iter().chain(args).map(std::ffi::OsString::from);
    let region = [("AWS_REGION".into(), "eu-central-1".into())];
    let Invocation::IamPolicy { scope, .. } = cli::parse(line, region).unwrap().invocation else { panic!("no policy") };
    // The stand-in's rule groups take two references instead of fifty.
    iam_policy::policy(access, &IamScope { rule_groups: 3, ..scope })
}

/// The calls of an attempt: by its own resource and, for a rule group, by each IP set to which it refers.
fn calls(attempt: &Attempt) -> Vec<Call> {
    let Attempt { operation, target, request, .. } = attempt;
    let own = |kind: &str| format!("arn:aws:wafv2:eu-central-1:{ACCOUNT}:regional/{kind}/{target}/0d0e0f00");
    let action = |name: &str| format!("wafv2:{name}");
    let tagged = request.get("Tags").is_some();
    let (resource, further) = match operation.as_str() {
        "Scan" => {
            let table = format!("arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/{target}");
            return vec![("dynamodb:Scan".to_owned(), table)];
        }
        "DescribeTable" => {
            let table = format!("arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/{target}");
            return vec![("dynamodb:DescribeTable".to_owned(), table)];
        }
        // Nobody can be denied that.
        "GetCallerIdentity" => return Vec::new(),
        "GetWebACL" | "ListResourcesForWebACL" => (own("webacl"), Vec::new()),
        list if list.starts_with("List") => ("*".to_owned(), Vec::new()),
        group if group.ends_with("RuleGroup") => (own("rulegroup"), references(request)),
        _ => (own("ipset"), Vec::new()),
    };
    let mut calls = vec![(action(operation), resource.clone())];
    calls.extend(tagged.then(|| (action("TagResource"), resource)));
    calls.extend(further.into_iter().map(|arn| (action(operation), arn)));
    calls
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("IPSetReferenceStatement").and_then(|reference| reference["ARN"].as_str());
            own.map(ToOwned::to_owned).into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn allows(policy: &Value, (action, resource): &Call) -> bool {
    let any =
        |list: &Value, text: &str| list.as_array().unwrap().iter().any(|glob| matches(glob.as_str().unwrap(), text));
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().any(|statement| any(&statement["Action"], action) && any(&statement["Resource"], resource))
}

/// `*` is any text, `?` is one character.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|from| text.get(from..).is_some_and(|rest| matches(&pattern[1..], rest))),
        Some(wanted) => text
            .strip_prefix(|c| wanted == '?' || c == wanted)
            .is_some_and(|rest| matches(&pattern[wanted.len_utf8()..], rest)),
    }
}

/// Runs in which every kind of call is made.
async fn everything(args: &[&str]) -> BTreeSet<Call> {
    let config = Config { set_capacity: 2, group_references: 2, list_page: 2, ..Config::default() };
    let mut world = World::with(config, args);
    world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &["203.0.113.0/24"], Some("Offices"));
    world.aws.put_ip_set("REGIONAL", "stranger", "IPV4", &["203.0.113.0/24"], None);
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
    world.aws.remove_ip_set(&format!("{name}-ipv4-000"));
    world.item("bad", &["hello", &ip(9)]);
    world.later().await;
    world.apply().await;
    world.plan().await;
    world.aws.log().iter().flat_map(calls).collect()
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
        assert!(allows(&policy, call), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_makes_no_call_that_its_own_policy_does_not_allow() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.apply().await;
    world.aws.clear_log();
    world.no_items(1..=1);
    world.items(5..=5);
    world.plan().await;
    let policy = policy(Access::Plan, &[]);
    for call in world.aws.log().iter().flat_map(calls) {
        assert!(allows(&policy, &call), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preflight_makes_no_call_that_its_own_policy_does_not_allow() {
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
            world.connection().look(&world.settings, NOW, &world.signal.stop(None)).await;
            for call in world.aws.log().iter().flat_map(calls) {
                assert!(allows(&policy, &call), "{args:?}: {call:?}");
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
async fn an_installation_may_write_nothing_of_another_whose_name_begins_like_its_own() {
    let writes =
        |(action, _): &&Call| action.contains(":Create") || action.contains(":Update") || action.contains(":Tag");
    for (ours, theirs) in [("wafsync", "wafsync-prod"), ("wafsync-prod", "wafsync"), ("wafsync", "wafsync-ipv4")] {
        let calls = everything(&["--name", theirs, "--max-ip-sets", "6"]).await;
        let policy = policy(Access::Apply, &["--name", ours, "--max-ip-sets", "6"]);
        for call in calls.iter().filter(writes) {
            assert!(!allows(&policy, call), "{call:?}");
        }
    }
}
