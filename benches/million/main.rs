//! Compares whole runs over a million items with the AWS SDK alone, which reads the same pages and IP sets and discards
//! them: `cargo bench --bench million`. It prints times, their ratios and peak memory as Markdown.
//!
//! The stand-in runs in another process, without rate limits. The programs take turns, so a machine that slows down
//! affects all of them, and the ratio is what counts. `cargo bench --bench million -- ratios memory linear worst`
//! selects parts; the default is the first two. `MILLION_ITEMS` and `MILLION_ROUNDS` change the size, `MILLION_PROGRAM`
//! names another program to measure, such as a release, and `linear` writes its plot to `MILLION_PLOT`. Processor time is
//! that of all threads; it shows growth also on a machine that does other work.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench: it prints its figures")]

mod plot;
mod probe;
mod process;

use std::path::PathBuf;

use process::{Figures, StandIn, wafsync};

/// Runs at the full speed of the stand-in.
const PLAN: &str = "plan --table clusters --read-rate 1000";
const APPLY: &str = "apply --table clusters --read-rate 1000 --write-rate 1000 --settle 0s --max-removals 100%";

/// More IP sets than the tables need. The stand-in and wafsync have to agree on their number.
const ROOM: &str = "--max-ip-sets 1000";

/// As many IP sets as AWS allows, so that room is short.
const FULL: &str = "--max-ip-sets 100";

/// Exit codes of a run that wrote or planned something and needs no approval.
const FINE: &[i32] = &[0];

fn main() {
    // Cargo passes `--bench` to every bench.
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if parts == ["--drain"] {
        probe::drain();
        return;
    }
    process::build_stand_in();
    let has = |part: &str| parts.iter().any(|given| given == part);
    if parts.is_empty() || has("ratios") {
        ratios();
    }
    if parts.is_empty() || has("memory") {
        memory();
    }
    if has("linear") {
        linear();
    }
    if has("worst") {
        worst();
    }
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn items() -> u32 {
    number("MILLION_ITEMS", 1_000_000)
}

fn rounds() -> u32 {
    number("MILLION_ROUNDS", 5)
}

/// A table in force, with keys of 60 characters and one address per item.
fn in_force(items: u32, further: &str) -> StandIn {
    StandIn::start(&format!("--preload --key-length 60 {ROOM} --items {items} {further}"))
}

fn drain(server: &StandIn) -> Figures {
    server.run(&std::env::current_exe().unwrap(), "--drain", FINE)
}

fn plan(server: &StandIn) -> Figures {
    server.run(&wafsync(), &format!("{PLAN} {ROOM}"), FINE)
}

/// Wall time of a plan that finds nothing to do and of an apply that makes one change, compared with the SDK alone.
fn ratios() {
    let (items, rounds) = (items(), rounds());
    let [mut alone, mut plans, mut applies] = [(); 3].map(|()| Vec::new());
    let server = in_force(items, "");
    for _ in 0..rounds {
        alone.push(drain(&server));
        plans.push(plan(&server));
    }
    drop(server);
    for _ in 0..rounds {
        // The first run makes the change, so each run has a server of its own.
        let server = in_force(items, "--changed 1");
        alone.push(drain(&server));
        applies.push(server.run(&wafsync(), &format!("{APPLY} {ROOM}"), FINE));
    }
    let alone = Figures::median(&alone);
    println!("\n{items} items, medians of {rounds} rounds in turn");
    println!("\n| | wall | of the SDK alone | processor | of the SDK alone | peak memory |");
    println!("|---|---:|---:|---:|---:|---:|");
    let rows = [
        ("AWS SDK alone", alone),
        ("`plan`, nothing to do", Figures::median(&plans)),
        ("`apply`, one change (two scans)", Figures::median(&applies)),
    ];
    for (name, figures) in rows {
        println!("| {name} | {} |", compared(figures, alone));
    }
}

/// The columns of a table that compare a run with the SDK alone.
fn compared(run: Figures, alone: Figures) -> String {
    let Figures { seconds, processor, mebibytes } = run;
    let [wall, used] = [seconds / alone.seconds, processor / alone.processor];
    format!("{seconds:.2} s | {wall:.2} × | {processor:.2} s | {used:.2} × | {mebibytes:.0} MiB")
}

/// Peak memory of both commands, for different kinds of tables.
fn memory() {
    let items = items();
    let tenth = items / 10;
    let changed = items / 100;
    let cases = [
        ("nothing to do, keys of 60 characters", format!("--preload --key-length 60 --items {items}")),
        (
            "10,000 changes, keys of 60 characters",
            format!("--preload --key-length 60 --items {items} --changed {changed}"),
        ),
        (
            "10,000 changes, keys of 10 characters",
            format!("--preload --key-length 10 --items {items} --changed {changed}"),
        ),
        (
            "10,000 changes, random keys of 60 characters",
            format!("--preload --key-length 60 --random-keys --items {items} --changed {changed}"),
        ),
        (
            "10,000 changes, ten addresses per item",
            format!("--preload --key-length 60 --items {tenth} --addresses-per-item 10 --changed {}", changed / 10),
        ),
        ("first fill", format!("--key-length 60 --items {items}")),
    ];
    println!(
        "\n{items} addresses, peak memory\n\n| | `plan` | `apply` | `apply --output json` |\n|---|---:|---:|---:|"
    );
    for (name, arguments) in cases {
        let peak = |command: &str| {
            let server = StandIn::start(&format!("{ROOM} {arguments}"));
            server.run(&wafsync(), &format!("{command} {ROOM}"), FINE).mebibytes
        };
        let (plan, apply, json) = (peak(PLAN), peak(APPLY), peak(&format!("{APPLY} --output json")));
        println!("| {name} | {plan:.0} MiB | {apply:.0} MiB | {json:.0} MiB |");
    }
}

/// How time and memory grow with the number of items.
fn linear() {
    let sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 5_000_000];
    let (mut alone, mut plans) = (Vec::new(), Vec::new());
    println!("\n| items | SDK alone | `plan`, nothing to do | processor | a million items | peak memory |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for items in sizes {
        let server = in_force(items, "");
        let runs: Vec<(Figures, Figures)> = (0..rounds()).map(|_| (drain(&server), plan(&server))).collect();
        let (sdk, plan): (Vec<Figures>, Vec<Figures>) = runs.into_iter().unzip();
        let (sdk, plan) = (Figures::median(&sdk), Figures::median(&plan));
        let each = plan.processor * 1e6 / f64::from(items);
        println!(
            "| {items} | {:.2} s | {:.2} s | {:.2} s | {each:.2} s | {:.0} MiB |",
            sdk.seconds, plan.seconds, plan.processor, plan.mebibytes
        );
        alone.push((f64::from(items), sdk.seconds));
        plans.push((f64::from(items), plan.seconds));
    }
    let lines = [
        plot::Line { name: "AWS SDK alone", color: "#888", points: alone },
        plot::Line { name: "wafsync plan, nothing to do", color: "#06c", points: plans },
    ];
    let path = std::env::var_os("MILLION_PLOT").map_or_else(|| "docs/linear.svg".into(), PathBuf::from);
    std::fs::write(&path, plot::svg(&lines)).unwrap();
    println!("\nplot: {}", path.display());
}

