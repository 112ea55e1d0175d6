//! One number makes a world and everything that goes wrong in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use wafsync::report::Document;
use wafsync_test_aws::{Fault, FaultKind, Phase, When};

use crate::chance::Chance;
use crate::world::{Process, World};

/// Seeds that every test run tries: as many as the table of faults has cells.
const SEEDS: u64 = 374;

/// One seed in so many is lived through a second time, by processes that live on between their runs.
const WARM: u64 = 7;

/// Which seeds to try instead: `FROM..TO`.
const VARIABLE: &str = "WAFSYNC_SEEDS";

/// Operations of which one is struck in every world.
pub(crate) const OPERATIONS: [&str; 11] = [
    "Scan",
    "ListIPSets",
    "GetIPSet",
    "ListRuleGroups",
    "GetRuleGroup",
    "ListWebACLs",
    "GetWebACL",
    "CreateIPSet",
    "UpdateIPSet",
    "CreateRuleGroup",
    "UpdateRuleGroup",
];

/// What happened how often.
#[derive(Default)]
pub(crate) struct Tally {
    /// By fault, operation and whether it struck after the effect.
    faults: BTreeMap<(String, String, bool), usize>,
    branches: BTreeMap<&'static str, usize>,
}

/// The branches of a run that the seeds have to reach.
const BRANCHES: [&str; 17] = [
    "adoption",
    "aggregation",
    "approved",
    "blocked",
    "changed",
    "converged",
    "deferred",
    "drift",
    "failed",
    "held",
    "killed",
    "partial",
    "planned again",
    "rejections",
    "several at once",
    "unenforced",
    "unwired leftovers",
];

pub(crate) fn kinds() -> Vec<(&'static str, FaultKind)> {
    vec![
        ("throttled", FaultKind::Throttled),
        ("internal error", FaultKind::InternalError),
        ("unavailable 503", FaultKind::Unavailable503),
        ("connection lost", FaultKind::ConnectionLost),
        ("truncated", FaultKind::Truncated),
        ("slow", FaultKind::Slow(Duration::from_secs(5))),
        ("access denied", FaultKind::AccessDenied),
        ("expired token", FaultKind::ExpiredToken),
        ("unknown client", FaultKind::UnrecognizedClient),
        ("lock conflict", FaultKind::OptimisticLock),
        ("unavailable entity", FaultKind::UnavailableEntity),
        ("no such item", FaultKind::NonexistentItem),
        ("duplicate", FaultKind::DuplicateItem),
        ("quota", FaultKind::LimitsExceeded),
        ("invalid parameter", FaultKind::InvalidParameter),
        ("throughput exceeded", FaultKind::ProvisionedThroughputExceeded),
        ("never", FaultKind::Never),
    ]
}

impl Tally {
    fn took(&mut self, branch: &'static str) {
        *self.branches.entry(branch).or_default() += 1;
    }

    fn ended(&mut self, run: &Document, process: &Process) {
        let guard = run.guard.verdict;
        for (branch, taken) in [
            ("adoption", !process.settings.waf.adopt.is_empty() && run.writes.done > 0),
            ("aggregation", process.settings.table.aggregate && run.writes.done > 0),
            ("approved", guard == "approved"),
            ("deferred", !run.deferred.is_empty()),
            ("drift", !run.drift.is_empty()),
            ("rejections", !run.table.rejections.is_empty()),
        ] {
            if taken {
                self.took(branch);
            }
        }
        let outcome = run.outcome.to_string();
        if let Some(branch) = BRANCHES.into_iter().find(|branch| *branch == outcome) {
            self.took(branch);
        }
    }

