//! Environment variables as a second spelling of the flags.
//!
//! A variable becomes the equivalent arguments, so that clap and `convert` see only flags.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::text;

const PREFIX: &str = "WAFSYNC_";

/// Flags without a variable: a consent in the environment would also be given to every later plan.
const FLAGS_ALONE: [&str; 4] = ["approve", "help", "version", "yes"];

/// Parts of the variables that Kubernetes sets in every pod for a Service whose name starts with `wafsync`.
const KUBERNETES: [&str; 2] = ["_SERVICE_", "_PORT"];

/// The variable of a flag (without its dashes), or `None` if the flag has none.
pub(super) fn variable(flag: &str) -> Option<String> {
    (!FLAGS_ALONE.contains(&flag)).then(|| format!("{PREFIX}{}", flag.replace('-', "_").to_ascii_uppercase()))
}

/// The environment. Empty variables count as unset: orchestrator templates write unset values that way.
pub(super) struct Environment(BTreeMap<String, OsString>);

/// A command line with the flags that the environment sets.
pub(super) struct Filled {
    pub(super) args: Vec<OsString>,
    /// The variables used.
    pub(super) from_environment: Vec<String>,
}

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self(named.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable that is not ours, such as `AWS_REGION`; `None` also if it is not UTF-8.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str())
    }

    /// Inserts after the command's name, for each of its flags that was not given, what the environment says.
    ///
    /// `given` are the matches of `args`, so the second of these is the command's name: nothing may precede it.
    pub(super) fn fill(
        &self,
        command: &Command,
        given: &ArgMatches,
        mut args: Vec<OsString>,
    ) -> Result<Filled, String> {
        let mut from_environment = Vec::new();
        let Some((name, matches)) = given.subcommand() else { return Ok(Filled { args, from_environment }) };
        let mut tail = args.split_off(args.len().min(2));
        for arg in command.find_subcommand(name).into_iter().flat_map(Command::get_arguments) {
            if matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
                continue;
            }
            let Some(flag) = arg.get_long() else { continue };
            let Some(variable) = variable(flag) else { continue };
            let Some(value) = self.0.get(&variable) else { continue };
            let value = value.to_str().ok_or_else(|| format!("{variable}: must be UTF-8"))?;
            args.extend(as_arguments(arg, flag, &variable, value)?);
            from_environment.push(variable);
        }
        args.append(&mut tail);
        Ok(Filled { args, from_environment })
    }

    /// Fails on an unknown `WAFSYNC_` variable, so that a typo cannot disable a guard.
    pub(super) fn only_settings(&self, command: &Command) -> Result<(), String> {
        let known: BTreeSet<String> = command
            .get_subcommands()
            .flat_map(Command::get_arguments)
            .filter_map(|arg| arg.get_long().and_then(variable))
            .collect();
        let ours = self.0.keys().filter(|name| name.starts_with(PREFIX) && !known.contains(*name));
        let unknown = ours.filter(|name| !KUBERNETES.iter().any(|part| name.contains(part)));
        unknown.map(|name| Err(no_setting(name))).next().unwrap_or(Ok(()))
    }
}

/// The error for a variable that looks like a setting.
fn no_setting(name: &str) -> String {
    match name.strip_prefix(PREFIX) {
        Some("APPROVE") => format!("{name}: an approval must not outlive its run; use the flag --approve"),
        Some("YES") => format!("{name}: consent must not outlive its run; use the flag --yes"),
        _ => format!("{}: no such setting; `wafsync apply --help` lists all of them", text::line(name)),
    }
}

fn as_arguments(arg: &Arg, flag: &str, variable: &str, value: &str) -> Result<Vec<OsString>, String> {
    let with = |value: &str| OsStr::new(&format!("--{flag}={value}")).to_owned();
    match arg.get_action() {
        ArgAction::SetTrue => match value {
            "true" => Ok(vec![OsString::from(format!("--{flag}"))]),
            "false" => Ok(Vec::new()),
            _ => Err(format!("{variable} '{}': must be true or false", text::line(value))),
        },
        ArgAction::Append => Ok(value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(with).collect()),
        _ => Ok(vec![with(value)]),
    }
}
