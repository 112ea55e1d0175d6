//! Five plans, and everything that can happen to each of their calls.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use wafsync_test_aws::{Attempt, Fault, FaultKind, Phase, When};

use crate::world::{World, small};

/// A world in which one run makes the plan of that name.
#[derive(Clone, Copy, Debug)]
enum Named {
    FirstRun,
    OneChange,
    Growth,
    Adoption,
    Aggregation,
}

impl Named {
    async fn world(self) -> World {
        let adopting = ["--adopt=offices"];
        let aggregating = ["--aggregate"];
        let args: &[&str] = match self {
            Self::Adoption => &adopting,
            Self::Aggregation => &aggregating,
            _ => &[],
        };
        let mut world = World::new(small(), args);
        world.settings.table.aggregate = false;
        world.aws.put_ip_set("REGIONAL", "somebody-elses", "IPV4", &["192.0.2.0/24"], None);
        if matches!(self, Self::Adoption) {
            world.aws.put_ip_set(
                "REGIONAL",
                "offices",
                "IPV4",
                &["198.51.100.1/32", "203.0.113.9/32"],
                Some("Offices"),
            );
        }
        world.item("a", &["198.51.100.0/32", "198.51.100.1/32"]);
        world.item("b", &["198.51.100.2/32", "2001:db8:1::/48"]);
        match self {
            Self::FirstRun => {
                world.item("c", &["198.51.100.3/32", "203.0.113.0/28"]);
            }
            Self::Adoption => {}
            Self::OneChange => {
                world.converges().await;
                world.item("a", &["198.51.100.0/32", "198.51.100.9/32"]);
            }
            Self::Growth => {
                world.item("c", &["198.51.100.3/32"]);
                world.converges().await;
                world.item("d", &["203.0.113.1/32", "203.0.113.2/32"]);
                world.item("e", &["203.0.113.3/32", "203.0.113.4/32", "203.0.113.5/32"]);
                world.item("f", &["2001:db8:2::/48"]);
            }
            Self::Aggregation => {
                world.item("c", &["198.51.100.3/32"]);
                world.item("d", &["198.51.100.4/31", "198.51.100.6/32"]);
                world.converges().await;
                world.settings.table.aggregate = true;
            }
        }
        world.foreign_stays(&[]);
        world.later().await;
        world.aws.clear_log();
        world
    }

    /// Every call of a run without faults, with its time since the start of the run.
    async fn calls(self) -> Vec<Attempt> {
        let world = self.world().await;
        world.apply(&world.process("run")).await;
        let mut log = world.aws.log();
        let start = log.first().map(|attempt| attempt.at).unwrap_or_default();
        for attempt in &mut log {
            attempt.at -= start;
        }
        world.converges().await;
        log
    }
}

/// Every fault class. Whether it strikes before or after the effect makes a difference to writes, and to what is slow.
fn kinds() -> Vec<FaultKind> {
    vec![
        FaultKind::Throttled,
        FaultKind::InternalError,
        FaultKind::Unavailable503,
        FaultKind::ConnectionLost,
        FaultKind::Truncated,
        FaultKind::Slow(Duration::from_secs(5)),
        FaultKind::AccessDenied,
        FaultKind::ExpiredToken,
        FaultKind::UnrecognizedClient,
        FaultKind::OptimisticLock,
        FaultKind::UnavailableEntity,
        FaultKind::NonexistentItem,
        FaultKind::DuplicateItem,
        FaultKind::LimitsExceeded,
        FaultKind::InvalidParameter,
        FaultKind::ProvisionedThroughputExceeded,
        FaultKind::Never,
    ]
}

/// One run in a fresh world with this fault at one call, then runs without faults.
async fn struck(named: Named, index: usize, when: When, kind: FaultKind) {
    let world = named.world().await;
    world.aws.fail(Fault { operation: None, target: None, skip: index, times: 1, when, kind });
    world.apply(&world.process("run")).await;
    world.converges().await;
}

