//! Worlds and all of their faults, each created from one number.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::Instant;
use wafsync::report::Document;
use wafsync_test_aws::{Fault, FaultKind, Phase, When};

use crate::careless::Careless;
use crate::chance::Chance;
use crate::faults::{KINDS_AT_FIRST, OPERATIONS, kinds};
use crate::genesis;
use crate::people;
use crate::richer;
use crate::tally::{NO_DIGEST, Tally, cells};
use crate::world::{Process, World};

/// The number of seeds of every test run: as many as the table of faults has cells, and a few more.
const SEEDS: u64 = 500;

/// One seed in this many runs a second time, with long-running processes.
const WARM: u64 = 7;

/// Additional worlds to try for an empty cell of the table of faults.
const TURNS: usize = 12;

/// The variable with other seeds to try: `FROM..TO`.
const VARIABLE: &str = "WAFSYNC_SEEDS";

/// Separates the random source of later additions from that of the first worlds.
const FURTHER: u64 = 0x005e_ed0f_fade;

/// The generation of a world. A seed gives another world in each, so a named seed keeps the generation in which it
/// failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// Without edits of rules, without wrong digests, and with fewer kinds of faults.
    First,
    /// Adds these.
    Second,
    /// Adds everything in `richer`.
    Third,
    /// Adds rules that count and label, long-running processes with an approval, and calls of `explain` and `check`.
    Fourth,
    /// Adds `--max-additions` and `--min-addresses`.
    Fifth,
    /// Adds `--max-additions` as a percentage.
    Sixth,
    /// Adds everything in `people`.
    Seventh,
}

impl Generation {
    pub(crate) const NEWEST: Self = Self::Seventh;
}

/// Separates the random source of the third generation's additions.
const RICHER: u64 = 0x0071_1c4e_7000;

/// Separates the random source of the fourth generation's additions.
const RICHEST: u64 = 0x00f0_0724_0000;

/// Separates the random source of the fifth generation's additions.
const LIMITED: u64 = 0x0011_3172_d000;

/// Separates the random source of the sixth generation's additions.
const SHARES: u64 = 0x0054_a2e5_0000;

/// Separates the random source of the seventh generation's additions.
const PEOPLE: u64 = 0x009e_0971_e000;

/// How a world is created.
#[derive(Clone, Copy, Debug)]
struct Lot {
    seed: u64,
    /// Processes run on, as with `watch` and in a warm Lambda, and each keeps its cache of reads.
    lives_on: bool,
    generation: Generation,
    /// The defect of the program.
    careless: Option<Careless>,
}

impl Lot {
    /// The fault that a seed injects in any case, with its operation and time.
    fn cell(self) -> (FaultKind, &'static str, When) {
        let mut cell = usize::try_from(self.seed).unwrap();
        if self.generation > Generation::First {
            let cells = cells();
            return cells[cell % cells.len()].clone();
        }
        let operation = OPERATIONS[cell % OPERATIONS.len()];
        cell /= OPERATIONS.len();
        let when = if cell.is_multiple_of(2) { When::Before } else { When::After };
        cell /= 2;
        (kinds()[cell % KINDS_AT_FIRST].1.clone(), operation, when)
    }
}

