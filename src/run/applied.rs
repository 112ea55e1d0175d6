//! What was written of a plan: the writes that took effect, and those that may have.

use std::collections::BTreeMap;

use crate::model::current::{Current, LockToken};
use crate::model::spec::WriteKind;
use crate::planning::change::{Change, Write};
use crate::run::effect;

/// What was written of a plan.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Writes that took effect: AWS confirmed them, or a later read showed them.
    pub done: Vec<Write>,
    /// Writes that may have taken effect: the answer was lost.
    pub unsure: Vec<Write>,
    /// The number of writes that AWS refused because of a conflict.
    pub conflicts: usize,
}

/// What a write replaces. Of all writes with the same origin, at most one takes effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    of_ip_set: bool,
    name: String,
    /// `None` for a creation.
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
    /// The number of writes that took effect, by kind.
    #[must_use]
    pub fn writes(&self) -> BTreeMap<WriteKind, usize> {
        let mut writes = BTreeMap::new();
        for write in &self.done {
            *writes.entry(write.kind()).or_default() += 1;
        }
        writes
    }

    /// Whether this change took effect.
    #[must_use]
    pub fn wrote(&self, change: &Change) -> bool {
        self.done.iter().any(|write| is_of(write, change))
    }

    /// Whether this change may have taken effect.
    pub(super) fn may_have_written(&self, change: &Change) -> bool {
        self.sent(change).is_some()
    }

    /// The write of this change that took effect or may have.
    fn sent(&self, change: &Change) -> Option<&Write> {
        self.done.iter().chain(&self.unsure).find(|write| is_of(write, change))
    }

    /// Drops new references from these changes that were left out of the write, because their IP sets were not written.
    pub(super) fn keep_what_was_sent(&self, changes: &mut [Change]) {
        for change in changes {
            if let Some(Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. }) = self.sent(change) {
                change.refer.retain(|name| spec.references.iter().any(|reference| reference.name == *name));
            }
        }
    }

    /// Records a write that AWS confirmed. No other write of the same origin can have taken effect.
    pub(super) fn confirm(&mut self, write: Write) {
        self.forget(&Origin::of(&write));
        self.done.push(write);
    }

    /// Forgets the unsure writes of this origin.
    pub(super) fn forget(&mut self, origin: &Origin) {
        self.unsure.retain(|unsure| Origin::of(unsure) != *origin);
    }

    /// Counts unsure writes as done where a read shows their effect, and returns their origins.
    pub(super) fn acknowledge(&mut self, current: &Current, installation: &str) -> Vec<Origin> {
        let mut found = Vec::new();
        for write in std::mem::take(&mut self.unsure) {
            let origin = Origin::of(&write);
            // A write that was sent again took effect once.
            if found.contains(&origin) {
                continue;
            }
            if effect::shows(&write, current, installation) {
                found.push(origin);
                self.done.push(write);
            } else {
                self.unsure.push(write);
            }
        }
        found
    }
}

fn is_of(write: &Write, change: &Change) -> bool {
    write.kind() == change.write.kind() && write.target() == change.write.target()
}

#[cfg(test)]
mod tests;
