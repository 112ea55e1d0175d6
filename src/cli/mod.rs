//! The command line: from arguments and environment to a validated [`Invocation`], for people and for Lambda.
//!
//! Nothing here prints, exits, or reads the process: arguments and environment are parameters, and text to print comes
//! back as a [`Usage`].

mod approve;
mod args;
mod command;
mod convert;
mod environment;
mod invocation;
mod parse;
mod spelling;
#[cfg(test)]
mod tests;
mod values;

pub use clap_complete::Shell;

pub use self::command::{command, completions};
pub use self::invocation::{EXIT_USAGE, Invocation, Parsed, Question, Usage};
pub use self::parse::{is_digest, parse, settings_from_env};
