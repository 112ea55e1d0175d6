//! From arguments and environment to a checked [`Invocation`], or to a [`Usage`].

use std::ffi::OsString;

use clap::FromArgMatches as _;
use clap::error::{ContextKind, ErrorKind};

use super::approve::approve_command;
use super::command::command;
use super::environment::{Environment, variable};
use super::invocation::{EXIT_USAGE, Invocation, Parsed, Usage};
use super::{args, convert};
use crate::model::settings::{LogSettings, Settings};
use crate::text;

/// Parses a command line. `args` starts with the program's name; `env` is the whole environment, which sets the flags
/// that were not given.
///
/// # Errors
/// [`Usage`] for a usage error, and also for help and version.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Parsed, Usage> {
    let args: Vec<OsString> = args.into_iter().collect();
    let env = Environment::new(env);
    // Once to learn which flags were given, and again with the others from the environment, so that a variable is parsed
    // exactly like its flag.
    let given = command().try_get_matches_from(&args).map_err(|error| usage(&error, &[]))?;
    if given.subcommand_name() != Some("completions") {
        env.only_settings(&command()).map_err(|message| Usage::error(&message))?;
    }
    let filled = env.fill(&command(), &given, args).map_err(|message| Usage::error(&message))?;
    let matches =
        command().try_get_matches_from(&filled.args).map_err(|error| usage(&error, &filled.from_environment))?;
    let approve = approve_command(&matches);
    let cli = args::Cli::from_arg_matches(&matches).map_err(|error| usage(&error, &filled.from_environment))?;
    let mut warnings = Vec::new();
    let (invocation, log) = convert::invocation(cli, &env, &mut warnings).map_err(|invalid| {
        Usage::error(&describe(invalid.flag, invalid.value.as_deref(), &invalid.allowed, &filled.from_environment))
    })?;
    Ok(Parsed { invocation, log, warnings, approve })
}

/// The settings of an `apply` from the environment alone, as in Lambda, with warnings.
///
/// # Errors
/// [`Usage`] if something is wrong.
pub fn settings_from_env(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Settings, LogSettings, Vec<String>), Usage> {
    let parsed = parse(["wafsync", "apply"].map(OsString::from), env)?;
    match parsed.invocation {
        Invocation::Apply { settings, .. } => Ok((settings, parsed.log, parsed.warnings)),
        Invocation::Plan { .. }
        | Invocation::Watch { .. }
        | Invocation::Explain { .. }
        | Invocation::Check { .. }
        | Invocation::IamPolicy { .. }
        | Invocation::Completions(_) => Err(Usage::error("settings from the environment are those of apply")),
    }
}

/// Whether this is a valid value of `--approve`.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    convert::is_digest(text)
}

/// One line: the flag, its value, where it comes from, and what is valid.
fn describe(flag: &str, value: Option<&str>, allowed: &str, from_environment: &[String]) -> String {
    let value = value.map(|value| format!(" '{}'", text::line(value))).unwrap_or_default();
    let source = flag
        .strip_prefix("--")
        .and_then(variable)
        .filter(|variable| from_environment.contains(variable))
        .map(|variable| format!(" (from {variable})"))
        .unwrap_or_default();
    format!("{flag}{value}{source}: {allowed}")
}

pub(super) fn usage(error: &clap::Error, from_environment: &[String]) -> Usage {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Usage { text: wording_of_clap(error), problem: String::new(), exit: 0, to_stdout: true }
        }
        ErrorKind::InvalidValue if let Some((flag, value, allowed)) = not_among(error) => {
            Usage::error(&describe(&flag, Some(&value), &allowed, from_environment))
        }
        _ => {
            let text = wording_of_clap(error);
            Usage { problem: problem_of_clap(&text), text, exit: EXIT_USAGE, to_stdout: false }
        }
    }
}

/// The first paragraph of clap's message, on one line and without the prefix that clap gives every error.
fn problem_of_clap(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Clap's own message, without trailing blanks, and escaped because it quotes the command line.
fn wording_of_clap(error: &clap::Error) -> String {
    error.to_string().lines().flat_map(|line| [text::line(line.trim_end()).into_owned(), "\n".to_owned()]).collect()
}

/// A value that clap does not list, in the form of every other invalid value: flag, value, what is valid.
fn not_among(error: &clap::Error) -> Option<(String, String, String)> {
    let argument = error.get(ContextKind::InvalidArg)?.to_string();
    let value = error.get(ContextKind::InvalidValue)?.to_string();
    let allowed = error.get(ContextKind::ValidValue)?.to_string();
    if value.is_empty() {
        return None;
    }
    let flag = argument.split(' ').next()?.to_owned();
    Some((flag, value, format!("must be one of {allowed}")))
}
