//! What a run says in numbers: one set of names and units in every host.
//!
//! All are gauges about the last run, for a process that runs once can count no further than that. What a run did not
//! get to know has no sample, so that the value of the run before it stands. No label ever holds text from the table,
//! from WAF or from an error. [`export`] does the talking.

pub mod cloudwatch;
pub mod export;
pub mod health;
mod names;
pub mod prometheus;
mod samples;
#[cfg(test)]
mod tests;

pub use self::names::{METRICS, Metric, Unit};
pub use self::samples::{Facts, Sample, not_begun, samples};
