//! One line of the preflight, and all of them as one document.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::facts::Trouble;
use crate::text::wrap::wrap;

/// So many of a list are shown in a line.
const SHOWN: usize = 3;

/// What stands under verdict and subject.
const INDENT: &str = "                           ";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
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
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// The preflight as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this document.
    pub version: u32,
    /// Whether nothing failed.
    pub ok: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

pub(super) fn ok(subject: &'static str, finding: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Ok, finding: finding.into(), mend: None }
}

pub(super) fn warning(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Warning, finding: finding.into(), mend: Some(mend.into()) }
}

pub(super) fn failure(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Failure, finding: finding.into(), mend: Some(mend.into()) }
}

/// The trouble has its own hint.
pub(super) fn failed(subject: &'static str, trouble: &Trouble) -> Line {
    Line { subject, verdict: Verdict::Failure, finding: trouble.with_hint(), mend: None }
}

/// For want of what is ours in WAF, which another line gives the reason for.
pub(super) fn unknown(subject: &'static str, trouble: &Trouble) -> Line {
    let mend = if trouble.denied { "see permissions" } else { "see rule groups" };
    failure(subject, "what there is of ours in WAF is not known", mend)
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

impl Report {
    /// For a person at a terminal: an entry each, and how to mend it below.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let verdict = match line.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failure => "failure",
            };
            let finding = format!("{verdict:7}  {:16}  {}", line.subject, line.finding);
            let _ = writeln!(out, "{}", wrap(INDENT, &finding));
            if let Some(mend) = &line.mend {
                let _ = writeln!(out, "{}", wrap(&format!("{INDENT}   "), &format!("{INDENT}-> {mend}")));
            }
        }
        out
    }

    /// 0, or 1 if something failed.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }
}