/// Creates the world of a seed, runs everything in it, and returns it with its tally.
async fn live(lot: Lot) -> (World, Tally) {
    let mut chance = Chance::new(lot.seed);
    let mut further = (lot.generation > Generation::First).then(|| Chance::new(lot.seed ^ FURTHER));
    let mut tally = Tally::default();
    let (struck, operation, when) = lot.cell();
    let mut richer = (lot.generation >= Generation::Third).then(|| Chance::new(lot.seed ^ RICHER));
    let mut richest = (lot.generation >= Generation::Fourth).then(|| Chance::new(lot.seed ^ RICHEST));
    let (mut world, propagation) =
        genesis::world(&mut chance, operation, lot.careless, richer.as_mut(), richest.as_mut()).await;
    let mut limited = (lot.generation >= Generation::Fifth).then(|| Chance::new(lot.seed ^ LIMITED));
    let mut shares = (lot.generation >= Generation::Sixth).then(|| Chance::new(lot.seed ^ SHARES));
    if let Some(limited) = &mut limited {
        richer::limits(&mut world, limited, shares.as_mut());
    }
    let mut people = (lot.generation >= Generation::Seventh).then(|| Chance::new(lot.seed ^ PEOPLE));
    if let Some(people) = &mut people {
        people::attach(&mut world, people);
    }
    if lot.generation >= Generation::Fourth {
        world.sessions = lot.lives_on.then(Mutex::default);
    } else {
        world.warm = lot.lives_on.then(Mutex::default);
    }
    world.later().await;
    world.aws.clear_log();

    // The first run is certain to get the seed's own fault. More faults are added later.
    world.aws.fail(Fault {
        operation: Some(operation.to_owned()),
        target: None,
        skip: 0,
        times: 1,
        when,
        kind: struck,
    });
    genesis::interfere(&world, &mut chance);
    if let Some(richer) = &mut richer {
        richer::reads(&world, richer);
        richer::hands(&world, richer);
    }
    if let Some(people) = &mut people {
        people::hands(&world, people);
    }

    let several = if chance.one_in(5) { 2 + chance.below(2) } else { 1 };
    let mut digests = Vec::new();
    for round in 0..2 + chance.below(2) {
        let mut processes: Vec<Process> = (0..several)
            .map(
                |number| {
                    if round == 0 { calm(&world, &mut chance, number) } else { hurry(&world, &mut chance, number) }
                },
            )
            .collect();
        if let Some(further) = further.as_mut().filter(|_| round > 0) {
            add_trouble(&world, &mut processes, &digests, further);
        }
        let (from, began) = (world.aws.log().len(), Instant::now());
        let start = world.aws.log().last().map(|call| call.at);
        let runs = run_together(&world, &processes, richer.as_mut()).await;
        for (run, process) in runs.iter().zip(&processes) {
            tally.ended(run, process);
            digests.extend(run.digest.clone());
        }
        let calls = world.aws.log().split_off(from);
        if let (1, Some(first)) = (several, calls.first()) {
            debug_assert!(start.is_none_or(|start| start <= first.at), "the log is sorted");
            tally.cut(&calls, first.at, processes[0].settings.run.deadline, first.at + began.elapsed());
        }
        tally.together(&calls);
        world.assert_sound();
        world.later().await;
        if chance.one_in(8) {
            tally.took("killed");
            run_and_kill(&world, &mut chance, people.as_mut()).await;
        }
        if let Some(people) = &mut people {
            people::hands(&world, people);
        }
        between_rounds(&mut world, richer.as_mut(), richest.as_mut(), (limited.as_mut(), shares.as_mut())).await;
        for _ in 0..chance.below(4) {
            world.aws.fail(genesis::fault(&mut chance, lot.generation));
        }
        if chance.one_in(3) {
            genesis::interfere(&world, &mut chance);
        }
    }
    tally.struck(&world, propagation);
    if let Some(richest) = &mut richest {
        ask_at_rest(&world, richest).await;
    }
    world.converges_with(&mut |run, process| tally.ended(run, process)).await;
    tally.did(&world.lived.lock().unwrap());
    (world, tally)
}

/// Runs these processes, which begin a little apart.
async fn run_together(world: &World, processes: &[Process], mut richer: Option<&mut Chance>) -> Vec<Document> {
    let mut apart = Duration::ZERO;
    let starts: Vec<(Duration, &Process)> = processes
        .iter()
        .map(|process| {
            let start = apart;
            apart += richer.as_mut().map_or(Duration::ZERO, |richer| richer::apart(richer));
            (start, process)
        })
        .collect();
    let runs = starts.into_iter().map(async |(start, process)| {
        if !start.is_zero() {
            tokio::time::sleep(start).await;
        }
        world.apply(process).await
    });
    join_all(runs).await
}

/// Kills a run. Sometimes its writes are still under way when the next one begins.
async fn run_and_kill(world: &World, chance: &mut Chance, mut people: Option<&mut Chance>) {
    let after = Duration::from_millis(50 * chance.draw_below(200));
    let is_followed = people.as_mut().is_some_and(|people| people.one_in(2));
    let mut followed = people.filter(|_| is_followed);
    if let Some(people) = &mut followed {
        people::late_writes(world, people);
    }
    world.killed(&hurry(world, chance, 0), tokio::time::sleep(after)).await;
    world.assert_sound();
    match followed {
        Some(people) => people::soon(people).await,
        None => world.later().await,
    }
}

/// Changes between two rounds of runs.
async fn between_rounds(
    world: &mut World,
    richer: Option<&mut Chance>,
    mut richest: Option<&mut Chance>,
    (limited, shares): (Option<&mut Chance>, Option<&mut Chance>),
) {
    if let Some(richer) = richer {
        richer::change_settings(world, richer, richest.as_deref_mut());
        richer::expiries(&world.aws, &world.observer, richer);
        richer::reads(world, richer);
        if richer.one_in(3) {
            richer::hands(world, richer);
        }
    }
    if let Some(richest) = richest
        && richest.one_in(3)
    {
        world.later().await;
        world.asks(&genesis::addresses(richest)).await;
    }
    if let Some(limited) = limited
        && limited.one_in(4)
    {
        richer::limits(world, limited, shares);
    }
}

/// Asks `explain` and `check` once all interference has ended, in any state of WAF.
async fn ask_at_rest(world: &World, chance: &mut Chance) {
    world.aws.clear_faults();
    world.calm.store(true, Ordering::Relaxed);
    world.later().await;
    world.asks(&genesis::addresses(chance)).await;
    world.assert_sound();
}

