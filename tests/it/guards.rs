//! Guards: which changes wait for a person, and what approves them.

use wafsync::report::Document;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{FaultKind, When};

use crate::world::{TABLE, World, changes, ended, ip, ips, texts};

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=40);
    world.apply().await;
    world
}

fn guard(document: &Document) -> (&str, Vec<&str>) {
    (document.guard.verdict.as_str(), document.guard.reasons.iter().map(String::as_str).collect())
}

#[tokio::test(start_paused = true)]
async fn half_of_the_table_is_held_until_its_digest_is_approved() {
    let mut world = world(&[]).await;
    world.no_items(21..=40);
    world.items(41..=42);
    let held = world.next_apply().await;
    assert_eq!(ended(&held), (Outcome::Held, 1, 1), "{}", held.reason);
    assert_eq!(changes(&held), [format!("update_ip_set wafsync-ipv4-000 +{} +{}", ip(41), ip(42))]);
    let reason = "20 of 40 IPv4 CIDRs would be removed; --max-removals allows 5 in one run";
    assert_eq!(guard(&held), ("held", vec![reason]));
    assert_eq!(texts(&held.held), ips(21..=40));
    assert_eq!(world.in_force().len(), 42);

    world.set_approval().await;
    let further = ip(1);
    world.no_items(1..=1);
    let other = world.next_apply().await;
    assert_eq!(ended(&other), (Outcome::Held, 0, 0), "another removal is another plan");
    assert_eq!(texts(&other.held).len(), 21);
    assert!(texts(&other.held).contains(&further));

    world.set_approval().await;
    let approved = world.next_apply().await;
    let reason = "21 of 42 IPv4 CIDRs would be removed; --max-removals allows 5 in one run";
    assert_eq!((ended(&approved), guard(&approved)), ((Outcome::Changed, 1, 1), ("approved", vec![reason])));
    assert_eq!(world.in_force().len(), 21);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_digest_of_a_held_run_approves_what_it_held() {
    let mut world = world(&[]).await;
    world.item("six", &["2001:db8:1::/48", "2001:db8:2::/48"]);
    world.next_apply().await;
    // Too many removals in one family and one in the other, which is made.
    world.no_items(21..=40);
    world.item("six", &["2001:db8:1::/48"]);
    let held = world.next_apply().await;
    assert_eq!((ended(&held), held.held.len()), ((Outcome::Held, 1, 1), 20), "{}", held.reason);
    world.later().await;
    assert_eq!(world.plan().await.digest, held.digest, "the digest that the next plan shows");
    world.settings.guards.approve = held.digest;
    let approved = world.next_apply().await;
    assert_eq!((ended(&approved), approved.guard.verdict.as_str()), ((Outcome::Changed, 1, 1), "approved"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_valid_for_one_plan_of_a_long_running_process() {
    let mut world = world(&[]).await;
    world.no_items(21..=40);
    world.set_approval().await;
    let mut session = world.session();
    let stop = world.signal.stop(None);
    let mut verdicts = Vec::new();
    for back in [false, true, false] {
        if back {
            world.items(21..=40);
        } else {
            world.no_items(21..=40);
        }
        world.later().await;
        let run = session.run(wafsync::report::Command::Apply, crate::world::NOW, &stop).await;
        verdicts.push((run.document.outcome, run.document.guard.verdict.as_str()));
    }
    let expected = [(Outcome::Changed, "approved"), (Outcome::Changed, "pass"), (Outcome::Held, "held")];
    assert_eq!(verdicts, expected);
}

#[tokio::test(start_paused = true)]
async fn additions_do_not_change_the_digest() {
    let mut world = world(&[]).await;
    world.no_items(21..=40);
    world.set_approval().await;
    world.items(41..=60);
    let approved = world.next_apply().await;
    assert_eq!((ended(&approved), approved.guard.verdict.as_str()), ((Outcome::Changed, 1, 1), "approved"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_only_the_second_scan_shows_is_not_covered_by_the_approval() {
    let mut world = world(&[]).await;
    world.no_items(21..=40);
    world.set_approval().await;
    let mut scans = 0;
    world.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == wafsync_test_aws::Phase::After {
            scans += 1;
            if scans == 1 {
                aws.delete_item(TABLE, "c1");
            }
        }
    });
    let document = world.next_apply().await;
    // The first scan wanted c1, so c1 stays in this run in any case.
    assert_eq!((document.outcome, world.in_force().len()), (Outcome::Partial, 20), "{}", document.reason);
    assert_eq!(texts(&document.deferred), [ip(1)]);
    world.settings.guards.approve = None;
    let next = world.next_apply().await;
    assert_eq!(ended(&next), (Outcome::Changed, 1, 1), "{}", next.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_table_is_blocked_until_it_is_approved() {
    let mut world = world(&["--always", "203.0.113.0/28"]).await;
    world.aws.clear_table(TABLE);
    let blocked = world.next_apply().await;
    assert_eq!(ended(&blocked), (Outcome::Blocked, 1, 0), "{}", blocked.reason);
    let reasons = vec![
        "the table gave no address at all while 40 CIDRs are in force",
        "40 of 40 IPv4 CIDRs would be removed; --max-removals allows 5 in one run",
        "all 40 IPv4 CIDRs would be removed, and the table asks for no other",
    ];
    assert_eq!(guard(&blocked), ("blocked", reasons.clone()));
    assert_eq!(world.in_force().len(), 41);
    assert_eq!(world.calls("Scan"), 1, "a blocked plan needs no proof");
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!((ended(&approved), guard(&approved)), ((Outcome::Changed, 1, 1), ("approved", reasons)));
    assert_eq!(world.in_force(), ["203.0.113.0/28"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_that_asks_only_for_always_addresses_is_not_empty() {
    let world = World::new(&["--always", "203.0.113.7/32"]);
    world.item("a", &["203.0.113.7", "198.51.100.1"]);
    world.item("b", &["2001:db8:1::/48"]);
    world.apply().await;
    world.item("a", &["203.0.113.7"]);
    world.aws.delete_item(TABLE, "b");
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Held, "{}", document.reason);
}

#[tokio::test(start_paused = true)]
async fn an_empty_table_with_nothing_in_force_is_fine() {
    let world = World::new(&[]);
    let document = world.apply().await;
    assert_eq!(changes(&document), ["create_rule_group wafsync-1", "create_rule_group wafsync-2"]);
    assert_eq!(ended(&document), (Outcome::Changed, 2, 2));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn five_removals_are_always_allowed_and_six_of_forty_are_held() {
    let world = world(&[]).await;
    world.no_items(1..=6);
    let held = world.next_apply().await;
    assert_eq!(ended(&held), (Outcome::Held, 0, 0));
    assert_eq!(held.guard.reasons, ["6 of 40 IPv4 CIDRs would be removed; --max-removals allows 5 in one run"]);
    world.items(6..=6);
    let changed = world.next_apply().await;
    assert_eq!(ended(&changed), (Outcome::Changed, 1, 1), "{}", changed.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_of_what_was_in_force_at_the_start() {
    let world = world(&["--max-removals", "20%"]).await;
    world.no_items(1..=9);
    assert_eq!(
        world.next_apply().await.guard.reasons,
        ["9 of 40 IPv4 CIDRs would be removed; --max-removals allows 8 in one run"]
    );
    world.items(9..=9);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_count_is_exact() {
    let world = world(&["--max-removals", "1"]).await;
    world.no_items(1..=2);
    assert_eq!(
        world.next_apply().await.guard.reasons,
        ["2 of 40 IPv4 CIDRs would be removed; --max-removals allows 1 in one run"]
    );
    world.items(2..=2);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_family_is_not_left_below_the_minimum() {
    let world = world(&["--min-addresses", "38", "--max-removals", "100%"]).await;
    world.no_items(1..=3);
    let held = world.next_apply().await;
    assert_eq!(held.guard.reasons, ["37 IPv4 CIDRs of the table would be left; --min-addresses asks for at least 38"]);
    assert_eq!(ended(&held), (Outcome::Held, 0, 0));
    world.items(3..=3);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_family_is_not_emptied_while_the_other_is_changed() {
    let mut world = world(&[]).await;
    world.item("six", &["2001:db8:1::/48", "2001:db8:2::/48"]);
    world.next_apply().await;
    world.aws.delete_item(TABLE, "six");
    world.no_items(1..=1);
    let held = world.next_apply().await;
    assert_eq!(guard(&held), ("held", vec!["all 2 IPv6 CIDRs would be removed, and the table asks for no other"]));
    assert_eq!(changes(&held), [format!("update_ip_set wafsync-ipv4-000 -{}", ip(1))]);
    assert_eq!(texts(&held.held), ["2001:db8:1::/48", "2001:db8:2::/48"]);
    world.set_approval().await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn always_addresses_are_never_removed_or_counted() {
    let mut world = world(&["--always", "203.0.113.0/28"]).await;
    assert_eq!(world.in_force().len(), 41);
    world.later().await;
    world.settled().await;
    world.set(&["--max-removals", "1"]);
    let document = world.next_apply().await;
    assert_eq!(changes(&document), ["update_ip_set wafsync-ipv4-000 -203.0.113.0/28"]);
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn rejections_hold_every_removal_and_no_addition() {
    let mut world = world(&[]).await;
    world.item("bad", &["54.123.456.78/32", "203.0.113.1"]);
    world.no_items(1..=1);
    let held = world.next_apply().await;
    assert_eq!(ended(&held), (Outcome::Held, 1, 1));
    assert_eq!(changes(&held), ["update_ip_set wafsync-ipv4-000 +203.0.113.1/32"]);
    let reason = "1 value is invalid in the table, so 1 removal waits: the items may still ask for these addresses; \
                  correct the table, or name the items with --ignore-item";
    assert_eq!(guard(&held), ("held", vec![reason]));
    assert_eq!(held.table.rejections.len(), 1);

    world.set(&["--ignore-item", "bad"]);
    let ignored = world.next_apply().await;
    assert_eq!(ended(&ignored), (Outcome::Changed, 1, 1), "{}", ignored.reason);
    assert!(ignored.table.rejections[0].ignored);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn rejections_may_be_skipped_or_abort_the_run() {
    let mut world = world(&[]).await;
    world.item("bad", &["10.0.0.5/24"]);
    world.no_items(1..=1);
    world.set(&["--on-rejection", "abort"]);
    let aborted = world.next_apply().await;
    assert_eq!(ended(&aborted), (Outcome::Failed, 0, 0));
    let error = "1 value in the table could not be used, and --on-rejection is abort";
    assert_eq!(aborted.error.as_deref(), Some(error));
    world.set(&["--on-rejection", "skip"]);
    let skipped = world.next_apply().await;
    assert_eq!(ended(&skipped), (Outcome::Changed, 1, 1));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_past_its_expiry_counts_as_gone() {
    let world = World::new(&["--expiry-attribute", "ttl"]);
    world.items(1..=3);
    let expiring = |seconds: i64| serde_json::json!({"id": {"S": "e"}, "ips": {"SS": ["203.0.113.1/32"]}, "ttl": {"N": seconds.to_string()}});
    world.aws.put_item(TABLE, "e", expiring(crate::world::NOW + 3600));
    world.apply().await;
    assert_eq!(world.in_force().len(), 4);
    world.aws.put_item(TABLE, "e", expiring(crate::world::NOW - 1));
    let document = world.next_apply().await;
    assert_eq!(changes(&document), ["update_ip_set wafsync-ipv4-000 -203.0.113.1/32"]);
    assert_eq!((document.table.expired, document.outcome), (1, Outcome::Changed));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn more_addresses_than_fit_fail_before_any_write_with_the_counts() {
    let config = wafsync_test_aws::Config { set_capacity: 4, ..wafsync_test_aws::Config::default() };
    let world = World::with(config, &["--max-ip-sets", "2"]);
    world.items(1..=9);
    let failed = world.apply().await;
    assert_eq!(ended(&failed), (Outcome::Failed, 0, 0));
    let error = "9 CIDRs are wanted (9 IPv4, 0 IPv6), which need 3 IP sets of 4 each, but --max-ip-sets allows 2; with \
                 --aggregate it would be 4 in 1 IP set; otherwise raise --max-ip-sets and AWS's quota \"Maximum number of IP sets per account\"";
    assert_eq!(failed.error.as_deref(), Some(error));
    assert_eq!(world.aws.ip_sets().len(), 0);
    world.no_items(9..=9);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn additions_that_fit_beside_held_removals_are_made_in_sorted_order() {
    let config = wafsync_test_aws::Config { set_capacity: 10, ..wafsync_test_aws::Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "1"]);
    world.items(1..=8);
    world.apply().await;
    world.no_items(1..=6);
    world.items(11..=14);
    let held = world.next_apply().await;
    assert_eq!(changes(&held), [format!("update_ip_set wafsync-ipv4-000 +{} +{}", ip(11), ip(12))]);
    assert_eq!(held.outcome, Outcome::Held, "{}", held.reason);
    // Clusters that are locked out are reported, now and as long as it lasts.
    assert_eq!(texts(&held.unplaced), [ip(13), ip(14)]);
    let reason = "held: 6 removals wait for approval; 1 write was made; no room for 2 wanted CIDRs until then";
    assert_eq!(held.reason, reason);
    let still = world.next_apply().await;
    assert_eq!((ended(&still), texts(&still.unplaced)), ((Outcome::Held, 0, 0), vec![ip(13), ip(14)]));
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!(ended(&approved), (Outcome::Changed, 1, 1), "{}", approved.reason);
    assert!(approved.unplaced.is_empty());
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_additions_wait_for_approval_while_others_are_made() {
    let mut world = World::new(&["--max-additions", "50%"]);
    world.items(1..=10);
    assert_eq!(ended(&world.apply().await), (Outcome::Changed, 3, 3), "nothing was in force");
    world.items(11..=16);
    world.item("six", &["2001:db8:1::/48"]);
    let held = world.next_apply().await;
    assert_eq!((ended(&held), held.held.len()), ((Outcome::Held, 2, 2), 6), "{}", held.reason);
    assert_eq!(held.guard.reasons, ["6 IPv4 CIDRs would be added to 10 in force; --max-additions allows 5 in one run"]);
    assert!(!world.in_force().contains(&ip(11)) && world.in_force().contains(&"2001:db8:1::/48".to_owned()));
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!(ended(&approved), (Outcome::Changed, 1, 1), "{}", approved.reason);
    assert!(ips(1..=16).iter().all(|cidr| world.in_force().contains(cidr)));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_read_that_shows_nothing_lifts_no_percentage_of_additions() {
    let world = World::new(&["--max-additions", "50%"]);
    world.items(1..=10);
    assert_eq!(world.apply().await.outcome, Outcome::Changed, "nothing was in force");
    world.items(11..=40);
    for list in ["ListIPSets", "ListRuleGroups"] {
        world.fail_times(list, 1, When::Before, FaultKind::Old(std::time::Duration::from_mins(10)));
    }
    let held = world.apply().await;
    assert!(world.calls("CreateIPSet") > 1, "the run took WAF for empty: {}", held.reason);
    assert_eq!((held.outcome, held.waiting.len()), (Outcome::Held, 30), "{}", held.reason);
    assert_eq!(world.in_force(), ips(1..=10));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_while_only_additions_are_held_waits_for_later_removals() {
    let config = wafsync_test_aws::Config { set_capacity: 4, ..wafsync_test_aws::Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "3", "--max-removals", "100%"]);
    world.items(1..=4);
    world.item("wide", &["203.0.113.0/31", "203.0.113.2/31", "203.0.113.4/31", "203.0.113.6/31"]);
    world.item("six", &["2001:db8::/48"]);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.set(&["--max-ip-sets", "3", "--max-removals", "100%", "--max-additions", "1"]);
    world.no_items(1..=4);
    let hosts: Vec<String> = (0..8).map(|host| format!("203.0.113.{host}")).collect();
    world.item("wide", &hosts.iter().map(String::as_str).collect::<Vec<_>>());
    world.item("six", &["2001:db8::/48", "2001:db8:1::/48", "2001:db8:2::/48"]);
    let held = world.next_apply().await;
    assert_eq!((held.outcome, held.waiting.len(), held.held.len()), (Outcome::Held, 2, 2), "{}", held.reason);
    assert!(held.reason.contains("no room for 4 wanted CIDRs until others are removed"), "{}", held.reason);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_omits_our_rule_group_bypasses_no_guard() {
    let world = World::new(&["--max-ip-sets", "10"]);
    world.items(1..=20);
    world.apply().await;
    world.no_items(9..=20);
    world.fail_times("ListRuleGroups", 1, When::Before, FaultKind::Omits("wafsync-1".to_owned()));
    let document = world.next_apply().await;
    assert!(matches!(document.outcome, Outcome::Held | Outcome::Partial), "{}", document.reason);
    assert!(ips(1..=20).iter().all(|cidr| world.in_force().contains(cidr)));
    assert_eq!(world.next_apply().await.outcome, Outcome::Held);
}
