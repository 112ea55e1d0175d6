//! The command line that approves a plan.

use clap::ArgAction;
use clap::parser::ValueSource;

use super::command::command;
use crate::model::settings::Output;
use crate::text;

/// Flags that do not change what a plan does.
const NOT_FOR_APPROVAL: [&str; 14] = [
    "approve",
    "color",
    "detailed-exitcode",
    "every",
    "full",
    "item",
    "log-format",
    "log-level",
    "metrics-file",
    "metrics-listen",
    "metrics-push",
    "metrics-push-auth",
    "output",
    "yes",
];

/// `wafsync apply` with the settings of these matches.
pub(super) fn approve_command(matches: &clap::ArgMatches) -> Option<String> {
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
    // A format that only plan knows may come from the environment, which apply reads as well.
    if name == "plan" && matches!(matches.get_one("output"), Some(Output::Markdown | Output::Html)) {
        words.push("--output=text".to_owned());
    }
    Some(words.join(" "))
}
