//! The JSON log: one object per line, each with the id of its run.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use wafsync_test_aws::{Fault, FaultKind, Phase, When};

use crate::process::Process;
use crate::world::{TABLE, reference_to};

/// The events of a successful `apply`.
async fn apply(process: &Process, args: &[&str]) -> Vec<Value> {
    let (code, events) = apply_to(process, args).await;
    assert_eq!(code, Some(0), "{events:#?}");
    events
}

/// The exit code and the events of an `apply`.
async fn apply_to(process: &Process, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let ended = process.start(&[&["apply", "--log-format=json"], args].concat()).end().await;
    (ended.code, ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The id of the run, which all of these events carry.
fn id(events: &[Value]) -> String {
    let ids: BTreeSet<&str> = events.iter().map(|event| event["span"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{events:#?}");
    ids.into_iter().collect()
}

fn messages<'a>(events: &'a [Value], message: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["message"] == message).collect()
}

#[tokio::test]
async fn every_event_of_a_run_carries_the_id_of_the_run() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let (first, second) = (apply(&process, &[]).await, apply(&process, &[]).await);
    let (one, other) = (id(&first), id(&second));
    assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_run_logs_its_writes_removals_and_totals() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.item("b", &["198.51.100.8/32"]);
    let first = apply(&process, &[]).await;
    assert_eq!(messages(&first, "the run begins").len(), 1);
    let written: BTreeSet<&str> =
        messages(&first, "written").iter().map(|event| event["target"].as_str().unwrap()).collect();
    assert_eq!(written, ["wafsync-1", "wafsync-2", "wafsync-ipv4-000"].into());

    process.item("b", &["198.51.100.9/32"]);
    let second = apply(&process, &[]).await;
    let [removing] = messages(&second, "removing")[..] else { panic!("{second:#?}") };
    assert_eq!(removing["cidrs"], "198.51.100.8/32", "the log shows how to undo it");
    let [written] = messages(&second, "written")[..] else { panic!("{second:#?}") };
    let told = ["target", "write", "added", "removed"].map(|key| written[key].clone());
    assert_eq!(told, [json!("wafsync-ipv4-000"), json!("update_ip_set"), json!(1), json!(1)]);
    let [ended] = messages(&second, "the run has ended")[..] else { panic!("{second:#?}") };
    let told = ["outcome", "items", "desired_ipv4", "planned", "writes", "held"].map(|key| ended[key].clone());
    assert_eq!(told, [json!("changed"), json!(2), json!(2), json!(1), json!(1), json!(0)]);
}

#[tokio::test]
async fn only_events_at_the_level_or_above_are_logged_with_their_id() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    assert_eq!(apply(&process, &["--log-level=warn"]).await, [Value::Null; 0]);
    process.aws.put_ip_set("REGIONAL", "wafsync-ipv4-007", "IPV4", &[], None);
    let events = apply(&process, &["--log-level=warn"]).await;
    assert_eq!((events.len(), events[0]["level"].as_str()), (1, Some("WARN")), "{events:#?}");
    id(&events);
}

#[tokio::test]
async fn a_blocked_run_is_a_warning_with_its_reasons_and_digest() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    apply(&process, &[]).await;
    process.item("a", &[]);
    let (code, events) = apply_to(&process, &["--log-level=warn"]).await;
    assert_eq!(code, Some(3), "{events:#?}");
    let told: Vec<&str> = events.iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "blocked: nothing was written; approval is needed",
            "the table gave no address at all while 1 CIDR is in force",
            "the only IPv4 CIDR would be removed, and the table asks for no other",
            "Approving locks out the only address in force. Only if that is what you want",
        ]
    );
    assert!(events[1]["digest"].as_str().unwrap().starts_with("sha256:"), "{events:#?}");
}

