//! Rates: each action stays within its own rate, slows down when AWS throttles it, and scans stay within their budget.

use std::time::Duration;

use serde_json::json;
use wafsync::aws::THROTTLED_ATTEMPTS;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, FaultKind, Habit, Limiter, Neighbor, When};

use crate::world::{TABLE, World, ended, ips};

const REGION: &str = "eu-central-1";

fn times(world: &World, operation: &str) -> Vec<Duration> {
    world.aws.log().iter().filter(|attempt| attempt.operation == operation).map(|attempt| attempt.at).collect()
}

#[tokio::test(start_paused = true)]
async fn no_action_is_called_faster_than_its_rate_in_any_second() {
    let config = Config { set_capacity: 2, group_references: 4, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "12"]);
    world.items(1..=24);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    for (operation, rate) in [("CreateIPSet", 1), ("CreateRuleGroup", 1), ("ListIPSets", 5), ("ListRuleGroups", 5)] {
        let times = times(&world, operation);
        assert!(!times.is_empty());
        for window in times.windows(rate + 1) {
            assert!(window[rate] - window[0] >= Duration::from_secs(1), "{operation}: {window:?}");
        }
    }
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn configured_rates_are_kept() {
    let config = Config { set_capacity: 2, read_rate: Some(2.0), write_rate: Some(0.5), ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "8", "--read-rate", "2", "--write-rate", "0.5"]);
    world.items(1..=8);
    assert_eq!(world.apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_the_action_down_without_losing_writes() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "12"]);
    world.items(1..=12);
    world.fail_times("CreateIPSet", 2, When::Before, FaultKind::Throttled);
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    let times = times(&world, "CreateIPSet");
    // One more attempt for each throttled one, and longer intervals after them.
    assert_eq!(times.len(), 8, "{:?} {times:?}", world.aws.violations());
    assert!(times.windows(2).any(|pair| pair[1] - pair[0] > Duration::from_secs(2)), "{times:?}");
    assert_eq!(world.in_force(), ips(1..=12));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn beside_a_client_that_takes_half_of_the_quota_a_run_takes_what_is_left() {
    let mut throttled = 0;
    for habit in [Habit::Even, Habit::Patient, Habit::Bursts, Habit::ComesAndGoes] {
        let mut took = Duration::ZERO;
        for seed in 0..5 {
            fastrand::seed(seed);
            let config = Config { set_capacity: 2, limiter: Limiter::Bucket, ..Config::default() };
            let world = World::with(config, &["--max-ip-sets", "10"]);
            world.items(1..=20);
            world.later().await;
            world.aws.clear_log();
            let neighbor = Neighbor::start(&world.aws, REGION, habit, seed);
            let began = tokio::time::Instant::now();
            let document = world.apply().await;
            assert_eq!(document.outcome, Outcome::Changed, "{habit:?} {seed}: {}", document.reason);
            took += began.elapsed();
            let created = times(&world, "CreateIPSet").len();
            assert!(created <= 20, "{habit:?} {seed}: {} throttled calls for ten writes", created - 10);
            throttled += created - 10;
            drop(neighbor);
            assert_eq!(world.in_force(), ips(1..=20));
        }
        // Ten creates and two rule groups at one in two seconds. A single run may meet the other client's worst moment.
        assert!(took / 5 < Duration::from_secs(24).mul_f64(1.2), "{habit:?}: {took:?} for five runs");
    }
    assert!(throttled > 0, "the two clients never met");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_throttled_for_long_goes_on() {
    // The SDK's own quota of retries lasts for the process. These retries would use it up twice.
    let config = Config { set_capacity: 2, write_rate: Some(5.0), ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "40", "--write-rate", "5"]);
    world.items(1..=80);
    for set in 0..40 {
        let name = format!("wafsync-ipv4-{set:03}");
        world.fail_target("CreateIPSet", &name, 6, When::Before, FaultKind::Throttled);
    }
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert_eq!(times(&world, "CreateIPSet").len(), 7 * 40);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn reads_that_stay_throttled_leave_the_run_to_the_next_one() {
    let world = World::new(&[]);
    world.items(1..=2);
    let attempts = usize::try_from(THROTTLED_ATTEMPTS).unwrap();
    world.fail_times("ListIPSets", attempts, When::Before, FaultKind::Throttled);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Partial, 0, 0));
    let hint = "hint: other callers share the rate of this action: lower --read-rate or --write-rate";
    assert!(document.reason.contains(hint), "{}", document.reason);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn independent_writes_run_in_parallel() {
    let world = World::new(&[]);
    world.items(1..=2);
    let began = tokio::time::Instant::now();
    world.apply().await;
    // Two rule groups at one per second. The other calls take no time.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    world.later().await;
    world.settled().await;
}

/// Items of one read unit each.
fn large_items(world: &World, count: usize) {
    let padding = "x".repeat(4000);
    for number in 1..=count {
        let key = format!("c{number}");
        let item = json!({"id": {"S": key}, "ips": {"S": "[]"}, "padding": {"S": padding}});
        world.aws.put_item(TABLE, &key, item);
    }
}

#[tokio::test(start_paused = true)]
async fn segments_share_the_budget_of_scans() {
    let world = World::new(&["--read-capacity", "100", "--segments", "16"]);
    large_items(&world, 800);
    let document = world.plan().await;
    let (times, units) = (times(&world, "Scan"), document.table.consumed_capacity);
    assert!(units > 700.0 && times.len() >= 16, "{units} {times:?}");
    // Each page costs less than two seconds' units, and is read only when the pages before it are paid for.
    for (pages, at) in times.iter().enumerate() {
        let paid = 100.0 * (at.as_secs_f64() - times[0].as_secs_f64());
        let read = units / f64::from(u32::try_from(times.len()).unwrap()) * f64::from(u32::try_from(pages).unwrap());
        assert!(read <= paid + 200.0, "{read} units before {at:?}: {times:?}");
    }
    assert_eq!(document.table.items, 800);
}

#[tokio::test(start_paused = true)]
async fn scans_keep_to_their_budget_and_report_consumed_capacity() {
    let world = World::new(&["--read-capacity", "10"]);
    large_items(&world, 200);
    let began = tokio::time::Instant::now();
    let document = world.plan().await;
    let seconds = began.elapsed().as_secs_f64();
    let units = document.table.consumed_capacity;
    assert!(units >= 200.0, "{units}");
    // The cost of the first page is a guess. All later pages are paid for before they are read.
    assert!(units / 10.0 - 2.0 <= seconds && seconds <= units / 10.0 + 2.0, "{units} units took {seconds} s");
    assert_eq!((document.table.items, document.table.empty), (200, 200));
    assert!(document.table.pages > 10, "{}", document.table.pages);
}