/// The most expensive tables.
fn worst() {
    let items = items();
    // For each: its name, the table, a run that prepares WAF, and what the measured plan adds to its settings.
    let cases = [
        ("every item rejected", format!("--key-length 60 --items {items} --prefix 33"), "", ""),
        ("items of 400 KB", format!("--preload --items {} --item-bytes 400000", items / 400), "", ""),
        ("10,000 changes", format!("--preload --key-length 60 --items {items} --changed {}", items / 100), "", ""),
        ("100,000 changes", format!("--preload --key-length 60 --items {items} --changed {}", items / 10), "", ""),
        ("first fill", format!("--key-length 60 --items {items}"), "", ""),
        ("first fill, `--aggregate`", format!("--key-length 60 --items {items}"), "", "--aggregate"),
        ("`--aggregate` switched on", format!("--preload --key-length 60 --items {items}"), "", "--aggregate"),
        ("`--aggregate` switched off", format!("--preload --key-length 60 --items {items}"), "--aggregate", ""),
        (
            "`--aggregate` switched off, neighbors in different sets",
            format!("--preload --key-length 60 --random-keys --neighbors 2 --items {items}"),
            "--aggregate",
            "",
        ),
    ];
    println!("\n{items} addresses\n\n| | wall | of the SDK alone | processor | of the SDK alone | peak memory |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, arguments, prepared, further) in cases {
        let server = StandIn::start(&format!("{FULL} {arguments}"));
        if !prepared.is_empty() {
            server.run(&wafsync(), &format!("{APPLY} {FULL} {prepared}"), FINE);
        }
        let command = format!("{PLAN} {FULL} {further}");
        let runs: Vec<(Figures, Figures)> =
            (0..rounds()).map(|_| (drain(&server), server.run(&wafsync(), &command, FINE))).collect();
        let (alone, plan): (Vec<Figures>, Vec<Figures>) = runs.into_iter().unzip();
        println!("| {name} | {} |", compared(Figures::median(&plan), Figures::median(&alone)));
    }
}
