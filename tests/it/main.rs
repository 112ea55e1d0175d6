//! Tests that need a service: the library and the binary against the stand-in for AWS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "a test should stop at once"
)]

mod adoption;
mod aggregation;
mod alerts;
mod bad_answers;
mod basics;
mod binary;
mod check;
mod clock;
mod confirmation;
mod conflicts;
mod cronjob;
mod documents;
mod drift;
mod egress;
mod errors;
mod evidence;
mod explain;
mod exposition;
mod foreign;
mod foreign_text;
mod full_size;
mod growth;
mod guards;
mod html;
mod iam;
mod lambda;
mod limits;
mod log;
mod metrics;
mod migration;
mod network;
mod old_reads;
mod pace;
mod pages;
mod process;
mod readme;
mod relying;
mod rendered;
mod rotation;
mod rules;
mod running;
mod scanning;
mod secrecy;
mod several;
mod sources;
mod stopping;
mod template;
#[cfg(target_os = "linux")]
mod terminal;
mod watch;
mod world;
