//! The AWS Lambda function: runs once per event and answers with a document or an error.
//!
//! It reads settings from the environment once. A warm execution environment keeps its clients and its cache, which lock
//! tokens validate.

mod answer;
mod event;

use std::ffi::OsString;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{error, warn};

use self::answer::Answer;
use self::event::Request;
use crate::cli;
use crate::host::clock;
use crate::host::session::Session;
use crate::metrics::{self, Sample, cloudwatch, samples};
use crate::model::settings::LogSettings;
use crate::preflight::iam_policy::Access;
use crate::report::{Approving, Command, Document};
use crate::run::outcome::Outcome;
use crate::stop::Signal;

/// The time between the end of a run and the end of the invocation, for the answer.
const MARGIN: Duration = Duration::from_secs(3);

/// The largest answer: Lambda accepts 6 MB, less JSON escapes in transit.
const MAX_ANSWER: usize = 5_000_000;

/// The longest error message: logs and alarms show far less.
const MAX_ERROR: usize = 200_000;

/// The variable that is set in a Lambda function.
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
    let handler = service_fn(|event: LambdaEvent<String>| async move {
        let mut function = function.lock().await;
        let left = left(event.context.deadline, SystemTime::now());
        function.invoke(&event.payload, left).await
    });
    Runtime::new(handler).layer(MapRequestLayer::new(as_text)).layer(TracingLayer::new()).run().await
}

/// The event as plain text: the runtime would reject one that is not JSON, such as an empty one, before it is reported.
fn as_text(invocation: LambdaInvocation) -> LambdaInvocation {
    let text = serde_json::Value::from(String::from_utf8_lossy(&invocation.body));
    LambdaInvocation { body: Bytes::from(text.to_string()), ..invocation }
}

/// The time for a run. `deadline` is in milliseconds since the epoch.
fn left(deadline: u64, now: SystemTime) -> Duration {
    (UNIX_EPOCH + Duration::from_millis(deadline)).duration_since(now).unwrap_or_default().saturating_sub(MARGIN)
}

/// The function's state, kept across invocations.
struct Function {
    /// The name of the installation, for its metrics.
    name: String,
    /// Or an error in the settings, with which every invocation fails, so that alarms notice.
    session: Result<Session, String>,
}

impl Function {
    async fn new(env: impl IntoIterator<Item = (OsString, OsString)>, start_log: impl FnOnce(LogSettings)) -> Self {
        let env: Vec<(OsString, OsString)> = env.into_iter().collect();
        let (settings, log, warnings) = match cli::settings_from_env(env.clone()) {
            Ok(settings) => settings,
            Err(usage) => {
                start_log(LogSettings::default());
                return Self { name: installation(env), session: Err(usage.problem) };
            }
        };
        start_log(log);
        for warning in warnings {
            warn!("{warning}");
        }
        Self {
            name: settings.waf.name.clone(),
            session: Session::from_environment(settings, Access::Apply, Approving::Event).await,
        }
    }

    async fn invoke(&mut self, event: &str, left: Duration) -> Result<Answer, Diagnostic> {
        let request = match Request::read(event) {
            Ok(request) => request,
            Err(cause) => return refused(&self.name, &format!("the event: {cause}")),
        };
        let session = match &mut self.session {
            Ok(session) => session,
            Err(cause) => return refused(&self.name, cause),
        };
        let command = if request.dry_run { Command::Plan } else { Command::Apply };
        session.prepare(request.approve, left);
        let stop = Signal::default().stop(Some(Instant::now() + left));
        let finished = session.run(command, clock::now(), &stop).await;
        if command == Command::Apply {
            let samples = samples(&finished.document, session.settings(), &finished.facts);
            print(&samples, &self.name, finished.facts.began);
        }
        answer(finished.document, command)
    }
}

/// The installation's name for invalid settings: theirs if it is valid, otherwise the default.
fn installation(env: Vec<(OsString, OsString)>) -> String {
    let table = || (OsString::from("WAFSYNC_TABLE"), OsString::from("any"));
    let name_alone = env.into_iter().filter(|(variable, _)| variable == "WAFSYNC_NAME");
    let settings = cli::settings_from_env(name_alone.chain([table()])).or_else(|_| cli::settings_from_env([table()]));
    settings.map(|(settings, ..)| settings.waf.name).unwrap_or_default()
}

/// Reports a run that did not start, with metrics for alarms.
fn refused(installation: &str, cause: &str) -> Result<Answer, Diagnostic> {
    error!("{cause}");
    let now = clock::now();
    print(&metrics::not_begun(now), installation, now);
    answer(Document::failed(cause), Command::Apply)
}

/// The answer of an invocation. An outcome that needs a person, or a failure, is an error; a plan is not.
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

/// Prints one line with metrics for CloudWatch. `began` is in seconds since the epoch.
fn print(samples: &[Sample], installation: &str, began: i64) {
    let line = cloudwatch::line(samples, installation, began);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_used_are_those_of_an_installation_all_the_same() {
        for (name, expected) in [("edge", "edge"), ("no name", "wafsync"), ("", "wafsync")] {
            let env = [("WAFSYNC_SEGMENTS", "many"), ("WAFSYNC_NAME", name), ("AWS_REGION", "eu-central-1")];
            assert_eq!(installation(env.map(|(name, value)| (name.into(), value.into())).into()), expected, "{name}");
        }
        assert_eq!(installation(Vec::new()), "wafsync");
    }

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
