//! The command line as clap defines it.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args;
use super::environment::variable;

/// The completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "wafsync", &mut script);
    script
}

/// The command line, with each setting's variable and default in its help.
#[must_use]
pub fn command() -> clap::Command {
    args::Cli::command().mut_subcommands(|command| command.mut_args(with_variable_and_default))
}

/// Clap's own support for variables would read the environment of the process.
fn with_variable_and_default(arg: clap::Arg) -> clap::Arg {
    let (Some(flag), Some(short)) = (arg.get_long(), arg.get_help()) else { return arg };
    let default = arg.get_default_values().first().map(|value| format!("[default: {}]", value.to_string_lossy()));
    let variable = variable(flag).map(|variable| format!("[env: {variable}]"));
    let hide_default = default.is_some();
    let long = arg.get_long_help().unwrap_or(short).to_string();
    let notes = [default.clone(), variable].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let short = [Some(short.to_string()), default].into_iter().flatten().collect::<Vec<_>>().join(" ");
    arg.help(short).long_help(format!("{long}\n\n{notes}")).hide_default_value(hide_default)
}
