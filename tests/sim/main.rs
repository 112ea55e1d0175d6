//! Simulation of faults, races and bad input: at every call, no promise is broken.
//!
//! The real library and the real SDK run against the stand-in under a paused clock, with small limits. `observer`
//! describes what is checked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test code: an error should stop the test at once, and the tables are printed"
)]

mod careless;
mod chance;
mod defects;
mod exhaustive;
mod faults;
mod fingerprint;
mod genesis;
mod moving;
mod observer;
mod people;
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
