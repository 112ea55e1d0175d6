//! Web ACLs that refer to our rule groups, and their overrides.

use crate::model::policy::Action;

/// A web ACL named with `--web-acl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAcl {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The ARNs of the rule groups that it refers to and that let clients in.
    pub refers_to: Vec<String>,
    /// The ARNs of the rule groups that let no one in because it overrides them.
    pub overridden: Vec<String>,
}

/// A web ACL named with `--web-acl` that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadWebAcl {
    /// Its name or ARN, as given.
    pub name: String,
    /// The error.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// Whether the error is permanent until fixed: access is denied, or the web ACL does not exist.
    pub lasting: bool,
}

/// The action of a rule on a request that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Let it in; evaluation ends.
    Allow,
    /// Reject it; evaluation ends.
    Block,
    /// Count and label it; evaluation continues.
    Count,
    /// Require a CAPTCHA, which no program solves.
    Captcha,
    /// Require a browser to run a script, which no program does.
    Challenge,
    /// An action that this version does not know.
    Other,
}

/// The override in a web ACL's reference to one of our rule groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// None: the rule's own action applies.
    None,
    /// The whole rule group only counts.
    WholeToCount,
    /// This action replaces that of the rule.
    To(Effect),
}

impl Override {
    /// Whether clients that our rule matches still get in, if wafsync writes the rule with this action.
    ///
    /// A counting rule may be overridden to Count. An override of the whole group disables any rule: AWS does not document
    /// that labels survive it.
    #[must_use]
    pub const fn lets_in(self, action: Action) -> bool {
        match self {
            Self::None | Self::To(Effect::Allow) => true,
            Self::To(Effect::Count) => matches!(action, Action::Count),
            Self::WholeToCount | Self::To(_) => false,
        }
    }
}
