//! What the rules of our rule groups should be, and what a change of them would mean: values only.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::current::{Current, GroupRule, RuleGroup};
use crate::settings::{Action, Position, RulePolicy};
use crate::text::hex;

/// Hexadecimal digits of the table's hash in a rule group's description.
const TABLE_TAG_DIGITS: usize = 8;

/// Which rules in which place are fed from which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `regional` or `cloudfront`.
    pub scope: &'static str,
    /// The Region of the WAF resources.
    pub region: String,
    /// `--name`.
    pub name: String,
    /// The table, as `region/name`.
    pub table: String,
}

impl Target {
    /// The first eight hexadecimal digits of the SHA-256 of the table's `region/name`.
    #[must_use]
    pub fn table_tag(&self) -> String {
        let hash: [u8; 32] = Sha256::digest(self.table.as_bytes()).into();
        hex(&hash).chars().take(TABLE_TAG_DIGITS).collect()
    }

    /// The description of every rule group of ours.
    #[must_use]
    pub fn group_description(&self) -> String {
        format!("wafsync {} table:{}", self.name, self.table_tag())
    }

    /// The name of the rule group with this number, counted from 1.
    #[must_use]
    pub fn group_name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

/// A change of a rule that could let strangers in or lock clusters out: a person has to approve it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleChange {
    /// The rule group was last fed from another table.
    OtherTable {
        /// The rule group.
        group: String,
        /// The tag in its description.
        found: String,
        /// The tag of this table.
        ours: String,
    },
    /// A rule that has references does or matches something else than the settings say.
    Policy {
        /// The rule group.
        group: String,
        /// What the rule does now.
        from: String,
        /// What the settings say.
        to: String,
    },
    /// A rule that has references has been edited into something that wafsync does not write.
    Edited {
        /// The rule group.
        group: String,
    },
    /// A reference to an IP set that is not ours would go.
    DroppedReference {
        /// The rule group.
        group: String,
        /// The ARN of the IP set.
        ip_set: String,
    },
}

impl fmt::Display for RuleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherTable { group, found, ours } => {
                write!(
                    f,
                    "rule group {group} was last fed from another table (table:{found}, this one is table:{ours})"
                )
            }
            Self::Policy { group, from, to } => {
                write!(f, "rule group {group} would change from \"{from}\" to \"{to}\"")
            }
            Self::Edited { group } => {
                write!(f, "the rules of rule group {group} were edited by hand and would be replaced")
            }
            Self::DroppedReference { group, ip_set } => {
                write!(f, "rule group {group} would no longer refer to {ip_set}, which is not one of ours")
            }
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
                Position::First => "first",
                Position::Last => "last",
                Position::Any => "any",
            };
            write!(f, " by the {position} address in {}", forwarded.header)?;
        }
        Ok(())
    }
}

/// The changes that need a person, in the order of the groups.
#[must_use]
pub fn guarded_changes(current: &Current, policy: &RulePolicy, target: &Target) -> Vec<RuleChange> {
    let mut changes = Vec::new();
    for group in &current.groups {
        if let Some(found) = &group.table
            && *found != target.table_tag()
        {
            let (found, ours) = (found.clone(), target.table_tag());
            changes.push(RuleChange::OtherTable { group: group.name.clone(), found, ours });
        }
        let references = group.rule.references();
        match &group.rule {
            GroupRule::Standard { policy: now, .. } if !references.is_empty() && now != policy => {
                let (from, to) = (now.to_string(), policy.to_string());
                changes.push(RuleChange::Policy { group: group.name.clone(), from, to });
            }
            GroupRule::Foreign { .. } if !references.is_empty() => {
                changes.push(RuleChange::Edited { group: group.name.clone() });
            }
            _ => {}
        }
        let mut foreign: Vec<&String> =
            references.iter().filter(|arn| !is_shard(current, arn) && !current.gone.contains(arn)).collect();
        foreign.sort_unstable();
        foreign.dedup();
        changes.extend(
            foreign
                .into_iter()
                .map(|arn| RuleChange::DroppedReference { group: group.name.clone(), ip_set: arn.clone() }),
        );
    }
    changes
}

/// Whether the group has to be written whatever its references will be.
#[must_use]
pub fn must_rewrite(group: &RuleGroup, current: &Current, policy: &RulePolicy, target: &Target) -> bool {
    let tidy = match &group.rule {
        GroupRule::Empty => true,
        GroupRule::Standard { policy: now, tidy, references } => {
            now == policy && *tidy && references.iter().all(|arn| is_shard(current, arn)) && distinct(references)
        }
        GroupRule::Foreign { .. } => false,
    };
    !tidy || group.table.as_ref().is_some_and(|found| *found != target.table_tag())
}

fn distinct(references: &[String]) -> bool {
    references.iter().enumerate().all(|(index, arn)| !references.iter().take(index).any(|other| other == arn))
}

fn is_shard(current: &Current, arn: &str) -> bool {
    current.shards.iter().any(|shard| shard.arn == arn)
}
