//! Hosts: commands, the daemon, the Lambda function. Only results go to stdout; the log goes to stderr.
//!
//! A host decides nothing about a run: it gets settings, runs, and maps the outcome to an exit code.

mod approving;
mod clock;
mod commands;
pub mod http;
mod json;
pub mod lambda;
mod log;
mod panics;
mod process;
mod progress;
mod result;
mod screen;
pub mod session;
mod signals;
mod termination;
pub mod watch;

pub use self::process::main;
