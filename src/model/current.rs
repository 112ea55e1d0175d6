//! What WAF holds now: values only, no calls. The shell fills it in, layout and plan read it.

use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Cidrs;
use crate::model::fingerprint::Mark;
use crate::model::policy::RulePolicy;
use crate::model::web_acl::{UnreadWebAcl, WebAcl};
use std::collections::{BTreeMap, BTreeSet};

/// The lock token of one read: proof, at the write, that nothing changed in between. Its shape means nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockToken(pub String);

/// One managed IP set.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its name in WAF.
    pub name: String,
    /// Its id in WAF.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its family.
    pub family: Family,
    /// Whether `--adopt` names it.
    pub adopted: bool,
    /// What its description says.
    pub mark: Option<Mark>,
    /// From the read of exactly these CIDRs.
    pub token: LockToken,
    /// What it holds. Shared with what a process that lives on remembers.
    pub cidrs: Cidrs,
    /// The index, in [`Current::groups`], of the rule group that refers to it: it is wired.
    pub group: Option<usize>,
    /// Whether this run created it: until a rule refers to it, nothing in it is in force.
    pub created: bool,
}

/// One managed rule group.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The number in its name, from 1.
    pub number: usize,
    /// Its name in WAF.
    pub name: String,
    /// Its id in WAF.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// From the read of exactly this rule.
    pub token: LockToken,
    /// In WCU, immutable.
    pub capacity: u64,
    /// The eight hexadecimal digits after `table:` in its description.
    pub table: Option<String>,
    /// What it does.
    pub rule: GroupRule,
}

/// What the rules of a rule group amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// No rule at all.
    Empty,
    /// One rule of the shape that wafsync writes.
    Standard {
        /// Its action and its match.
        policy: RulePolicy,
        /// The labels that it adds, in its order.
        labels: Vec<String>,
        /// The ARNs of the IP sets that it refers to, in its order.
        references: Vec<String>,
        /// Whether name, priority and metric are as wafsync writes them too.
        tidy: bool,
    },
    /// Anything else: somebody edited it.
    Edited {
        /// The ARNs of the IP sets that it refers to anywhere.
        references: Vec<String>,
        /// The fingerprint of all of it, to tell one edit from another.
        seen: String,
    },
}

impl GroupRule {
    /// The ARNs of every IP set it refers to.
    #[must_use]
    pub fn references(&self) -> &[String] {
        match self {
            Self::Empty => &[],
            Self::Standard { references, .. } | Self::Edited { references, .. } => references,
        }
    }
}

/// Everything that was read from WAF.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Managed IP sets, sorted by name.
    pub shards: Vec<Shard>,
    /// Managed rule groups, sorted by number.
    pub groups: Vec<RuleGroup>,
    /// IP sets whose name fits but that are not ours: their numbers are taken.
    pub foreign: Vec<String>,
    /// The AWS account of the resources, as an ARN shows it; `None` if no ARN was seen.
    pub account: Option<String>,
    /// `None`: `--web-acl` was not given, so nobody looked.
    pub web_acls: Option<Vec<WebAcl>>,
    /// The named web ACLs that could not be read.
    pub unread_web_acls: Vec<UnreadWebAcl>,
}

impl RuleGroup {
    /// One that was created and not read yet.
    fn unread(name: &str) -> Self {
        let number = name.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        Self {
            number: number.unwrap_or(usize::MAX),
            name: name.to_owned(),
            id: String::new(),
            arn: String::new(),
            token: LockToken(String::new()),
            capacity: 0,
            table: None,
            rule: GroupRule::Empty,
        }
    }
}

impl Shard {
    /// One that was created and not read yet.
    fn unread(name: &str, family: Family, cidrs: Cidrs) -> Self {
        Self {
            name: name.to_owned(),
            id: String::new(),
            arn: String::new(),
            family,
            adopted: false,
            mark: None,
            token: LockToken(String::new()),
            cidrs,
            group: None,
            created: false,
        }
    }

