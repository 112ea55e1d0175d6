//! One scan alone is no proof for removing an address of the table.

use std::time::Duration;

use serde_json::json;
use wafsync::model::cidr::Cidr;
use wafsync::model::fingerprint::Fingerprint;
use wafsync::model::naming::set_description;
use wafsync::report::Names;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Phase, When};

use crate::world::{TABLE, World, changes, ended, in_force, ip, ips, item, texts};

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=10);
    world.apply().await;
    world
}

/// The arrival times of this operation's attempts, relative to the first.
fn times(world: &World, operation: &str) -> Vec<Duration> {
    let log = world.aws.log();
    let at: Vec<Duration> = log.iter().filter(|attempt| attempt.operation == operation).map(|a| a.at).collect();
    at.iter().map(|time| *time - at[0]).collect()
}

/// Runs this before each scan, with its number.
fn before_each_scan(world: &World, mut act: impl FnMut(&Aws, usize) + Send + 'static) {
    let mut scans = 0;
    world.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == Phase::Before {
            scans += 1;
            act(aws, scans);
        }
    });
}

/// Lets the third scan miss this item, whose key changes just then. Its address has to be in force from there on.
fn missed_by_the_third_scan(world: &World, key: &'static str, cidr: String) {
    let mut scans = 0;
    world.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == Phase::Before {
            scans += 1;
            match scans {
                3 => aws.delete_item(TABLE, key),
                4 => aws.put_item(TABLE, key, item(key, &[&cidr])),
                _ => {}
            }
        }
        assert!(scans < 3 || in_force(aws).contains(&cidr), "locked out at {call:?}");
    });
}

/// Writes an IP set as another run does that adds this CIDR: with a true description.
fn add(aws: &Aws, set: &str, cidr: &str) {
    aws.edit_ip_set(set, |addresses| addresses.push(cidr.to_owned()));
    let held = aws.ip_set(set).unwrap().addresses;
    let description = set_description("wafsync", Fingerprint::of(held.iter().map(|cidr| Cidr::parse(cidr).unwrap())));
    aws.describe_ip_set(set, Some(&description));
}

