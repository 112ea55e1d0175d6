//! The state of the stand-in at one moment, as far as wafsync's promises depend on it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wafsync_test_aws::{Aws, IpSetView, RuleGroupView, WebAclView};

use crate::fingerprint;
use crate::observer::Promise;
use crate::ranges::Ranges;

/// The name of the installation in every world.
pub(crate) const NAME: &str = "wafsync";

/// The table tag in the description of a rule group, for the table of every world: `printf
/// 111122223333/eu-central-1/clusters | sha256sum`, and the tag of an earlier version, without the account.
const TABLE_TAGS: [&str; 2] = ["table:07703b30", "table:d6a87d0f"];

#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    /// The contents of every IP set.
    pub(crate) sets: BTreeMap<String, BTreeSet<String>>,
    /// The IP sets to which a rule of one of our rule groups refers.
    pub(crate) wired: BTreeSet<String>,
    /// The IP sets whose description has our mark.
    pub(crate) marked: BTreeSet<String>,
    /// The descriptions of IP sets.
    pub(crate) descriptions: BTreeMap<String, String>,
    /// The addresses that the wired sets allow.
    pub(crate) in_force: Ranges,
    /// Every rule group.
    pub(crate) groups: Vec<Group>,
    /// Every web ACL. All of them are foreign.
    pub(crate) web_acls: Vec<WebAclView>,
}

/// A rule group and the effect of its rules.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    pub(crate) rules: Value,
    /// Whether its name and description are ours.
    pub(crate) is_ours: bool,
    /// The names of the IP sets to which it refers.
    pub(crate) references: BTreeSet<String>,
    /// Whether its rule should count and label instead of allow.
    counts: bool,
}

impl Snapshot {
    /// Takes a snapshot. `counts`: our rules count and label.
    pub(crate) fn take(aws: &Aws, counts: bool) -> Self {
        let (sets, groups) = (aws.ip_sets(), aws.rule_groups());
        let groups: Vec<Group> = groups.into_iter().map(|group| Group::new(group, &sets, counts)).collect();
        let referred: BTreeSet<&String> =
            groups.iter().filter(|group| group.is_ours).flat_map(|group| &group.references).collect();
        let wired: Vec<&IpSetView> = sets.iter().filter(|set| referred.contains(&set.name)).collect();
        let in_force = Ranges::of(wired.iter().flat_map(|set| &set.addresses));
        Self {
            wired: wired.iter().map(|set| set.name.clone()).collect(),
            in_force,
            groups,
            web_acls: aws.web_acls(),
            descriptions: sets.iter().filter_map(|set| Some((set.name.clone(), set.description.clone()?))).collect(),
            marked: sets.iter().filter(|set| is_marked(set)).map(|set| set.name.clone()).collect(),
            sets: sets.into_iter().map(|set| (set.name, set.addresses.into_iter().collect())).collect(),
        }
    }

    /// The differences from an older snapshot, one line for each resource.
    pub(crate) fn unlike(&self, old: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: BTreeSet<&String> = self.sets.keys().chain(old.sets.keys()).collect();
        for name in names {
            let marks = [old, self].map(|at| at.descriptions.get(name));
            if old.sets.get(name) != self.sets.get(name) || marks[0] != marks[1] {
                lines.push(format!("{name} holds {:?} ({:?})", self.sets.get(name), marks[1]));
            }
        }
        for group in &self.groups {
            let before = old.groups.iter().find(|before| before.name == group.name);
            let same = |before: &Group| (&before.rules, &before.description) == (&group.rules, &group.description);
            if !before.is_some_and(same) {
                lines.push(format!(
                    "{} refers to {:?}, standard: {} ({:?})",
                    group.name,
                    group.references,
                    group.is_standard(),
                    group.description
                ));
            }
        }
        for acl in self.web_acls.iter().filter(|acl| !old.web_acls.contains(acl)) {
            let referred: Vec<&String> =
                self.groups.iter().filter(|group| refers(acl, &group.arn)).map(|group| &group.name).collect();
            lines.push(format!("{} refers to {referred:?}", acl.name));
        }
        lines
    }

    /// What each web ACL lets in by our rules.
    pub(crate) fn behind(&self) -> BTreeMap<String, Ranges> {
        let of = |acl: &WebAclView| {
            let used = self.groups.iter().filter(|group| group.is_ours && group.lets_in() && refers(acl, &group.arn));
            let sets = used.flat_map(|group| &group.references).filter_map(|set| self.sets.get(set));
            (acl.name.clone(), Ranges::of(sets.flatten()))
        };
        self.web_acls.iter().map(of).collect()
    }

