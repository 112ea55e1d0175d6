//! The AWS Lambda function: events in, documents or errors out, and a run between them.
//!
//! Settings come from the environment, once. An execution environment that is used again keeps its clients and what it
//! has read, as far as lock tokens show that it still holds.

mod answer;
mod event;

use std::ffi::OsString;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{error, warn};

use self::answer::Answer;
use self::event::Request;
use crate::aws;
use crate::cli::{self, LogSettings};
use crate::report::{Command, Document, Outcome};
use crate::session::Session;
use crate::settings::Settings;
use crate::stop::Signal;
use crate::telemetry::{cloudwatch, samples};

/// Before the invocation would be cut off, everything has ended: this is for the answer.
const MARGIN: Duration = Duration::from_secs(3);

/// Lambda takes 6 MB; the rest is for what JSON in transit adds.
const MAX_ANSWER: usize = 5_000_000;

/// An error is for logs and alarms, which show far less.
const MAX_ERROR: usize = 200_000;

/// The variable by which a process knows that it is a Lambda function.
pub const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Answers invocations until the process is ended. `start_log` is called once, with the settings of the log.
///
/// # Errors
///
/// If the runtime API of Lambda cannot be reached.
pub async fn serve(
    env: impl IntoIterator<Item = (OsString, OsString)>,
    start_log: impl FnOnce(LogSettings),
) -> Result<(), lambda_runtime::Error> {
    let function = Mutex::new(Function::new(env, start_log).await);
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let mut function = function.lock().await;
        let left = left(event.context.deadline, SystemTime::now());
        function.invoke(&event.payload, left).await
    }))
    .await
}

/// The time that a run has. `deadline` is in milliseconds since the epoch.
fn left(deadline: u64, now: SystemTime) -> Duration {
    (UNIX_EPOCH + Duration::from_millis(deadline)).duration_since(now).unwrap_or_default().saturating_sub(MARGIN)
}

/// What lives from one invocation to the next.
struct Function {
    /// An error is that of the settings: every invocation fails with it, where alarms see it.
    session: Result<Session, String>,
}

impl Function {
    async fn new(env: impl IntoIterator<Item = (OsString, OsString)>, start_log: impl FnOnce(LogSettings)) -> Self {
        let (settings, log, warnings) = match cli::settings_from_env(env) {
            Ok(settings) => settings,
            Err(usage) => {
                start_log(LogSettings::default());
                let text = usage.text.trim();
                return Self { session: Err(text.strip_prefix("error: ").unwrap_or(text).to_owned()) };
            }
        };
        start_log(log);
        for warning in warnings {
            warn!("{warning}");
        }
        Self { session: Self::session(settings).await }
    }

    async fn session(settings: Settings) -> Result<Session, String> {
        let sdk = aws::environment().await.map_err(|error| error.to_string())?;
        Session::new(sdk, settings).map_err(|error| error.to_string())
    }

    async fn invoke(&mut self, event: &Value, left: Duration) -> Result<Answer, Diagnostic> {
        let request = match Request::read(event) {
            Ok(request) => request,
            Err(cause) => return refused(&format!("the event: {cause}")),
        };
        let session = match &mut self.session {
            Ok(session) => session,
            Err(cause) => return refused(cause),
        };
        let command = if request.dry_run { Command::Plan } else { Command::Apply };
        session.prepare(request.approve, left);
        let stop = Signal::default().stop(Some(Instant::now() + left));
        let finished = session.run(command, crate::host::now(), &stop).await;
        if command == Command::Apply {
            let samples = samples(&finished.document, session.settings(), &finished.facts);
            print(&cloudwatch::line(&samples, &session.settings().waf.name, finished.facts.began));
        }
        answer(finished.document, command)
    }
}

/// A run that did not begin.
fn refused(cause: &str) -> Result<Answer, Diagnostic> {
    error!("{cause}");
    answer(Document::failed(cause), Command::Apply)
}

/// What needs a person, and what failed, is an error of the invocation; a plan that can be shown is none.
fn answer(document: Document, command: Command) -> Result<Answer, Diagnostic> {
    let outcome = document.outcome;
    let is_error = match outcome {
        Outcome::Failed => true,
        Outcome::Blocked | Outcome::Held | Outcome::Unenforced => command == Command::Apply,
        Outcome::Converged | Outcome::Changed | Outcome::Planned | Outcome::Partial => false,
    };
    if !is_error {
        return Ok(Answer::fitting(document, MAX_ANSWER));
    }
    let answer = Answer::fitting(document, MAX_ERROR);
    Err(Diagnostic { error_type: outcome.to_string(), error_message: answer.to_json() })
}

/// One line on stdout, which CloudWatch reads.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_before_the_invocation_does() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(left(1_060_000, now), Duration::from_secs(57));
        assert_eq!(left(1_001_000, now), Duration::ZERO);
        assert_eq!(left(0, now), Duration::ZERO);
    }

    #[test]
    fn what_needs_a_person_is_an_error_but_a_plan_is_none() {
        for (outcome, apply, plan) in [
            (Outcome::Converged, false, false),
            (Outcome::Changed, false, false),
            (Outcome::Planned, false, false),
            (Outcome::Partial, false, false),
            (Outcome::Blocked, true, false),
            (Outcome::Held, true, false),
            (Outcome::Unenforced, true, false),
            (Outcome::Failed, true, true),
        ] {
            let answer = |command| {
                let mut document = Document::failed("");
                document.outcome = outcome;
                answer(document, command).map_err(|error| error.error_type)
            };
            assert_eq!(answer(Command::Apply).err(), apply.then(|| outcome.to_string()));
            assert_eq!(answer(Command::Plan).err(), plan.then(|| outcome.to_string()));
        }
    }
}
