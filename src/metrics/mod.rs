//! Metrics of a run: the same names and units in every host.
//!
//! All are gauges about the last run, because a process that runs once cannot count further. A value that a run does not
//! know has no sample, so that the previous run's value remains. No label ever holds text from the table, from WAF or from
//! an error. [`export`] does the I/O.

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