    /// The addresses in these sets and the wired ones.
    pub(crate) fn with_adopted(&self, adopted: &BTreeSet<String>) -> Ranges {
        let sets = adopted.iter().filter_map(|name| self.sets.get(name));
        Ranges::of(sets.flatten()).or(&self.in_force)
    }

    /// The contents of the wired sets and these.
    pub(crate) fn counting(&self, adopted: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
        let counts = |name: &String| self.wired.contains(name) || adopted.contains(name);
        let sets = self.sets.iter().filter(|(name, _)| counts(name));
        sets.map(|(name, cidrs)| (name.clone(), cidrs.clone())).collect()
    }

    /// The CIDRs that count as in force for guards, as they are written: also those covered by our mark, independent of
    /// the rules, and those in adopted sets.
    pub(crate) fn standing(&self, adopted: &BTreeSet<String>) -> BTreeSet<String> {
        let ours = |name: &String| self.marked.contains(name) && is_set_name(name);
        let counts = |name: &String| self.wired.contains(name) || ours(name) || adopted.contains(name);
        self.sets.iter().filter(|(name, _)| counts(name)).flat_map(|(_, cidrs)| cidrs.clone()).collect()
    }

    /// Those of [`standing`](Self::standing) that our sets hold: the program does not read what others' sets hold.
    pub(crate) fn standing_in_ours(&self, adopted: &BTreeSet<String>) -> BTreeSet<String> {
        let ours = |name: &String| is_shard(name, adopted) && (self.wired.contains(name) || self.marked.contains(name));
        let counts = |name: &String| ours(name) || adopted.contains(name);
        self.sets.iter().filter(|(name, _)| counts(name)).flat_map(|(_, cidrs)| cidrs.clone()).collect()
    }

    /// Whether the description of a set has a sum that does not match its contents.
    pub(crate) fn is_unsealed(&self, name: &str) -> bool {
        let said = self.descriptions.get(name).and_then(|description| fingerprint::sum_in(description));
        said.is_some_and(|said| self.sets.get(name).is_some_and(|cidrs| fingerprint::sum_of(cidrs) != said))
    }

    /// The problems of our rule groups that need approval before any write, by rule group.
    pub(crate) fn problems(&self, adopted: &BTreeSet<String>) -> BTreeSet<(String, Promise)> {
        let mut problems = BTreeSet::new();
        for group in self.groups.iter().filter(|group| group.is_ours) {
            let text = group.description.as_deref().unwrap_or_default();
            let tag = text.split(' ').find(|word| word.starts_with("table:"));
            let other = group.references.iter().any(|set| !is_shard(set, adopted));
            let kinds = [
                (tag.is_some_and(|tag| !TABLE_TAGS.contains(&tag)), Promise::OtherTable),
                (!group.references.is_empty() && !group.is_standard(), Promise::RuleMeaning),
                (other, Promise::ForeignReference),
            ];
            problems.extend(kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| (group.name.clone(), kind)));
        }
        problems
    }

    /// Whether one of these web ACLs does not refer to a rule group of ours that has shards, or overrides it.
    pub(crate) fn is_unenforced(&self, web_acls: &[String], adopted: &BTreeSet<String>) -> bool {
        let mut ours: Vec<&Group> = self.groups.iter().filter(|group| group.is_ours).collect();
        ours.sort_by_key(|group| number(&group.name));
        let mut seen = BTreeSet::new();
        // A set belongs to the first group that refers to it.
        ours.retain(|group| {
            let shards = group.references.iter().filter(|set| is_shard(set, adopted));
            shards.filter(|set| seen.insert((*set).clone())).count() > 0
        });
        let acls = self.web_acls.iter().filter(|acl| web_acls.contains(&acl.name));
        acls.flat_map(|acl| ours.iter().map(move |group| (acl, group))).any(|(acl, group)| !refers(acl, &group.arn))
    }
}

impl Group {
    fn new(group: RuleGroupView, sets: &[IpSetView], counts: bool) -> Self {
        let mut arns = BTreeSet::new();
        references(&group.rules, &mut arns);
        let references = sets.iter().filter(|set| arns.contains(&set.arn)).map(|set| set.name.clone()).collect();
        let is_ours = is_our_group(&group);
        let RuleGroupView { name, arn, description, rules, .. } = group;
        Self { name, arn, description, rules, is_ours, references, counts }
    }