    fn struck(&mut self, world: &World) {
        for attempt in world.aws.log() {
            let Some((when, kind)) = attempt.fault else { continue };
            let name = kinds().into_iter().find(|(_, known)| matches_kind(known, &kind)).map_or("?", |(name, _)| name);
            *self.faults.entry((name.to_owned(), attempt.operation, when == When::After)).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        for (cell, count) in other.faults {
            *self.faults.entry(cell).or_default() += count;
        }
        for (branch, count) in other.branches {
            *self.branches.entry(branch).or_default() += count;
        }
    }

    fn count(&self, kind: &str, operation: &str, after: bool) -> usize {
        self.faults.get(&(kind.to_owned(), operation.to_owned(), after)).copied().unwrap_or_default()
    }

    /// Both tables as text: faults before / after the effect by operation, and branches.
    fn table(&self) -> String {
        let mut text = format!("{:20}", "");
        for operation in OPERATIONS {
            let _ = write!(text, "{operation:>16}");
        }
        text.push('\n');
        for (kind, _) in kinds() {
            let _ = write!(text, "{kind:20}");
            for operation in OPERATIONS {
                let cell = format!("{}/{}", self.count(kind, operation, false), self.count(kind, operation, true));
                let _ = write!(text, "{cell:>16}");
            }
            text.push('\n');
        }
        for (branch, count) in &self.branches {
            let _ = writeln!(text, "{branch:20}{count:>8}");
        }
        text
    }

    /// Cells and branches that were never reached.
    fn empty(&self) -> Vec<String> {
        let mut empty = Vec::new();
        for (kind, _) in kinds() {
            for operation in OPERATIONS {
                for after in [false, true] {
                    if self.count(kind, operation, after) == 0 {
                        empty.push(format!("{kind} {operation} {}", if after { "after" } else { "before" }));
                    }
                }
            }
        }
        empty.extend(BRANCHES.iter().filter(|branch| !self.branches.contains_key(*branch)).map(|b| (*b).to_owned()));
        empty
    }
}

fn matches_kind(a: &FaultKind, b: &FaultKind) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// The cell of the table that a seed is sure to try to fill: fault, operation and when.
fn cell(seed: u64) -> (FaultKind, &'static str, When) {
    let (kinds, mut cell) = (kinds(), usize::try_from(seed).unwrap());
    let operation = OPERATIONS[cell % OPERATIONS.len()];
    cell /= OPERATIONS.len();
    let when = if cell.is_multiple_of(2) { When::Before } else { When::After };
    cell /= 2;
    (kinds[cell % kinds.len()].1.clone(), operation, when)
}

/// Makes the world of a seed, lets everything happen in it, and answers its history and what was reached.
async fn live(seed: u64, lives_on: bool) -> (String, Tally) {
    let mut chance = Chance::new(seed);
    let mut tally = Tally::default();
    let (struck, operation, when) = cell(seed);
    let mut world = crate::genesis::world(&mut chance, operation, &mut |branch| tally.took(branch)).await;
    world.warm = lives_on.then(Mutex::default);
    world.later().await;
    world.aws.clear_log();

    // The first run meets the seed's own fault for sure; further ones come on top of that later.
    world.aws.fail(Fault {
        operation: Some(operation.to_owned()),
        target: None,
        skip: 0,
        times: 1,
        when,
        kind: struck,
    });
    crate::genesis::meddle(&world, &mut chance);

    let several = if chance.one_in(5) { 2 + chance.below(2) } else { 1 };
    if several > 1 {
        tally.took("several at once");
    }
    for round in 0..2 + chance.below(2) {
        let processes: Vec<Process> = (0..several)
            .map(
                |number| {
                    if round == 0 { calm(&world, &mut chance, number) } else { hurry(&world, &mut chance, number) }
                },
            )
            .collect();
        let runs = join_all(processes.iter().map(|process| world.apply(process))).await;
        for (run, process) in runs.iter().zip(&processes) {
            tally.ended(run, process);
            if several == 1 && rounds(&world) > 1 {
                tally.took("planned again");
            }
        }
        world.sound();
        world.later().await;
        if chance.one_in(8) {
            let after = Duration::from_millis(50 * chance.draw_below(200));
            tally.took("killed");
            world.killed(&hurry(&world, &mut chance, 0), tokio::time::sleep(after)).await;
            world.sound();
            world.later().await;
        }
        for _ in 0..chance.below(4) {
            world.aws.fail(crate::genesis::fault(&mut chance));
        }
        if chance.one_in(3) {
            crate::genesis::meddle(&world, &mut chance);
        }
    }
    tally.struck(&world);
    world.converges_with(&mut |run, process| tally.ended(run, process)).await;
    (world.history(), tally)
}

/// How often WAF was listed before something was written.
fn rounds(world: &World) -> usize {
    let log = world.aws.log();
    let newest_write = log.iter().rposition(|attempt| attempt.request.get("Addresses").is_some()).unwrap_or_default();
    log.iter().take(newest_write).filter(|attempt| attempt.operation == "ListIPSets").count()
}

/// A run that has all the time it needs.
fn calm(world: &World, chance: &mut Chance, number: usize) -> Process {
    Process { luck: chance.draw(), ..world.process(&format!("run{number}")) }
}

/// A run that may have little time, or be asked to stop.
fn hurry(world: &World, chance: &mut Chance, number: usize) -> Process {
    let mut process = calm(world, chance, number);
    if chance.one_in(8) {
        process.settings.run.deadline = Duration::from_millis(1000 + 100 * chance.draw_below(150));
    }
    if chance.one_in(8) {
        let (signal, at, mut calls) = (process.signal.clone(), chance.below(25), 0);
        world.aws.on_call(move |_, call| {
            if call.phase == Phase::Before {
                if calls == at {
                    signal.raise();
                }
                calls += 1;
            }
        });
    }
    process
}

/// Runs one seed in a runtime of its own, so that nothing of one reaches another.
pub(crate) fn relive(seed: u64) -> (String, Tally) {
    relive_as(seed, false)
}

/// The same; where processes live on, as with `watch` and in a warm Lambda, each remembers what it has read.
fn relive_as(seed: u64, lives_on: bool) -> (String, Tally) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        match AssertUnwindSafe(live(seed, lives_on)).catch_unwind().await {
            Ok(lived) => lived,
            Err(panic) => {
                println!(
                    "seed {seed} failed; to see it again: {VARIABLE}={seed}..{} cargo test --test sim no_seed -- \
                     --nocapture",
                    seed + 1
                );
                std::panic::resume_unwind(panic);
            }
        }
    })
}

