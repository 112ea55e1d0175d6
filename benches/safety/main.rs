//! Measures what safety costs over full IP sets at AWS's rates, in writes and in simulated time: `cargo bench --bench
//! safety`. A number after `--` is the number of IP sets instead of ten: a hundred hold a million addresses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]
#![allow(clippy::print_stdout, reason = "a bench: it prints its figures")]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use wafsync::model::limits::SET_CAPACITY;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::Config;
use world::{REGION, TABLE, World};

/// IP sets, unless the command line says otherwise.
const SETS: u32 = 10;

/// The time that an answer takes.
const LATENCY: Duration = Duration::from_millis(30);

/// From the end of a run to the start of the next one, as with `cronjob.yaml`.
const APART: Duration = Duration::from_mins(5);

/// The most runs to split back.
const RUNS: usize = 200;

fn main() {
    let sets = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(SETS);
    world::runtime().block_on(measure(sets));
}

/// Prints a line for each run.
async fn measure(sets: u32) {
    let capacity = u32::try_from(SET_CAPACITY).unwrap();
    let addresses = sets * capacity;
    let mut world = World::new(Config::default(), &[format!("--max-ip-sets={sets}")]);
    (0..addresses).for_each(|number| world.item(number));
    world.aws.preload(REGION, TABLE, "wafsync", usize::try_from(sets).unwrap());
    world.answers_after(LATENCY);
    println!("{addresses} addresses in {sets} IP sets\n");
    println!("| what | outcome | writes | needed | seconds | CIDRs in force | deferred | unplaced |");
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    run(&world, "nothing to do").await;

    world.item(addresses);
    world.aws.delete_item(TABLE, "c0");
    run(&world, "one address replaced by another").await;

    world.settings.table.aggregate = true;
    let outcome = run(&world, "aggregation switched on").await;
    assert_eq!(outcome, Outcome::Changed);

    world.settings.table.aggregate = false;
    let began = Instant::now();
    for number in 1..=RUNS {
        match run(&world, &format!("splitting back, run {number}")).await {
            Outcome::Converged => break,
            Outcome::Changed | Outcome::Partial => {}
            other => panic!("{other:?}"),
        }
        assert!(number < RUNS, "still not split back");
    }
    println!("\nsplit back within {:.0} s, counting the pauses between runs", began.elapsed().as_secs_f64());
    let held: BTreeSet<String> = world.aws.ip_sets().into_iter().flat_map(|set| set.addresses).collect();
    assert_eq!(held.len(), usize::try_from(addresses).unwrap(), "every address by itself");
}

async fn run(world: &World, what: &str) -> Outcome {
    tokio::time::advance(APART).await;
    world.aws.clear_log();
    let began = Instant::now();
    let document = world.apply().await;
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
