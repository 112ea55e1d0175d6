//! The log on stderr: text in a terminal, one JSON object per line elsewhere. Credentials and account ids never appear in
//! it, whichever crate logs.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::SystemTime;

use tracing::Level;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::host::session::FOR_PROGRAMS;
use crate::host::{panics, progress};
use crate::model::settings::{LogFormat, LogLevel, LogSettings};
use crate::text;

/// Starts the log of this process. `timestamps`: text lines have a time too, for a long-lived process.
pub(super) fn start(settings: LogSettings, timestamps: bool) {
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let filter = filter(settings.level);
    // A terminal shows one run and its result.
    let filter = if json { filter } else { filter.with_target(FOR_PROGRAMS, LevelFilter::OFF) };
    let registry = tracing_subscriber::registry().with(filter);
    // The event's module would hide our field `target`: both have the same key.
    let layer = tracing_subscriber::fmt::layer().with_writer(|| WithoutAccountIds(progress::Stderr)).with_target(false);
    // Every event of a run carries the run's id: in JSON as `span.id`.
    // A second start, as in tests, keeps the first.
    let _ = if json {
        registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()
    } else if timestamps {
        registry.with(layer.with_ansi(false).fmt_fields(debug_fn(field)).with_timer(Seconds)).try_init()
    } else {
        // A terminal needs no timestamps.
        registry.with(layer.with_ansi(false).fmt_fields(debug_fn(field)).without_time()).try_init()
    };
    panics::log_panics();
}

/// The time of a line for people.
struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", humantime::format_rfc3339_seconds(SystemTime::now()))
    }
}

/// Writes a field of a line for people: the message as it is, then what is not zero.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match (field.name(), text.as_str()) {
        ("message", message) => writer.write_str(message),
        (_, "0") => Ok(()),
        (name, text) => write!(writer, " {name}={text}"),
    }
}

/// The dependencies that log neither credentials nor signed requests; they are logged at `trace` only.
const QUIET_ABOUT_SECRETS: [&str; 5] =
    ["aws_smithy_http_client", "aws_smithy_runtime::client::retries", "hyper", "hyper_util", "rustls"];

fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let others = QUIET_ABOUT_SECRETS.into_iter().filter(|_| level == LogLevel::Trace);
    Targets::new().with_target("wafsync", own).with_targets(others.map(|target| (target, Level::TRACE)))
}

/// How the field of an event begins that holds the key of an item. Quotation marks inside a JSON string are escaped, so no
/// text can hold it.
const ITEM_KEY: &str = "\"key\":\"";

/// The event without account ids. The key of an item stays whole, also one that is an account id: it says whose item is bad.
fn masked(event: &str) -> String {
    let Some((before, rest)) = event.split_once(ITEM_KEY) else {
        return text::without_account_ids(event).into_owned();
    };
    let mut escaped = false;
    let end = rest.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    let (key, after) = rest.split_at(end.unwrap_or(rest.len()));
    format!("{}{ITEM_KEY}{key}{}", text::without_account_ids(before), text::without_account_ids(after))
}

/// Each event is written as a whole.
struct WithoutAccountIds<W>(W);

impl<W: Write> Write for WithoutAccountIds<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(masked(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_are_masked_and_the_key_of_an_item_is_not() {
        for (event, expected) in [
            (r#"{"message":"arn:aws:x::111122223333:y"}"#, r#"{"message":"arn:aws:x::************:y"}"#),
            (
                r#"{"message":"rejected 111122223333","key":"111122223333","value":"111122223333"}"#,
                r#"{"message":"rejected ************","key":"111122223333","value":"************"}"#,
            ),
            (r#"{"key":"a\"111122223333","a":111122223333}"#, r#"{"key":"a\"111122223333","a":************}"#),
            (r#"{"key":"111122223333"#, r#"{"key":"111122223333"#),
        ] {
            assert_eq!(masked(event), expected, "{event}");
        }
    }
}
