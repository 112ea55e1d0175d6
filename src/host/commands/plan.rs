//! `plan`: what `apply` would write. Nothing in this process can write to AWS.

use std::io::Write;

use crate::host::clock;
use crate::host::result::{deliver, leave, not_started, render};
use crate::host::session::Session;
use crate::model::settings::{Settings, ViewSettings};
use crate::report::Command;
use crate::run::outcome::Outcome;
use crate::stop::Signal;

/// Exit codes of `--detailed-exitcode`.
const EXIT_PENDING: u8 = 2;
const EXIT_GUARDED: u8 = 3;

pub(in crate::host) async fn run(
    settings: Settings,
    view: &ViewSettings,
    detailed: bool,
    approve: Option<String>,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let stop = signal.stop_within(settings.run.deadline);
    let mut session = match Session::from_environment(settings, approve.clone()).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, Some(view), None).await,
    };
    let finished = session.run(Command::Plan, clock::now(), &stop).await;
    let document = &finished.document;
    let code = match document.outcome {
        Outcome::Planned if detailed && document.is_guarded() => EXIT_GUARDED,
        Outcome::Planned if detailed && document.is_pending() => EXIT_PENDING,
        outcome => outcome.exit_code(),
    };
    leave(&finished, Command::Plan, approve.as_deref());
    deliver(out, &render(&finished, Command::Plan, view, approve.as_deref()), code)
}
