//! One line of the preflight, and all of them as one document.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::facts::ReadError;
use crate::text::number::counted;
use crate::text::wrap::wrap;

/// Elements of a list that a line shows.
const SHOWN: usize = 3;

/// The indent of text below verdict and subject.
const INDENT: &str = "                           ";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// A person should look.
    Warning,
    /// It will not work.
    Failure,
}

/// One line of the preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at; the same words at every run.
    pub subject: &'static str,
    /// How bad it is.
    pub verdict: Severity,
    /// What was found.
    pub finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// The preflight as one document.
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
    Line { subject, verdict: Severity::Ok, finding: finding.into(), mend: None }
}

pub(super) fn warning(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Severity::Warning, finding: finding.into(), mend: Some(mend.into()) }
}

pub(super) fn failure(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Severity::Failure, finding: finding.into(), mend: Some(mend.into()) }
}

/// A call failed; its error brings its own hint.
pub(super) fn failed(subject: &'static str, trouble: &ReadError) -> Line {
    Line { subject, verdict: Severity::Failure, finding: trouble.message.clone(), mend: trouble.hint.clone() }
}

/// For lack of what is ours in WAF: another line says why.
pub(super) fn unknown(subject: &'static str, trouble: &ReadError) -> Line {
    let mend = if trouble.denied { "see permissions" } else { "see rule groups" };
    failure(subject, "could not read wafsync's IP sets and rule groups", mend)
}

/// The first of a list, and how many there are besides.
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
    /// The word that begins a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// Lines as text, one after another: advice that several of them share is given once.
#[derive(Debug, Default)]
pub struct Printer {
    advised: BTreeSet<String>,
}

impl Printer {
    /// For a person at a terminal: the finding, and below it how to fix it.
    #[must_use]
    pub fn print(&mut self, line: &Line) -> String {
        let finding = format!("{:7}  {:16}  {}", line.verdict.as_str(), line.subject, line.finding);
        let mut out = format!("{}\n", wrap(INDENT, &finding));
        if let Some(mend) = line.mend.as_ref().filter(|mend| self.advised.insert((*mend).clone())) {
            let _ = writeln!(out, "{}", wrap(&format!("{INDENT}   "), &format!("{INDENT}-> {mend}")));
        }
        out
    }
}

impl CheckReport {
    /// For a person at a terminal: all lines and a total.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut printer = Printer::default();
        let lines: String = self.lines.iter().map(|line| printer.print(line)).collect();
        format!("{lines}\n{}\n", self.total())
    }

    /// How many lines have each verdict.
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
