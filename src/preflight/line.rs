//! A line of `check`, and all lines as one document.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::facts::ReadError;
use crate::text::number::counted;
use crate::text::wrap::wrap;

/// The most elements of a list in a line.
const SHOWN: usize = 3;

/// The indent of text below verdict and subject.
const INDENT: &str = "                           ";

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It needs attention.
    Warning,
    /// It will not work.
    Failure,
}

/// A line of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was checked; the same in every run.
    pub subject: &'static str,
    /// Its severity.
    pub verdict: Severity,
    /// The finding.
    pub finding: String,
    /// How to fix it.
    #[serde(rename = "mend", skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// All lines of `check` as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The version of this document.
    pub version: u32,
    /// Whether nothing failed.
    pub ok: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

pub(super) fn ok(subject: &'static str, finding: impl Into<String>) -> Line {
    Line { subject, verdict: Severity::Ok, finding: finding.into(), fix: None }
}

pub(super) fn warning(subject: &'static str, finding: impl Into<String>, fix: impl Into<String>) -> Line {
    Line { subject, verdict: Severity::Warning, finding: finding.into(), fix: Some(fix.into()) }
}

pub(super) fn failure(subject: &'static str, finding: impl Into<String>, fix: impl Into<String>) -> Line {
    Line { subject, verdict: Severity::Failure, finding: finding.into(), fix: Some(fix.into()) }
}

/// The line for a failed read; its error has a hint.
pub(super) fn failed(subject: &'static str, trouble: &ReadError) -> Line {
    Line { subject, verdict: Severity::Failure, finding: trouble.message.clone(), fix: trouble.hint.clone() }
}

/// The line for something that needs our resources in WAF, which could not be read.
pub(super) fn unknown(subject: &'static str, trouble: &ReadError) -> Line {
    let fix = if trouble.denied { "see permissions" } else { "see rule groups" };
    failure(subject, "could not read wafsync's IP sets and rule groups", fix)
}

/// The first elements of a list, and the number of the rest.
pub(super) fn shown(separator: &str, list: impl IntoIterator<Item: Display>) -> String {
    let mut list = list.into_iter();
    let mut items: Vec<String> = list.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    match list.count() {
        0 => {}
        more => items.push(format!("and {more} more")),
    }
    items.join(separator)
}

impl Severity {
    /// The first word of a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// Prints lines one by one. A fix that several lines share is printed once.
#[derive(Debug, Default)]
pub struct Printer {
    advised: BTreeSet<String>,
}

impl Printer {
    /// The line as text: the finding, and below it how to fix it.
    #[must_use]
    pub fn print(&mut self, line: &Line) -> String {
        let finding = format!("{:7}  {:16}  {}", line.verdict.as_str(), line.subject, line.finding);
        let mut out = format!("{}\n", wrap(INDENT, &finding));
        if let Some(fix) = line.fix.as_ref().filter(|fix| self.advised.insert((*fix).clone())) {
            let _ = writeln!(out, "{}", wrap(&format!("{INDENT}   "), &format!("{INDENT}-> {fix}")));
        }
        out
    }
}

impl CheckReport {
    /// All lines as text, and a total.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut printer = Printer::default();
        let lines: String = self.lines.iter().map(|line| printer.print(line)).collect();
        format!("{lines}\n{}\n", self.total())
    }

    /// The number of lines of each severity.
    #[must_use]
    pub fn total(&self) -> String {
        let count = |verdict: Severity| self.lines.iter().filter(|line| line.verdict == verdict).count();
        let (failures, warnings) = (count(Severity::Failure), count(Severity::Warning));
        let (failures, warnings) = (counted(failures, "failure"), counted(warnings, "warning"));
        format!("{} ok, {warnings}, {failures}", count(Severity::Ok))
    }

    /// 0, or 1 if something failed.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }
}