    /// Whether its one rule does exactly what it should with its sets.
    pub(crate) fn is_standard(&self) -> bool {
        let Some([rule]) = self.rules.as_array().map(Vec::as_slice) else { return false };
        let statement = &rule["Statement"];
        let parts = statement["OrStatement"]["Statements"].as_array().cloned();
        let parts = parts.unwrap_or_else(|| vec![statement.clone()]);
        let plain = |part: &Value| {
            let arn = &part["IPSetReferenceStatement"]["ARN"];
            *part == json!({"IPSetReferenceStatement": {"ARN": arn}})
        };
        let (action, labels) = if self.counts {
            (json!({"Count": {}}), json!([{"Name": NAME}]))
        } else {
            (json!({"Allow": {}}), json!([]))
        };
        let labelled = *rule.get("RuleLabels").unwrap_or(&json!([])) == labels;
        rule["Action"] == action && labelled && rule.get("OverrideAction").is_none() && parts.iter().all(plain)
    }

    /// Whether it allows what is in its sets, even if it adds other labels.
    pub(crate) fn lets_in(&self) -> bool {
        let labels = self.rules.pointer("/0/RuleLabels").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut tidied = self.clone();
        if let Some(rule) = tidied.rules.get_mut(0).and_then(Value::as_object_mut) {
            rule.remove("RuleLabels");
            if self.counts && labels.contains(&json!({"Name": NAME})) {
                rule.insert("RuleLabels".to_owned(), json!([{"Name": NAME}]));
            }
        }
        tidied.is_standard()
    }

    /// Whether only missing references need a repair.
    pub(crate) fn is_tidy(&self, snapshot: &Snapshot, adopted: &BTreeSet<String>) -> bool {
        let named = |rule: &Value| rule["Name"] == NAME && rule["Priority"] == 0;
        let troubled = snapshot.problems(adopted).iter().any(|(group, _)| *group == self.name);
        let empty = self.rules.as_array().is_none_or(Vec::is_empty);
        !troubled && (empty || self.rules.get(0).is_some_and(named) && self.is_standard())
    }
}

/// Whether the web ACL refers to this rule group without an override.
pub(crate) fn refers(acl: &WebAclView, arn: &str) -> bool {
    acl.rules.as_array().into_iter().flatten().any(|rule| {
        let group = &rule["Statement"]["RuleGroupReferenceStatement"];
        let named = |member: &str| group[member].as_array().into_iter().flatten().any(|rule| rule["Name"] == NAME);
        let switched_off = named("RuleActionOverrides") || named("ExcludedRules");
        group["ARN"] == arn && rule["OverrideAction"].get("None").is_some() && !switched_off
    })
}

fn number(group: &str) -> Option<usize> {
    group.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-'))?.parse().ok()
}

pub(crate) fn is_our_group(group: &RuleGroupView) -> bool {
    let described = group.description.as_deref().is_some_and(|text| text.starts_with(&format!("wafsync {NAME} ")));
    described && number(&group.name).is_some()
}

/// Whether a set of this name can be one of ours.
pub(crate) fn is_set_name(name: &str) -> bool {
    let rest = name.strip_prefix(NAME).unwrap_or_default();
    ["-ipv4-", "-ipv6-"].iter().any(|family| rest.strip_prefix(family).is_some_and(|number| number.len() == 3))
}

pub(crate) fn is_shard(set: &str, adopted: &BTreeSet<String>) -> bool {
    is_set_name(set) || adopted.contains(set)
}

fn is_marked(set: &IpSetView) -> bool {
    set.description.as_deref().is_some_and(|text| text.starts_with(&format!("wafsync {NAME} ")))
}

/// Collects the ARNs of all IP sets anywhere in these rules.
fn references(rules: &Value, into: &mut BTreeSet<String>) {
    match rules {
        Value::Array(parts) => parts.iter().for_each(|part| references(part, into)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.get("ARN").and_then(Value::as_str).filter(|_| name == "IPSetReferenceStatement") {
                    Some(arn) => drop(into.insert(arn.to_owned())),
                    None => references(value, into),
                }
            }
        }
        _ => {}
    }
}
