//! Scans return the whole table or an error: pages, segments, truncated answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, FaultKind, When};

use crate::world::{TABLE, World, changes, ended, ip, ips};

#[tokio::test(start_paused = true)]
async fn every_page_of_every_segment_is_read_even_after_empty_ones() {
    for segments in ["1", "3", "8"] {
        let config = Config { scan_page_bytes: 200, empty_scan_pages: true, ..Config::default() };
        let world = World::with(config, &["--segments", segments]);
        world.items(1..=50);
        let document = world.apply().await;
        assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
        assert_eq!((document.table.items, world.in_force()), (50, ips(1..=50)));
        assert!(document.table.pages > 10, "{}", document.table.pages);
        world.later().await;
        world.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_read_is_consistent_and_projects_only_used_attributes() {
    let settings: [(&[&str], &[&str]); 4] = [
        (&[], &["id", "ips"]),
        (&["--segments", "3", "--read-capacity", "1000"], &["id", "ips"]),
        (&["--expiry-attribute", "expires", "--cidr-attribute", "values"], &["expires", "id", "values"]),
        (&["--key-attribute", "ips"], &["ips"]),
    ];
    for (args, used) in settings {
        let world = World::with(Config { scan_page_bytes: 200, ..Config::default() }, args);
        world.items(1..=20);
        world.apply().await;
        world.no_items(1..=1);
        world.later().await;
        // Two scans, because there is something to remove, and then the sample of `check`.
        world.apply().await;
        world.later().await;
        let stop = world.signal.stop(None);
        wafsync::aws::look(&world.connection(), &world.settings, &stop).await;
        let scans: Vec<_> = world.aws.log().into_iter().filter(|call| call.operation == "Scan").collect();
        assert!(scans.len() > 5, "{}", scans.len());
        for scan in scans {
            assert_eq!(scan.request["ConsistentRead"], true, "{}", scan.request);
            let names = scan.request["ExpressionAttributeNames"].as_object().unwrap();
            let asked: BTreeSet<&str> = scan.request["ProjectionExpression"]
                .as_str()
                .unwrap()
                .split(", ")
                .map(|name| text(&names[name]))
                .collect();
            assert_eq!(asked.into_iter().collect::<Vec<_>>(), used, "{args:?}");
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_scan_is_not_used() {
    for kind in [FaultKind::Truncated, FaultKind::ConnectionLost, FaultKind::InternalError, FaultKind::Unavailable503] {
        let config = Config { scan_page_bytes: 200, ..Config::default() };
        let world = World::with(config, &[]);
        world.items(1..=20);
        world.apply().await;
        world.no_items(1..=1);
        world.later().await;
        let fault = wafsync_test_aws::Fault {
            operation: Some("Scan".to_owned()),
            target: None,
            skip: 2,
            times: 3,
            when: When::Before,
            kind: kind.clone(),
        };
        world.aws.fail(fault);
        let document = world.apply().await;
        assert_eq!(ended(&document), (Outcome::Partial, 0, 0), "{kind:?}: {}", document.reason);
        let reason = "partial: some reads failed: Scan table clusters: ";
        assert!(document.reason.starts_with(reason), "{}", document.reason);
        assert_eq!(world.in_force(), ips(1..=20));
        world.aws.clear_faults();
        assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 1, 1));
        world.later().await;
        world.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_aws_would_not_give_fails_the_scan() {
    let hint = "; hint: AWS does not answer like that: check AWS_ENDPOINT_URL, and any proxy in between";
    for (body, cause) in [
        ("{}", "the answer has no items"),
        (r#"{"Items": [], "Count": 1, "ScannedCount": 1}"#, "a page says that it holds 1 items, and holds 0"),
        ("<html>", "HTTP 200: an answer that is not AWS's"),
        (r#"{"Items": 5}"#, "HTTP 200: an answer that is not AWS's"),
    ] {
        let world = World::new(&[]);
        world.items(1..=2);
        world.apply().await;
        world.later().await;
        world.fail_times("Scan", 3, When::Before, FaultKind::Body(body));
        let document = world.apply().await;
        assert_eq!(ended(&document), (Outcome::Failed, 0, 0), "{body}: {}", document.reason);
        assert_eq!(document.error.unwrap(), format!("Scan table clusters: {cause}{hint}"));
        assert_eq!(world.in_force(), ips(1..=2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_without_progress_ends() {
    let page = r#"{"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": {"id": {"S": "a"}}}"#;
    let world = World::new(&[]);
    world.items(1..=2);
    world.fail_times("Scan", 100, When::Before, FaultKind::Body(page));
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Failed, 0, 0));
    let cause = "Scan table clusters: the scan makes no progress: two pages end at the same key; hint: ";
    assert!(document.error.as_ref().unwrap().starts_with(cause), "{:?}", document.error);
}

#[tokio::test(start_paused = true)]
async fn a_missing_list_is_not_an_empty_list() {
    for operation in ["ListIPSets", "ListRuleGroups"] {
        let world = World::new(&[]);
        world.items(1..=2);
        world.fail(operation, When::Before, FaultKind::Body("{}"));
        let document = world.apply().await;
        assert_eq!(ended(&document), (Outcome::Failed, 0, 0));
        let cause = format!("{operation} all: the answer has no list; hint: ");
        assert!(document.error.as_ref().unwrap().starts_with(&cause), "{:?}", document.error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_once_is_requested_again() {
    let config = Config { scan_page_bytes: 200, ..Config::default() };
    let world = World::with(config, &[]);
    world.items(1..=20);
    for kind in [FaultKind::Truncated, FaultKind::InternalError, FaultKind::ProvisionedThroughputExceeded] {
        world.fail("Scan", When::Before, kind.clone());
        let document = world.next_apply().await;
        let fine = matches!(document.outcome, Outcome::Changed | Outcome::Converged);
        assert!(fine, "{kind:?}: {}", document.reason);
    }
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_that_stays_throttled_is_left_to_the_next_run() {
    let world = World::new(&[]);
    world.items(1..=2);
    world.fail_times("Scan", 3, When::Before, FaultKind::ProvisionedThroughputExceeded);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Partial, 0, 0), "{}", document.reason);
    let hint = "hint: give the table more read capacity, or limit wafsync with --read-capacity";
    assert!(document.reason.contains(hint), "{}", document.reason);
}

#[tokio::test(start_paused = true)]
async fn attributes_may_have_any_name_and_every_form() {
    let world = World::new(&["--key-attribute", "name", "--cidr-attribute", "values"]);
    let forms = [
        json!({"S": json!([ip(1)]).to_string()}),
        json!({"S": format!("  {} ", ip(2))}),
        json!({"SS": [ip(3), ip(4)]}),
        json!({"L": [{"S": ip(5)}, {"S": "198.51.100.106"}]}),
        json!({"S": "[]"}),
    ];
    for (number, form) in forms.iter().enumerate() {
        let key = format!("c{number}");
        world.aws.put_item(TABLE, &key, json!({"name": {"S": key}, "values": form, "other": {"BOOL": true}}));
    }
    let document = world.apply().await;
    assert_eq!((document.outcome, document.table.rejections.len()), (Outcome::Changed, 0), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=6));
    assert_eq!(changes(&document).len(), 3);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn one_attribute_may_serve_as_key_and_address() {
    let world = World::new(&["--key-attribute", "ips"]);
    world.items(1..=2);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_invalid_value_is_rejected_with_its_own_reason() {
    let world = World::new(&["--max-per-item", "5"]);
    let bad = [
        "54.123.456.78/32",
        "10.0.0.5/24",
        "198.0.0.0/8",
        "0.0.0.0/0",
        "::ffff:192.0.2.1",
        "127.0.0.1",
        "224.0.0.1",
        "169.254.1.1",
        "0.0.0.0",
        "198.51.100.1/33",
        "hello",
        "",
    ];
    for (number, value) in bad.iter().enumerate() {
        world.item(&format!("b{number:02}"), &[value, &ip(u32::try_from(number).unwrap())]);
    }
    world.aws.put_item(TABLE, "x1", json!({"id": {"S": "x1"}}));
    world.aws.put_item(TABLE, "x2", json!({"id": {"S": "x2"}, "ips": {"N": "5"}}));
    world.aws.put_item(TABLE, "x3", json!({"id": {"S": "x3"}, "ips": {"S": "[\"198.51"}}));
    world.aws.put_item(TABLE, "x4", json!({"id": {"S": "x4"}, "ips": {"S": "{\"a\": 1}"}}));
    world.item("x5", &[&ip(61), &ip(62), &ip(63), &ip(64), &ip(65), &ip(66)]);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let mut reasons: Vec<String> =
        document.table.rejections.iter().map(|r| format!("{} {:?}: {}", r.key, r.value, r.reason)).collect();
    reasons.sort_unstable();
    insta::assert_snapshot!("rejections", reasons.join("\n"));
    assert_eq!(world.in_force(), ips(0..12));
    world.later().await;
    world.settled().await;
}