/// Adds more trouble before the later runs: an edit of the rules, a digest of another plan, a call that hangs until the
/// deadline.
fn add_trouble(world: &World, processes: &mut [Process], digests: &[String], chance: &mut Chance) {
    if chance.one_in(5) {
        genesis::edit_rules(world, chance);
    }
    for process in processes.iter_mut() {
        process.settings.guards.approve = match chance.below(8) {
            0 | 1 => Some(NO_DIGEST.to_owned()),
            2 if !digests.is_empty() => Some(chance.pick(digests).clone()),
            _ => None,
        };
    }
    if chance.one_in(8) {
        let kind = if chance.one_in(2) { FaultKind::Never } else { FaultKind::Slow(Duration::from_secs(40)) };
        let when = if chance.one_in(2) { When::Before } else { When::After };
        world.aws.fail(Fault { operation: None, target: None, skip: chance.below(12), times: 1, when, kind });
        for process in processes {
            process.settings.run.deadline = Duration::from_secs(3 + chance.draw_below(9));
            process.hurried = true;
        }
    }
}

/// A run with enough time.
fn calm(world: &World, chance: &mut Chance, number: usize) -> Process {
    Process { seed: chance.draw(), ..world.process(&format!("run{number}")) }
}

/// A run that may have little time, or be stopped by a signal.
fn hurry(world: &World, chance: &mut Chance, number: usize) -> Process {
    let mut process = calm(world, chance, number);
    if chance.one_in(8) {
        process.hurried = true;
        process.settings.run.deadline = Duration::from_millis(1000 + 100 * chance.draw_below(150));
    }
    if chance.one_in(8) {
        process.hurried = true;
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

/// Runs a seed with a defect, in a separate runtime, so that seeds do not affect each other.
pub(crate) fn run_seed_with_defect(seed: u64, careless: Careless) {
    let generation = if careless.is_about_limits() { Generation::NEWEST } else { Generation::Third };
    run_alone(Lot { seed, lives_on: false, generation, careless: Some(careless) });
}

/// Runs a seed in the world of this generation.
pub(crate) fn run_seed(generation: Generation, seed: u64, lives_on: bool) -> World {
    run_alone(Lot { seed, lives_on, generation, careless: None }).0
}

fn run_alone(lot: Lot) -> (World, Tally) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        match AssertUnwindSafe(live(lot)).catch_unwind().await {
            Ok(lived) => lived,
            Err(panic) => {
                let Lot { seed, .. } = lot;
                println!(
                    "seed {seed} failed; to replay it: {VARIABLE}={seed}..{} cargo test --test sim no_seed -- \
                     --nocapture",
                    seed + 1
                );
                std::panic::resume_unwind(panic);
            }
        }
    })
}

/// The seeds in the environment, or the default ones.
fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var(VARIABLE) else { return 0..SEEDS };
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is FROM..TO, not {range}"));
    let (from, to) = range.split_once("..").unwrap_or_else(|| panic!("{VARIABLE} is FROM..TO, not {range}"));
    parse(from)..parse(to)
}

#[test]
fn no_seed_breaks_a_promise_and_every_branch_is_reached() {
    let seeds = seeds();
    let has_default_seeds = seeds.start == 0 && seeds.end >= SEEDS;
    let halves = [0, 1].map(|half| {
        let seeds = seeds.clone().filter(move |seed| seed % 2 == half);
        std::thread::spawn(move || {
            let (mut tally, mut failed) = (Tally::default(), Vec::new());
            for seed in seeds {
                // Some of them again, with long-running processes.
                for lives_on in if seed % WARM == 0 { vec![false, true] } else { vec![false] } {
                    let lot = Lot { seed, lives_on, generation: Generation::NEWEST, careless: None };
                    match std::panic::catch_unwind(|| run_alone(lot)) {
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
    // Worlds in which the call with the seed's fault did not occur, or had no effect: try another world for the same
    // cell.
    for cell in if has_default_seeds { tally.empty_cells() } else { Vec::new() } {
        let more = (1..=TURNS).map(|turn| (cell + turn * cells().len()) as u64);
        for seed in more {
            let lot = Lot { seed, lives_on: false, generation: Generation::NEWEST, careless: None };
            match std::panic::catch_unwind(|| run_alone(lot)) {
                Ok((_, reached)) => tally.add(reached),
                Err(_) => failed.push(seed),
            }
            if !tally.empty_cells().contains(&cell) {
                break;
            }
        }
    }
    failed.sort_unstable();
    println!("seeds {seeds:?}: faults before / after their effect, and branches\n{}", tally.table());
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
    if has_default_seeds {
        assert_eq!(tally.empty(), Vec::<String>::new(), "never reached");
    }
}

#[test]
fn a_long_running_process_reads_less() {
    let reads = |lives_on| run_seed(Generation::First, WARM, lives_on).history().matches(" GetIPSet ").count();
    assert!(reads(true) < reads(false));
}

#[test]
fn the_same_seed_gives_the_same_history_byte_for_byte() {
    for (seed, lives_on) in [(1, false), (12, false), (40, true), (101, false), (222, false), (333, true)] {
        let trace = || run_alone(Lot { seed, lives_on, generation: Generation::NEWEST, careless: None }).0.trace();
        let (first, second) = (trace(), trace());
        assert!(first == second, "seed {seed}:\n{first}\n{second}");
    }
}
