//! The command line: from arguments and environment to a checked [`Invocation`], for people and for Lambda alike.
//!
//! Nothing here prints, exits or looks at the process: arguments and environment are parameters, and what should be
//! printed comes back as a [`Usage`].

mod args;
mod convert;
mod environment;
mod spelling;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _};
pub use clap_complete::Shell;

use crate::cidr::Cidr;
use crate::iam_policy::{Access, IamScope};
use crate::settings::Settings;
use crate::text;
use environment::{Environment, variable};

/// The most parallel scan segments. Each is one connection and, at 1 MB a page, up to 256 read units a call: more of them
/// than this starve the table's other readers before they make a scan of a few thousand items any faster.
pub const MAX_SEGMENTS: u32 = 64;

/// Exit code of a usage error: `EX_USAGE` of sysexits.h, so that it is not taken for one of the outcomes.
pub const EXIT_USAGE: u8 = 64;

/// What the program was asked to do, checked.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// `plan`
    Plan {
        /// What to work on.
        settings: Settings,
        /// Form of the plan.
        output: Output,
        /// Whether the exit code says if changes are pending.
        detailed_exitcode: bool,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `apply`
    Apply {
        /// What to work on.
        settings: Settings,
        /// Form of the result: never Markdown.
        output: Output,
        /// Where metrics go; nowhere to listen.
        metrics: MetricsSettings,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `watch`
    Watch {
        /// What to work on.
        settings: Settings,
        /// From the start of a run to the start of the next.
        every: Duration,
        /// Form of the results: never Markdown; a line each for JSON.
        output: Output,
        /// Where metrics go.
        metrics: MetricsSettings,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `explain ADDRESS`
    Explain {
        /// What to work on. The guards and the pace of writes are the defaults.
        settings: Settings,
        /// What is asked about.
        address: Cidr,
        /// Form of the answer: never Markdown.
        output: Output,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `check`
    Check {
        /// What to look at. The guards and the pace of writes are the defaults.
        settings: Settings,
        /// Form of the answer: never Markdown.
        output: Output,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `iam-policy`
    IamPolicy {
        /// The resources that it names.
        scope: IamScope,
        /// The command that it is for.
        access: Access,
    },
    /// `completions SHELL`
    Completions(Shell),
}

/// The form of a result on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// The versioned document.
    Json,
    /// For a comment or a summary page; `plan` only.
    Markdown,
}

/// Where metrics go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// `--metrics-listen`
    pub listen: Option<SocketAddr>,
    /// `--metrics-push`: the URL of a Pushgateway, without a slash at its end.
    pub push: Option<String>,
    /// `--metrics-file`
    pub file: Option<PathBuf>,
}

/// The log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `--log-format`
    pub format: LogFormat,
    /// `--log-level`
    pub level: LogLevel,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: LogLevel::Info }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text in a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least urgent events that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors alone.
    Error,
    /// And what a person should look at.
    Warn,
    /// And what changed.
    Info,
    /// And each call.
    Debug,
    /// And connections and retries of the AWS SDK.
    Trace,
}

/// An invocation and what a person should know about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What to do.
    pub invocation: Invocation,
    /// One line each, without a newline; safe to print.
    pub warnings: Vec<String>,
    /// The command line that approves what a guard stopped, up to the digest: shell-quoted and with what came from the
    /// environment. `None` if a value cannot be written so that it is safe to paste.
    pub approve: Option<String>,
}

/// Text to print instead of running: help, version, or what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Ends with a newline; safe to print.
    pub text: String,
    /// 0 for help and version, else [`EXIT_USAGE`].
    pub exit: u8,
    /// Help and version are a result and go to stdout; all else goes to stderr.
    pub to_stdout: bool,
}

impl Usage {
    fn error(message: &str) -> Self {
        Self { text: format!("error: {message}\n"), exit: EXIT_USAGE, to_stdout: false }
    }
}

/// Reads a command line. `args` begins with the program's name; `env` is the whole environment, from which an unset
/// flag takes its value.
///
/// # Errors
/// [`Usage`] if something is wrong, and also if help or the version was asked for.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Parsed, Usage> {
    let args: Vec<OsString> = args.into_iter().collect();
    let env = Environment::new(env);
    // Once to learn which flags were given, help and mistakes included, and once more with the others filled in: so a
    // variable goes the very same way as its flag.
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
    let invocation = convert::invocation(cli, &env, &mut warnings).map_err(|invalid| {
        Usage::error(&describe(invalid.flag, invalid.value.as_deref(), &invalid.allowed, &filled.from_environment))
    })?;
    Ok(Parsed { invocation, warnings, approve })
}

/// Flags that say when and how a result is shown, and not what is done.
const NOT_FOR_APPROVAL: [&str; 9] = [
    "output",
    "detailed-exitcode",
    "log-format",
    "log-level",
    "approve",
    "every",
    "metrics-listen",
    "metrics-push",
    "metrics-file",
];

/// `wafsync apply` with the settings of these matches.
fn approve_command(matches: &clap::ArgMatches) -> Option<String> {
    let (name, matches) = matches.subcommand()?;
    let mut words = vec!["wafsync".to_owned(), "apply".to_owned()];
    let command = command();
    for arg in command.find_subcommand(name)?.get_arguments() {
        let Some(flag) = arg.get_long().filter(|flag| !NOT_FOR_APPROVAL.contains(flag)) else { continue };
        let id = arg.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            words.push(format!("--{flag}"));
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            words.push(text::shell(&format!("--{flag}={}", value.to_str()?))?.into_owned());
        }
    }
    // What suits plan alone may stand in the environment, which apply would read as well.
    if name == "plan" && matches.get_one::<Output>("output") == Some(&Output::Markdown) {
        words.push("--output=text".to_owned());
    }
    Some(words.join(" "))
}

/// The settings of an `apply` from the environment alone, as Lambda has them, with warnings.
///
/// # Errors
/// [`Usage`] if something is wrong.
pub fn settings_from_env(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Settings, LogSettings, Vec<String>), Usage> {
    let parsed = parse(["wafsync", "apply"].map(OsString::from), env)?;
    match parsed.invocation {
        Invocation::Apply { settings, log, .. } => Ok((settings, log, parsed.warnings)),
        _ => Err(Usage::error("settings from the environment are those of apply")),
    }
}

/// Whether `--approve` would take this.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    convert::is_digest(text)
}

/// The completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "wafsync", &mut script);
    script
}

/// The commands with all their settings; every setting's help names its variable and its default.
fn command() -> clap::Command {
    args::Cli::command().mut_subcommands(|command| command.mut_args(with_variable_and_default))
}

/// Clap's own way of showing variables would read the environment of the process.
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

/// One line: flag and value, where they come from, and what is allowed.
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

fn usage(error: &clap::Error, from_environment: &[String]) -> Usage {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Usage { text: wording_of_clap(error), exit: 0, to_stdout: true }
        }
        ErrorKind::InvalidValue if let Some((flag, value, allowed)) = not_among(error) => {
            Usage::error(&describe(&flag, Some(&value), &allowed, from_environment))
        }
        _ => Usage { text: wording_of_clap(error), exit: EXIT_USAGE, to_stdout: false },
    }
}

/// Clap's own words, without blanks at the end of lines, and without what a terminal could act on: they quote the
/// command line.
fn wording_of_clap(error: &clap::Error) -> String {
    error.to_string().lines().flat_map(|line| [text::line(line.trim_end()).into_owned(), "\n".to_owned()]).collect()
}

/// A value that is not among those that clap knows, in the same form as every other bad value: flag, value, allowed.
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
