//! Several processes at once on one WAF, as when a job by hand meets the one that is scheduled.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::Value;
use wafsync_test_aws::Phase;

use crate::process::Process;
use crate::world::in_force;

/// A hundred addresses of one cluster.
fn addresses(cluster: usize) -> Vec<String> {
    (0..100).map(|host| format!("198.18.{cluster}.{host}/32")).collect()
}

fn register(process: &Process, cluster: usize, addresses: &[String]) {
    process.item(&format!("cluster-{cluster:03}"), &addresses.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Starts so many at the same moment, and answers how each ended.
async fn at_once(process: &Process, many: usize) -> Vec<String> {
    let started: Vec<_> = (0..many).map(|_| process.start(&["apply", "--output=json"])).collect();
    let ended = join_all(started.into_iter().map(crate::process::Running::end)).await;
    let outcome = |ended: crate::process::Ended| {
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        let (outcome, done) = (document["outcome"].as_str().unwrap().to_owned(), document["writes"]["done"].as_u64());
        let honest = match outcome.as_str() {
            "converged" => ended.code == Some(0) && done == Some(0),
            "changed" => ended.code == Some(0) && done > Some(0),
            "partial" => ended.code == Some(4),
            _ => false,
        };
        assert!(honest, "{:?} {}\n{}", ended.code, document["reason"], ended.stderr);
        outcome
    };
    ended.into_iter().map(outcome).collect()
}

/// Lets so many at once run until none of them finds anything to do.
async fn until_quiet(process: &Process, many: usize) {
    for _ in 0..3 {
        at_once(process, many).await;
    }
    assert_eq!(at_once(process, many).await, vec!["converged"; many]);
}

async fn together(many: usize) {
    let process = Process::new().await;
    // More than fit into one IP set, so that there are several to fight over.
    (0..105).for_each(|cluster| register(&process, cluster, &addresses(cluster)));
    register(&process, 200, &["2001:db8::/64".to_owned()]);
    until_quiet(&process, many).await;

    // One moves, one goes, one comes; what stays wanted is in force after every call.
    let moved: Vec<String> = (100..200).map(|host| format!("198.18.7.{host}/32")).collect();
    let gone: BTreeSet<String> = addresses(7).into_iter().chain(addresses(8)).collect();
    let stays: BTreeSet<String> = in_force(&process.aws).into_iter().filter(|cidr| !gone.contains(cidr)).collect();
    register(&process, 7, &moved);
    process.aws.delete_item(crate::world::TABLE, "cluster-008");
    register(&process, 105, &addresses(105));
    let missing = Arc::new(Mutex::new(BTreeSet::new()));
    let (wanted, found) = (stays.clone(), Arc::clone(&missing));
    process.aws.on_call(move |aws, call| {
        if call.phase == Phase::After && call.operation.starts_with("Update") {
            let now: BTreeSet<String> = in_force(aws).into_iter().collect();
            found.lock().unwrap().extend(wanted.difference(&now).cloned());
        }
    });
    until_quiet(&process, many).await;
    assert_eq!(*missing.lock().unwrap(), BTreeSet::new(), "out of force for a while");

    let mut wanted: Vec<String> = stays.into_iter().chain(moved).chain(addresses(105)).collect();
    wanted.sort_unstable();
    assert_eq!(in_force(&process.aws), wanted, "all of it, and nothing twice");
    assert_eq!(process.aws.ip_sets().len(), 3, "no more IP sets than one alone would have made");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_come_to_one_result() {
    together(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_at_once_come_to_one_result() {
    together(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_at_once_come_to_one_result() {
    together(5).await;
}
