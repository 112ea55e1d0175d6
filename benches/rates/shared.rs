//! Runs beside another client that wants half of the quota.

use std::time::Duration;

use tokio::time::Instant;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Habit, Limiter, Neighbor};

use crate::work::{CAPACITY, Quota, Work};
use crate::world::{REGION, World, simulated};

/// The maximum of the mean duration of a case's runs, as a multiple of their bound.
const MOST: f64 = 1.2;

/// The runs of each case. Each meets the other client at another moment.
const RUNS: u32 = 10;

/// The measurements of a run.
struct Figures {
    bound: f64,
    seconds: f64,
    /// Throttled calls, of all calls.
    refused: u32,
    calls: u32,
    /// What the other client had of the quota of the writes.
    other: f64,
}

/// Prints the table. Returns how many cases miss their target.
pub(crate) fn run() -> u32 {
    let mut missed = 0;
    println!("| IP sets | work | answers after | other client | bound | mean | ratio | worst | throttled | it had |");
    println!("|---:|---|---:|---|---:|---:|---:|---:|---:|---:|");
    for work in [Work::Update, Work::Mixed] {
        for sets in [1, 10, 50, 100] {
            for latency in [30, 200] {
                for habit in [Habit::Even, Habit::Patient, Habit::Bursts, Habit::ComesAndGoes] {
                    if work == Work::Mixed && sets == 1 {
                        continue;
                    }
                    missed += u32::from(!case(work, sets, Duration::from_millis(latency), habit));
                }
            }
        }
    }
    println!("{missed} above {MOST} times the bound\n");
    missed
}

/// Prints a line of the table. Returns whether the case meets its target.
fn case(work: Work, sets: u32, latency: Duration, habit: Habit) -> bool {
    let runs: Vec<Figures> = (0..RUNS).map(|run| measure(work, sets, latency, habit, run)).collect();
    let mean = |of: fn(&Figures) -> f64| runs.iter().map(of).sum::<f64>() / f64::from(RUNS);
    let (bound, seconds) = (mean(|figures| figures.bound), mean(|figures| figures.seconds));
    let worst = runs.iter().map(|figures| figures.seconds / figures.bound).fold(0.0, f64::max);
    let (refused, calls) = (mean(|figures| figures.refused.into()), mean(|figures| figures.calls.into()));
    let other = 100.0 * mean(|figures| figures.other);
    println!(
        "| {sets} | {work:?} | {latency:?} | {habit:?} | {bound:.1} s | {seconds:.1} s | {:.2} | {worst:.2} | \
         {refused:.1} of {calls:.0} | {other:.0} % |",
        seconds / bound,
    );
    seconds <= MOST * bound
}

fn measure(work: Work, sets: u32, latency: Duration, habit: Habit, run: u32) -> Figures {
    simulated(async {
        let world = World::new(CAPACITY, work.most_sets(sets), Limiter::Bucket);
        work.prepare(&world, sets);
        let neighbor = Neighbor::start(&world.aws, REGION, habit, run.into());
        // Until the other client is in its stride. This is simulated time.
        tokio::time::sleep(Duration::from_mins(1) + Duration::from_millis(1_370) * run).await;
        world.answers_after(latency);
        world.aws.clear_log();
        fastrand::seed(run.into());
        let write = if work == Work::Update { "UpdateIPSet" } else { "CreateIPSet" };
        let (began, before) = (Instant::now(), neighbor.admitted(write));
        let document = world.process().apply().await;
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(document.outcome, Outcome::Changed, "{work:?} {sets} {habit:?} {run}: {}", document.reason);
        let other = f64::from(u32::try_from(neighbor.admitted(write) - before).unwrap()) / seconds;
        let calls = u32::try_from(world.aws.log().len()).unwrap();
        let quota = if habit == Habit::ComesAndGoes { Quota::Left(&neighbor, began) } else { Quota::Half };
        Figures { bound: work.bound(sets, latency, quota), seconds, refused: world.refused(), calls, other }
    })
}
