//! Changes of our rules: which need approval, and which rule groups have to be rewritten.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::current::{Current, GroupRule, RuleGroup};
use crate::model::naming::Target;
use crate::model::policy::RulePolicy;

/// A change of a rule that could let in strangers or lock out clusters, and therefore needs approval.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleChange {
    /// The rule group was last fed from another table.
    OtherTable {
        /// The rule group.
        group: String,
        /// The table tag in its description.
        found: String,
        /// The tag of the current table.
        ours: String,
    },
    /// The action or match of a rule with references would change.
    Policy {
        /// The rule group.
        group: String,
        /// The current policy.
        from: String,
        /// The configured policy.
        to: String,
    },
    /// The labels of a rule with references would change.
    Labels {
        /// The rule group.
        group: String,
        /// The current labels.
        from: Vec<String>,
        /// The configured labels.
        to: Vec<String>,
    },
    /// A rule with references was edited into something that wafsync does not write.
    Edited {
        /// The rule group.
        group: String,
        /// The fingerprint of the edited rules.
        seen: String,
        /// The configured policy.
        to: String,
    },
    /// A reference to a foreign IP set would be dropped.
    DroppedReference {
        /// The rule group.
        group: String,
        /// The ARN of the IP set.
        ip_set: String,
    },
}

impl RuleChange {
    /// Whether a foreign IP set would no longer let anyone in.
    #[must_use]
    pub const fn drops_foreign(&self) -> bool {
        matches!(self, Self::DroppedReference { .. })
    }

    /// What a digest covers besides the text: approving one hand edit does not approve another.
    #[must_use]
    pub fn seen(&self) -> &str {
        match self {
            Self::Edited { seen, .. } => seen,
            Self::OtherTable { .. } | Self::Policy { .. } | Self::Labels { .. } | Self::DroppedReference { .. } => "",
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
            Self::Labels { group, from, to } => {
                write!(f, "rule group {group} would add {} instead of {}", labels(to), labels(from))
            }
            Self::Edited { group, to, .. } => {
                write!(f, "the rules of rule group {group} were edited by hand and would be replaced by \"{to}\"")
            }
            Self::DroppedReference { group, ip_set } => {
                let ip_set = crate::text::without_account_ids(ip_set);
                write!(f, "rule group {group} would no longer refer to {ip_set}, which is not one of ours")
            }
        }
    }
}

/// These labels in words.
#[must_use]
pub fn labels(labels: &[String]) -> String {
    match labels {
        [] => "no label".to_owned(),
        [only] => format!("the label {only}"),
        several => format!("the labels {}", several.join(", ")),
    }
}

/// The changes that need approval, in the order of the groups.
#[must_use]
pub fn guarded_changes(current: &Current, policy: &RulePolicy, target: &Target) -> Vec<RuleChange> {
    let mut changes = Vec::new();
    for group in &current.groups {
        if let Some(found) = &group.table
            && table_of(found, current, target) == Table::Other
        {
            let ours = target.table_tag(current.account.as_deref()).unwrap_or_else(|| target.old_table_tag());
            changes.push(RuleChange::OtherTable { group: group.name.clone(), found: found.clone(), ours });
        }
        let references = group.rule.references();
        match &group.rule {
            GroupRule::Standard { policy: now, .. } if !references.is_empty() && now != policy => {
                let (from, to) = (now.to_string(), policy.to_string());
                changes.push(RuleChange::Policy { group: group.name.clone(), from, to });
            }
            GroupRule::Standard { labels, .. } if !references.is_empty() && *labels != policy.labels(&target.name) => {
                let (from, to) = (labels.clone(), policy.labels(&target.name));
                changes.push(RuleChange::Labels { group: group.name.clone(), from, to });
            }
            GroupRule::Edited { seen, .. } if !references.is_empty() => {
                let (group, seen, to) = (group.name.clone(), seen.clone(), policy.to_string());
                changes.push(RuleChange::Edited { group, seen, to });
            }
            GroupRule::Empty | GroupRule::Standard { .. } | GroupRule::Edited { .. } => {}
        }
        let foreign: BTreeSet<&String> = foreign(group, current).collect();
        let dropped = |arn: &String| RuleChange::DroppedReference { group: group.name.clone(), ip_set: arn.clone() };
        changes.extend(foreign.into_iter().map(dropped));
    }
    changes
}

