//! The plan: every API write that turns current into desired state, in order and as data.
//!
//! A change has everything that its API call needs, so that carrying it out decides nothing. Guards are not known here:
//! what may not be changed now is passed in as [`Restraint`].

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::current::{Current, LockToken, RuleGroup, Shard};
use crate::model::desired::Desired;
use crate::model::limits::Limits;
use crate::model::limits::group_capacity;
use crate::model::naming::{Target, set_description, set_name};
use crate::model::policy::RulePolicy;
use crate::model::spec::{IpSetSpec, Reference, RuleGroupSpec, WriteKind};
use crate::model::web_acl::WebAcl;
use crate::planning::diff::{Class, Diff, Unwanted};
use crate::planning::layout::{self, GroupInput, Input, Layout, ShardInput};
use crate::planning::lower_bound;
use crate::planning::lower_bound::counts;
use crate::planning::rule_changes;

/// A stage of a plan. Changes of a stage may be sent concurrently, after all earlier stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Updates that remove unwanted CIDRs from unwired shards before a rule refers to them.
    Strip,
    /// Creations, updates that add, and updates of only the description.
    Add,
    /// Rule groups.
    Wire,
    /// Rule groups that drop a reference to a foreign IP set, once everything wanted is in force without it.
    Unwire,
    /// Updates that only remove.
    Remove,
}

impl Stage {
    /// The stages in order.
    pub const ALL: [Self; 5] = [Self::Strip, Self::Add, Self::Wire, Self::Unwire, Self::Remove];
}

/// One API write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its stage.
    pub stage: Stage,
    /// The API call.
    pub write: Write,
    /// CIDRs to add.
    pub add: Cidrs,
    /// CIDRs to remove.
    pub remove: Cidrs,
    /// Names of other IP sets that cover the wanted addresses of the CIDRs to remove. Right before this change is sent, they
    /// must be unchanged since this run read or wrote them. Empty for most changes.
    pub relies_on: Vec<String>,
    /// IP sets that a rule group newly refers to.
    pub refer: Vec<String>,
    /// IP sets (names, or ARNs of foreign ones) that a rule group no longer refers to.
    pub unrefer: Vec<String>,
}

/// An API call that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `CreateIPSet`
    CreateIpSet(IpSetSpec),
    /// `UpdateIPSet`
    UpdateIpSet {
        /// Its id.
        id: String,
        /// From the read on which this plan rests.
        token: LockToken,
        /// All of its new state.
        spec: IpSetSpec,
    },
    /// `CreateRuleGroup`
    CreateRuleGroup(RuleGroupSpec),
    /// `UpdateRuleGroup`
    UpdateRuleGroup {
        /// Its id.
        id: String,
        /// From the read on which this plan rests.
        token: LockToken,
        /// All of its new state.
        spec: RuleGroupSpec,
        /// Whether it changes more than references.
        rewrite: bool,
    },
}

impl Write {
    /// The name of the resource.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::CreateIpSet(spec) | Self::UpdateIpSet { spec, .. } => &spec.name,
            Self::CreateRuleGroup(spec) | Self::UpdateRuleGroup { spec, .. } => &spec.name,
        }
    }

    /// The kind of the call.
    #[must_use]
    pub const fn kind(&self) -> WriteKind {
        match self {
            Self::CreateIpSet(_) => WriteKind::CreateIpSet,
            Self::UpdateIpSet { .. } => WriteKind::UpdateIpSet,
            Self::CreateRuleGroup(_) => WriteKind::CreateRuleGroup,
            Self::UpdateRuleGroup { .. } => WriteKind::UpdateRuleGroup,
        }
    }
}

/// What a plan may not change now, regardless of the table.
#[derive(Clone, Copy, Debug)]
pub struct Restraint<'a> {
    /// CIDRs that may not be removed, sorted.
    pub held: &'a [Cidr],
    /// CIDRs that may not be added, sorted.
    pub waiting: &'a [Cidr],
    /// Shards that may not be changed.
    pub closed: &'a [usize],
    /// Whether removals that need a second scan have it or can still get it.
    pub proven: bool,
}

