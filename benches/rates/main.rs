//! Measures how long a run takes at AWS's rates, compared with the minimum that the rates allow: `cargo bench --bench
//! rates`.
//!
//! The stand-in enforces the rates by a simulated clock, which jumps from one event to the next, so the figures are the
//! same on every machine. The bench fails if a run takes too long, if AWS throttles a call although there is no other
//! caller, or if a run beside another client takes too long for what that one leaves. `cargo bench --bench rates -- alone
//! shared access` selects parts; the default is these three. `safety` measures what safety costs over ten full IP sets,
//! `safety 100` over a hundred.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]
#![allow(clippy::print_stdout, reason = "a bench: it prints its figures")]

mod access;
mod alone;
mod safety;
mod shared;
mod work;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo passes `--bench` to every bench.
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let wants = |part: &str| parts.iter().any(|given| given == part);
    let sets = parts.iter().find_map(|given| given.parse().ok()).filter(|_| wants("safety"));
    let known = |part: &String| ["alone", "shared", "access", "safety"].contains(&part.as_str());
    assert_eq!(
        parts.iter().filter(|part| !known(part)).count(),
        usize::from(sets.is_some()),
        "unknown part: {parts:?}"
    );
    let mut missed = 0;
    for (part, run) in [("alone", alone::run as fn() -> u32), ("shared", shared::run), ("access", access::run)] {
        if parts.is_empty() || wants(part) {
            missed += run();
        }
    }
    if wants("safety") {
        safety::run(sets);
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
