//! The answer about one address: the chain from the table to the web ACLs, and its first missing link.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use super::mentions::mentions;
use crate::model::cidr::Cidr;
use crate::model::cidrs::Cidrs;
use crate::model::coverage;
use crate::model::current::{Current, RuleGroup, Shard};
use crate::model::desired::Desired;
use crate::model::item::{REJECTED_VALUE_CHARS, Rejection, RejectionReason, TableView};
use crate::model::policy::RulePolicy;
use crate::model::web_acl::WebAcl;
use crate::planning::rule_changes;

/// The number of items that are named as examples.
const SUCH_AS: usize = 3;

/// The most items and rejections that are listed; the rest is counted.
pub(super) const LISTED: usize = 100;

/// The web ACLs that were read.
#[derive(Clone, Debug)]
pub enum Acls {
    /// Those named with `--web-acl`.
    Named(Vec<WebAcl>),
    /// Those that a search found to refer to a rule group of ours, at least one, and why others were not read.
    Found(Vec<WebAcl>, Option<String>),
    /// All of the scope, this many and at least one, of which none refers to a rule group of ours.
    NoneRefers(usize),
    /// None, and why if it matters.
    NotLooked(Option<String>),
}

impl Acls {
    fn seen(&self) -> &[WebAcl] {
        match self {
            Self::Named(acls) | Self::Found(acls, _) => acls,
            Self::NoneRefers(_) | Self::NotLooked(_) => &[],
        }
    }
}

/// The input of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// A complete scan of the table, or its items in question.
    pub desired: &'a Desired,
    /// Our IP sets and rule groups.
    pub current: &'a Current,
    /// The web ACLs.
    pub acls: &'a Acls,
    /// The configured policy of our rules.
    pub policy: &'a RulePolicy,
    /// `--name`
    pub installation: &'a str,
}

/// The answer about an address or CIDR.
#[expect(clippy::struct_excessive_bools, reason = "a document: each is a key of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The version of this document.
    pub version: u32,
    /// The address or CIDR, in canonical form.
    pub address: Cidr,
    /// Whether all of its addresses are wanted.
    pub wanted: bool,
    /// Whether all of its addresses are in force, up to the web ACLs that were looked at.
    pub in_force: bool,
    /// Whether some, but not all, of its addresses are wanted.
    pub partly_wanted: bool,
    /// Whether some, but not all, of its addresses are in force.
    pub partly_in_force: bool,
    /// Keys of the items that ask for some of its addresses, sorted, at most a hundred.
    pub items: Vec<String>,
    /// The number of items.
    pub items_total: usize,
    /// Whether `--always` asks for some of its addresses.
    pub always: bool,
    /// Rejected values that hold some of its addresses, at most a hundred.
    pub rejections: Vec<RejectedValue>,
    /// The number of rejections.
    pub rejections_total: usize,
    /// The IP sets that hold some of its addresses.
    pub ip_sets: Vec<Place>,
    /// Whether a web ACL was looked at: `named`, `found`, `none_refers`, or `not_looked`.
    pub web_acls_seen: &'static str,
    /// The web ACLs that were looked at; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_acls: Option<Vec<AclEnforcement>>,
    /// The first link that is missing between the table and the web ACLs; absent if none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Link>,
    /// What to do next; absent if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why no web ACL was looked at, or not each; absent if there is no obstacle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_acls_unread: Option<String>,
    /// The references of our rule groups to IP sets that are not ours, which were not looked at; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_references: Vec<ForeignReference>,
    /// Items that were rejected as a whole, so that they may ask for the address: a few of their keys.
    #[serde(skip)]
    unread_items: Vec<String>,
}

/// A rejected value that holds the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedValue {
    /// The key of the item.
    pub key: String,
    /// The value, cut to 128 characters.
    pub value: String,
    /// Why it was rejected.
    pub reason: String,
}

/// An IP set that holds some of the addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// The entries that share an address with the question.
    pub entries: Vec<Cidr>,
    /// The rule group of ours that refers to it, if any.
    pub rule_group: Option<String>,
    /// Whether `--adopt` names it, so that a rule of others may refer to it.
    pub adopted: bool,
    /// Whether the rule of that rule group is as wafsync writes it: the effect of an edited rule is uncertain.
    pub rule_intact: bool,
}

