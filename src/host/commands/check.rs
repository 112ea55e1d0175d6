//! `check`: the preflight, printing each line as soon as it and all before it are complete.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use crate::aws;
use crate::host::progress;
use crate::host::result::{deliver, json};
use crate::host::screen::{self, Paint};
use crate::host::session::connect;
use crate::model::settings::{Output, Settings, ViewSettings};
use crate::preflight::check;
use crate::preflight::facts::CheckStage;
use crate::preflight::iam_policy::Access;
use crate::preflight::line::{Line, Printer, Severity};
use crate::stop::Signal;

pub(in crate::host) async fn run(settings: Settings, view: &ViewSettings, signal: Signal, out: &mut impl Write) -> u8 {
    let text = match view.output {
        Output::Json => false,
        Output::Text | Output::Markdown | Output::Html => true,
    };
    let shown = RefCell::new(Shown::new(out, screen::paint(view.color)));
    let report = match connect(&settings, Access::Check).await {
        Ok(connection) => {
            let line = progress::Line::start(settings.run.read_rate);
            let stop = signal.stop_within(settings.run.deadline).telling(line.progress());
            let known = |stage: CheckStage<'_>| {
                if text {
                    shown.borrow_mut().take(stage.place(), check::judge_stage(&settings, stage));
                }
            };
            let seen = aws::look_and_tell(&connection, &settings, &stop, &known).await;
            drop(line);
            known(CheckStage::All(&seen));
            check::judge(&settings, &seen)
        }
        Err(error) => {
            let report = check::without_connection(&error);
            if text {
                shown.borrow_mut().take(0, report.lines.clone());
            }
            report
        }
    };
    let out = shown.into_inner().out;
    let rest = if text { format!("\n{}\n", report.total()).into_bytes() } else { json(&report) };
    deliver(out, &rest, report.exit_code())
}

/// Prints the stages in order, even if they complete in another.
struct Shown<'a, W> {
    out: &'a mut W,
    paint: Paint,
    printer: Printer,
    /// The stage to print next.
    next: usize,
    /// Stages that completed before an earlier one.
    early: BTreeMap<usize, Vec<Line>>,
}

impl<'a, W: Write> Shown<'a, W> {
    fn new(out: &'a mut W, paint: Paint) -> Self {
        Self { out, paint, printer: Printer::default(), next: 0, early: BTreeMap::new() }
    }

    fn take(&mut self, place: usize, lines: Vec<Line>) {
        self.early.insert(place, lines);
        while let Some(lines) = self.early.remove(&self.next) {
            self.next += 1;
            for line in &lines {
                self.print(line);
            }
        }
    }

    fn print(&mut self, line: &Line) {
        let text = self.printer.print(line);
        let verdict = line.verdict.as_str();
        let colored = match line.verdict {
            Severity::Ok => self.paint.good(verdict),
            Severity::Warning => self.paint.warning(verdict),
            Severity::Failure => self.paint.bad(verdict),
        };
        let text = text.replacen(verdict, &colored, 1);
        // A closed pipe is noticed when the total is written.
        let _ = progress::above(|| self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Color;

    #[test]
    fn stages_are_printed_in_their_order_each_as_soon_as_it_can_be() {
        let mut out = Vec::new();
        let line = |subject| Line { subject, verdict: Severity::Ok, finding: String::new(), fix: None };
        let mut shown = Shown::new(&mut out, screen::paint(Color::Never));
        let mut printed = Vec::new();
        for (place, subject) in [(2, "c"), (0, "a"), (1, "b"), (3, "d")] {
            shown.take(place, vec![line(subject)]);
            printed.push(shown.out.split(|byte| *byte == b'\n').count() - 1);
        }
        assert_eq!(printed, [0, 1, 3, 4]);
        let subjects =
            String::from_utf8(out).unwrap().split_whitespace().filter(|word| *word != "ok").collect::<String>();
        assert_eq!(subjects, "abcd");
    }
}
