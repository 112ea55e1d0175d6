//! Several processes on one WAF at the same time, as when a manual run overlaps a scheduled one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::Value;
use wafsync_test_aws::{Attempt, Outcome, Phase};

use crate::process::{Process, Running};
use crate::world::in_force;

/// A hundred addresses for one cluster.
fn addresses(cluster: usize) -> Vec<String> {
    (0..100).map(|host| format!("198.18.{cluster}.{host}/32")).collect()
}

fn register(process: &Process, cluster: usize, addresses: &[String]) {
    process.item(&format!("cluster-{cluster:03}"), &addresses.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The size of a scenario, and its rates.
struct Account {
    /// The number of clusters at the start.
    clusters: usize,
    /// The total number of IP sets that one process alone would create.
    ip_sets: usize,
    /// AWS's rates, in calls per second for each action that reads and for each that writes.
    rates: [Option<f64>; 2],
    /// The rate settings of each process.
    rates_of_each: [&'static str; 2],
}

/// Starts this many processes at the same time, and returns the outcome of each.
///
/// A process that reports success must be right at that moment, even if others are still running, because all of them
/// want the same.
async fn at_once(process: &Process, many: usize, account: &Account, wanted: &BTreeSet<String>) -> Vec<String> {
    let [read_rate, write_rate] = account.rates_of_each;
    let args = ["apply", "--output=json", "--read-rate", read_rate, "--write-rate", write_rate];
    let started: Vec<_> = (0..many).map(|_| process.start(&args)).collect();
    let outcome = async |running: Running| {
        let ended = running.end().await;
        let now = in_force(&process.aws).into_iter().collect();
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        let (outcome, done) = (document["outcome"].as_str().unwrap().to_owned(), document["writes"]["done"].as_u64());
        let honest = match outcome.as_str() {
            "converged" => ended.code == Some(0) && done == Some(0) && *wanted == now,
            "changed" => ended.code == Some(0) && done > Some(0) && *wanted == now,
            "partial" => ended.code == Some(4),
            _ => false,
        };
        assert!(honest, "{:?} {}\n{}", ended.code, document["reason"], ended.stderr);
        outcome
    };
    join_all(started.into_iter().map(outcome)).await
}

/// Maximum number of rounds until nothing is left to do.
const ROUNDS: usize = 3;

/// Runs this many processes at a time until none of them finds anything to do.
async fn until_quiet(process: &Process, many: usize, account: &Account, wanted: &BTreeSet<String>) {
    for _ in 0..=ROUNDS {
        if at_once(process, many, account, wanted).await.iter().all(|outcome| outcome == "converged") {
            return;
        }
    }
    panic!("there was still something to do after {ROUNDS} rounds");
}

/// Runs a whole scenario and returns every attempt of a call.
async fn together(many: usize, account: Account) -> Vec<Attempt> {
    let process = Process::with_rates(account.rates).await;
    let clusters = account.clusters;
    (0..clusters).for_each(|cluster| register(&process, cluster, &addresses(cluster)));
    let ipv6 = "2001:db8::/64".to_owned();
    register(&process, 200, std::slice::from_ref(&ipv6));
    let first = (0..clusters).flat_map(addresses).chain([ipv6]).collect();
    until_quiet(&process, many, &account, &first).await;

    // One cluster changes, one leaves, one joins. Addresses that stay wanted must be in force after every call.
    let moved: Vec<String> = (100..200).map(|host| format!("198.18.7.{host}/32")).collect();
    let gone: BTreeSet<String> = addresses(7).into_iter().chain(addresses(8)).collect();
    let stays: BTreeSet<String> = first.difference(&gone).cloned().collect();
    register(&process, 7, &moved);
    process.aws.delete_item(crate::world::TABLE, "cluster-008");
    register(&process, clusters, &addresses(clusters));
    let missing = Arc::new(Mutex::new(BTreeSet::new()));
    let (always, found) = (stays.clone(), Arc::clone(&missing));
    process.aws.on_call(move |aws, call| {
        if call.phase == Phase::After && call.operation.starts_with("Update") {
            let now: BTreeSet<String> = in_force(aws).into_iter().collect();
            found.lock().unwrap().extend(always.difference(&now).cloned());
        }
    });
    let wanted: BTreeSet<String> = stays.into_iter().chain(moved).chain(addresses(clusters)).collect();
    until_quiet(&process, many, &account, &wanted).await;
    assert_eq!(*missing.lock().unwrap(), BTreeSet::new(), "temporarily out of force");

    assert_eq!(in_force(&process.aws), wanted.into_iter().collect::<Vec<_>>(), "everything, and nothing twice");
    assert_eq!(process.aws.ip_sets().len(), account.ip_sets, "no more IP sets than one process would create");
    process.aws.log()
}

/// More addresses than fit into one IP set, so that several sets are contended, and no rates, so that as many calls as
/// possible overlap.
const UNBOUND: Account = Account { clusters: 105, ip_sets: 3, rates: [None; 2], rates_of_each: ["1000"; 2] };

/// AWS's own rates. AWS counts the calls of the account, and each process counts only its own.
const SHARED: Account = Account { clusters: 25, ip_sets: 2, rates: [Some(5.0), Some(1.0)], rates_of_each: ["5", "1"] };

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_converge() {
    together(2, UNBOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_at_once_converge() {
    together(3, UNBOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_at_once_converge() {
    together(5, UNBOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_exceed_the_account_rates_together_converge() {
    let log = together(2, SHARED).await;
    let throttled = log
        .iter()
        .filter(|attempt| matches!(&attempt.outcome, Outcome::Error { code, .. } if code == "ThrottlingException"));
    assert!(throttled.count() > 0, "the rates were not exceeded");
}
