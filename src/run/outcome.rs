//! The outcome of a run. It is decided here; the report only renders it.

use std::fmt;

use serde::Serialize;

use crate::model::enforcement::enforcement;
use crate::run::decision::Decision;
use crate::run::end::End;
use crate::run::record::{Command, Run};

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing had to be written.
    Converged,
    /// Written; every wanted address is in force and no other.
    Changed,
    /// `plan` printed it.
    Planned,
    /// Approval is needed; nothing was written.
    Blocked,
    /// Approval is needed; what needs none was written.
    Held,
    /// Everything is written, but a web ACL does not enforce it.
    Unenforced,
    /// The next run continues.
    Partial,
    /// A failure that is permanent until fixed.
    Failed,
}

impl Outcome {
    /// Decides the outcome of a run.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        // A write whose effect is unknown may have changed something.
        let wrote = run.writes_done() > 0 || run.writes_unsure() > 0;
        match (&run.end, run.command) {
            (End::Failed(_), _) => Self::Failed,
            (End::Done | End::Blocked, Command::Plan) => Self::Planned,
            (End::Blocked, Command::Apply) if !wrote => Self::Blocked,
            (End::Blocked, Command::Apply) => Self::Held,
            (End::Done | End::Partial(_), Command::Apply) if is_held(run) => Self::Held,
            (End::Done | End::Partial(_), Command::Apply) if !is_enforced(run) => Self::Unenforced,
            (End::Partial(_), _) => Self::Partial,
            (End::Done, Command::Apply) if wrote => Self::Changed,
            (End::Done, Command::Apply) => Self::Converged,
        }
    }

    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Converged | Self::Changed | Self::Planned => 0,
            Self::Failed => 1,
            Self::Blocked | Self::Held | Self::Unenforced => 3,
            Self::Partial => 4,
        }
    }
}

/// Whether a guard holds removals or additions.
fn is_held(run: &Run) -> bool {
    run.decision().is_some_and(|Decision { judgment, .. }| !judgment.held.is_empty() || !judgment.waiting.is_empty())
}

/// Whether every named web ACL lets clients in by all our rule groups with IP sets.
fn is_enforced(run: &Run) -> bool {
    let web_acls = run.current().map(enforcement).unwrap_or_default();
    web_acls.iter().all(|web_acl| web_acl.missing.is_empty())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Changed => "changed",
            Self::Planned => "planned",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Unenforced => "unenforced",
            Self::Partial => "partial",
            Self::Failed => "failed",
        })
    }
}
