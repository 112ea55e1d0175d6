//! `check`: the preflight, line by line as it is known.

use std::cell::RefCell;
use std::io::Write;

use crate::aws;
use crate::host::result::{deliver, json};
use crate::host::screen::{self, Paint};
use crate::host::session::connect;
use crate::model::settings::{Output, Settings, ViewSettings};
use crate::preflight::check;
use crate::preflight::line::{Line, Printer, Report, Verdict};
use crate::stop::Signal;

pub(in crate::host) async fn run(settings: Settings, view: &ViewSettings, signal: Signal, out: &mut impl Write) -> u8 {
    let stop = signal.stop_within(settings.run.deadline);
    let shown =
        RefCell::new(Shown { out, paint: screen::paint(view.color), printer: Printer::default(), lines: Vec::new() });
    let text = match view.output {
        Output::Json => false,
        Output::Text | Output::Markdown | Output::Html => true,
    };
    let report = match connect(&settings).await {
        Ok(connection) => {
            let early = |early: crate::preflight::facts::Early<'_>| {
                if text {
                    shown.borrow_mut().line(check::judge_early(&settings, early));
                }
            };
            check::judge(&settings, &aws::look_and_tell(&connection, &settings, &stop, &early).await)
        }
        Err(error) => check::without_connection(&error),
    };
    let mut shown = shown.into_inner();
    if !text {
        return deliver(shown.out, &json(&report), report.exit_code());
    }
    shown.rest(&report);
    deliver(shown.out, format!("\n{}\n", report.total()).as_bytes(), report.exit_code())
}

/// What was printed already.
struct Shown<'a, W> {
    out: &'a mut W,
    paint: Paint,
    printer: Printer,
    lines: Vec<Line>,
}

impl<W: Write> Shown<'_, W> {
    fn line(&mut self, line: Line) {
        let text = self.printer.print(&line);
        let verdict = line.verdict.as_str();
        let colored = match line.verdict {
            Verdict::Ok => self.paint.good(verdict),
            Verdict::Warning => self.paint.warning(verdict),
            Verdict::Failure => self.paint.bad(verdict),
        };
        let text = text.replacen(verdict, &colored, 1);
        // What cannot be written is found by the total that ends everything.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.lines.push(line);
    }

    /// The lines that were not printed yet.
    fn rest(&mut self, report: &Report) {
        for line in &report.lines {
            if !self.lines.contains(line) {
                self.line(line.clone());
            }
        }
    }
}