/// The foreign IP sets to which this group refers.
pub fn foreign<'a>(group: &'a RuleGroup, current: &Current) -> impl Iterator<Item = &'a String> {
    group.rule.references().iter().filter(|arn| !is_shard(current, arn))
}

/// Whether the group has to stay as it is while its references to foreign IP sets stay: with another rule, these would get
/// another meaning.
#[must_use]
pub fn must_stay(group: &RuleGroup, current: &Current, policy: &RulePolicy, target: &Target) -> bool {
    !is_configured(&group.rule, policy, target) && foreign(group, current).next().is_some()
}

/// Whether a rule has the configured policy and labels.
fn is_configured(rule: &GroupRule, policy: &RulePolicy, target: &Target) -> bool {
    matches!(rule, GroupRule::Standard { policy: now, labels, .. }
        if now == policy && *labels == policy.labels(&target.name))
}

/// Whether the group has to be written even if our IP sets in its references stay. `keeps_foreign`: whether foreign ones stay too.
#[must_use]
pub fn must_rewrite(
    group: &RuleGroup,
    current: &Current,
    policy: &RulePolicy,
    target: &Target,
    keeps_foreign: bool,
) -> bool {
    if keeps_foreign && must_stay(group, current, policy, target) {
        return false;
    }
    let tidy = match &group.rule {
        GroupRule::Empty => true,
        GroupRule::Standard { tidy, references, .. } => {
            let as_ours = *tidy && is_configured(&group.rule, policy, target);
            as_ours && (keeps_foreign || foreign(group, current).next().is_none()) && distinct(references)
        }
        GroupRule::Edited { .. } => false,
    };
    !tidy || group.table.as_ref().is_some_and(|found| table_of(found, current, target) != Table::Ours)
}

/// The table that the tag in a description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    /// The current table.
    Ours,
    /// The current table, as an earlier version wrote it: without its account.
    OursOfOld,
    /// Another table.
    Other,
}

