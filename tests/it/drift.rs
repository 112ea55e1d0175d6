//! Manual edits of our IP sets are reverted, and at once if they are proven to be manual.

use std::time::Duration;

use serde_json::json;
use wafsync::model::fingerprint::Fingerprint;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, Phase, When};

use crate::world::{TABLE, World, changes, ended, ip, ips, texts};

const SET: &str = "wafsync-ipv4-000";

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=20);
    world.apply().await;
    world
}

#[tokio::test(start_paused = true)]
async fn addresses_added_by_hand_are_removed_after_a_second_read_without_a_wait() {
    let world = world(&["--max-removals", "0"]).await;
    world.aws.edit_ip_set(SET, |set| set.extend((1..=9).map(|n| format!("203.0.113.{n}/32"))));
    let began = tokio::time::Instant::now();
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    assert_eq!((document.drift.len(), document.guard.verdict.as_str(), world.calls("Scan")), (9, "pass", 2));
    assert!(began.elapsed() < world.settings.table.settle + Duration::from_mins(1), "a minute passes between two runs");
    assert_eq!(world.in_force(), ips(1..=20));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn addresses_added_by_hand_stay_if_the_second_read_fails() {
    let world = world(&[]).await;
    world.aws.edit_ip_set(SET, |set| set.push("203.0.113.9/32".into()));
    world.items(21..=21);
    let (operation, kind) = (Some("Scan".to_owned()), FaultKind::InternalError);
    world.aws.fail(Fault { operation, target: None, skip: 1, times: 3, when: When::Before, kind });
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} +{}", ip(21))]);
    assert_eq!((document.outcome, texts(&document.deferred)), (Outcome::Partial, vec!["203.0.113.9/32".to_owned()]));
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_read_for_drift_is_no_proof_for_held_removals() {
    let world = world(&["--settle", "45s"]).await;
    world.item("six", &["2001:db8:1::/48"]);
    world.next_apply().await;
    world.aws.edit_ip_set("wafsync-ipv6-000", |set| set.push("2001:db8:bad::/48".into()));
    // At first there are too many removals. By the second read most of the items are back.
    world.no_items(1..=10);
    world.once("Scan", Phase::After, |aws, _| {
        for number in 1..=7 {
            let item = json!({"id": {"S": format!("c{number}")}, "ips": {"S": json!([ip(number)]).to_string()}});
            aws.put_item(TABLE, &format!("c{number}"), item);
        }
    });
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 2, 2), "{}", document.reason);
    let log = world.aws.log();
    let scans: Vec<Duration> = log.iter().filter(|call| call.operation == "Scan").map(|call| call.at).collect();
    let waits: Vec<Duration> = scans.iter().map(|at| *at - scans[0]).collect();
    let [_, look, proof] = waits[..] else { panic!("{waits:?}") };
    assert!(look < Duration::from_secs(1) && proof == Duration::from_secs(45), "{waits:?}");
    let ipv4: Vec<String> = world.in_force().into_iter().filter(|cidr| !cidr.contains(':')).collect();
    assert_eq!(ipv4, ips((1..=7).chain(11..=20)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn addresses_removed_by_hand_are_restored() {
    let world = world(&[]).await;
    world.aws.edit_ip_set(SET, |set| set.retain(|address| *address != ip(3)));
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} +{}", ip(3))]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_replaced_by_hand_costs_one_write_but_is_not_proven_drift() {
    let world = world(&[]).await;
    world.aws.edit_ip_set(SET, |set| {
        set.retain(|address| *address != ip(3));
        set.push("203.0.113.9/32".into());
    });
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} +{} -203.0.113.9/32", ip(3))]);
    assert_eq!((texts(&document.drift).len(), world.calls("Scan")), (0, 2));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn drift_stays_while_rejections_hold_removals() {
    let world = world(&[]).await;
    world.item("bad", &["54.123.456.78/32"]);
    world.aws.edit_ip_set(SET, |set| set.push("203.0.113.9/32".into()));
    let document = world.next_apply().await;
    assert_eq!((ended(&document), texts(&document.held)), ((Outcome::Held, 0, 0), vec!["203.0.113.9/32".to_owned()]));
    assert_eq!(document.fate_of_drift(), "held");
    world.aws.delete_item(TABLE, "bad");
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} -203.0.113.9/32")]);
    assert_eq!(document.fate_of_drift(), "removed at once");
    assert_eq!((document.outcome, document.guard.verdict.as_str()), (Outcome::Changed, "pass"), "{}", document.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_added_address_that_the_table_now_wants_is_sealed_and_no_longer_drift() {
    let world = world(&[]).await;
    let sum = || world.aws.ip_set(SET).unwrap().description;
    let before = sum();
    world.aws.edit_ip_set(SET, |set| set.push(ip(21)));
    world.items(21..=21);
    let sealed = world.next_apply().await;
    assert_eq!((changes(&sealed), ended(&sealed)), (vec![format!("update_ip_set {SET}")], (Outcome::Changed, 1, 1)));
    assert_eq!((sealed.writes.minimum, world.calls("Scan")), (1, 1), "it needs no proof");
    assert_ne!(sum(), before);
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    // Months later its item becomes unreadable.
    world.item("c21", &["198.51.100.0/33"]);
    let held = world.next_apply().await;
    assert_eq!((ended(&held), texts(&held.held)), ((Outcome::Held, 0, 0), vec![ip(21)]));
    assert!(world.in_force().contains(&ip(21)));
}

#[tokio::test(start_paused = true)]
async fn a_hand_removed_address_that_the_table_no_longer_wants_is_sealed() {
    let world = world(&[]).await;
    world.aws.edit_ip_set(SET, |set| set.retain(|address| *address != ip(3)));
    world.no_items(3..=3);
    let sealed = world.next_apply().await;
    assert_eq!((changes(&sealed), ended(&sealed)), (vec![format!("update_ip_set {SET}")], (Outcome::Changed, 1, 1)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_added_by_hand_for_an_unreadable_item_stays() {
    let world = world(&[]).await;
    world.item("c3", &["198.51.100.0/33"]);
    assert_eq!(world.next_apply().await.outcome, Outcome::Held);
    world.aws.edit_ip_set(SET, |set| set.push("203.0.113.3/32".into()));
    let document = world.next_apply().await;
    assert_eq!((ended(&document), document.held.len()), ((Outcome::Held, 0, 0), 2), "{}", document.reason);
    assert!(world.in_force().contains(&"203.0.113.3/32".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn addresses_added_by_hand_do_not_raise_the_removal_limit() {
    let config = Config { set_capacity: 300, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=41);
    world.apply().await;
    let description = Some(format!("wafsync wafsync {}", Fingerprint::default()));
    let extra: Vec<String> = (0..300).map(|n| format!("203.0.{}.{}/32", n / 250, n % 250)).collect();
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &extra, description.as_deref());
    world.no_items(1..=15);
    let document = world.next_apply().await;
    assert_eq!(
        document.guard.reasons,
        ["15 of 41 IPv4 CIDRs would be removed; --max-removals allows 5 in one run"],
        "{}",
        document.reason
    );
    assert_eq!(document.outcome, Outcome::Held);
    let left = world.in_force();
    assert!(ips(1..=41).iter().all(|cidr| left.contains(cidr)));
}

#[tokio::test(start_paused = true)]
async fn a_description_edited_by_hand_causes_no_write() {
    let world = world(&[]).await;
    world.aws.describe_ip_set(SET, Some("wafsync wafsync by hand"));
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    world.aws.describe_ip_set(SET, None);
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_omitted_from_the_list_is_read_by_its_arn() {
    let world = world(&[]).await;
    // Only the error for a missing item proves that a set is gone.
    world.fail("GetIPSet", When::Before, FaultKind::AccessDenied);
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Failed);
    world.later().await;
    world.settled().await;
}
