//! The daemon, under a paused clock, and as a process that is stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use wafsync::host::watch::watch;
use wafsync::metrics::health::Health;
use wafsync::run::outcome::Outcome;
use wafsync::stop::Signal;
use wafsync_test_aws::{Fault, FaultKind, When};

use crate::process::Process;
use crate::world::{NOW, World};

const EVERY: Duration = Duration::from_mins(5);

/// Watches until the signal or for this many runs. `between` is called after each run with its number, counted from 1.
async fn watch_until(
    world: &World,
    signal: &Signal,
    runs: usize,
    mut between: impl FnMut(usize),
) -> Vec<(Duration, Outcome)> {
    let (began, board) = (Instant::now(), Health::default());
    let mut ended: Vec<(Duration, Outcome)> = Vec::new();
    let clock = || NOW + i64::try_from(began.elapsed().as_secs()).unwrap();
    watch(&mut world.session(), EVERY, signal, &board, clock, async |finished, _| {
        ended.push((Instant::now() - began, finished.document.outcome));
        between(ended.len());
        if ended.len() == runs {
            signal.raise();
        }
    })
    .await;
    ended
}

async fn watch_for(world: &World, runs: usize, between: impl FnMut(usize)) -> Vec<(Duration, Outcome)> {
    watch_until(world, &Signal::default(), runs, between).await
}

fn operations(world: &World) -> BTreeSet<String> {
    world.aws.log().into_iter().map(|attempt| attempt.operation).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_the_same_lock_tokens_reads_no_contents() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    let mut session = world.session();
    let stop = world.signal.stop(None);
    session.run(wafsync::report::Command::Apply, NOW, &stop).await;
    world.aws.clear_log();
    world.later().await;
    let second = session.run(wafsync::report::Command::Apply, NOW, &stop).await;
    assert_eq!(second.document.outcome, Outcome::Converged);
    assert_eq!(operations(&world), ["ListIPSets", "ListRuleGroups", "Scan"].map(str::to_owned).into());
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn runs_begin_at_once_and_then_at_the_interval_with_jitter() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    let ended = watch_for(&world, 20, |_| ()).await;
    assert!(ended[0].0 < Duration::from_secs(30), "{:?}", ended[0]);
    let pauses: Vec<f64> = ended[1..].windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect();
    assert!(pauses.iter().all(|pause| (265.0..335.0).contains(pause)), "{pauses:?}");
    let distinct: BTreeSet<u64> = pauses.iter().map(|pause| pause.to_bits()).collect();
    assert!(distinct.len() > 10, "the jitter varies: {pauses:?}");
    assert_eq!(world.aws.violations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_does_not_end_watch() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    world.aws.fail(Fault {
        operation: Some("Scan".to_owned()),
        target: None,
        skip: 0,
        times: 1,
        when: When::Before,
        kind: FaultKind::AccessDenied,
    });
    let ended = watch_for(&world, 3, |_| ()).await;
    let outcomes: Vec<Outcome> = ended.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Changed, Outcome::Converged]);
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_table_is_in_force_after_the_next_run() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    watch_for(&world, 3, |run| {
        if run == 1 {
            world.item("b", &["203.0.113.0/28"]);
        }
    })
    .await;
    assert_eq!(world.in_force(), ["198.51.100.7/32", "203.0.113.0/28"]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_run_at_a_safe_point_and_no_other_begins() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    let signal = Signal::default();
    let raised = signal.clone();
    world.aws.on_call(move |_, call| {
        if call.operation == "CreateIPSet" {
            raised.raise();
        }
    });
    let ended = watch_until(&world, &signal, 9, |_| ()).await;
    assert_eq!(ended.iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(), [Outcome::Partial]);
}

#[tokio::test]
async fn the_process_prints_a_line_per_run_serves_metrics_and_exits_with_0_on_sigterm() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let mut watch = process.start(&["watch", "--every=1h", "--output=json", "--metrics-listen=127.0.0.1:0"]);
    let document = watch.line().await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["outcome"], &document["desired"]["ipv4"]), (&"changed".into(), &1.into()));

    let address = watch.served_at().await;
    let metrics = loop {
        // The result is printed before the metrics are published.
        let (status, text) = process.get(&address, "/metrics").await;
        assert_eq!(status, 200);
        if text.contains("wafsync_run_outcome{") {
            break text;
        }
        tokio::task::yield_now().await;
    };
    assert!(metrics.contains("wafsync_run_outcome{installation=\"wafsync\",outcome=\"changed\"} 1.0\n"), "{metrics}");
    assert_eq!(process.get(&address, "/healthz").await, (200, "alive\n".to_owned()));
    assert_eq!(process.get(&address, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(process.get(&address, "/").await.0, 404);

    watch.terminate().await;
    let ended = watch.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
}

#[tokio::test]
async fn the_metrics_of_an_earlier_process_are_served_until_the_first_run_ends() {
    let process = Process::new().await;
    let (times, when, kind) = (usize::MAX, When::Before, FaultKind::Never);
    process.aws.fail(Fault { operation: Some("Scan".to_owned()), target: None, skip: 0, times, when, kind });
    let mut watch = process.start(&["watch", "--every=1h", "--metrics-listen=127.0.0.1:0"]);
    let (status, text) = process.get(&watch.served_at().await, "/metrics").await;
    assert!(status == 200 && text.ends_with("# EOF\n") && !text.contains('{'), "{text}");

    let file = std::env::temp_dir().join(format!("wafsync-earlier-{}.prom", std::process::id()));
    std::fs::write(&file, "wafsync_items{installation=\"wafsync\"} 42.0\n").unwrap();
    let flag = format!("--metrics-file={}", file.display());
    let mut watch = process.start(&["watch", "--every=1h", "--metrics-listen=127.0.0.1:0", &flag]);
    let (status, text) = process.get(&watch.served_at().await, "/metrics").await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("wafsync_items{installation=\"wafsync\"} 42.0\n") && text.ends_with("# EOF\n"), "{text}");
}