fn table_of(found: &str, current: &Current, target: &Target) -> Table {
    let ours = target.table_tag(current.account.as_deref());
    if ours.as_deref() == Some(found) {
        Table::Ours
    } else if found == target.old_table_tag() {
        // Rewriting it needs the account.
        if ours.is_some() { Table::OursOfOld } else { Table::Ours }
    } else {
        Table::Other
    }
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

    pub(crate) const ACCOUNT: &str = "111122223333";

    const ALLOW: RulePolicy = RulePolicy { action: Action::Allow, forwarded: None };

    pub(crate) fn target() -> Target {
        Target {
            scope: "regional",
            region: "eu-central-1".into(),
            name: "wafsync".into(),
            table: "eu-central-1/clusters".into(),
            table_account: None,
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
            table: target().table_tag(Some(ACCOUNT)),
            rule,
        }
    }

    fn standard(references: &[&str]) -> GroupRule {
        let references = references.iter().map(ToString::to_string).collect();
        GroupRule::Standard { policy: ALLOW, labels: vec![], references, tidy: true }
    }

    /// Sets `ours` and `also` are shards.
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
            created: false,
        };
        Current {
            shards: vec![shard("also"), shard("ours")],
            groups: vec![group],
            account: Some(ACCOUNT.into()),
            ..Current::default()
        }
    }

    /// What needs a person, and whether the group is written anyway.
    fn seen(group: RuleGroup, policy: &RulePolicy) -> (Vec<String>, bool) {
        let current = current(group);
        let changes = guarded_changes(&current, policy, &target());
        let rewrite = must_rewrite(&current.groups[0], &current, policy, &target(), false);
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
        let references = vec!["ours".into()];
        let untidy = GroupRule::Standard { policy: ALLOW, labels: vec![], references, tidy: false };
        for rule in [untidy, standard(&["ours", "ours"])] {
            assert_eq!(seen(group(rule), &ALLOW), (vec![], true));
        }
        let of_old = RuleGroup { table: Some(target().old_table_tag()), ..group(standard(&["ours"])) };
        assert_eq!(seen(of_old, &ALLOW), (vec![], true), "an earlier version wrote it");
    }

    #[test]
    fn another_table_needs_a_person_even_without_references() {
        let tag = target().table_tag(Some(ACCOUNT)).unwrap();
        let message =
            format!("rule group wafsync-1 was last fed from another table (table:00000000, this one is table:{tag})");
        for rule in [GroupRule::Empty, standard(&["ours"])] {
            let group = RuleGroup { table: Some("00000000".into()), ..group(rule) };
            assert_eq!(seen(group, &ALLOW), (vec![message.clone()], true));
        }
        let elsewhere = Target { table_account: Some("444455556666".into()), ..target() };
        let current = current(group(GroupRule::Empty));
        let changes = guarded_changes(&current, &ALLOW, &elsewhere);
        let expected = [RuleChange::OtherTable {
            group: "wafsync-1".into(),
            found: tag,
            ours: elsewhere.table_tag(None).unwrap(),
        }];
        assert_eq!(changes, expected, "a table of the same name in another account");
    }

    #[test]
    fn another_label_needs_a_person_once_there_are_references() {
        let count = RulePolicy { action: Action::Count, forwarded: None };
        let labelled = |labels: &[&str], references: &[&str], policy: &RulePolicy| {
            group(GroupRule::Standard {
                policy: policy.clone(),
                labels: labels.iter().map(ToString::to_string).collect(),
                references: references.iter().map(ToString::to_string).collect(),
                tidy: true,
            })
        };
        assert_eq!(seen(labelled(&["wafsync"], &["ours"], &count), &count), nothing());
        for (labels, policy, message) in [
            (&["evil"][..], &count, "would add the label wafsync instead of the label evil"),
            (&[], &count, "would add the label wafsync instead of no label"),
            (&["wafsync", "evil"], &count, "would add the label wafsync instead of the labels wafsync, evil"),
            (&["evil"], &ALLOW, "would add no label instead of the label evil"),
        ] {
            let message = format!("rule group wafsync-1 {message}");
            assert_eq!(seen(labelled(labels, &["ours"], policy), policy), (vec![message], true));
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
        let message = "the rules of rule group wafsync-1 were edited by hand and would be replaced by \"allow\"";
        let foreign = |references: &[&str]| {
            let references = references.iter().map(ToString::to_string).collect();
            group(GroupRule::Edited { references, seen: String::new() })
        };
        assert_eq!(seen(foreign(&["ours"]), &ALLOW), (vec![message.to_owned()], true));
        assert_eq!(seen(foreign(&[]), &ALLOW), (vec![], true));
    }

    #[test]
    fn a_rule_whose_foreign_references_stay_is_written_only_if_they_keep_their_meaning() {
        let rewritten = |rule: GroupRule, table: Option<&str>| {
            let table = table.map_or_else(|| target().table_tag(Some(ACCOUNT)), |tag| Some(tag.to_owned()));
            let current = current(RuleGroup { table, ..group(rule) });
            let must = |keeps| must_rewrite(&current.groups[0], &current, &ALLOW, &target(), keeps);
            (must(false), must(true))
        };
        assert_eq!(rewritten(standard(&["ours", "theirs"]), None), (true, false));
        assert_eq!(rewritten(standard(&["ours", "theirs", "theirs"]), None), (true, true), "twice");
        assert_eq!(rewritten(standard(&["ours", "theirs"]), Some("00000000")), (true, true), "another table");
        let references = || vec!["ours".to_owned(), "theirs".to_owned()];
        let edited = GroupRule::Edited { references: references(), seen: String::new() };
        assert_eq!(rewritten(edited, Some("00000000")), (true, false));
        let labels = vec!["evil".to_owned()];
        let labelled = GroupRule::Standard { policy: ALLOW, labels, references: references(), tidy: true };
        assert_eq!(rewritten(labelled, None), (true, false));
        let untidy = GroupRule::Standard { policy: ALLOW, labels: vec![], references: references(), tidy: false };
        assert_eq!(rewritten(untidy, None), (true, true));
        // Ours alone are put right in any case.
        let edited = GroupRule::Edited { references: vec!["ours".to_owned()], seen: String::new() };
        assert_eq!(rewritten(edited, None), (true, true));
    }

    #[test]
    fn each_reference_to_a_set_that_is_not_ours_is_named_once() {
        let message =
            |set: &str| format!("rule group wafsync-1 would no longer refer to {set}, which is not one of ours");
        let rule = standard(&["theirs", "ours", "another", "theirs"]);
        assert_eq!(seen(group(rule), &ALLOW), (vec![message("another"), message("theirs")], true));
    }
}
