//! The time from the start of a run until a new address is in force.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Call, Limiter, Phase};

use crate::world::{World, address, in_force, simulated};

/// The maximum, as a multiple of the lower bound.
const MOST: f64 = 1.05;

/// Addresses in an IP set.
const CAPACITY: u32 = 4;

/// When answers come.
const LATENCY: Duration = Duration::from_millis(30);

/// What the run has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// An address is new.
    Added,
    /// An address is new, and another one is gone. There is room in every IP set.
    AddedAndRemoved,
    /// An address is new, and another one is gone. All IP sets are full.
    Replaced,
}

/// What the process knows from earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Nothing: a scheduled job, or a function that was not warm.
    None,
    /// All: `watch`, or a warm function.
    Warm,
}

/// Prints the table. Returns how many cases miss their target.
pub(crate) fn run() -> u32 {
    let mut missed = 0;
    println!("| IP sets | change | memory | bound | in force after | ratio | run |");
    println!("|---:|---|---|---:|---:|---:|---:|");
    for change in [Change::Added, Change::AddedAndRemoved, Change::Replaced] {
        for sets in [1, 10, 100] {
            for memory in [Memory::None, Memory::Warm] {
                let (seconds, run) = measure(change, sets, memory);
                let bound = bound(change, sets, memory);
                let ratio = seconds / bound;
                println!(
                    "| {sets} | {change:?} | {memory:?} | {bound:.2} s | {seconds:.2} s | {ratio:.2} | {run:.1} s |"
                );
                missed += u32::from(ratio > MOST);
            }
        }
    }
    println!("{missed} above {MOST} times the bound\n");
    missed
}

/// Lower bound of the seconds until the address is in force.
///
/// The lists; unless they are known, the rule groups, and the IP sets, of which any may hold the address; the write. If
/// another address goes, the fewest writes are one, to the IP set that has it: `--settle`, the second scan, and the write.
fn bound(change: Change, sets: u32, memory: Memory) -> f64 {
    let answer = LATENCY.as_secs_f64();
    let read = match memory {
        Memory::None => answer + answer + f64::from((sets - 1) / 5) + answer,
        Memory::Warm => answer,
    };
    let settled = if change == Change::Added { 0.0 } else { 30.0 + answer };
    read.max(settled) + answer
}

/// The seconds until the address is in force, and those of the whole run.
fn measure(change: Change, sets: u32, memory: Memory) -> (f64, f64) {
    simulated(async {
        let world = World::new(CAPACITY, sets, Limiter::Window);
        let filled = if change == Change::Replaced { CAPACITY } else { CAPACITY / 2 };
        let there = filled * sets;
        for number in 0..there {
            world.put(number);
        }
        world.preload(usize::try_from(filled).unwrap());
        world.answers_after(LATENCY);
        fastrand::seed(1);
        let mut process = world.process();
        if memory == Memory::Warm {
            assert_eq!(process.apply().await.outcome, Outcome::Converged);
        }
        tokio::time::advance(Duration::from_mins(5)).await;
        world.put(there);
        if change != Change::Added {
            world.delete(0);
        }
        let wanted = address(there);
        let (began, arrival) = (Instant::now(), Arc::new(Mutex::new(None)));
        let seen = Arc::clone(&arrival);
        world.aws.on_call(move |aws: &Aws, call: &Call| {
            let mut seen = seen.lock().unwrap();
            if call.phase == Phase::After && call.operation == "UpdateIPSet" && seen.is_none() {
                *seen = in_force(aws).contains(&wanted).then(|| began.elapsed().as_secs_f64());
            }
        });
        let document = process.apply().await;
        let run = began.elapsed().as_secs_f64();
        assert_eq!(document.outcome, Outcome::Changed, "{change:?} {sets}: {}", document.reason);
        assert_eq!(world.refused(), 0, "{change:?} {sets}: {:?}", world.aws.violations());
        let seconds = arrival.lock().unwrap().unwrap();
        (seconds, run)
    })
}