/// A reference of a rule group of ours to an IP set that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignReference {
    /// The rule group.
    pub rule_group: String,
    /// The ARN of the IP set.
    pub arn: String,
}

/// How a web ACL treats the rule groups in question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AclEnforcement {
    /// Its name.
    pub name: String,
    /// Rule groups in question that it refers to and does not override.
    pub referred: Vec<String>,
    /// Rule groups in question that it does not refer to, or overrides.
    pub missing: Vec<String>,
    /// Those of `missing` that it refers to, but overrides.
    pub overridden: Vec<String>,
    /// Whether it lets in all of the address.
    #[serde(skip)]
    pub lets_in: bool,
}

/// A link between the table and the web ACLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// No item and no `--always` asks for it.
    Table,
    /// No IP set of ours holds all of it.
    IpSet,
    /// No rule group of ours refers to the IP set.
    RuleGroup,
    /// The rule of the rule group was edited by hand.
    Rule,
    /// A web ACL does not refer to the rule group.
    WebAcl,
    /// A web ACL overrides the rule group.
    Override,
}

/// Looks up an address or CIDR.
#[must_use]
pub fn explain(address: Cidr, seen: &Lookup<'_>) -> Explanation {
    let Lookup { desired, current, .. } = seen;
    let found: Vec<(&Shard, Vec<Cidr>)> = (current.shards.iter())
        .filter(|shard| shard.family == address.family())
        .map(|shard| (shard, shard.cidrs.iter().filter(|cidr| cidr.overlaps(address)).collect()))
        .filter(|(_, entries): &(_, Vec<Cidr>)| !entries.is_empty())
        .collect();
    let cover = |through: &dyn Fn(&Shard) -> bool| -> Cidrs {
        found.iter().filter(|(shard, _)| through(shard)).flat_map(|(_, entries)| entries).copied().collect()
    };
    let in_force = seen.let_in(&cover);
    let items = desired.wanted_by(&[address]);
    let rejections: Vec<&Rejection> =
        desired.view().rejections.iter().filter(|rejection| mentions(&rejection.value, address)).collect();
    let (wanted, covered) = (desired.covers_all(address), coverage::covers(&in_force, address));
    let place = |(shard, entries): &(&Shard, Vec<Cidr>)| Place {
        name: shard.name.clone(),
        entries: entries.clone(),
        rule_group: seen.group(shard).map(|group| group.name.clone()),
        adopted: shard.adopted,
        rule_intact: seen.group(shard).is_some_and(|group| seen.is_intact(group)),
    };
    let mut explanation = Explanation {
        version: 1,
        address,
        wanted,
        in_force: covered,
        partly_wanted: !wanted && desired.overlaps(address),
        partly_in_force: !covered && !in_force.is_empty(),
        items_total: items.len(),
        items: items.into_iter().take(LISTED).collect(),
        always: desired.wanted_by_always(address),
        rejections_total: rejections.len(),
        rejections: rejections.into_iter().take(LISTED).map(RejectedValue::from).collect(),
        ip_sets: found.iter().map(place).collect(),
        web_acls_seen: match seen.acls {
            Acls::Named(_) => "named",
            Acls::Found(..) => "found",
            Acls::NoneRefers(_) => "none_refers",
            Acls::NotLooked(_) => "not_looked",
        },
        web_acls: match seen.acls {
            Acls::Named(_) | Acls::Found(..) => Some(seen.enforcement(&found, address, &cover)),
            Acls::NoneRefers(_) | Acls::NotLooked(_) => None,
        },
        missing: None,
        next: None,
        unread_items: unread_items(desired.view()),
        web_acls_unread: match seen.acls {
            Acls::NotLooked(why) | Acls::Found(_, why) => why.clone(),
            Acls::Named(_) | Acls::NoneRefers(_) => None,
        },
        foreign_references: seen.foreign_references(),
    };
    let held = |through: &dyn Fn(&Shard) -> bool| coverage::covers(&cover(through), address);
    explanation.missing = match (wanted, covered) {
        (true, true) => None,
        (false, _) => Some(Link::Table),
        (true, false) if !held(&|_| true) => Some(Link::IpSet),
        (true, false) if !held(&|shard| shard.group.is_some()) => Some(Link::RuleGroup),
        (true, false) if !held(&|shard| seen.groups(shard).any(|group| seen.is_intact(group))) => Some(Link::Rule),
        (true, false) => Some(if explanation.is_overridden() { Link::Override } else { Link::WebAcl }),
    };
    explanation.next = explanation.next_step();
    explanation
}