/// The seeds of the environment, or those that every test run tries.
fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var(VARIABLE) else { return 0..SEEDS };
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is FROM..TO, not {range}"));
    let (from, to) = range.split_once("..").unwrap_or_else(|| panic!("{VARIABLE} is FROM..TO, not {range}"));
    parse(from)..parse(to)
}

#[test]
fn no_seed_breaks_a_promise_and_every_branch_is_reached() {
    let seeds = seeds();
    let fixed = seeds == (0..SEEDS);
    let halves = [0, 1].map(|half| {
        let seeds = seeds.clone().filter(move |seed| seed % 2 == half);
        std::thread::spawn(move || {
            let (mut tally, mut failed) = (Tally::default(), Vec::new());
            for seed in seeds {
                // Some of them once more with processes that live on.
                for lives_on in if seed % WARM == 0 { vec![false, true] } else { vec![false] } {
                    match std::panic::catch_unwind(|| relive_as(seed, lives_on)) {
                        Ok((_, reached)) => tally.add(reached),
                        Err(_) => failed.push(seed),
                    }
                }
            }
            (tally, failed)
        })
    });
    let (mut tally, mut failed) = (Tally::default(), Vec::new());
    for half in halves {
        let (reached, broken) = half.join().unwrap();
        tally.add(reached);
        failed.extend(broken);
    }
    failed.sort_unstable();
    println!("seeds {seeds:?}: faults before / after their effect, and branches\n{}", tally.table());
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
    if fixed {
        assert_eq!(tally.empty(), Vec::<String>::new(), "never reached");
    }
}

#[test]
fn a_write_that_hung_and_was_sent_anew_in_the_next_round_counts_once() {
    relive(1141);
    relive(2063);
}

#[test]
fn a_set_that_could_not_be_created_is_not_forgotten_while_a_rule_group_waits() {
    relive(1349);
}

#[test]
fn a_second_scan_keeps_its_distance_from_a_first_one_that_was_held_up() {
    relive(3204);
}

#[test]
fn what_a_run_added_in_an_earlier_round_replaces_nothing_yet() {
    relive(3035);
    relive(3343);
}

#[test]
fn what_a_run_added_in_an_earlier_round_makes_no_copy_elsewhere_worth_more() {
    relive(4464);
}

#[test]
fn an_edit_at_the_first_call_of_a_run_whose_reads_lag_need_not_show_in_it() {
    relive_as(4466, true);
    relive(7735);
}

#[test]
fn a_call_that_is_held_up_does_not_turn_the_observers_clock_back() {
    relive(7595);
}

#[test]
fn of_a_write_that_hangs_and_that_another_run_makes_nobody_can_say_whose_it_was() {
    relive(6673);
}

#[test]
fn a_leftover_that_one_run_wires_while_another_strips_it_is_back_after_the_next_run() {
    relive(2640);
    relive(791);
    relive(10170);
}

#[test]
fn a_process_that_lives_on_reads_less() {
    let reads = |lives_on| relive_as(WARM, lives_on).0.matches(" GetIPSet ").count();
    assert!(reads(true) < reads(false));
}

#[test]
fn the_same_seed_is_the_same_history_byte_for_byte() {
    for seed in [1, 7, 12, 40, 101] {
        let (first, second) = (relive(seed).0, relive(seed).0);
        assert!(first == second, "seed {seed}:\n{first}\n{second}");
    }
}
