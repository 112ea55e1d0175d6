//! The process: arguments, environment, log, signals and exit code around one command.
//!
//! Results alone go to stdout, talk goes to stderr. Whatever is decided is decided elsewhere.

mod log;
mod termination;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::aws::{self, AwsError, Connection, ReadCache};
use crate::cidr::Cidr;
use crate::cli::{self, Invocation, LogSettings, MetricsSettings, Output, Parsed};
use crate::desired::Desired;
use crate::explain;
use crate::item::ItemRules;
use crate::report::text::Context;
use crate::report::{self, Command, Document, Outcome};
use crate::serve::{self, Board};
use crate::session::{Approving, Finished, Session};
use crate::settings::Settings;
use crate::stop::{Signal, Stop};
use crate::telemetry::export::Exporter;
use crate::telemetry::{self, samples};
use crate::watch::watch;
use crate::{check, iam_policy, lambda, report::markdown};

/// Exit codes of `plan --detailed-exitcode`.
const EXIT_PENDING: u8 = 2;
const EXIT_GUARDED: u8 = 3;
/// Threads: pages are decoded beside the work on those before; one for each core of a large node would only take memory.
const WORKERS: usize = 2;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::var_os(lambda::RUNTIME_API).is_some() {
        return function();
    }
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let code = run(std::env::args_os(), std::env::vars_os(), &mut out, &mut err);
    ExitCode::from(code)
}

/// The process as a Lambda function: it never ends by itself.
fn function() -> ExitCode {
    let serve = async |_| match lambda::serve(std::env::vars_os(), log::start).await {
        Ok(()) => (Vec::new(), 0),
        Err(error) => {
            error!("the runtime API of Lambda does not answer: {error}");
            (Vec::new(), Outcome::Failed.exit_code())
        }
    };
    ExitCode::from(awaiting(serve).1)
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
            if usage.to_stdout {
                log::start(LogSettings::default());
                return delivered(write(out, usage.text.as_bytes()), usage.exit);
            }
            let _ = err.write_all(usage.text.as_bytes());
            termination::log_usage(&usage.text);
            return usage.exit;
        }
    };
    let log = match &invocation {
        Invocation::Plan { log, .. }
        | Invocation::Apply { log, .. }
        | Invocation::Watch { log, .. }
        | Invocation::Explain { log, .. }
        | Invocation::Check { log, .. } => *log,
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
        Invocation::Apply { settings, output, metrics, .. } => {
            awaiting(|signal| apply(settings, output, metrics, approve, signal))
        }
        Invocation::Watch { settings, every, output, metrics, .. } => {
            let show = |finished: &Finished| show(finished, Command::Apply, output, approve.as_deref());
            awaiting(|signal| {
                watch_(settings, every, metrics, approve.as_deref(), signal, |finished| {
                    // Each result at once; a reader that has gone away does not end the daemon.
                    let text = match output {
                        Output::Json => json_line(&finished.document),
                        _ => show(finished),
                    };
                    delivered(write(out, &text), 0);
                })
            })
        }
        Invocation::Explain { settings, address, output, .. } => {
            awaiting(|signal| explain_(settings, address, output, signal))
        }
        Invocation::Check { settings, output, .. } => awaiting(|signal| check_(settings, output, signal)),
    };
    delivered(write(out, &text), code)
}

fn write(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    out.write_all(text).and_then(|()| out.flush())
}

/// The exit code, which also says if nobody could get the result. A reader that has gone away had enough of it.
fn delivered(written: io::Result<()>, code: u8) -> u8 {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            error!("the result could not be written to stdout: {error}");
            if code == 0 { Outcome::Failed.exit_code() } else { code }
        }
        _ => code,
    }
}

