//! The process: arguments, environment, log, signals and exit code around one command.
//!
//! Results alone go to stdout, talk goes to stderr. Whatever is decided is decided elsewhere.

mod log;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::aws::{AwsError, Connection, ReadCache};
use crate::cidr::Cidr;
use crate::cli::{self, Invocation, LogSettings, Output, Parsed};
use crate::desired::Desired;
use crate::explain;
use crate::item::ItemRules;
use crate::reconcile::{Mode, Run, reconcile};
use crate::report::text::Context;
use crate::report::{self, Command, Document, Outcome};
use crate::settings::Settings;
use crate::stop::{Signal, Stop};
use crate::{iam_policy, report::markdown};

/// Exit codes of `plan --detailed-exitcode`.
const EXIT_PENDING: u8 = 2;
const EXIT_GUARDED: u8 = 3;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let code = run(std::env::args_os(), std::env::vars_os(), &mut out, &mut err);
    // A reader that has gone away changes nothing about what happened.
    let _ = out.flush();
    ExitCode::from(code)
}

/// One command; answers the exit code.
fn run(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> u8 {
    let Parsed { invocation, warnings, approve } = match cli::parse(args, env) {
        Ok(parsed) => parsed,
        Err(usage) => {
            let _ = if usage.to_stdout {
                out.write_all(usage.text.as_bytes())
            } else {
                err.write_all(usage.text.as_bytes())
            };
            return usage.exit;
        }
    };
    let log = match &invocation {
        Invocation::Plan { log, .. } | Invocation::Apply { log, .. } | Invocation::Explain { log, .. } => *log,
        Invocation::IamPolicy { .. } | Invocation::Completions(_) => LogSettings::default(),
    };
    log::start(log);
    for warning in warnings {
        warn!("{warning}");
    }
    let (text, code) = match invocation {
        Invocation::Completions(shell) => (cli::completions(shell), 0),
        Invocation::IamPolicy { scope, access } => (json(&iam_policy::policy(access, &scope)), 0),
        Invocation::Plan { settings, output, detailed_exitcode, .. } => {
            awaiting(|signal| plan(settings, output, detailed_exitcode, approve, signal))
        }
        Invocation::Apply { settings, output, .. } => awaiting(|signal| apply(settings, output, approve, signal)),
        Invocation::Explain { settings, address, output, .. } => {
            awaiting(|signal| explain_(settings, address, output, signal))
        }
    };
    let _ = out.write_all(&text);
    code
}

/// Runs a command until it ends, or until a second signal.
fn awaiting<F: Future<Output = (Vec<u8>, u8)>>(command: impl FnOnce(Signal) -> F) -> (Vec<u8>, u8) {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("the asynchronous runtime could not be started: {error}");
            return (Vec::new(), Outcome::Failed.exit_code());
        }
    };
    let ended = runtime.block_on(async {
        let first = Signal::default();
        let second = async {
            // Listening goes on without a gap, or a second signal that follows at once would be lost.
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return std::future::pending().await;
            };
            asked(&mut interrupt, &mut terminate).await;
            warn!("asked to stop: waiting for the calls under way; once more leaves at once");
            first.raise();
            asked(&mut interrupt, &mut terminate).await;
        };
        tokio::select! {
            // Listening begins before the command does.
            biased;
            () = second => {
                error!("left at once: what became of the calls under way is not known; the next run finds out");
                (Vec::new(), Outcome::Partial.exit_code())
            }
            ended = command(first.clone()) => ended,
        }
    });
    runtime.shutdown_background();
    ended
}

/// Waits for SIGINT or SIGTERM.
async fn asked(interrupt: &mut unix::Signal, terminate: &mut unix::Signal) {
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
}

async fn connect(settings: &Settings) -> Result<Connection, String> {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    Connection::new(sdk, settings).map_err(|error| error.to_string())
}

/// Seconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn stop_for(settings: &Settings, signal: &Signal) -> Stop {
    signal.stop(Some(Instant::now() + settings.run.deadline))
}

