//! The policy of our rules: their action, and the address that they match.

use std::fmt;

/// The action of the rules on a client whose address is in an IP set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it in and stop evaluating.
    Allow,
    /// Label it and continue evaluating.
    Count,
}

/// The address of a forwarded header that is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The first; the client can forge it.
    First,
    /// The last, added by the nearest proxy.
    Last,
    /// Any of the last ten; the client can forge it.
    Any,
}

/// A forwarded header to match instead of the connection's address.
#[derive(Clone, Debug, Eq)]
pub struct Forwarded {
    /// The header's name, such as `X-Forwarded-For`.
    pub header: String,
    /// Which of its addresses.
    pub position: Position,
}

impl PartialEq for Forwarded {
    /// Header names are case-insensitive.
    fn eq(&self, other: &Self) -> bool {
        self.header.eq_ignore_ascii_case(&other.header) && self.position == other.position
    }
}

/// The action and match of a rule. Changing either needs approval once the rule has references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePolicy {
    /// Allow, or count and label.
    pub action: Action,
    /// The forwarded header; `None` to match the connection's address.
    pub forwarded: Option<Forwarded>,
}

impl RulePolicy {
    /// The labels that a rule with this policy adds, for this installation name.
    #[must_use]
    pub fn labels(&self, installation: &str) -> Vec<String> {
        match self.action {
            Action::Allow => Vec::new(),
            Action::Count => vec![installation.to_owned()],
        }
    }
}

impl fmt::Display for RulePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            Action::Allow => "allow",
            Action::Count => "count and label",
        })?;
        if let Some(forwarded) = &self.forwarded {
            let position = match forwarded.position {
                Position::First => "the first",
                Position::Last => "the last",
                Position::Any => "any",
            };
            write!(f, " by {position} address in {}", forwarded.header)?;
        }
        Ok(())
    }
}
