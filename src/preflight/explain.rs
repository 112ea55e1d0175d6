//! One address: who wants it, and where it is in force. A pure look at what was read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::model::cidr::Cidr;
use crate::model::cidrs::Cidrs;
use crate::model::coverage;
use crate::model::current::{Current, Shard};
use crate::model::desired::Desired;
use crate::text;

/// Items that are listed by key; the others are counted.
const LISTED_ITEMS: usize = 100;

/// Entries of an IP set that its line shows; the others are counted. More would not fit on a line or two.
const LISTED_ENTRIES: usize = 5;

/// What is known of an address or CIDR.
#[expect(clippy::struct_excessive_bools, reason = "a document: each is a key of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The version of this document.
    pub version: u32,
    /// What was asked about, in canonical form.
    pub address: Cidr,
    /// Whether all of its addresses are wanted.
    pub wanted: bool,
    /// Whether all of its addresses are in force.
    pub in_force: bool,
    /// Whether some, but not all, of its addresses are wanted.
    pub partly_wanted: bool,
    /// Whether some, but not all, of its addresses are in force.
    pub partly_in_force: bool,
    /// Keys of the items that ask for some of its addresses, sorted, at most a hundred.
    pub items: Vec<String>,
    /// How many items there are.
    pub items_total: usize,
    /// Whether `--always` asks for some of its addresses.
    pub always: bool,
    /// Where some of its addresses stand.
    pub ip_sets: Vec<Place>,
    /// The web ACLs that were named; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_acls: Option<Vec<Enforcement>>,
}

/// An IP set in which some of the addresses stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// The entries that have an address in common with what was asked about.
    pub entries: Vec<Cidr>,
    /// The rule group of ours that refers to it; absent: by our rules it lets nobody in.
    pub rule_group: Option<String>,
    /// `--adopt` names it, so that somebody else's rule may refer to it.
    pub adopted: bool,
}

/// What a named web ACL does with the rule groups in question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// Its name.
    pub name: String,
    /// Rule groups in question that it refers to and does not override.
    pub referred: Vec<String>,
    /// Rule groups in question that it does not refer to, or overrides to Count.
    pub missing: Vec<String>,
}

impl Explanation {
    /// The exit code: 0 wanted and in force, 5 wanted only, 6 in force only, 7 neither.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match (self.wanted, self.in_force) {
            (true, true) => 0,
            (true, false) => 5,
            (false, true) => 6,
            (false, false) => 7,
        }
    }
}

/// Looks an address or CIDR up in the table and in WAF.
#[must_use]
pub fn explain(address: Cidr, desired: &Desired, current: &Current) -> Explanation {
    let overlapping = |shard: &Shard| -> Vec<Cidr> { coverage::overlapping(&shard.cidrs, address).collect() };
    let found: Vec<(&Shard, Vec<Cidr>)> = (current.shards.iter())
        .filter(|shard| shard.family == address.family())
        .map(|shard| (shard, overlapping(shard)))
        .filter(|(_, entries)| !entries.is_empty())
        .collect();
    let wired = found.iter().filter(|(shard, _)| shard.group.is_some());
    let in_force: Cidrs = wired.clone().flat_map(|(_, entries)| entries.iter().copied()).collect();
    let groups: BTreeSet<usize> = wired.filter_map(|(shard, _)| shard.group).collect();
    let group_name = |index: usize| current.groups.get(index).map(|group| group.name.clone());
    let web_acls = current.web_acls.as_ref().map(|acls| {
        acls.iter()
            .map(|acl| {
                let groups = groups.iter().filter_map(|index| current.groups.get(*index));
                let (referred, missing): (Vec<_>, Vec<_>) =
                    groups.partition(|group| acl.refers_to.contains(&group.arn));
                let names =
                    |groups: Vec<&crate::model::current::RuleGroup>| groups.iter().map(|g| g.name.clone()).collect();
                Enforcement { name: acl.name.clone(), referred: names(referred), missing: names(missing) }
            })
            .collect()
    });
    let ip_sets = (found.iter())
        .map(|(shard, entries)| Place {
            name: shard.name.clone(),
            entries: entries.clone(),
            rule_group: shard.group.and_then(group_name),
            adopted: shard.adopted,
        })
        .collect();
    let items: Vec<String> = desired.wanted_by(address);
    let (wanted, covered) = (desired.covers_all(address), coverage::covers(&in_force, address));
    Explanation {
        version: 1,
        address,
        wanted,
        in_force: covered,
        partly_wanted: !wanted && desired.overlaps(address),
        partly_in_force: !covered && !in_force.is_empty(),
        items: items.iter().take(LISTED_ITEMS).cloned().collect(),
        items_total: items.len(),
        always: desired.wanted_by_always(address),
        ip_sets,
        web_acls,
    }
}

impl Explanation {
    /// For a person at a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let verdict = match (self.wanted, self.in_force) {
            (true, true) => "is wanted and in force",
            (true, false) => "is wanted but not in force: the next apply adds it, if there is room",
            (false, true) => "is in force but not wanted: the next apply removes it, unless a guard holds it",
            (false, false) if self.partly_wanted || self.partly_in_force => "is not wanted and in force as a whole",
            (false, false) => "is neither wanted nor in force",
        };
        let _ = writeln!(out, "{} {verdict}.", self.address);
        if self.partly_wanted {
            let _ = writeln!(out, "Some of its addresses are wanted, but not all.");
        }
        if self.partly_in_force {
            let _ = writeln!(out, "Some of its addresses are in force, but not all.");
        }
        let _ = writeln!(out, "\nWanted by");
        for key in &self.items {
            let _ = writeln!(out, "  item {}", text::key(key));
        }
        if self.items_total > self.items.len() {
            let _ = writeln!(out, "  and {} more items", self.items_total - self.items.len());
        }
        if self.always {
            let _ = writeln!(out, "  --always");
        }
        if self.items.is_empty() && !self.always {
            let _ = writeln!(out, "  nobody");
        }
        let _ = writeln!(out, "\nIn WAF");
        for place in &self.ip_sets {
            let entries =
                place.entries.iter().take(LISTED_ENTRIES).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let more = place.entries.len().saturating_sub(LISTED_ENTRIES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let group = match &place.rule_group {
                Some(group) => format!("rule group {group}"),
                None if place.adopted => {
                    "no rule group of ours refers to it yet; whether another rule does, nobody looked".to_owned()
                }
                None => "no rule group refers to it, so it lets nobody in".to_owned(),
            };
            let _ = writeln!(out, "  IP set {}: {entries}{more}; {group}", text::line(&place.name));
        }
        if self.ip_sets.is_empty() {
            let _ = writeln!(out, "  in none of our IP sets");
        }
        match &self.web_acls {
            None => {
                let _ =
                    writeln!(out, "\nNo --web-acl was named, so nobody looked whether one refers to the rule groups.");
            }
            Some(acls) => {
                let _ = writeln!(out, "\nWeb ACLs");
                for acl in acls {
                    let name = text::line(&acl.name);
                    if acl.missing.is_empty() && !acl.referred.is_empty() {
                        let _ = writeln!(out, "  {name} refers to {}", acl.referred.join(", "));
                    } else if acl.missing.is_empty() {
                        let _ = writeln!(out, "  {name}: nothing to refer to");
                    } else {
                        let missing = acl.missing.join(", ");
                        let _ = writeln!(out, "  {name} does not refer to {missing}, or overrides it to Count");
                    }
                }
            }
        }
        out
    }
}