/// One run that is killed while a call is under way, before or after its effect, then runs to the end.
async fn killed(named: Named, index: usize, when: When) {
    let world = named.world().await;
    let long = FaultKind::Slow(Duration::from_hours(24));
    world.aws.fail(Fault { operation: None, target: None, skip: index, times: 1, when, kind: long });
    let now = Arc::new(Notify::new());
    let notify = Arc::clone(&now);
    let mut calls = 0;
    world.aws.on_call(move |_, call| {
        let phase = if when == When::Before { Phase::Before } else { Phase::After };
        if call.phase == phase {
            if calls == index {
                notify.notify_one();
            }
            calls += 1;
        }
    });
    world.killed(&world.process("run"), now.notified()).await;
    world.converges().await;
}

/// One run that is asked to stop when a call begins.
async fn signalled(named: Named, index: usize) {
    let world = named.world().await;
    let process = world.process("run");
    let (signal, mut calls) = (process.signal.clone(), 0);
    world.aws.on_call(move |_, call| {
        if call.phase == Phase::Before {
            if calls == index {
                signal.raise();
            }
            calls += 1;
        }
    });
    world.apply(&process).await;
    world.converges().await;
}

/// One run with a deadline.
async fn hurried(named: Named, deadline: Duration) {
    let world = named.world().await;
    let mut process = world.process("run");
    process.settings.run.deadline = deadline;
    world.apply(&process).await;
    world.converges().await;
}

/// Something that happens to a run.
#[derive(Clone, Debug)]
enum Mishap {
    Struck(usize, When, FaultKind),
    Killed(usize, When),
    Signalled(usize),
    Hurried(Duration),
}

async fn suffer(named: Named, mishap: Mishap) {
    match mishap {
        Mishap::Struck(index, when, kind) => struck(named, index, when, kind).await,
        Mishap::Killed(index, when) => killed(named, index, when).await,
        Mishap::Signalled(index) => signalled(named, index).await,
        Mishap::Hurried(deadline) => hurried(named, deadline).await,
    }
}

async fn everything(named: Named) {
    let calls = named.calls().await;
    let mut mishaps = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        for when in [When::Before, When::After] {
            let differs = |kind: &FaultKind| when == When::Before || call.effect || matches!(kind, FaultKind::Slow(_));
            mishaps.extend(kinds().into_iter().filter(differs).map(|kind| Mishap::Struck(index, when, kind)));
            mishaps.push(Mishap::Killed(index, when));
        }
        mishaps.push(Mishap::Signalled(index));
        // The last moment at which this call may no longer begin, and one at which it may.
        mishaps.extend([900, 1100].map(|left| Mishap::Hurried(call.at + Duration::from_millis(left))));
    }
    let tried = mishaps.len();
    let mut found = Vec::new();
    for mishap in mishaps {
        let suffering = AssertUnwindSafe(suffer(named, mishap.clone())).catch_unwind();
        if suffering.await.is_err() {
            found.push(mishap);
        }
    }
    println!("{named:?}: {} calls, {tried} runs with something wrong", calls.len());
    assert!(found.is_empty(), "{named:?}: {} of {tried} broke a promise: {found:?}", found.len());
}

#[tokio::test(start_paused = true)]
async fn whatever_strikes_a_first_run() {
    everything(Named::FirstRun).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_strikes_one_change() {
    everything(Named::OneChange).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_strikes_growth_over_the_edge_of_a_set() {
    everything(Named::Growth).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_strikes_an_adoption() {
    everything(Named::Adoption).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_strikes_when_aggregation_is_switched_on() {
    everything(Named::Aggregation).await;
}

#[tokio::test(start_paused = true)]
async fn without_faults_the_five_plans_make_their_calls() {
    for named in [Named::FirstRun, Named::OneChange, Named::Growth, Named::Adoption, Named::Aggregation] {
        let calls = named.calls().await;
        let writes: Vec<String> =
            calls.iter().filter(|call| call.effect).map(|call| format!("{} {}", call.operation, call.target)).collect();
        println!("{named:?}: {} calls, writes {writes:?}", calls.len());
    }
}
