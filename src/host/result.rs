//! Delivers the result of a command to stdout.

use std::io::{self, ErrorKind, Write};

use tracing::error;

use crate::metrics::export::Exporter;
use crate::metrics::not_begun;
use crate::model::settings::{Color, Output, ViewSettings};
use crate::report::{Approving, Command, Context, Document, html, markdown, text};
use crate::run::outcome::Outcome;

use super::json::{self, Layout};
use super::session::Finished;
use super::{clock, screen, termination};

/// Writes a result and returns the exit code, which is 1 if writing failed. A closed pipe is not a failure: its reader
/// has read enough.
pub(super) fn deliver(out: &mut impl Write, result: &[u8], code: u8) -> u8 {
    delivered(out.write_all(result).and_then(|()| out.flush()), code)
}

/// Writes a finished run in the requested format and returns the exit code, as [`deliver`] does.
pub(super) fn show(
    out: &mut impl Write,
    (finished, command): (&Finished, Command),
    view: &ViewSettings,
    approving: &Approving,
    code: u8,
) -> u8 {
    match view.output {
        Output::Json => delivered(json::write(out, &finished.document, layout(view)), code),
        Output::Text | Output::Markdown | Output::Html => {
            deliver(out, &render(finished, command, view, approving), code)
        }
    }
}

fn delivered(written: io::Result<()>, code: u8) -> u8 {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            error!("could not write the result to stdout: {error}");
            if code == 0 { Outcome::Failed.exit_code() } else { code }
        }
        _ => code,
    }
}

/// Renders a finished run in the requested format.
pub(super) fn render(finished: &Finished, command: Command, view: &ViewSettings, approving: &Approving) -> Vec<u8> {
    rendered(finished, command, view, approving, false)
}

/// A plan as text for a person who is asked next whether to carry it out, whatever the format of the result.
pub(super) fn to_be_asked(finished: &Finished, view: &ViewSettings, approving: &Approving) -> Vec<u8> {
    let view = ViewSettings { output: Output::Text, ..view.clone() };
    rendered(finished, Command::Plan, &view, approving, true)
}

fn rendered(finished: &Finished, command: Command, view: &ViewSettings, approving: &Approving, asks: bool) -> Vec<u8> {
    let Finished { run, document, .. } = finished;
    let (target, desired, color) = (&run.target, run.newest(), screen::is_colored(view.color));
    let context = Context { command, target, desired, approving, color, full: view.full, asks, items: &view.items };
    match view.output {
        Output::Json => in_memory(document, layout(view)),
        Output::Markdown => markdown::render(document, context).into_bytes(),
        Output::Html => html::render(document, context).into_bytes(),
        Output::Text => text::render(document, context).into_bytes(),
    }
}

/// Writes the outcome and the text report of a finished run for Kubernetes, whatever the format on stdout.
pub(super) fn leave(finished: &Finished, command: Command, approving: &Approving) {
    let (output, color) = (Output::Text, Color::Never);
    let view = ViewSettings { output, one_line: false, color, full: false, items: Vec::new() };
    let report = render(finished, command, &view, approving);
    termination::log(&finished.document, &String::from_utf8_lossy(&report));
}

/// Reports a run that could not start to stdout, log, metrics, and Kubernetes; returns the exit code. `view` is
/// `None` where only finished runs have a result.
pub(super) async fn not_started(
    out: &mut impl Write,
    error: &str,
    view: Option<&ViewSettings>,
    exporter: Option<&Exporter>,
) -> u8 {
    error!("{error}");
    if let Some(exporter) = exporter {
        exporter.export(&not_begun(clock::now())).await;
    }
    let document = Document::failed(error);
    termination::log(&document, "");
    let result = match view {
        Some(ViewSettings { output: Output::Json, one_line: true, .. }) => json_line(&document),
        Some(ViewSettings { output: Output::Json, .. }) => json(&document),
        Some(ViewSettings { output: Output::Text | Output::Markdown | Output::Html, .. }) | None => Vec::new(),
    };
    deliver(out, &result, document.outcome.exit_code())
}

/// A JSON document on one line.
pub(super) fn json_line(value: &impl serde::Serialize) -> Vec<u8> {
    in_memory(value, Layout::OneLine)
}

/// A JSON document, indented.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    in_memory(value, Layout::Indented)
}

fn in_memory(value: &impl serde::Serialize, layout: Layout) -> Vec<u8> {
    let mut text = Vec::new();
    // Maps have text keys, numbers are finite, and memory takes all of it, so this cannot fail.
    match json::write(&mut text, value, layout) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

const fn layout(view: &ViewSettings) -> Layout {
    if view.one_line { Layout::OneLine } else { Layout::Indented }
}
