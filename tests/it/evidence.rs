//! What a run writes before it has proof, what counts as proof, and how the run reports its writes.

use std::time::Duration;

use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, Phase, When};

use crate::world::{NOW, World, ended, ip, ips};

const SET: &str = "wafsync-ipv4-000";

/// Three full sets of four addresses each.
async fn small(args: &[&str]) -> World {
    let config = Config { set_capacity: 4, ..Config::default() };
    let world = World::with(config, &[&["--max-ip-sets=6"], args].concat());
    world.items(1..=12);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world
}

/// These operations with their arrival times, in order.
fn order(world: &World, operations: &[&str]) -> Vec<(String, Duration)> {
    let log = world.aws.log();
    let of_interest = log.iter().filter(|attempt| operations.contains(&attempt.operation.as_str()));
    of_interest.map(|attempt| (attempt.operation.clone(), attempt.at - log[0].at)).collect()
}

fn names(order: &[(String, Duration)]) -> Vec<&str> {
    order.iter().map(|(operation, _)| operation.as_str()).collect()
}

/// The number of writes that had an effect.
fn effects(world: &World) -> usize {
    world.aws.log().iter().filter(|attempt| attempt.effect && attempt.service == "wafv2").count()
}

#[tokio::test(start_paused = true)]
async fn writes_that_need_no_proof_are_made_before_the_settling_time_ends() {
    let world = small(&["--settle=40s"]).await;
    world.no_items(1..=1);
    world.items(13..=16);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3), "{}", document.reason);
    let order = order(&world, &["Scan", "CreateIPSet", "UpdateRuleGroup", "UpdateIPSet"]);
    assert_eq!(names(&order), ["Scan", "CreateIPSet", "UpdateRuleGroup", "Scan", "UpdateIPSet"]);
    assert!(order[2].1 < Duration::from_secs(5), "{order:?}");
    assert_eq!(order[3].1, Duration::from_secs(40), "the second scan, after the first one began");
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn earlier_writes_stay_if_the_second_scan_fails() {
    let world = small(&[]).await;
    world.no_items(1..=1);
    world.items(13..=16);
    world.aws.fail(Fault {
        operation: Some("Scan".to_owned()),
        target: None,
        skip: 1,
        times: 3,
        when: When::Before,
        kind: FaultKind::InternalError,
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert_eq!((document.writes.done, world.in_force()), (effects(&world), ips(1..=16)));
    world.aws.clear_faults();
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_unwanted_address_in_a_new_set_is_found_before_a_rule_refers_to_it() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.once("CreateIPSet", Phase::After, |aws, _| aws.edit_ip_set(SET, |set| set.push("203.0.113.9/32".into())));
    world.aws.on_call(|aws, call| {
        let leaks = crate::world::in_force(aws).iter().any(|address| address.starts_with("203.0.113."));
        assert!(!leaks, "in force after {}", call.operation);
    });
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert_eq!((document.writes.done, world.in_force()), (effects(&world), ips(1..=3)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_group_waits_for_a_list_that_shows_the_new_set() {
    let world = World::with(Config { read_lag: Duration::from_secs(9), ..Config::default() }, &[]);
    world.items(1..=3);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3), "{}", document.reason);
    let order = order(&world, &["CreateIPSet", "CreateRuleGroup"]);
    // The other rule group refers to nothing and does not wait.
    assert!(order[2].1 - order[0].1 >= Duration::from_secs(9), "{order:?}");
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn one_list_confirms_writes_without_a_read_of_the_set() {
    let world = small(&[]).await;
    world.items(13..=16);
    world.next_apply().await;
    world.no_items(1..=2);
    world.items(17..=18);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    let order = order(&world, &["UpdateIPSet", "ListIPSets", "GetIPSet"]);
    let after = order.iter().position(|(operation, _)| operation == "UpdateIPSet").unwrap();
    assert_eq!(names(&order[after..]), ["UpdateIPSet", "ListIPSets"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_old_after_a_write_are_read_again() {
    let world = small(&[]).await;
    world.no_items(1..=1);
    world.items(13..=13);
    world.once("UpdateIPSet", Phase::After, |aws, _| {
        for operation in ["ListIPSets", "GetIPSet"] {
            aws.fail(Fault {
                operation: Some(operation.to_owned()),
                target: None,
                skip: 0,
                times: 4,
                when: When::Before,
                kind: FaultKind::Old(Duration::from_mins(1)),
            });
        }
    });
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{}", document.reason);
    assert_eq!(world.in_force(), ips(2..=13));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_wanted_address_removed_from_another_set_meanwhile_is_restored() {
    let world = small(&[]).await;
    world.no_items(1..=1);
    world.items(13..=13);
    let mut taken = false;
    world.aws.on_call(move |aws, call| {
        if call.operation == "UpdateIPSet" && call.phase == Phase::After && !std::mem::replace(&mut taken, true) {
            aws.edit_ip_set("wafsync-ipv4-002", |set| set.retain(|address| *address != ip(12)));
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert_eq!((document.writes.done, world.in_force()), (effects(&world), ips(2..=13)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn repeated_manual_removals_end_the_run_as_partial() {
    let world = small(&[]).await;
    world.items(13..=13);
    world.aws.on_call(|aws, call| {
        if call.operation.starts_with("Update") && call.phase == Phase::After && call.ok {
            aws.edit_ip_set("wafsync-ipv4-002", |set| set.retain(|address| *address != ip(12)));
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Partial, "{}", document.reason);
    assert!(document.reason.starts_with("partial: WAF kept changing during the run"), "{}", document.reason);
    assert_eq!(document.writes.done, effects(&world));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_later_round_repeats_counts_once() {
    let world = small(&[]).await;
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Name"] = "renamed".into());
    for kind in [FaultKind::AssociatedItem, FaultKind::ConnectionLost] {
        world.fail_times("UpdateRuleGroup", 3, When::Before, kind);
        let document = world.next_apply().await;
        assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
        assert_eq!((document.writes.done, effects(&world)), (1, 1));
        world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Name"] = "renamed".into());
    }
    assert_eq!(world.next_apply().await.writes.done, 1);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_change_found_after_a_conflict_ends_the_run_as_held() {
    let world = small(&[]).await;
    world.no_items(1..=1);
    world.items(13..=16);
    world.once("UpdateIPSet", Phase::Before, |aws, _| {
        aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = serde_json::json!({"Block": {}}));
        aws.edit_ip_set(SET, |_| ());
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Held, "{}", document.reason);
    assert_eq!((document.writes.done, document.guard.verdict.as_str()), (effects(&world), "blocked"));
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_used_up_by_the_first_run_even_if_it_was_not_needed() {
    let mut world = World::new(&[]);
    world.items(1..=40);
    world.apply().await;
    world.no_items(21..=40);
    world.set_approval().await;
    // The items are back, so nothing is left to approve.
    world.items(21..=40);
    let mut session = world.session();
    let stop = world.signal.stop(None);
    world.later().await;
    let first = session.run(Command::Apply, NOW, &stop).await.document;
    assert_eq!(first.outcome, Outcome::Converged, "{}", first.reason);
    world.no_items(21..=40);
    world.later().await;
    let second = session.run(Command::Apply, NOW, &stop).await.document;
    assert_eq!((second.outcome, world.in_force()), (Outcome::Held, ips(1..=40)), "{}", second.reason);
}
