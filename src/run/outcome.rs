//! How a run ended, for programs: decided from what happened, rendered elsewhere.

use std::fmt;

use serde::Serialize;

/// How a run ended, for programs and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing had to be written.
    Converged,
    /// Written; every wanted address is in force and no other.
    Changed,
    /// `plan` printed it.
    Planned,
    /// A person is needed; nothing was written.
    Blocked,
    /// A person is needed; additions are in force, removals were kept back.
    Held,
    /// A person is needed; our part is done, but a web ACL does not enforce it.
    Unenforced,
    /// The next run goes on.
    Partial,
    /// The next run will meet the same error.
    Failed,
}

impl Outcome {
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
