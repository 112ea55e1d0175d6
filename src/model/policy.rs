//! What our rules do with a client, and by which address they know it.

use std::fmt;

/// What the rules do with a client whose address is in an IP set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it in and stop evaluating.
    Allow,
    /// Label it and go on.
    Count,
}

/// Which address of a forwarded header counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The first, which the client can forge.
    First,
    /// The last, put there by the nearest proxy.
    Last,
    /// Any of the last ten; the client can forge it.
    Any,
}

/// Match on a header instead of the connection's own address.
#[derive(Clone, Debug, Eq)]
pub struct Forwarded {
    /// The header's name, such as `X-Forwarded-For`.
    pub header: String,
    /// Which of its addresses.
    pub position: Position,
}

impl PartialEq for Forwarded {
    /// The names of headers know no case.
    fn eq(&self, other: &Self) -> bool {
        self.header.eq_ignore_ascii_case(&other.header) && self.position == other.position
    }
}

/// What a rule of ours does and what it looks at: a change of this needs a person once there are references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePolicy {
    /// Allow, or count and label.
    pub action: Action,
    /// The forwarded header, if the rule does not look at the connection.
    pub forwarded: Option<Forwarded>,
}

impl RulePolicy {
    /// The labels that a rule of this policy adds, for the installation of this name.
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