/// Runs a command until it ends, or until a second signal.
fn awaiting<F: Future<Output = (Vec<u8>, u8)>>(command: impl FnOnce(Signal) -> F) -> (Vec<u8>, u8) {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
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

async fn session(settings: Settings, approve: Option<&str>) -> Result<Session, String> {
    let sdk = aws::environment().await.map_err(|error| error.to_string())?;
    let session = Session::new(sdk, settings).map_err(|error| error.to_string())?;
    Ok(session.approved_by(Approving::Command(approve.map(ToOwned::to_owned))))
}

async fn connect(settings: &Settings) -> Result<Connection, String> {
    let sdk = aws::environment().await.map_err(|error| error.to_string())?;
    Connection::new(sdk, settings).map_err(|error| error.to_string())
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
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
    let mut session = match session(settings, approve.as_deref()).await {
        Ok(session) => session,
        Err(error) => return not_begun(&error, output, None).await,
    };
    let finished = session.run(Command::Plan, now(), &stop).await;
    let document = &finished.document;
    let code = match document.outcome {
        Outcome::Planned if detailed && document.is_guarded() => EXIT_GUARDED,
        Outcome::Planned if detailed && document.is_pending() => EXIT_PENDING,
        outcome => outcome.exit_code(),
    };
    termination::log(document);
    (show(&finished, Command::Plan, output, approve.as_deref()), code)
}

async fn apply(
    settings: Settings,
    output: Output,
    metrics: MetricsSettings,
    approve: Option<String>,
    signal: Signal,
) -> (Vec<u8>, u8) {
    let exporter = Exporter::new(metrics, &settings.waf.name, Board::default());
    let stop = stop_for(&settings, &signal);
    let mut session = match session(settings, approve.as_deref()).await {
        Ok(session) => session,
        Err(error) => return not_begun(&error, output, Some(&exporter)).await,
    };
    let finished = session.run(Command::Apply, now(), &stop).await;
    exporter.export(&samples(&finished.document, session.settings(), &finished.facts)).await;
    termination::log(&finished.document);
    (show(&finished, Command::Apply, output, approve.as_deref()), finished.document.outcome.exit_code())
}

/// Exits with 0 when it was asked to stop, whatever became of the runs.
async fn watch_(
    settings: Settings,
    every: Duration,
    metrics: MetricsSettings,
    approve: Option<&str>,
    signal: Signal,
    mut show: impl FnMut(&Finished),
) -> (Vec<u8>, u8) {
    let (board, listen) = (Board::default(), metrics.listen);
    let exporter = Exporter::new(metrics, &settings.waf.name, board.clone());
    if let Some(address) = listen {
        match serve::bind(address).await {
            Ok(listener) => drop(tokio::spawn(serve::serve(listener, board.clone()))),
            Err(error) => {
                let error = format!("--metrics-listen {address}: {error}");
                return not_begun(&error, Output::Text, Some(&exporter)).await;
            }
        }
    }
    let mut session = match session(settings.clone(), approve).await {
        Ok(session) => session,
        Err(error) => return not_begun(&error, Output::Text, Some(&exporter)).await,
    };
    watch(&mut session, every, &signal, &board, now, async |finished: &Finished| {
        show(finished);
        termination::log(&finished.document);
        exporter.export(&samples(&finished.document, &settings, &finished.facts)).await;
    })
    .await;
    (Vec::new(), 0)
}

/// The result, for stdout.
fn show(finished: &Finished, command: Command, output: Output, approve: Option<&str>) -> Vec<u8> {
    let Finished { run, document, .. } = finished;
    let context = Context { command, target: &run.target, desired: run.scans.last(), approve };
    match output {
        Output::Json => json(document),
        Output::Markdown => markdown::render(document, context).into_bytes(),
        Output::Text => report::text::render(document, context).into_bytes(),
    }
}

/// Without a Region or clients there is nothing to show but the error; what watches the runs should hear of it all the
/// same.
async fn not_begun(error: &str, output: Output, exporter: Option<&Exporter>) -> (Vec<u8>, u8) {
    error!("{error}");
    if let Some(exporter) = exporter {
        exporter.export(&telemetry::not_begun(now())).await;
    }
    let document = Document::failed(error);
    termination::log(&document);
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

async fn check_(settings: Settings, output: Output, signal: Signal) -> (Vec<u8>, u8) {
    let report = match connect(&settings).await {
        Ok(connection) => {
            let seen = connection.look(&settings, now(), &stop_for(&settings, &signal)).await;
            check::judge(&settings, &seen)
        }
        Err(error) => check::without_connection(&error),
    };
    let text = match output {
        Output::Json => json(&report),
        _ => report.to_text().into_bytes(),
    };
    (text, report.exit_code())
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

/// The same on one line.
fn json_line(value: &impl serde::Serialize) -> Vec<u8> {
    let mut text = crate::text::json(&serde_json::to_string(value).unwrap_or_default());
    text.push('\n');
    text.into_bytes()
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    // Maps have text keys and numbers are finite, so this cannot fail.
    let mut text = crate::text::json(&serde_json::to_string_pretty(value).unwrap_or_default());
    text.push('\n');
    text.into_bytes()
}
