//! What the rules of our rule groups should be, and what a change of them would mean: values only.

use std::fmt;

use crate::model::current::{Current, GroupRule, RuleGroup};
use crate::model::naming::Target;
use crate::model::policy::RulePolicy;

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
        /// The fingerprint of what stands there.
        seen: String,
    },
    /// A reference to an IP set that is not ours would go.
    DroppedReference {
        /// The rule group.
        group: String,
        /// The ARN of the IP set.
        ip_set: String,
    },
}

impl RuleChange {
    /// What an approval is about besides its text: of two hand edits it passes the one that was seen.
    #[must_use]
    pub fn seen(&self) -> &str {
        match self {
            Self::Edited { seen, .. } => seen,
            _ => "",
        }
    }
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
            Self::Edited { group, .. } => {
                write!(f, "the rules of rule group {group} were edited by hand and would be replaced")
            }
            Self::DroppedReference { group, ip_set } => {
                let ip_set = crate::text::without_account_ids(ip_set);
                write!(f, "rule group {group} would no longer refer to {ip_set}, which is not one of ours")
            }
        }
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
            GroupRule::Edited { seen, .. } if !references.is_empty() => {
                changes.push(RuleChange::Edited { group: group.name.clone(), seen: seen.clone() });
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
        GroupRule::Edited { .. } => false,
    };
    !tidy || group.table.as_ref().is_some_and(|found| *found != target.table_tag())
}

fn distinct(references: &[String]) -> bool {
    references.iter().enumerate().all(|(index, arn)| !references.iter().take(index).any(|other| other == arn))
}

fn is_shard(current: &Current, arn: &str) -> bool {
    current.shards.iter().any(|shard| shard.arn == arn)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::cidr::Family;
    use crate::model::current::{LockToken, Shard};
    use crate::model::policy::{Action, Forwarded, Position};

    const ALLOW: RulePolicy = RulePolicy { action: Action::Allow, forwarded: None };

    pub(crate) fn target() -> Target {
        Target {
            scope: "regional",
            region: "eu-central-1".into(),
            name: "wafsync".into(),
            table: "eu-central-1/clusters".into(),
        }
    }

    fn group(rule: GroupRule) -> RuleGroup {
        RuleGroup {
            number: 1,
            name: "wafsync-1".into(),
            id: String::new(),
            arn: "arn:group".into(),
            token: LockToken(String::new()),
            capacity: 120,
            table: Some(target().table_tag()),
            rule,
        }
    }

    fn standard(references: &[&str]) -> GroupRule {
        let references = references.iter().map(ToString::to_string).collect();
        GroupRule::Standard { policy: ALLOW, references, tidy: true }
    }

    /// Sets `ours` and `also` are shards, `gone` was one.
    fn current(group: RuleGroup) -> Current {
        let shard = |name: &str| Shard {
            name: name.into(),
            id: String::new(),
            arn: name.into(),
            family: Family::Ipv4,
            adopted: false,
            mark: None,
            token: LockToken(String::new()),
            cidrs: [].into(),
            group: Some(0),
        };
        Current {
            shards: vec![shard("also"), shard("ours")],
            groups: vec![group],
            gone: vec!["gone".into()],
            ..Current::default()
        }
    }

    /// What needs a person, and whether the group is written anyway.
    fn seen(group: RuleGroup, policy: &RulePolicy) -> (Vec<String>, bool) {
        let current = current(group);
        let changes = guarded_changes(&current, policy, &target());
        let rewrite = must_rewrite(&current.groups[0], &current, policy, &target());
        (changes.iter().map(ToString::to_string).collect(), rewrite)
    }

    fn nothing() -> (Vec<String>, bool) {
        (vec![], false)
    }

    #[test]
    fn what_is_as_it_should_be_needs_nothing() {
        for rule in [GroupRule::Empty, standard(&["ours"]), standard(&["ours", "also"])] {
            assert_eq!(seen(group(rule), &ALLOW), nothing());
        }
        // A description that names no table is brought up to date by the next write, not by one of its own.
        assert_eq!(seen(RuleGroup { table: None, ..group(standard(&["ours"])) }, &ALLOW), nothing());
    }

    #[test]
    fn what_changes_no_meaning_is_written_without_a_question() {
        let untidy = GroupRule::Standard { policy: ALLOW, references: vec!["ours".into()], tidy: false };
        for rule in [untidy, standard(&["ours", "ours"]), standard(&["ours", "gone"])] {
            assert_eq!(seen(group(rule), &ALLOW), (vec![], true));
        }
    }

    #[test]
    fn another_table_needs_a_person_even_without_references() {
        let tag = target().table_tag();
        assert_eq!(target().group_description(), format!("wafsync wafsync table:{tag}"));
        let message =
            format!("rule group wafsync-1 was last fed from another table (table:00000000, this one is table:{tag})");
        for rule in [GroupRule::Empty, standard(&["ours"])] {
            let group = RuleGroup { table: Some("00000000".into()), ..group(rule) };
            assert_eq!(seen(group, &ALLOW), (vec![message.clone()], true));
        }
    }

    #[test]
    fn another_policy_needs_a_person_once_there_are_references() {
        let last = Forwarded { header: "X-Forwarded-For".into(), position: Position::Last };
        let count = RulePolicy { action: Action::Count, forwarded: Some(last) };
        let message = "rule group wafsync-1 would change from \"allow\" to \"count and label by the last address in \
                       X-Forwarded-For\"";
        assert_eq!(seen(group(standard(&["ours"])), &count), (vec![message.to_owned()], true));
        assert_eq!(seen(group(GroupRule::Empty), &count), nothing());
    }

    #[test]
    fn an_edited_rule_needs_a_person_if_it_refers_to_something() {
        let message = "the rules of rule group wafsync-1 were edited by hand and would be replaced";
        let foreign = |references: &[&str]| {
            let references = references.iter().map(ToString::to_string).collect();
            group(GroupRule::Edited { references, seen: String::new() })
        };
        assert_eq!(seen(foreign(&["ours"]), &ALLOW), (vec![message.to_owned()], true));
        assert_eq!(seen(foreign(&[]), &ALLOW), (vec![], true));
    }

    #[test]
    fn each_foreign_reference_is_named_once_and_one_that_is_gone_not_at_all() {
        let message =
            |set: &str| format!("rule group wafsync-1 would no longer refer to {set}, which is not one of ours");
        let rule = standard(&["theirs", "ours", "gone", "another", "theirs"]);
        assert_eq!(seen(group(rule), &ALLOW), (vec![message("another"), message("theirs")], true));
    }
}