impl Lookup<'_> {
    /// The references of our rule groups to IP sets that are not ours.
    fn foreign_references(&self) -> Vec<ForeignReference> {
        let of = |group: &RuleGroup| {
            let arns: BTreeSet<&String> = rule_changes::foreign(group, self.current).collect();
            let reference = |arn: &String| ForeignReference { rule_group: group.name.clone(), arn: arn.clone() };
            arns.into_iter().map(reference).collect::<Vec<_>>()
        };
        self.current.groups.iter().flat_map(of).collect()
    }

    /// The rule groups that refer to this IP set: a hand, or a run that read what was old, may have added one.
    fn groups(&self, shard: &Shard) -> impl Iterator<Item = &RuleGroup> {
        self.current.groups.iter().filter(|group| group.rule.references().contains(&shard.arn))
    }

    /// The one of them to name: the first through which most of the way to the web ACLs is there.
    fn group(&self, shard: &Shard) -> Option<&RuleGroup> {
        let used = |group: &RuleGroup| self.acls.seen().iter().filter(|acl| acl.refers_to.contains(&group.arn)).count();
        self.groups(shard).min_by_key(|group| Reverse((self.is_intact(group), used(group))))
    }

    /// Whether the rule of this rule group is as configured.
    fn is_intact(&self, group: &RuleGroup) -> bool {
        group.rule.lets_in(self.policy, self.installation)
    }

    /// What gets in by rules that are intact and by every web ACL that was read. Each web ACL may use another rule group, and so
    /// another IP set. `cover`: what these IP sets hold.
    fn let_in(&self, cover: &impl Fn(&dyn Fn(&Shard) -> bool) -> Cidrs) -> Cidrs {
        if matches!(self.acls, Acls::NoneRefers(_)) {
            return Cidrs::default();
        }
        let all = cover(&|shard| self.groups(shard).any(|group| self.is_intact(group)));
        self.acls.seen().iter().fold(all, |all, acl| intersection(all, &self.let_in_by(acl, cover)))
    }

    /// What gets in by rules that are intact and by this web ACL.
    fn let_in_by(&self, acl: &WebAcl, cover: &impl Fn(&dyn Fn(&Shard) -> bool) -> Cidrs) -> Cidrs {
        let used = |group: &RuleGroup| self.is_intact(group) && acl.refers_to.contains(&group.arn);
        cover(&|shard| self.groups(shard).any(used))
    }

    /// How each web ACL treats the rule groups of these IP sets.
    fn enforcement(
        &self,
        found: &[(&Shard, Vec<Cidr>)],
        address: Cidr,
        cover: &impl Fn(&dyn Fn(&Shard) -> bool) -> Cidrs,
    ) -> Vec<AclEnforcement> {
        let in_use: Vec<&String> =
            found.iter().filter_map(|(shard, _)| self.group(shard)).map(|group| &group.name).collect();
        let in_question: Vec<&RuleGroup> =
            self.current.groups.iter().filter(|group| in_use.contains(&&group.name)).collect();
        let names = |groups: &[&RuleGroup]| groups.iter().map(|group| group.name.clone()).collect();
        let of = |acl: &WebAcl| {
            let (referred, missing): (Vec<&RuleGroup>, Vec<&RuleGroup>) =
                in_question.iter().copied().partition(|group| acl.refers_to.contains(&group.arn));
            let overridden: Vec<_> =
                missing.iter().copied().filter(|group| acl.overridden.contains(&group.arn)).collect();
            AclEnforcement {
                name: acl.name.clone(),
                referred: names(&referred),
                missing: names(&missing),
                overridden: names(&overridden),
                lets_in: coverage::covers(&self.let_in_by(acl, cover), address),
            }
        };
        self.acls.seen().iter().map(of).collect()
    }
}

/// What lies in both.
fn intersection(a: Cidrs, b: &Cidrs) -> Cidrs {
    if a == *b {
        return a;
    }
    let narrower = |a: Cidr, b: Cidr| if a.covers(b) { b } else { a };
    let both =
        a.iter().flat_map(|cidr| coverage::overlapping(b.as_slice(), cidr).map(move |other| narrower(cidr, other)));
    both.collect()
}

