//! Faults, races and bad input: whatever goes wrong, at every call, no promise breaks.
//!
//! The real library and the real SDK run against the stand-in under a paused clock, with small limits. See `observer`
//! for what is watched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test code: whatever is wrong should stop the test at once, and the tables are to be seen"
)]

mod broken;
mod careless;
mod chance;
mod exhaustive;
mod faults;
mod fingerprint;
mod genesis;
mod moving;
mod observer;
mod ranges;
mod regressions;
mod richer;
#[path = "../it/running.rs"]
mod running;
mod scenarios;
mod seeds;
mod several;
mod snapshot;
mod tally;
mod watching;
mod world;
