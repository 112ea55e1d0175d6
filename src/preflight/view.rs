//! A web ACL and our rule groups in it, as the judges of web ACLs look at them.

use super::facts::{AclRule, AclState, Priority};
use super::line::shown;
use crate::model::current::RuleGroup;
use crate::model::policy::Action;
use crate::model::web_acl::Override;
use crate::text;

/// One of our rule groups, as a web ACL sees it.
pub(super) struct Ours<'a> {
    pub(super) group: &'a RuleGroup,
    /// The label that its rule makes under `--action count`.
    pub(super) label: String,
    /// The priority of the rule that refers to it, and its override: of several the one that serves best.
    pub(super) place: Option<(Priority, Override)>,
}

impl Ours<'_> {
    /// Whether it has IP sets.
    pub(super) fn is_used(&self) -> bool {
        !self.group.rule.references().is_empty()
    }

    /// Where it is asked, if it is asked to any effect.
    pub(super) fn priority(&self, action: Action) -> Option<Priority> {
        self.place.filter(|(_, with)| with.lets_in(action)).map(|(priority, _)| priority)
    }
}

/// A web ACL and our rule groups in it.
pub(super) struct View<'a> {
    pub(super) acl: &'a AclState,
    /// `web ACL NAME`
    pub(super) name: String,
    pub(super) action: Action,
    /// `None`: they are not known.
    pub(super) ours: Option<Vec<Ours<'a>>>,
}

pub(super) fn is_ours(arn: &str, ours: &[Ours<'_>]) -> bool {
    ours.iter().any(|our| our.group.arn == arn)
}

pub(super) fn names<'a>(rules: impl Iterator<Item = &'a AclRule>) -> String {
    shown(", ", rules.map(|rule| text::line(&rule.name)))
}
