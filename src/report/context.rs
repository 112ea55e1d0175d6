//! The context of a report: what it needs besides the document.

use super::approving::Approving;
use super::document::Document;
use crate::model::desired::Desired;
use crate::model::naming::Target;
use crate::run::record::Command;

/// The context of a report.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The command of the run.
    pub command: Command,
    /// The target of the run.
    pub target: &'a Target,
    /// The newest scan, which knows the items that ask for each CIDR.
    pub desired: Option<&'a Desired>,
    /// How this host carries out and approves a plan.
    pub approving: &'a Approving,
    /// Whether text is colored.
    pub color: bool,
    /// `--full`: list everything.
    pub full: bool,
    /// Whether a question follows that asks to carry out the plan; then no command for that is shown.
    pub asks: bool,
    /// `plan --item`: keys of the items to report on; empty means all.
    pub items: &'a [String],
}

impl Context<'_> {
    /// The instruction that approves this plan; `None` if there is nothing to approve.
    #[must_use]
    pub fn approval(&self, document: &Document) -> Option<String> {
        let digest = document.digest.as_ref().filter(|_| document.can_be_approved())?;
        Some(self.approving.of(digest))
    }
}
