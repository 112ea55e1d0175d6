//! The log on stderr: text for a person at a terminal, one JSON object a line for everything else.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{LogFormat, LogLevel, LogSettings};
use crate::session::FOR_PROGRAMS;

/// Starts the log of this process.
pub(super) fn start(settings: LogSettings) {
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let filter = filter(settings.level);
    // Who reads it as it comes sees the result, and only one run.
    let filter = if json { filter } else { filter.with_target(FOR_PROGRAMS, LevelFilter::OFF) };
    let registry = tracing_subscriber::registry().with(filter);
    // The module that an event comes from would hide the `target` that is written: one key for two things.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // Every event of a run carries the run's id: in JSON as `span.id`.
    // A second start, as in tests, keeps the first.
    let _ = if json {
        registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()
    } else {
        // Whoever reads it as it comes knows the time.
        registry.with(layer.with_ansi(false).without_time()).try_init()
    };
}

/// The insides of the SDK show at `trace` alone.
fn filter(level: LogLevel) -> Targets {
    let (own, level) = match level {
        LogLevel::Error => (true, Level::ERROR),
        LogLevel::Warn => (true, Level::WARN),
        LogLevel::Info => (true, Level::INFO),
        LogLevel::Debug => (true, Level::DEBUG),
        LogLevel::Trace => (false, Level::TRACE),
    };
    if own { Targets::new().with_target("wafsync", level) } else { Targets::new().with_default(level) }
}