async fn plan(
    settings: Settings,
    output: Output,
    detailed: bool,
    approve: Option<String>,
    signal: Signal,
) -> (Vec<u8>, u8) {
    let stop = stop_for(&settings, &signal);
    let connection = match connect(&settings).await {
        Ok(connection) => connection,
        Err(error) => return not_begun(&error, output),
    };
    let reader = connection.reader();
    let run = reconcile(&settings, &reader, Mode::Plan, &mut ReadCache::default(), now(), &stop).await;
    let document = Document::new(&run, &settings, Command::Plan);
    if let Some(error) = &document.error {
        error!("{error}");
    }
    let code = match document.outcome {
        Outcome::Planned if detailed && document.is_guarded() => EXIT_GUARDED,
        Outcome::Planned if detailed && document.is_pending() => EXIT_PENDING,
        outcome => outcome.exit_code(),
    };
    (show(&document, &run, Command::Plan, output, approve.as_deref()), code)
}

async fn apply(settings: Settings, output: Output, approve: Option<String>, signal: Signal) -> (Vec<u8>, u8) {
    let stop = stop_for(&settings, &signal);
    let connection = match connect(&settings).await {
        Ok(connection) => connection,
        Err(error) => return not_begun(&error, output),
    };
    let (reader, writer) = (connection.reader(), connection.writer());
    let run = reconcile(&settings, &reader, Mode::Apply(&writer), &mut ReadCache::default(), now(), &stop).await;
    let document = Document::new(&run, &settings, Command::Apply);
    if let Some(error) = &document.error {
        error!(outcome = %document.outcome, writes = document.writes.done, "{error}");
    } else {
        info!(outcome = %document.outcome, writes = document.writes.done, "{}", document.reason);
    }
    (show(&document, &run, Command::Apply, output, approve.as_deref()), document.outcome.exit_code())
}

/// The result, for stdout.
fn show(document: &Document, run: &Run, command: Command, output: Output, approve: Option<&str>) -> Vec<u8> {
    let context = Context { command, target: &run.target, desired: run.scans.last(), approve };
    match output {
        Output::Json => json(document),
        Output::Markdown => markdown::render(document, context).into_bytes(),
        Output::Text => report::text::render(document, context).into_bytes(),
    }
}

/// Without a Region or clients there is nothing to show but the error.
fn not_begun(error: &str, output: Output) -> (Vec<u8>, u8) {
    error!("{error}");
    let document = Document::failed(error);
    let text = if output == Output::Json { json(&document) } else { Vec::new() };
    (text, document.outcome.exit_code())
}

async fn explain_(settings: Settings, address: Cidr, output: Output, signal: Signal) -> (Vec<u8>, u8) {
    let failed = |error: String| {
        error!("{error}");
        (Vec::new(), Outcome::Failed.exit_code())
    };
    let connection = match connect(&settings).await {
        Ok(connection) => connection,
        Err(error) => return failed(error),
    };
    let stop = stop_for(&settings, &signal);
    match look_up(&settings, &connection, address, &stop).await {
        Ok(explanation) => {
            let text = match output {
                Output::Json => json(&explanation),
                _ => explanation.to_text().into_bytes(),
            };
            (text, explanation.exit_code())
        }
        Err(error) => failed(error.to_string()),
    }
}

async fn look_up(
    settings: &Settings,
    connection: &Connection,
    address: Cidr,
    stop: &Stop,
) -> Result<explain::Explanation, AwsError> {
    let reader = connection.reader();
    let table = &settings.table;
    let rules = ItemRules::new(table, now());
    let mut cache = ReadCache::default();
    let scan = reader.scan(table, &rules, stop);
    let (view, current) = tokio::try_join!(scan, reader.read_waf(&settings.waf, &mut cache, stop))?;
    let desired = Desired::new(view, &table.always, table.aggregate, table.widest);
    Ok(explain::explain(address, &desired, &current))
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    // Maps have text keys and numbers are finite, so this cannot fail.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}