#[tokio::test]
async fn a_rule_group_written_without_a_failed_set_logs_no_reference_to_it() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let (operation, kind) = (Some("CreateIPSet".to_owned()), FaultKind::AccessDenied);
    process.aws.fail(Fault { operation, target: None, skip: 0, times: usize::MAX, when: When::Before, kind });
    let ended = process.start(&["apply", "--log-format=json"]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: BTreeSet<_> = messages(&events, "written")
        .iter()
        .map(|event| (event["target"].as_str().unwrap(), event["references"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("wafsync-1", 0), ("wafsync-2", 0)].into());
}

#[tokio::test]
async fn each_call_is_an_event_at_debug_with_its_result_and_no_secret() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let web_acl = process.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let fail = |operation: &str, kind| {
        let (operation, times, when) = (Some(operation.to_owned()), 1, When::Before);
        process.aws.fail(Fault { operation, target: None, skip: 0, times, when, kind });
    };
    fail("ListIPSets", FaultKind::Throttled);
    fail("CreateRuleGroup", FaultKind::AccessDenied);
    let args = ["--log-level=debug", "--max-ip-sets=50", &format!("--web-acl={web_acl}")];
    let (code, events) = apply_to(&process, &args).await;
    assert_eq!(code, Some(1), "{events:#?}");
    let called = messages(&events, "called");
    let told = |operation: &str| -> Vec<[Value; 3]> {
        let of = called.iter().filter(|event| event["operation"] == operation);
        of.map(|event| ["resource", "outcome", "attempts"].map(|key| event[key].clone())).collect()
    };
    assert_eq!(told("Scan"), [[json!("table clusters"), json!("ok"), json!(1)]]);
    assert_eq!(told("ListIPSets")[0], [json!("all"), json!("ok"), json!(2)]);
    assert_eq!(told("CreateIPSet"), [[json!("wafsync-ipv4-000"), json!("ok"), json!(1)]]);
    assert_eq!(told("CreateRuleGroup"), [[json!("wafsync-1"), json!("final"), json!(1)]]);
    let attempts: u64 = called.iter().map(|event| event["attempts"].as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(attempts).unwrap(), process.aws.log().len(), "the log has every call");
    assert!(called.iter().all(|event| event["milliseconds"].is_u64() && event["level"] == "DEBUG"));
    let account = web_acl.split(':').nth(4).unwrap();
    let all = Value::from(events.clone()).to_string();
    for secret in [account, "AKID", "\"secret\""] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(told("GetWebACL")[0][0].as_str().unwrap().contains(":************:"));
    id(&called.into_iter().cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn held_cidrs_are_logged_by_ip_set_and_range_with_the_command_that_approves_them() {
    let process = Process::new().await;
    let addresses = |first: u32| -> Vec<String> {
        let first = u32::from(Ipv4Addr::new(198, 51, 100, 0)) + first;
        (first..first + 10_000).map(|address| Ipv4Addr::from(address).to_string()).collect()
    };
    let item = |addresses: Vec<String>| process.item("a", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let args = ["--max-per-item=10000", "--max-ip-sets=1", "--name=edge"];
    item(addresses(0));
    apply(&process, &args).await;
    item(addresses(10_000));
    let (code, events) = apply_to(&process, &args).await;
    assert_eq!(code, Some(3), "{events:#?}");
    let [held] = messages(&events, "held")[..] else { panic!("{events:#?}") };
    let told = ["removals", "additions", "ip_sets", "ranges"].map(|key| held[key].clone());
    let range = json!("198.51.100.0–198.51.139.15");
    assert_eq!(told, [json!(10_000), json!(0), json!("edge-ipv4-000 10,000"), range]);
    let [unplaced] = messages(&events, "wanted, but without room")[..] else { panic!("{events:#?}") };
    assert_eq!([&unplaced["cidrs"], &unplaced["ranges"]], [&json!(10_000), &json!("198.51.139.16–198.51.178.31")]);
    let [approve] = messages(&events, "to approve exactly this, after reading it")[..] else { panic!() };
    let [ended] = messages(&events, "the run has ended")[..] else { panic!() };
    let command = "wafsync apply --table=clusters --max-per-item=10000 --name=edge --max-ip-sets=1 --read-rate=1000 \
                   --write-rate=1000 --settle=0s --approve ";
    let digest = ended["digest"].as_str().unwrap();
    assert_eq!(approve["approve"].as_str().unwrap(), format!("{command}{digest}"));
    id(&events);
}

#[tokio::test]
async fn an_approval_that_locks_everybody_out_has_a_separate_warning() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7", "198.51.100.8"]);
    apply(&process, &[]).await;
    process.aws.delete_item(TABLE, "a");
    let (code, events) = apply_to(&process, &[]).await;
    assert_eq!(code, Some(3), "{events:#?}");
    let [approve] = messages(&events, "Approving locks out all 2 addresses. Only if that is what you want")[..] else {
        panic!("{events:#?}")
    };
    assert_eq!(approve["level"], "WARN");
    assert!(approve["approve"].as_str().unwrap().contains(" --approve sha256:"), "{approve}");
    assert_eq!(messages(&events, "to approve exactly this, after reading it").len(), 0);
}

#[tokio::test]
async fn deferred_cidrs_are_logged() {
    let process = Process::new().await;
    for (key, address) in [("a", "198.51.100.7"), ("b", "198.51.100.8"), ("c", "198.51.100.9")] {
        process.item(key, &[address]);
    }
    apply(&process, &[]).await;
    process.aws.delete_item(TABLE, "a");
    let mut scans = 0;
    process.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == Phase::After {
            scans += 1;
            if scans == 1 {
                aws.delete_item(TABLE, "b");
            }
        }
    });
    let (code, events) = apply_to(&process, &[]).await;
    assert_eq!(code, Some(4), "{events:#?}");
    let [deferred] = messages(&events, "deferred to a later run")[..] else { panic!("{events:#?}") };
    assert_eq!(deferred["ranges"], "198.51.100.8/32", "one scan wanted it, the other did not");
    assert_eq!(messages(&events, "to approve exactly this, after reading it").len(), 0, "no person is needed");
}

