//! The processes: a command, a daemon, a Lambda function. Results alone go to stdout, talk goes to stderr.
//!
//! Whatever is decided is decided below: a host builds settings, calls a run, and maps its outcome to an exit code.

mod clock;
mod commands;
pub mod http;
pub mod lambda;
mod log;
mod process;
mod result;
pub mod session;
mod signals;
mod termination;
pub mod watch;

pub use self::process::main;