fn named(key: &str) -> String {
    if key.is_empty() { "(no key)".to_owned() } else { crate::text::line(key).into_owned() }
}

/// The keys of the first items of which a value was rejected without its addresses being seen.
fn unread_items(view: &TableView) -> Vec<String> {
    let is_unread = |rejection: &&Rejection| {
        let is_cut = rejection.value.chars().count() >= REJECTED_VALUE_CHARS;
        match rejection.reason {
            RejectionReason::TooMany { .. } => true,
            RejectionReason::NotJson { .. } | RejectionReason::NotAnArray => is_cut,
            _ => false,
        }
    };
    let mut keys: Vec<String> = view.rejections.iter().filter(is_unread).map(|found| named(&found.key)).collect();
    keys.dedup();
    keys.truncate(SUCH_AS);
    keys
}

impl From<&Rejection> for RejectedValue {
    fn from(rejection: &Rejection) -> Self {
        Self {
            key: rejection.key.to_string(),
            value: rejection.value.to_string(),
            reason: rejection.reason.to_string(),
        }
    }
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

    /// The web ACLs that do not let in all of the address.
    fn hindering(&self) -> impl Iterator<Item = &AclEnforcement> {
        self.web_acls.iter().flatten().filter(|acl| !acl.lets_in)
    }

    fn is_overridden(&self) -> bool {
        self.hindering().any(|acl| !acl.overridden.is_empty())
    }

    /// Rule groups in question, in words, with the web ACLs for which `of` finds them; `None` if there are none.
    fn groups_in_acls(&self, of: impl Fn(&AclEnforcement) -> Vec<&str>) -> Option<String> {
        let acls: Vec<&AclEnforcement> = self.hindering().filter(|acl| !of(acl).is_empty()).collect();
        let names = |list: Vec<&str>| {
            let mut list = list;
            list.sort_unstable();
            list.dedup();
            list.iter().map(|name| crate::text::line(name)).collect::<Vec<_>>().join(", ")
        };
        let groups = names(acls.iter().flat_map(|acl| of(acl)).collect());
        (!acls.is_empty())
            .then(|| format!("{groups} in web ACL {}", names(acls.iter().map(|acl| acl.name.as_str()).collect())))
    }

    /// What to change in web ACLs.
    fn in_web_acls(&self) -> String {
        let overridden = self.groups_in_acls(|acl| acl.overridden.iter().map(String::as_str).collect());
        let absent = self.groups_in_acls(|acl| {
            acl.missing.iter().filter(|group| !acl.overridden.contains(group)).map(String::as_str).collect()
        });
        let steps = [("remove the override of", overridden), ("refer to", absent)];
        let steps: Vec<String> =
            steps.into_iter().filter_map(|(verb, groups)| Some(format!("{verb} {}", groups?))).collect();
        if steps.is_empty() { "refer to the rule groups in the web ACL".to_owned() } else { steps.join("; ") }
    }

    /// Where else it may be asked for, as the end of a sentence.
    fn may_be_unread(&self) -> String {
        if self.unread_items.is_empty() {
            return String::new();
        }
        let items = self.unread_items.join(", ");
        format!("; it may be in an item that was rejected as a whole, such as {items}: `wafsync plan` says why")
    }

    /// What to do next.
    fn next_step(&self) -> Option<String> {
        Some(match self.missing? {
            Link::Table if self.partly_in_force && self.partly_wanted => {
                "explain its parts, each by itself; add it to an item to let in all of it".to_owned()
            }
            Link::Table if self.rejections_total > 0 => "correct the rejected value in its item".to_owned(),
            Link::Table if self.in_force || self.partly_in_force => {
                let step = "run `wafsync plan` to see when it is removed; add it to an item to keep it";
                format!("{step}{}", self.may_be_unread())
            }
            Link::Table => format!("add it to an item of the table{}", self.may_be_unread()),
            Link::IpSet | Link::RuleGroup => "run `wafsync apply`; `wafsync plan` shows what holds it back".to_owned(),
            Link::Rule => "run `wafsync plan`: restoring the rule needs an approval".to_owned(),
            Link::Override | Link::WebAcl => self.in_web_acls(),
        })
    }
}
