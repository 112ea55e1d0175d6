//! A web ACL that refers to our rule groups, and what its overrides make of them.

use crate::model::policy::Action;

/// A web ACL that was named with `--web-acl`.
#[derive(Clone, Debug)]
pub struct WebAcl {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The ARNs of the rule groups that it refers to and by which clients get in.
    pub refers_to: Vec<String>,
    /// The ARNs of the rule groups by which nobody gets in, for it overrides them.
    pub overridden: Vec<String>,
}

/// A web ACL of `--web-acl` that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadWebAcl {
    /// The name or ARN that was given.
    pub name: String,
    /// What AWS said.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// Whether the next run meets it again: it is denied, or does not exist.
    pub lasting: bool,
}

/// What a rule does with a request that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Lets it in; nothing that comes later sees it.
    Allow,
    /// Turns it away; nothing that comes later sees it.
    Block,
    /// Counts it, labels it and goes on.
    Count,
    /// Asks for a puzzle to be solved, which no program does.
    Captcha,
    /// Asks for a script to be run, which no program does.
    Challenge,
    /// What this version does not know.
    Other,
}

/// What a web ACL makes of our rule where it refers to one of our rule groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// The rule does what it says.
    None,
    /// What comes of the whole rule group is only counted.
    WholeToCount,
    /// The rule does this instead.
    To(Effect),
}

impl Override {
    /// Whether clients that our rule, made with this action, matches get in all the same.
    ///
    /// A rule that counts anyway may be overridden to Count. An override of the whole group is taken as off whatever the
    /// rule does: that the labels stay then is no promise of AWS, and nothing is gained by it.
    #[must_use]
    pub const fn lets_in(self, action: Action) -> bool {
        match self {
            Self::None | Self::To(Effect::Allow) => true,
            Self::To(Effect::Count) => matches!(action, Action::Count),
            Self::WholeToCount | Self::To(_) => false,
        }
    }
}
