//! Writes the manual pages into a folder: `cargo run --example man -- FOLDER`. They are generated from the help of the
//! command line: `wafsync.1`, and a page for each command.

#![allow(clippy::print_stderr, reason = "a command-line program: it prints errors")]

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cargo run --example man -- FOLDER");
        return ExitCode::from(64);
    };
    let command = wafsync::cli::command().disable_help_subcommand(true);
    match std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command, &folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
