//! A view of a web ACL and our rule groups in it, for the judges.

use super::facts::{AclRule, AclState, Priority};
use super::line::shown;
use crate::model::current::RuleGroup;
use crate::model::policy::Action;
use crate::model::web_acl::Override;
use crate::text;

/// One of our rule groups in a web ACL.
pub(super) struct Ours<'a> {
    pub(super) group: &'a RuleGroup,
    /// The label that its rule adds under `--action count`.
    pub(super) label: String,
    /// The position and override of the reference to it; the best of several.
    pub(super) place: Option<(Priority, Override)>,
}

impl Ours<'_> {
    /// Whether it has IP sets.
    pub(super) fn is_used(&self) -> bool {
        !self.group.rule.references().is_empty()
    }

    /// Its position, if its reference is effective.
    pub(super) fn priority(&self, action: Action) -> Option<Priority> {
        self.place.filter(|(_, with)| with.lets_in(action)).map(|(priority, _)| priority)
    }
}

/// A web ACL with our rule groups in it.
pub(super) struct View<'a> {
    pub(super) acl: &'a AclState,
    /// `web ACL NAME`
    pub(super) name: String,
    pub(super) action: Action,
    /// Our rule groups; `None` if they could not be read.
    pub(super) ours: Option<Vec<Ours<'a>>>,
}

pub(super) fn is_ours(arn: &str, ours: &[Ours<'_>]) -> bool {
    ours.iter().any(|our| our.group.arn == arn)
}

pub(super) fn names<'a>(rules: impl Iterator<Item = &'a AclRule>) -> String {
    shown(", ", rules.map(|rule| text::line(&rule.name)))
}
