//! Conflicts with other writers, and lost answers.

use std::time::Duration;

use serde_json::json;
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, FaultKind, Phase, When};

use crate::world::{TABLE, World, changes, ended, ip, ips};

const SET: &str = "wafsync-ipv4-000";

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=40);
    world.apply().await;
    world
}

#[tokio::test(start_paused = true)]
async fn an_edit_between_read_and_write_is_read_and_planned_again() {
    let world = world(&[]).await;
    world.items(41..=41);
    world.once("UpdateIPSet", Phase::Before, |aws, _| {
        aws.edit_ip_set(SET, |set| {
            set.retain(|address| *address != ip(7));
            set.push("203.0.113.9/32".into());
        });
    });
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} +{} +{} -203.0.113.9/32", ip(7), ip(41))]);
    assert_eq!((ended(&document), world.calls("UpdateIPSet")), ((Outcome::Changed, 1, 1), 2), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=41));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn additions_above_the_limit_after_a_conflict_are_held() {
    let mut world = world(&[]).await;
    world.set(&["--max-additions", "5"]);
    world.items(41..=41);
    world.once("UpdateIPSet", Phase::Before, |aws, _| {
        aws.edit_ip_set(SET, Vec::clear);
        aws.describe_ip_set(SET, Some("wafsync wafsync sum"));
    });
    let document = world.next_apply().await;
    assert_eq!((document.outcome, document.waiting.len()), (Outcome::Held, 41), "{}", document.reason);
    world.set_approval().await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn repeated_conflicts_leave_the_rest_to_the_next_run() {
    let world = world(&[]).await;
    world.items(41..=41);
    let mut edits = 0;
    world.aws.on_call(move |aws, call| {
        if call.operation == "UpdateIPSet" && call.phase == Phase::Before && edits < 5 {
            edits += 1;
            aws.edit_ip_set(SET, |_| ());
        }
    });
    let document = world.next_apply().await;
    assert_eq!((ended(&document), world.calls("UpdateIPSet")), ((Outcome::Partial, 1, 0), 5));
    assert!(document.reason.starts_with("partial: WAF changed meanwhile, or a write was not confirmed: "));
    assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 1, 1));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_removal_limit_applies_to_the_whole_run() {
    // Two sets of twenty. The removals from the first are done when a conflict in the second shows four more unwanted
    // addresses.
    for lost in [false, true] {
        let config = Config { set_capacity: 20, ..Config::default() };
        let world = World::with(config, &["--max-ip-sets", "4"]);
        world.items(1..=20);
        world.apply().await;
        world.items(21..=40);
        world.next_apply().await;
        world.no_items(1..=3);
        world.no_items(21..=22);
        if lost {
            // The removals take effect, but their answer is lost at every attempt of the SDK.
            world.fail_target("UpdateIPSet", SET, 1, When::After, FaultKind::ConnectionLost);
            world.fail_target("UpdateIPSet", SET, 2, When::Before, FaultKind::ConnectionLost);
        }
        let mut edited = false;
        world.aws.on_call(move |aws, call| {
            if call.phase == Phase::Before && call.target == "wafsync-ipv4-001" && call.operation == "UpdateIPSet" {
                if !edited {
                    aws.edit_ip_set(&call.target, |set| {
                        set.retain(|address| !ips(25..=28).contains(address));
                        set.extend((1..=4).map(|number| format!("203.0.113.{number}/32")));
                    });
                }
                edited = true;
            }
        });
        let document = world.next_apply().await;
        assert_eq!(document.outcome, Outcome::Held, "{lost}: {}", document.reason);
        let reason = "9 of 40 IPv4 CIDRs would be removed; --max-removals allows 5 in one run";
        assert_eq!(document.guard.reasons, [reason], "{lost}");
        assert_eq!(document.held.len(), 6);
        let expected = ips(4..=40).into_iter().chain((1..=4).map(|number| format!("203.0.113.{number}/32")));
        assert_eq!(world.in_force(), expected.collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_after_the_effect_is_a_success() {
    for (operation, items) in
        [("CreateIPSet", 1..=1), ("CreateRuleGroup", 1..=1), ("UpdateIPSet", 1..=3), ("UpdateRuleGroup", 1..=5)]
    {
        for kind in [FaultKind::ConnectionLost, FaultKind::Truncated, FaultKind::Unavailable503] {
            let config = Config { set_capacity: 4, ..Config::default() };
            let world = World::with(config, &["--max-ip-sets", "2"]);
            if operation.starts_with("Update") {
                world.items(1..=1);
                world.apply().await;
            }
            world.items(items.clone());
            if operation == "UpdateRuleGroup" {
                world.items(1..=5);
            }
            world.later().await;
            world.fail(operation, When::After, kind.clone());
            let document = world.apply().await;
            let outcome = document.outcome;
            assert!(
                matches!(outcome, Outcome::Changed | Outcome::Converged),
                "{operation} {kind:?}: {outcome}: {}",
                document.reason
            );
            assert_eq!(world.in_force(), ips(items.clone()), "{operation} {kind:?}");
            world.later().await;
            world.settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_set_is_wired_once_aws_has_propagated_it() {
    let config = Config { propagation: Duration::from_mins(4), ..Config::default() };
    let world = World::with(config, &[]);
    world.items(1..=3);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=3));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_set_not_propagated_before_the_deadline_is_left_to_the_next_run() {
    let config = Config { propagation: Duration::from_mins(20), ..Config::default() };
    let world = World::with(config, &["--deadline", "5m"]);
    world.items(1..=3);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Partial);
    assert!(document.reason.starts_with("partial: AWS does not show all changes yet: "), "{}", document.reason);
    tokio::time::advance(Duration::from_mins(20)).await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(world.in_force(), ips(1..=3));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_propagation_does_not_delay_other_writes() {
    let config = Config { propagation: Duration::from_mins(4), ..Config::default() };
    let world = World::with(config, &[]);
    world.items(1..=3);
    world.apply().await;
    tokio::time::advance(Duration::from_mins(5)).await;
    world.item("six", &["2001:db8:1::/48"]);
    world.items(4..=4);
    world.no_items(1..=1);
    world.later().await;
    world.aws.clear_log();
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3), "{}", document.reason);
    let log = world.aws.log();
    let update = log.iter().position(|attempt| attempt.operation == "UpdateIPSet").unwrap();
    let wired = log.iter().rposition(|attempt| attempt.operation == "UpdateRuleGroup").unwrap();
    assert!(update < wired);
    tokio::time::advance(Duration::from_mins(5)).await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_are_read_again() {
    let config = Config { read_lag: Duration::from_secs(5), ..Config::default() };
    let world = World::with(config, &[]);
    world.items(1..=3);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.items(4..=4);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    assert!(world.calls("ListIPSets") >= 3);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn writes_that_reads_never_show_are_left_to_the_next_run() {
    let config = Config { read_lag: Duration::from_mins(3), ..Config::default() };
    let world = World::with(config, &[]);
    world.items(1..=3);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!(document.reason, "partial: WAF does not show the last writes yet; 3 writes were made");
    tokio::time::advance(Duration::from_mins(3)).await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_set_created_under_our_next_name_is_skipped() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.once("CreateIPSet", Phase::Before, |aws, _| {
        aws.put_ip_set("REGIONAL", SET, "IPV4", &["203.0.113.0/24"], Some("mine"));
    });
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=3));
    assert_eq!(world.aws.ip_set(SET).unwrap().addresses, ["203.0.113.0/24"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_write_is_looked_up_before_the_error_of_its_retry_is_reported() {
    let world = World::new(&[]);
    world.items(1..=5);
    world.fail("CreateIPSet", When::After, FaultKind::ConnectionLost);
    world.fail("CreateIPSet", When::Before, FaultKind::LimitsExceeded);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 4, 4), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=5));
    world.later().await;
    world.settled().await;
}

/// A world whose next write takes effect without an answer, and is then written over with the same addresses: no read shows
/// whose write it was.
async fn unknown_effect() -> World {
    let world = world(&[]).await;
    world.items(41..=41);
    world.fail_times("UpdateIPSet", 3, When::After, FaultKind::ConnectionLost);
    world.once("UpdateIPSet", Phase::After, |aws, _| aws.describe_ip_set(SET, Some("wafsync wafsync edited")));
    world.later().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_only_write_has_an_unknown_effect_is_not_converged() {
    let world = unknown_effect().await;
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let reason = "changed: no write was confirmed, the effect of 1 is unknown; wafsync's rules hold every wanted address and no other; \
         no web ACL was looked at";
    assert_eq!(document.reason, reason);
    assert_eq!(world.in_force(), ips(1..=41));
    world.later().await;
    world.settled().await;
    let text = unknown_effect().await.text(Command::Apply).await;
    assert!(text.contains("CHANGED: no write was confirmed, the effect of 1 is unknown;"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_an_overlapping_run_has_wired_is_not_removed_without_proof() {
    let world = World::new(&["--max-removals", "100%"]);
    world.items(1..=2);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.no_items(1..=1);
    world.item("six", &["2001:db8::/48"]);
    // The list shows the new IP set only after the settling time, so this run does not wire it before.
    let hidden = FaultKind::Omits("wafsync-ipv6-000".to_owned());
    world.fail_times("ListIPSets", 1000, When::Before, hidden);
    let mut scans = 0;
    world.aws.on_call(move |aws, call| {
        scans += usize::from(call.operation == "Scan" && call.phase == Phase::Before);
        if scans == 2 && call.operation == "Scan" && call.phase == Phase::Before {
            // Another run wires it. The key of its item changes just now, so that the second scan misses it.
            aws.clear_faults();
            let arns = ["wafsync-ipv4-000", "wafsync-ipv6-000"].map(|set| aws.ip_set(set).unwrap().arn);
            let statements = arns.map(|arn| json!({"IPSetReferenceStatement": {"ARN": arn}}));
            aws.edit_rule_group("wafsync-1", |rules| {
                rules[0]["Statement"] = json!({"OrStatement": {"Statements": statements}});
            });
            aws.delete_item(TABLE, "six");
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!(world.in_force(), [ip(2), "2001:db8::/48".to_owned()]);
}
