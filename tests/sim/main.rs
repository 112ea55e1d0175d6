//! Faults, races and bad input: whatever goes wrong, at every call, no promise breaks.
//!
//! The real library and the real SDK run against the stand-in under a paused clock, with small limits. See `observer`
//! for what is watched.

mod chance;
mod exhaustive;
mod genesis;
mod moving;
mod observer;
mod ranges;
mod seeds;
mod several;
mod snapshot;
mod world;