#[tokio::test(start_paused = true)]
async fn the_second_scan_begins_after_the_settling_time() {
    let world = world(&["--settle", "45s"]).await;
    world.no_items(1..=1);
    world.items(11..=11);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1));
    assert_eq!(times(&world, "Scan"), [Duration::ZERO, Duration::from_secs(45)]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_settling_time_counts_from_the_last_page_of_the_first_scan() {
    let world = World::with(Config { scan_page_bytes: 1, ..Config::default() }, &["--settle", "45s"]);
    world.items(1..=10);
    world.apply().await;
    world.no_items(1..=1);
    let late = FaultKind::Slow(Duration::from_secs(10));
    world.aws.fail(Fault {
        operation: Some("Scan".to_owned()),
        target: None,
        skip: 4,
        times: 1,
        when: When::Before,
        kind: late,
    });
    assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 1, 1));
    let times = times(&world, "Scan");
    let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert_eq!(pauses.max(), Some(Duration::from_secs(45)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_back_in_the_second_scan_keeps_its_addresses() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.once("Scan", Phase::After, |aws, _| {
        aws.put_item(TABLE, "c1", item("c1", &[&ip(1)]));
    });
    let document = world.next_apply().await;
    assert_eq!((ended(&document), world.calls("Scan")), ((Outcome::Converged, 0, 0), 2), "{}", document.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_missing_only_in_the_second_scan_keeps_its_addresses_in_this_run() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.once("Scan", Phase::After, |aws, _| aws.delete_item(TABLE, "c2"));
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set wafsync-ipv4-000 -{}", ip(1))]);
    assert_eq!((document.outcome, texts(&document.deferred)), (Outcome::Partial, ips([2])), "{}", document.reason);
    let next = world.next_apply().await;
    assert_eq!(changes(&next), [format!("update_ip_set wafsync-ipv4-000 -{}", ip(2))]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_only_the_second_scan_has_is_added() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.once("Scan", Phase::After, |aws, _| {
        aws.put_item(TABLE, "n", json!({"id": {"S": "n"}, "ips": {"SS": ["203.0.113.5/32"]}}));
    });
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set wafsync-ipv4-000 +203.0.113.5/32 -{}", ip(1))]);
    assert_eq!(document.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn if_the_second_scan_fails_additions_are_made_and_removals_postponed() {
    for (kind, outcome) in [(FaultKind::InternalError, Outcome::Partial), (FaultKind::AccessDenied, Outcome::Failed)] {
        let world = world(&[]).await;
        world.no_items(1..=1);
        world.items(11..=11);
        let fault = kind.clone();
        world.once("Scan", Phase::After, move |aws, _| {
            let operation = Some("Scan".to_owned());
            aws.fail(Fault { operation, target: None, skip: 0, times: 3, when: When::Before, kind: fault });
        });
        let document = world.next_apply().await;
        assert_eq!(changes(&document), [format!("update_ip_set wafsync-ipv4-000 +{}", ip(11))]);
        assert_eq!(document.outcome, outcome, "{}", document.reason);
        assert_eq!(world.in_force(), ips(1..=11));
        world.aws.clear_faults();
        assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 1, 1));
        world.later().await;
        world.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_time_for_a_second_scan_additions_are_made() {
    // The confirming scan would begin half a second before the deadline.
    let world = world(&["--deadline", "30500ms"]).await;
    world.no_items(1..=1);
    world.items(11..=11);
    let document = world.next_apply().await;
    assert_eq!(changes(&document), [format!("update_ip_set wafsync-ipv4-000 +{}", ip(11))]);
    assert_eq!(ended(&document), (Outcome::Partial, 1, 1));
    let reason = "partial: removals postponed: the confirming scan would begin after the deadline (raise --deadline or lower \
                  --settle); 1 write was made";
    assert_eq!(document.reason, reason);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_moves_during_the_scan_is_not_locked_out() {
    // Pages hold one item. The key of an item changes while the scan runs: the old row is behind the scan or deleted,
    // the new row is in a part that was read already.
    let config = Config { scan_page_bytes: 1, ..Config::default() };
    let world = World::with(config, &["--key-attribute", "cluster"]);
    let row = |name: &str, address: &str| json!({"cluster": {"S": name}, "ips": {"S": json!([address]).to_string()}});
    for number in 1..=6 {
        world.aws.put_item(TABLE, &format!("k{number}"), row(&format!("c{number}"), &ip(number)));
    }
    world.apply().await;
    for from in 1..=6 {
        for after in 1..=6 {
            let mut pages = 0;
            let (old, new) = (format!("k{from}"), format!("moved-{from}-{after}"));
            let moved = row(&format!("c{from}"), &ip(from));
            let back = moved.clone();
            let (old_key, new_key) = (old.clone(), new.clone());
            world.aws.on_call(move |aws, call| {
                if call.operation == "Scan" && call.phase == Phase::After {
                    pages += 1;
                    if pages == after {
                        aws.put_item(TABLE, &new, &moved);
                        aws.delete_item(TABLE, &old);
                    }
                }
            });
            let document = world.next_apply().await;
            assert_eq!(document.outcome, Outcome::Converged, "{from} {after}: {}", document.reason);
            assert_eq!(world.in_force(), ips(1..=6));
            world.aws.put_item(TABLE, &old_key, &back);
            world.aws.delete_item(TABLE, &new_key);
        }
    }
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_run_adds_is_not_removed_because_of_one_scan() {
    let world = world(&["--settle", "20s"]).await;
    world.no_items(1..=1);
    // Right before the removal is written, another run adds an address.
    world.once("UpdateIPSet", Phase::Before, move |aws, _| {
        aws.put_item(TABLE, "new", item("new", &[&ip(20)]));
        add(aws, "wafsync-ipv4-000", &ip(20));
    });
    missed_by_the_third_scan(&world, "new", ip(20));
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let seconds = [0, 20, 21, 41];
    let found: Vec<u64> = times(&world, "Scan").iter().map(Duration::as_secs).collect();
    assert!(found.iter().zip(seconds).all(|(found, least)| (least..least + 3).contains(found)), "{found:?}");
    assert_eq!(world.in_force(), ips((2..=10).chain([20])));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_run_adds_is_not_removed_because_of_one_scan_that_ends_a_hold() {
    const OLD: &str = "2001:db8:1::/48";
    const NEW: &str = "2001:db8:2::/48";
    const SIX: &str = "wafsync-ipv6-000";
    let world = World::new(&["--settle", "20s", "--max-removals", "1"]);
    world.items(1..=10);
    world.item("old", &[OLD]);
    world.item("stays", &["2001:db8:3::/48"]);
    world.apply().await;
    world.no_items(1..=1);
    world.aws.delete_item(TABLE, "old");
    // Right before the removals are written, another run adds an address: two removals of IPv6 would be too many.
    world.once("UpdateIPSet", Phase::Before, move |aws, _| {
        aws.put_item(TABLE, "new", item("new", &[NEW]));
        add(aws, SIX, NEW);
        add(aws, "wafsync-ipv4-000", &ip(1));
    });
    // The next scan finds the old item again, and misses the new one.
    before_each_scan(&world, |aws, scan| {
        if scan == 3 {
            aws.put_item(TABLE, "old", item("old", &[OLD]));
        }
    });
    missed_by_the_third_scan(&world, "new", NEW.to_owned());
    let document = world.next_apply().await;
    assert_eq!((document.outcome, world.calls("Scan")), (Outcome::Changed, 4), "{}", document.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_run_puts_back_is_not_removed_because_of_one_scan() {
    let world = world(&["--settle", "20s"]).await;
    world.no_items(1..=1);
    // Right after the removal, the item is back, and another run adds its address.
    world.once("UpdateIPSet", Phase::After, move |aws, _| {
        aws.put_item(TABLE, "back", item("back", &[&ip(1)]));
        add(aws, "wafsync-ipv4-000", &ip(1));
    });
    missed_by_the_third_scan(&world, "back", ip(1));
    let document = world.next_apply().await;
    assert_eq!((document.outcome, world.calls("Scan")), (Outcome::Changed, 4), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=10));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_removals_were_none_reads_what_it_has_added_before() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.item("six", &["2001:db8:1::/48"]);
    // While it waits, the item comes back, and a hand takes out what it has added.
    before_each_scan(&world, |aws, scan| {
        if scan == 2 {
            aws.put_item(TABLE, "c1", item("c1", &[&ip(1)]));
            aws.edit_ip_set("wafsync-ipv6-000", Vec::clear);
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert!(world.in_force().contains(&"2001:db8:1::/48".to_owned()), "{:?}", world.in_force());
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_denied_addition_is_a_failure_even_if_the_run_is_stopped_afterwards() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.item("six", &["2001:db8:1::/48"]);
    world.fail_times("CreateIPSet", 100, When::Before, FaultKind::AccessDenied);
    let signal = world.signal.clone();
    before_each_scan(&world, move |_, scan| {
        if scan == 2 {
            signal.raise();
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
    assert!(document.reason.contains("CreateIPSet"), "{}", document.reason);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_was_put_right_is_none_if_the_run_is_stopped_afterwards() {
    let world = world(&[]).await;
    world.no_items(1..=1);
    world.item("six", &["2001:db8:1::/48"]);
    world.fail("CreateIPSet", When::Before, FaultKind::AccessDenied);
    let signal = world.signal.clone();
    world.once("UpdateRuleGroup", Phase::After, move |_, _| signal.raise());
    let document = world.next_apply().await;
    assert_eq!((document.outcome, world.calls("CreateIPSet")), (Outcome::Partial, 2), "{}", document.reason);
    assert!(world.in_force().contains(&"2001:db8:1::/48".to_owned()), "{:?}", world.in_force());
}

#[tokio::test(start_paused = true)]
async fn a_rule_group_is_said_to_refer_only_to_sets_that_were_written() {
    let config = Config { set_capacity: 4, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=2);
    world.apply().await;
    world.items(3..=6);
    world.item("six", &["2001:db8:1::/48"]);
    world.fail_target("CreateIPSet", "wafsync-ipv6-000", 100, When::Before, FaultKind::AccessDenied);
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
    let wired = document.changes.iter().find(|change| change.target == "wafsync-1").unwrap();
    assert!(wired.written, "{wired:?}");
    assert!(matches!(&wired.add, Names::IpSets(names) if names == &["wafsync-ipv4-001"]), "{wired:?}");
}
