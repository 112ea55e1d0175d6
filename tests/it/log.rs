//! The log as a program reads it: one JSON object a line, with the id of the run.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync_test_aws::{Fault, FaultKind, When};

use crate::process::Process;

/// The events of an `apply`, one object each.
async fn apply(process: &Process, args: &[&str]) -> Vec<Value> {
    let ended = process.start(&[&["apply", "--log-format=json"], args].concat()).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one id that all of these events carry.
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
async fn a_run_tells_its_writes_its_removals_and_its_numbers() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.item("b", &["198.51.100.8/32"]);
    let first = apply(&process, &[]).await;
    assert_eq!(messages(&first, "the run begins").len(), 1);
    let written: BTreeSet<&str> =
        messages(&first, "written").iter().map(|event| event["target"].as_str().unwrap()).collect();
    assert_eq!(written, ["wafsync-1", "wafsync-2", "wafsync-ipv4-000"].into());
    assert!(messages(&first, "written").iter().all(|event| event["lock_token"] == "none needed"));

    process.item("b", &["198.51.100.9/32"]);
    let second = apply(&process, &[]).await;
    let [removing] = messages(&second, "removing")[..] else { panic!("{second:#?}") };
    assert_eq!(removing["cidrs"], "198.51.100.8/32", "the way back");
    let [written] = messages(&second, "written")[..] else { panic!("{second:#?}") };
    let told = ["target", "write", "lock_token", "added", "removed"].map(|key| written[key].clone());
    assert_eq!(told, [json!("wafsync-ipv4-000"), json!("update_ip_set"), json!("spent"), json!(1), json!(1)]);
    let [ended] = messages(&second, "the run has ended")[..] else { panic!("{second:#?}") };
    let told = ["outcome", "items", "desired_ipv4", "planned", "writes", "held"].map(|key| ended[key].clone());
    assert_eq!(told, [json!("changed"), json!(2), json!(2), json!(1), json!(1), json!(0)]);
}

#[tokio::test]
async fn only_what_is_urgent_enough_is_logged_and_it_has_its_id_too() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    assert_eq!(apply(&process, &["--log-level=warn"]).await, [Value::Null; 0]);
    process.aws.put_ip_set("REGIONAL", "wafsync-ipv4-007", "IPV4", &[], None);
    let events = apply(&process, &["--log-level=warn"]).await;
    assert_eq!((events.len(), events[0]["level"].as_str()), (1, Some("WARN")), "{events:#?}");
    id(&events);
}

#[tokio::test]
async fn what_needs_a_person_is_a_warning_with_its_reasons_and_digest() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    apply(&process, &[]).await;
    process.item("a", &[]);
    let ended = process.start(&["apply", "--log-format=json", "--log-level=warn"]).end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<&str> = events.iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "blocked: nothing was written, a person has to look first",
            "the table gave no address at all while 1 CIDR is in force",
            "the only IPv4 CIDR would be removed, and the table asks for no other",
        ]
    );
    assert!(events[1]["digest"].as_str().unwrap().starts_with("sha256:"), "{events:#?}");
}

#[tokio::test]
async fn a_rule_group_that_was_written_without_a_set_that_failed_tells_of_no_reference_to_it() {
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