#[tokio::test]
async fn binary_keys_and_account_id_keys_are_distinguished() {
    let process = Process::new().await;
    process.item("111122223333", &["nonsense"]);
    for key in ["AAEC", "AAED"] {
        process.aws.put_item(TABLE, key, json!({"id": {"B": key}, "ips": {"S": "nonsense"}}));
    }
    let events = apply(&process, &["--ignore-item=AAEC", "--on-rejection=skip"]).await;
    let told = |event: &&Value| (event["key"].as_str().unwrap().to_owned(), event["ignored"].clone());
    let rejected: Vec<_> = messages(&events, "rejected").iter().map(told).collect();
    let expected = [("111122223333", false), ("AAED", false), ("AAEC", true)];
    assert_eq!(rejected, expected.map(|(key, ignored)| (key.to_owned(), json!(ignored))));
}

#[tokio::test]
async fn rejections_are_listed_and_those_that_hold_removals_come_first() {
    let process = Process::new().await;
    let long = "x".repeat(200);
    process.item("aaa-known", &["nonsense"]);
    for number in 0..3 {
        process.item(&format!("bad-{number}"), &[&long]);
    }
    let events = apply(&process, &["--ignore-item=aaa-known"]).await;
    let rejected = messages(&events, "rejected");
    assert_eq!(rejected.len(), 4);
    let told = ["key", "ignored", "level"].map(|key| rejected[3][key].clone());
    assert_eq!(told, [json!("aaa-known"), json!(true), json!("INFO")]);
    let told = ["value", "reason", "ignored"].map(|key| rejected[0][key].clone());
    assert_eq!(told, [json!(format!("{}…", "x".repeat(80))), json!("not an IP address"), json!(false)]);
    for number in 3..30 {
        process.item(&format!("bad-{number}"), &[&long]);
    }
    let events = apply(&process, &["--ignore-item=aaa-known"]).await;
    assert_eq!(messages(&events, "rejected").iter().filter(|event| event["ignored"] == false).count(), 4);
    let [rest] = messages(&events, "more rejections: `plan --full` lists them")[..] else { panic!("{events:#?}") };
    assert_eq!(rest["more"], 27);
}

#[tokio::test]
async fn a_web_acl_without_a_reference_is_named_for_every_outcome() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.item("b", &["198.51.100.8/32"]);
    process.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let args = ["--web-acl=front", "--max-ip-sets=50", "--max-removals=0"];
    let told = |events: &[Value]| -> Vec<[Value; 4]> {
        let events = messages(events, "not enforced").into_iter();
        events.map(|event| ["level", "web_acl", "missing", "overridden"].map(|key| event[key].clone())).collect()
    };
    let (code, events) = apply_to(&process, &args).await;
    assert_eq!((code, told(&events)), (Some(3), vec![["WARN", "front", "wafsync-1", ""].map(Value::from)]));
    process.item("b", &[]);
    let group = process.aws.rule_groups()[0].arn.clone();
    process.aws.edit_web_acl("front", |rules| {
        let mut rule = reference_to(&group, 1);
        rule["OverrideAction"] = json!({"Count": {}});
        *rules = json!([rule]);
    });
    let (code, events) = apply_to(&process, &args).await;
    assert_eq!((code, told(&events)), (Some(3), vec![["WARN", "front", "wafsync-1", "wafsync-1"].map(Value::from)]));
    assert_eq!(messages(&events, "held").len(), 1, "the outcome is that removals are held");
    process.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&group, 1)]));
    assert_eq!(told(&apply_to(&process, &args).await.1), Vec::<[Value; 4]>::new());
}

#[tokio::test]
async fn text_output_shows_held_removals_only_in_the_result() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.item("b", &["198.51.100.8/32", "nonsense"]);
    apply(&process, &[]).await;
    process.aws.delete_item(TABLE, "a");
    let ended = process.start(&["apply", "--log-format=text"]).end().await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(3), 1), "{}", ended.stderr);
    for shown in ["198.51.100.7/32", "nonsense", "--approve sha256:"] {
        assert!(ended.stdout.contains(shown) && !ended.stderr.contains(shown), "{shown}\n{}", ended.stderr);
    }
}

/// Maximum size of the log lines about held removals, in bytes.
const HOLD: usize = 4096;

#[tokio::test]
async fn the_log_about_held_removals_is_bounded() {
    let process = Process::new().await;
    let args = ["--max-per-item=300"];
    // Addresses far apart, so that the ranges are many.
    let addresses = |from: u32| -> Vec<String> {
        (from..from + 300).map(|n| Ipv4Addr::from(0x0800_0000 + n * 0x0003_0101).to_string()).collect()
    };
    let item = |key: &str, ips: Vec<String>| process.item(key, &ips.iter().map(String::as_str).collect::<Vec<_>>());
    (0..10).for_each(|number| item(&format!("edge-{number}"), addresses(number * 300)));
    apply(&process, &args).await;
    (0..9).for_each(|number| item(&format!("edge-{number}"), Vec::new()));
    (0..40).for_each(|number| process.item(&format!("{number}-{}", "k".repeat(600)), &[&"v".repeat(600)]));
    let ended = process.start(&[&["apply", "--log-format=json"][..], &args].concat()).end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let hold: Vec<&str> = ended.stderr.lines().filter(|line| !line.contains("the run ")).collect();
    let bytes: usize = hold.iter().map(|line| line.len() + 1).sum();
    assert!(bytes <= HOLD, "{bytes} bytes: {hold:#?}");
}
