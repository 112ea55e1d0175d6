//! The cost of safety over full IP sets, in writes and seconds: one change, aggregation, and splitting back.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use wafsync::model::limits::SET_CAPACITY;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::Limiter;

use crate::world::{World, simulated};

/// The number of IP sets, unless the command line has another one.
const SETS: u32 = 10;

/// The time that an answer takes.
const LATENCY: Duration = Duration::from_millis(30);

/// From the end of a run to the start of the next one, as with `cronjob.yaml`.
const APART: Duration = Duration::from_mins(5);

/// The most runs to split back.
const RUNS: usize = 200;

/// Prints the table. It has no target to miss, but stops if a run goes wrong.
pub(crate) fn run(sets: Option<u32>) {
    simulated(measure(sets.unwrap_or(SETS)));
}

async fn measure(sets: u32) {
    let capacity = u32::try_from(SET_CAPACITY).unwrap();
    let addresses = sets * capacity;
    let mut world = World::new(capacity, sets, Limiter::Window);
    (0..addresses).for_each(|number| world.put(number));
    world.preload(SET_CAPACITY);
    world.answers_after(LATENCY);
    fastrand::seed(1);
    println!("{addresses} addresses in {sets} IP sets\n");
    println!("| what | outcome | writes | bound | seconds | CIDRs in force | deferred | unplaced |");
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    one(&world, "nothing to do").await;

    world.put(addresses);
    world.delete(0);
    one(&world, "one address replaced by another").await;

    world.settings.table.aggregate = true;
    let outcome = one(&world, "`--aggregate` switched on").await;
    assert_eq!(outcome, Outcome::Changed);

    world.settings.table.aggregate = false;
    let began = Instant::now();
    for number in 1..=RUNS {
        match one(&world, &format!("splitting back, run {number}")).await {
            Outcome::Converged => break,
            Outcome::Changed | Outcome::Partial => {}
            other => panic!("{other:?}"),
        }
        assert!(number < RUNS, "still not split back");
    }
    println!("\nsplit back within {:.0} s, counting the pauses between runs\n", began.elapsed().as_secs_f64());
    let held: BTreeSet<String> = world.in_force().into_iter().collect();
    assert_eq!(held.len(), usize::try_from(addresses).unwrap(), "every address by itself");
}

/// A run of a process that knows nothing of the earlier ones.
async fn one(world: &World, what: &str) -> Outcome {
    tokio::time::advance(APART).await;
    let began = Instant::now();
    let document = world.process().apply().await;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "| {what} | {:?} | {} | {} | {seconds:.0} | {} | {} | {} |",
        document.outcome,
        document.writes.done,
        document.writes.minimum,
        document.current.ipv4,
        document.deferred.len(),
        document.unplaced.len(),
    );
    document.outcome
}
