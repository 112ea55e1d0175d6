//! The process: arguments, environment, log and exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use tracing::{error, warn};

use super::result::deliver;
use super::{commands, lambda, log, panics, signals, termination};
use crate::cli::{self, Invocation, Parsed};
use crate::model::settings::LogSettings;
use crate::run::outcome::Outcome;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let code = panics::caught(|| {
        if std::env::var_os(lambda::RUNTIME_API).is_some() {
            function()
        } else {
            command(std::env::args_os(), std::env::vars_os(), &mut std::io::stdout().lock(), &mut std::io::stderr())
        }
    });
    ExitCode::from(code)
}

/// Runs as a Lambda function, which does not end by itself.
fn function() -> u8 {
    signals::block_on(async |_| {
        match lambda::serve(std::env::vars_os(), |settings| log::start(settings, false)).await {
            Ok(()) => 0,
            Err(error) => {
                error!("no answer from the Lambda runtime API: {error}");
                Outcome::Failed.exit_code()
            }
        }
    })
}

/// Runs one command and returns the exit code.
fn command(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> u8 {
    let Parsed { invocation, log, warnings, approve } = match cli::parse(args, env) {
        Ok(parsed) => parsed,
        Err(usage) => {
            if usage.to_stdout {
                log::start(LogSettings::default(), false);
                return deliver(out, usage.text.as_bytes(), usage.exit);
            }
            let _ = err.write_all(usage.text.as_bytes());
            termination::log_usage(&usage.problem);
            return usage.exit;
        }
    };
    log::start(log, matches!(invocation, Invocation::Watch { .. }));
    for warning in warnings {
        warn!("{warning}");
    }
    match invocation {
        Invocation::Plan { settings, view, detailed_exitcode } => {
            signals::block_on(|signal| commands::plan::run(settings, &view, detailed_exitcode, approve, signal, out))
        }
        Invocation::Apply { settings, view, yes, metrics } => {
            signals::block_on(|signal| commands::apply::run(settings, &view, yes, metrics, approve, signal, out))
        }
        Invocation::Watch { settings, every, view, metrics } => {
            signals::block_on(|signal| commands::watch::run(settings, every, &view, metrics, approve, signal, out))
        }
        Invocation::Explain { settings, question, view } => {
            signals::block_on(|signal| commands::explain::run(settings, question, &view, signal, out))
        }
        Invocation::Check { settings, view } => {
            signals::block_on(|signal| commands::check::run(settings, &view, signal, out))
        }
        Invocation::IamPolicy { scope, access } => commands::iam_policy::run(&scope, access, out),
        Invocation::Completions(shell) => deliver(out, &cli::completions(shell), 0),
    }
}
