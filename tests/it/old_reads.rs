//! Reads of WAF that are out of date, each independently. A read that contradicts another is repeated, and nothing is
//! concluded from it.

use std::time::Duration;

use serde_json::json;
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;

use tokio::time::Instant;
use wafsync_test_aws::{Fault, FaultKind, Phase, When};

use crate::world::{NOW, World, changes, ended, ip, ips};

const SET: &str = "wafsync-ipv4-000";

/// Twenty addresses in force.
async fn world() -> World {
    let world = World::new(&[]);
    world.items(1..=20);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world
}

/// Hides the set from every later read.
fn hide(world: &World) {
    for operation in ["ListIPSets", "GetIPSet"] {
        world.fail_times(operation, 1000, When::Before, FaultKind::Omits(SET.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_a_rule_refers_to_is_read_again_when_aws_does_not_find_it() {
    let world = world().await;
    world.fail_target("GetIPSet", SET, 3, When::Before, FaultKind::NonexistentItem);
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    assert_eq!(world.calls("GetIPSet"), 4);
    assert_eq!(world.in_force(), ips(1..=20));
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_that_stays_hidden_keeps_its_references_and_the_next_run_continues() {
    let world = world().await;
    let rules = world.aws.rule_group("wafsync-1").unwrap().rules;
    hide(&world);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Partial, 0, 0), "{}", document.reason);
    let cause = "GetIPSet wafsync-ipv4-000: AWS WAF does not find it although a rule group refers to it: the answer is \
                 out of date";
    assert!(document.reason.contains(cause), "{}", document.reason);
    assert_eq!(world.calls("GetIPSet"), 6, "retries for about a minute");
    assert_eq!(world.aws.rule_group("wafsync-1").unwrap().rules, rules);
}

#[tokio::test(start_paused = true)]
async fn after_an_edit_between_list_and_read_both_are_read_again_until_they_agree() {
    let world = world().await;
    world.once("GetIPSet", Phase::Before, |aws, _| aws.edit_ip_set(SET, |set| set.push("203.0.113.9/32".into())));
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set {SET} -203.0.113.9/32")]);
    assert_eq!((document.outcome, world.calls("UpdateIPSet")), (Outcome::Changed, 1), "{}", document.reason);
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lists_and_reads_never_agree_writes_nothing() {
    let world = world().await;
    world.item("new", &["203.0.113.7"]);
    world.aws.on_call(|aws, call| {
        if call.operation == "GetIPSet" && call.phase == Phase::Before {
            aws.edit_ip_set(SET, |set| set.retain(|address| *address != ip(1)));
        }
    });
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Partial, 0, 0), "{}", document.reason);
    assert!(document.reason.contains("different lock tokens"), "{}", document.reason);
    assert_eq!(world.calls("UpdateIPSet"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_any_rule_group_does_not_hide_another_table() {
    let mut world = World::new(&["--max-ip-sets=50"]);
    world.items(1..=20);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.aws.create_table("eu-central-1", "others");
    world.aws.put_item("others", "o1", json!({"id": {"S": "o1"}, "ips": {"S": "[\"203.0.113.7\"]"}}));
    world.settings.table.table = "others".to_owned();
    world.later().await;
    world.fail_times("ListRuleGroups", 5, When::Before, FaultKind::Omits("wafsync-1".into()));
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Blocked, 2, 0), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=20));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_first_run_continues_after_a_minute_or_at_the_deadline() {
    for (deadline, seconds) in [("30m", 60..70), ("40s", 25..40)] {
        let world = World::new(&["--max-ip-sets=50", "--deadline", deadline]);
        world.items(1..=20);
        world.fail("CreateRuleGroup", When::Before, FaultKind::AccessDenied);
        assert_eq!(ended(&world.apply().await), (Outcome::Failed, 2, 1));
        world.later().await;
        let began = Instant::now();
        let document = world.apply().await;
        assert_eq!(ended(&document), (Outcome::Changed, 1, 1), "{deadline}: {}", document.reason);
        assert!(seconds.contains(&began.elapsed().as_secs()), "{deadline}: {:?}", began.elapsed());
        assert_eq!(world.in_force(), ips(1..=20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_wait_for_reads_that_agree() {
    let world = world().await;
    hide(&world);
    let raise = world.signal.clone();
    world.once("GetIPSet", Phase::After, move |_, _| raise.raise());
    let document = world.next_apply().await;
    assert_eq!((document.outcome, world.calls("GetIPSet")), (Outcome::Partial, 1), "{}", document.reason);
}

#[tokio::test(start_paused = true)]
async fn writes_not_shown_within_a_minute_end_the_run_as_partial_and_the_next_converges() {
    let world = world().await;
    world.item("new", &["203.0.113.7"]);
    tokio::time::advance(Duration::from_mins(30)).await;
    world.once("UpdateIPSet", Phase::After, |aws, _| {
        for operation in ["ListIPSets", "GetIPSet"] {
            aws.fail(Fault {
                operation: Some(operation.to_owned()),
                target: None,
                skip: 0,
                times: 1000,
                when: When::Before,
                kind: FaultKind::Old(Duration::from_mins(10)),
            });
        }
    });
    let began = Instant::now();
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Partial, 1, 1), "{}", document.reason);
    assert!(document.reason.contains("does not show"), "{}", document.reason);
    assert!((120..140).contains(&began.elapsed().as_secs()), "a minute after the first one: {:?}", began.elapsed());
    world.aws.clear_faults();
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_lives_on_believes_a_list_without_our_rule_groups_no_sooner() {
    let world = World::new(&["--max-ip-sets", "10"]);
    world.items(1..=20);
    let mut session = world.session();
    let stop = world.signal.stop(None);
    assert_eq!(session.run(Command::Apply, NOW, &stop).await.document.outcome, Outcome::Changed);
    world.later().await;
    // A hand turns our rule around, which needs a person, and the list hides the rule group.
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = json!({"Block": {}}));
    world.later().await;
    world.items(21..=21);
    world.fail_times("ListRuleGroups", 3, When::Before, FaultKind::Omits("wafsync-1".to_owned()));
    let blocked = session.run(Command::Apply, NOW, &stop).await.document;
    assert_eq!((blocked.outcome, blocked.writes.done), (Outcome::Blocked, 0), "{}", blocked.reason);
}
