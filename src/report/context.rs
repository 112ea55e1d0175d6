//! What a report needs besides the document of the run.

use super::approving::Approving;
use super::document::Document;
use crate::model::desired::Desired;
use crate::model::naming::Target;
use crate::run::record::Command;

/// What a report needs besides the document.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The command that it is the result of.
    pub command: Command,
    /// The table and the installation.
    pub target: &'a Target,
    /// The newest scan: which item wants which CIDR.
    pub desired: Option<&'a Desired>,
    /// How this host carries out and approves a plan.
    pub approving: &'a Approving,
    /// Whether the text has colors.
    pub color: bool,
    /// `--full`: list everything.
    pub full: bool,
    /// A question whether to carry the plan out follows, so that no command to do so is shown.
    pub asks: bool,
    /// `plan --item`: keys of the items that the report is about; empty: all of them.
    pub items: &'a [String],
}

impl Context<'_> {
    /// What approves this plan here; `None` if there is nothing to approve.
    #[must_use]
    pub fn approval(&self, document: &Document) -> Option<String> {
        let digest = document.digest.as_ref().filter(|_| document.can_be_approved())?;
        Some(self.approving.of(digest))
    }
}