/// The input of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The desired state.
    pub desired: &'a Desired,
    /// The current state.
    pub current: &'a Current,
    /// The state when the run began, if it has changed since.
    pub at_start: Option<&'a Current>,
    /// The unwanted CIDRs.
    pub diff: &'a Diff,
    /// The target.
    pub target: &'a Target,
    /// The configured policy of our rules.
    pub policy: &'a RulePolicy,
    /// The limits of IP sets and rule groups.
    pub limits: Limits,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The writes, by stage and then by name.
    pub changes: Vec<Change>,
    /// CIDRs that stay for this run, because what replaces them is not in force yet, an earlier scan wants them, or no second
    /// scan confirms their removal.
    pub deferred: Vec<Cidr>,
    /// Wanted CIDRs without room, sorted.
    pub unplaced: Vec<Cidr>,
    /// A lower bound on the writes of any plan.
    pub minimum: usize,
}

impl Plan {
    /// The number of API writes.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.changes.len()
    }

    /// Makes the plan.
    #[must_use]
    pub fn new(basis: Basis<'_>, restraint: Restraint<'_>) -> Self {
        let input = layout_input(basis, restraint);
        let layout = layout::lay_out(&input);
        debug_assert_eq!(layout.shards.len(), basis.current.shards.len(), "one layout for each shard");
        let minimum = lower_bound::writes(&counts::counts(&input, &layout));
        let names = new_names(basis, &layout);
        let mut changes = set_changes(basis, &layout, &names);
        changes.extend(group_changes(basis, &layout, &names));
        changes.sort_by(|a, b| (a.stage, a.write.target()).cmp(&(b.stage, b.write.target())));
        let mut deferred: BTreeSet<Cidr> = layout.shards.iter().flat_map(|shard| &shard.deferred).copied().collect();
        let waits = |class: Class, cidr: Cidr| match class {
            Class::Unsettled => true,
            Class::Drift | Class::Covered | Class::Withdrawn | Class::Adopted => {
                !restraint.proven && restraint.held.binary_search(&cidr).is_err()
            }
            Class::Unwired => false,
        };
        let unwanted = basis.diff.unwanted.iter().flatten().filter(|unwanted| waits(unwanted.class, unwanted.cidr));
        deferred.extend(unwanted.map(|unwanted| unwanted.cidr));
        Self { changes, deferred: deferred.into_iter().collect(), unplaced: layout.unplaced, minimum }
    }

    /// The least time in seconds for the writes and the reads that verify them.
    #[must_use]
    pub fn estimate_seconds(&self, read_rate: f64, write_rate: f64) -> f64 {
        let mut seconds = 0.0;
        for stage in Stage::ALL {
            let mut actions: BTreeMap<WriteKind, u32> = BTreeMap::new();
            for change in self.changes.iter().filter(|change| change.stage == stage) {
                *actions.entry(change.write.kind()).or_default() += 1;
            }
            seconds += f64::from(actions.values().copied().max().unwrap_or_default()) / write_rate;
        }
        seconds + f64::from(u32::try_from(self.changes.len()).unwrap_or(u32::MAX)) / read_rate
    }
}

/// The numbers of all rule groups: those that the limits require, and any others of ours.
fn group_numbers(basis: Basis<'_>) -> Vec<usize> {
    let existing = basis.current.groups.iter().map(|group| group.number);
    (1..=basis.limits.rule_groups()).chain(existing).collect::<BTreeSet<_>>().into_iter().collect()
}

fn group_of(current: &Current, number: usize) -> Option<(usize, &RuleGroup)> {
    current.groups.iter().enumerate().find(|(_, group)| group.number == number)
}

