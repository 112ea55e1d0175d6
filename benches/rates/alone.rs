//! Runs with the whole quota.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Call, Limiter, Phase};

use crate::work::{CAPACITY, Quota, Work};
use crate::world::{World, in_force, simulated};

/// The maximum duration of a run, as a multiple of its lower bound.
const MOST: f64 = 1.05;

/// The measurements of a run.
struct Figures {
    seconds: f64,
    /// From the start until half of the new addresses, and all of them, were in force.
    access: [f64; 2],
    refused: u32,
    calls: String,
}

/// Prints the table. Returns how many runs miss their target.
pub(crate) fn run() -> u32 {
    let mut missed = 0;
    println!("| IP sets | work | answers after | bound | run | ratio | refused | half and all in force | calls |");
    println!("|---:|---|---:|---:|---:|---:|---:|---|---|");
    for work in [Work::Update, Work::Create, Work::Mixed] {
        for sets in [1, 10, 50, 100] {
            for latency in [30, 200] {
                if work == Work::Mixed && sets == 1 {
                    continue;
                }
                let latency = Duration::from_millis(latency);
                let Figures { seconds, access: [half, all], refused, calls } = measure(work, sets, latency);
                let bound = work.bound(sets, latency, Quota::Whole);
                let ratio = seconds / bound;
                println!(
                    "| {sets} | {work:?} | {latency:?} | {bound:.2} s | {seconds:.2} s | {ratio:.3} | {refused} | \
                     {half:.1} s, {all:.1} s | {calls} |"
                );
                missed += u32::from(ratio > MOST || refused > 0);
            }
        }
    }
    println!("{missed} above {MOST} times the bound, or with a refused call\n");
    missed
}

fn measure(work: Work, sets: u32, latency: Duration) -> Figures {
    simulated(async {
        let world = World::new(CAPACITY, work.most_sets(sets), Limiter::Window);
        work.prepare(&world, sets);
        tokio::time::advance(Duration::from_mins(1)).await;
        world.answers_after(latency);
        world.aws.clear_log();
        let began = Instant::now();
        let arrivals: Arc<Mutex<Vec<f64>>> = Arc::default();
        let seen = Arc::clone(&arrivals);
        world.aws.on_call(move |aws: &Aws, call: &Call| {
            if call.phase == Phase::After && call.ok && call.operation.contains("Update")
                || call.operation.contains("CreateRuleGroup")
            {
                let count = in_force(aws).len();
                let mut seen = seen.lock().unwrap();
                let now = began.elapsed().as_secs_f64();
                while seen.len() < count {
                    seen.push(now);
                }
            }
        });
        let before = world.in_force().len();
        fastrand::seed(1);
        let document = world.process().apply().await;
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(document.outcome, Outcome::Changed, "{work:?} {sets}: {}", document.reason);
        let arrivals = arrivals.lock().unwrap();
        let new = arrivals.get(before..).unwrap_or_default();
        let at = |index: usize| new.get(index).copied().unwrap_or_default();
        let access = [at(new.len() / 2), at(new.len().saturating_sub(1))];
        Figures { seconds, access, refused: world.refused(), calls: world.calls() }
    })
}