    /// Whether what it holds counts as in force.
    ///
    /// Reads of rule groups may be old, so a set that no rule was seen to refer to may be in force all the same. Only
    /// what this run created is surely not.
    #[must_use]
    pub const fn is_in_force(&self) -> bool {
        self.group.is_some() || !self.created
    }

    /// Whether it is adopted and removals from it wait for approval.
    ///
    /// Its mark counts only while one of our rules refers to it: a set that was given back may have been edited since.
    #[must_use]
    pub const fn is_unapproved(&self) -> bool {
        self.adopted && (self.mark.is_none() || self.group.is_none())
    }
}

impl Current {
    /// Takes over what was written since the read: the contents of IP sets, and the names of those to which rule groups
    /// refer, each by name. What only a read can tell (ids, ARNs, tokens) stays empty, so what comes of it is for
    /// showing and not for planning.
    pub fn take_over(&mut self, ip_sets: &BTreeMap<String, Cidrs>, rule_groups: &BTreeMap<String, BTreeSet<String>>) {
        let group_of = |shard: &Shard| shard.group.and_then(|index| self.groups.get(index)).map(|g| g.name.clone());
        let mut wired: BTreeMap<String, String> =
            self.shards.iter().filter_map(|shard| Some((shard.name.clone(), group_of(shard)?))).collect();
        for (name, sets) in rule_groups {
            wired.retain(|_, group| group != name);
            wired.extend(sets.iter().map(|set| (set.clone(), name.clone())));
            if !self.groups.iter().any(|group| group.name == *name) {
                self.groups.push(RuleGroup::unread(name));
            }
        }
        for (name, cidrs) in ip_sets {
            match (self.shards.iter_mut().find(|shard| shard.name == *name), cidrs.first()) {
                (Some(shard), _) => shard.cidrs = cidrs.clone(),
                (None, Some(first)) => self.shards.push(Shard::unread(name, first.family(), cidrs.clone())),
                // None is created without contents.
                (None, None) => {}
            }
        }
        self.groups.sort_by_key(|group| group.number);
        self.shards.sort_by(|a, b| a.name.cmp(&b.name));
        for shard in &mut self.shards {
            let group = wired.get(&shard.name);
            shard.group = group.and_then(|name| self.groups.iter().position(|group| group.name == *name));
        }
    }

    /// Whether this very CIDR stands in a shard that is in force.
    #[must_use]
    pub fn holds_in_force(&self, cidr: Cidr) -> bool {
        self.shards.iter().any(|shard| shard.is_in_force() && shard.cidrs.contains(cidr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidrs(list: &[&str]) -> Cidrs {
        list.iter().map(|text| Cidr::parse(text).unwrap()).collect()
    }

    #[test]
    fn what_was_written_is_taken_over_as_far_as_it_can_be_known() {
        let shard =
            |name: &str, list: &[&str], group| Shard { group, ..Shard::unread(name, Family::Ipv4, cidrs(list)) };
        let mut current = Current {
            shards: vec![shard("w-ipv4-000", &["198.51.100.1"], Some(0)), shard("w-ipv4-001", &[], None)],
            groups: vec![RuleGroup::unread("w-2")],
            ..Current::default()
        };
        let sets = [("w-ipv4-001", cidrs(&["198.51.100.2"])), ("w-ipv6-000", cidrs(&["2001:db8::/48"]))];
        let groups = [("w-1", vec!["w-ipv4-001", "w-ipv6-000"])];
        current.take_over(
            &sets.map(|(name, cidrs)| (name.to_owned(), cidrs)).into(),
            &groups.map(|(name, sets)| (name.to_owned(), sets.into_iter().map(ToOwned::to_owned).collect())).into(),
        );
        let shown = current.shards.iter().map(|shard| {
            let group = shard.group.map(|index| current.groups[index].name.as_str());
            (shard.name.as_str(), shard.family, shard.cidrs.len(), group)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                ("w-ipv4-000", Family::Ipv4, 1, Some("w-2")),
                ("w-ipv4-001", Family::Ipv4, 1, Some("w-1")),
                ("w-ipv6-000", Family::Ipv6, 1, Some("w-1")),
            ]
        );
    }
}
