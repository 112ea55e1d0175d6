//! The command line that approves a plan.

use clap::ArgAction;
use clap::parser::ValueSource;

use super::command::command;
use crate::model::settings::Output;
use crate::text;

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
    // What suits plan alone may stand in the environment, which apply would read as well.
    if name == "plan" && matches.get_one::<Output>("output") == Some(&Output::Markdown) {
        words.push("--output=text".to_owned());
    }
    Some(words.join(" "))
}
