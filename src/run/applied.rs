//! What was written of a plan: the writes that had their effect, and those of which nobody knows.

use std::collections::BTreeMap;

use crate::model::current::{Current, LockToken};
use crate::model::spec::WriteKind;
use crate::planning::plan::{Change, Write};
use crate::run::effect;

/// What was written of a plan.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Writes that had their effect: AWS confirmed them, or a later read showed them.
    pub done: Vec<Write>,
    /// Writes of which it is not known whether they had their effect.
    pub unsure: Vec<Write>,
    /// Writes that were refused because somebody else had written.
    pub conflicts: usize,
}

/// What a write replaces: of all writes with the same origin at most one has its effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    of_ip_set: bool,
    name: String,
    /// `None`: there was nothing.
    token: Option<LockToken>,
}

impl Origin {
    pub(super) fn of(write: &Write) -> Self {
        let token = match write {
            Write::CreateIpSet(_) | Write::CreateRuleGroup(_) => None,
            Write::UpdateIpSet { token, .. } | Write::UpdateRuleGroup { token, .. } => Some(token.clone()),
        };
        Self { of_ip_set: write.kind().is_of_ip_set(), name: write.target().to_owned(), token }
    }
}

impl Applied {
    /// Writes that had their effect, by kind.
    #[must_use]
    pub fn writes(&self) -> BTreeMap<WriteKind, usize> {
        let mut writes = BTreeMap::new();
        for write in &self.done {
            *writes.entry(write.kind()).or_default() += 1;
        }
        writes
    }

    /// Whether this change had its effect.
    #[must_use]
    pub fn wrote(&self, change: &Change) -> bool {
        let same = |write: &Write| write.kind() == change.write.kind() && write.target() == change.write.target();
        self.done.iter().any(same)
    }

    /// Takes down a write that AWS confirmed. No other write of the same origin can have had its effect.
    pub(super) fn confirm(&mut self, write: Write) {
        self.forget(&Origin::of(&write));
        self.done.push(write);
    }

    /// Forgets the unsure writes of this origin.
    pub(super) fn forget(&mut self, origin: &Origin) {
        self.unsure.retain(|unsure| Origin::of(unsure) != *origin);
    }

    /// Counts as done what a read shows although the answer was lost; answers the origins of what it counted.
    pub(super) fn acknowledge(&mut self, current: &Current, installation: &str) -> Vec<Origin> {
        let mut found = Vec::new();
        for write in std::mem::take(&mut self.unsure) {
            if effect::shows(&write, current, installation) {
                found.push(Origin::of(&write));
                self.done.push(write);
            } else {
                self.unsure.push(write);
            }
        }
        found
    }
}
