//! What the stand-in holds at one moment, as far as the promises of wafsync are about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wafsync_test_aws::{Aws, IpSetView, RuleGroupView, WebAclView};

use crate::ranges::Ranges;

/// The name of the installation in every world.
pub(crate) const NAME: &str = "wafsync";

#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    /// The contents of every IP set.
    pub(crate) sets: BTreeMap<String, BTreeSet<String>>,
    /// The IP sets to which a rule of one of our rule groups refers.
    pub(crate) wired: BTreeSet<String>,
    /// The IP sets whose description says that wafsync wrote them.
    pub(crate) marked: BTreeSet<String>,
    /// What the wired sets let in.
    pub(crate) in_force: Ranges,
    /// Every web ACL: all of them belong to others.
    pub(crate) web_acls: Vec<WebAclView>,
}

impl Snapshot {
    pub(crate) fn take(aws: &Aws) -> Self {
        let (sets, groups) = (aws.ip_sets(), aws.rule_groups());
        let mut referred = BTreeSet::new();
        groups.iter().filter(|group| is_our_group(group)).for_each(|group| references(&group.rules, &mut referred));
        let wired: Vec<&IpSetView> = sets.iter().filter(|set| referred.contains(&set.arn)).collect();
        let in_force = Ranges::of(wired.iter().flat_map(|set| &set.addresses));
        Self {
            wired: wired.iter().map(|set| set.name.clone()).collect(),
            in_force,
            web_acls: aws.web_acls(),
            marked: sets.iter().filter(|set| is_marked(set)).map(|set| set.name.clone()).collect(),
            sets: sets.into_iter().map(|set| (set.name, set.addresses.into_iter().collect())).collect(),
        }
    }

    /// What these sets and the wired ones hold.
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

    /// Whether this CIDR, as it is written, stands in a set that counts.
    pub(crate) fn stands(&self, cidr: &str, adopted: &BTreeSet<String>) -> bool {
        let counts = |name: &str| self.wired.contains(name) || adopted.contains(name);
        self.sets.iter().any(|(name, cidrs)| counts(name) && cidrs.contains(cidr))
    }
}

fn is_our_group(group: &RuleGroupView) -> bool {
    let number = group.name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-'));
    let described = group.description.as_deref().is_some_and(|text| text.starts_with(&format!("wafsync {NAME} ")));
    described && number.is_some_and(|number| number.parse::<usize>().is_ok())
}

fn is_marked(set: &IpSetView) -> bool {
    set.description.as_deref().is_some_and(|text| text.starts_with(&format!("wafsync {NAME} ")))
}

/// The ARNs of all IP sets that stand anywhere in these rules.
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