fn layout_input<'a>(basis: Basis<'a>, restraint: Restraint<'a>) -> Input<'a> {
    let numbers = group_numbers(basis);
    let position = |group: usize| {
        let number = basis.current.groups.get(group).map(|group| group.number)?;
        numbers.iter().position(|n| *n == number)
    };
    let shards: Vec<ShardInput<'a>> = (basis.current.shards.iter().zip(&basis.diff.unwanted).enumerate())
        .map(|(index, (shard, unwanted))| {
            let closed = restraint.closed.contains(&index);
            // A CIDR that is drift here and held in another shard stays in both.
            let free = |cidr: Cidr| restraint.held.binary_search(&cidr).is_err();
            let may_leave = |class: Class, cidr: Cidr| match class {
                Class::Unwired => free(cidr),
                Class::Drift | Class::Covered | Class::Withdrawn | Class::Adopted => restraint.proven && free(cidr),
                Class::Unsettled => false,
            };
            let leaving = unwanted.iter().filter(|u| !closed && may_leave(u.class, u.cidr)).map(|u| u.cidr).collect();
            // A write would mark the set, and its removals are not approved yet.
            let unsure = !restraint.proven || unwanted.iter().any(|unwanted| unwanted.class == Class::Unsettled);
            let waits = shard.is_unapproved() && !unwanted.is_empty() && unsure;
            ShardInput {
                name: &shard.name,
                family: shard.family,
                cidrs: shard.cidrs.as_slice(),
                leaving,
                fresh: basis.at_start.map_or_else(Vec::new, |start| fresh(shard, start)),
                group: shard.group.and_then(position),
                closed: closed || waits,
                adopted: shard.adopted && shard.mark.is_none(),
                in_force: shard.is_in_force(),
                seal: needs_seal(shard, unwanted),
            }
        })
        .collect();
    let groups = numbers
        .iter()
        .map(|number| match group_of(basis.current, *number) {
            Some((index, group)) => GroupInput {
                references: extra_references(basis.current, index, group).len(),
                referred: referred(basis.current, group),
                written_anyway: rule_changes::must_rewrite(group, basis.current, basis.policy, basis.target),
            },
            None => GroupInput { references: 0, referred: basis.current.web_acls.is_none(), written_anyway: true },
        })
        .collect();
    let new_sets = basis.limits.max_ip_sets.saturating_sub(basis.current.shards.len());
    let desired = PerFamily::from_fn(|family| basis.desired.cidrs(family));
    Input { limits: basis.limits, shards, groups, desired, waiting: restraint.waiting, new_sets }
}

/// Whether this shard's contents are all wanted but its description has another sum.
///
/// It was edited by hand, and the table now agrees. With a true sum, later changes of the table are not mistaken for
/// drift. A description without a sum proves nothing and stays.
fn needs_seal(shard: &Shard, unwanted: &[Unwanted]) -> bool {
    let written = shard.mark.and_then(|mark| mark.fingerprint).filter(|_| unwanted.is_empty());
    written.is_some_and(|written| written != shard.cidrs.fingerprint())
}

/// The CIDRs that this shard has brought into force since the run began. One that no rule was seen to refer to then was not
/// surely in force.
fn fresh(shard: &Shard, start: &Current) -> Vec<Cidr> {
    let is_as_sure = |then: &Shard| if shard.group.is_some() { then.group.is_some() } else { then.is_in_force() };
    let was_in_force = |then: &&Shard| then.arn == shard.arn && is_as_sure(then);
    match start.shards.iter().find(was_in_force) {
        Some(then) => shard.cidrs.iter().filter(|cidr| !then.cidrs.contains(*cidr)).collect(),
        None => shard.cidrs.iter().collect(),
    }
}

/// Shards that this group refers to although they count as another group's: the reference is kept.
fn extra_references<'a>(current: &'a Current, index: usize, group: &RuleGroup) -> Vec<&'a Shard> {
    let refers = |shard: &&Shard| shard.group != Some(index) && group.rule.references().contains(&shard.arn);
    current.shards.iter().filter(refers).collect()
}

fn referred(current: &Current, group: &RuleGroup) -> bool {
    let refers = |acls: &Vec<WebAcl>| acls.iter().all(|acl| acl.refers_to.contains(&group.arn));
    current.web_acls.as_ref().is_none_or(refers)
}

/// The names of the layout's new shards, with the lowest free numbers of each family.
fn new_names(basis: Basis<'_>, layout: &Layout) -> Vec<String> {
    let taken: BTreeSet<&str> = (basis.current.shards.iter().map(|shard| shard.name.as_str()))
        .chain(basis.current.foreign.iter().map(String::as_str))
        .collect();
    let mut free = PerFamily::from_fn(|family| {
        let name = &basis.target.name;
        (0..).map(move |number: usize| set_name(name, family, number)).filter(|name| !taken.contains(name.as_str()))
    });
    layout.new.iter().filter_map(|shard| free.get_mut(shard.family).next()).collect()
}

fn set_spec(basis: Basis<'_>, name: &str, family: Family, cidrs: Cidrs) -> IpSetSpec {
    let description = set_description(&basis.target.name, cidrs.fingerprint());
    IpSetSpec { name: name.to_owned(), family, cidrs, description }
}

fn set_changes(basis: Basis<'_>, layout: &Layout, names: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    let shards = &basis.current.shards;
    for (shard, to) in shards.iter().zip(&layout.shards) {
        let is_taken_over = !shard.adopted || shard.mark.is_some();
        let stage = match (to.add.is_empty(), to.remove.is_empty()) {
            (true, true) if !to.sealed => continue,
            (_, false) if shard.group.is_none() && is_taken_over => Stage::Strip,
            (true, false) => Stage::Remove,
            (_, true) | (false, false) => Stage::Add,
        };
        let relies_on = to.relies_on.iter().filter_map(|index| shards.get(*index)).map(|shard| shard.name.clone());
        let cidrs = updated(&shard.cidrs, &to.add, &to.remove);
        assert!(
            to.add.is_empty() || cidrs.len() <= basis.limits.set_capacity,
            "{} would hold more than fits",
            shard.name
        );
        let spec = set_spec(basis, &shard.name, shard.family, cidrs);
        changes.push(Change {
            stage,
            write: Write::UpdateIpSet { id: shard.id.clone(), token: shard.token.clone(), spec },
            add: to.add.as_slice().into(),
            remove: to.remove.as_slice().into(),
            relies_on: relies_on.collect(),
            refer: Vec::new(),
            unrefer: Vec::new(),
        });
    }
    for (new, name) in layout.new.iter().zip(names) {
        assert!(new.cidrs.len() <= basis.limits.set_capacity, "{name} would hold more than fits");
        let spec = set_spec(basis, name, new.family, new.cidrs.clone());
        changes.push(Change {
            stage: Stage::Add,
            write: Write::CreateIpSet(spec),
            add: new.cidrs.clone(),
            remove: Cidrs::default(),
            relies_on: Vec::new(),
            refer: Vec::new(),
            unrefer: Vec::new(),
        });
    }
    changes
}

/// `cidrs` with `add` and without `remove`, all of them sorted.
fn updated(cidrs: &Cidrs, add: &[Cidr], remove: &[Cidr]) -> Cidrs {
    let kept = cidrs.iter().filter(|cidr| remove.binary_search(cidr).is_err());
    kept.chain(add.iter().copied()).collect()
}

fn group_changes(basis: Basis<'_>, layout: &Layout, names: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (position, number) in group_numbers(basis).into_iter().enumerate() {
        let existing = group_of(basis.current, number);
        let mut references: Vec<Reference> = Vec::new();
        if let Some((index, group)) = existing {
            let ours = |arn: &String| {
                let shard = basis.current.shards.iter().find(|shard| shard.arn == *arn)?;
                Some(Reference { name: shard.name.clone(), arn: Some(arn.clone()) })
            };
            for reference in group.rule.references().iter().filter_map(ours) {
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            debug_assert!(
                extra_references(basis.current, index, group).len() <= references.len(),
                "no reference to a shard is dropped"
            );
        }
        let mut refer = Vec::new();
        let wired = basis.current.shards.iter().zip(&layout.shards);
        for (shard, _) in wired.filter(|(shard, to)| shard.group.is_none() && to.group == Some(position)) {
            refer.push(Reference { name: shard.name.clone(), arn: Some(shard.arn.clone()) });
        }
        for (_, name) in layout.new.iter().zip(names).filter(|(new, _)| new.group == position) {
            refer.push(Reference { name: name.clone(), arn: None });
        }
        let refer_names = refer.iter().map(|reference| reference.name.clone()).collect::<Vec<_>>();
        references.extend(refer);
        let spec = RuleGroupSpec {
            name: basis.target.group_name(number),
            rule_name: basis.target.name.clone(),
            description: basis.target.group_description(basis.current.account.as_deref()),
            capacity: group_capacity(basis.policy),
            policy: basis.policy.clone(),
            references,
        };
        let (write, unrefer) = match existing {
            None => (Write::CreateRuleGroup(spec), Vec::new()),
            Some((_, group)) => {
                let rewrite = rule_changes::must_rewrite(group, basis.current, basis.policy, basis.target);
                if !rewrite && refer_names.is_empty() {
                    continue;
                }
                let unrefer = dropped(group, &spec);
                let (id, token) = (group.id.clone(), group.token.clone());
                (Write::UpdateRuleGroup { id, token, spec, rewrite }, unrefer)
            }
        };
        changes.push(Change {
            stage: if unrefer.is_empty() { Stage::Wire } else { Stage::Unwire },
            write,
            add: Cidrs::default(),
            remove: Cidrs::default(),
            relies_on: Vec::new(),
            refer: refer_names,
            unrefer,
        });
    }
    changes
}

fn dropped(group: &RuleGroup, spec: &RuleGroupSpec) -> Vec<String> {
    let kept: BTreeSet<&str> = spec.references.iter().filter_map(|reference| reference.arn.as_deref()).collect();
    let gone: BTreeSet<&String> = group.rule.references().iter().filter(|arn| !kept.contains(arn.as_str())).collect();
    gone.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
