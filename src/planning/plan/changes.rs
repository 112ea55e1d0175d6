//! Turns a layout into the changes that make it.

use std::collections::BTreeSet;

use super::{Basis, group_numbers, group_of, references};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::current::{GroupRule, RuleGroup};
use crate::model::limits::group_capacity;
use crate::model::naming::{set_description, set_name};
use crate::model::spec::{IpSetSpec, Reference, RuleGroupSpec};
use crate::planning::change::{Change, Stage, Write};
use crate::planning::layout::Layout;
use crate::planning::rule_changes;

/// The names of the layout's new shards, with the lowest free numbers of each family.
pub(super) fn new_names(basis: Basis<'_>, layout: &Layout) -> Vec<String> {
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

pub(super) fn set_changes(basis: Basis<'_>, layout: &Layout, names: &[String]) -> Vec<Change> {
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

/// The changes of rule groups. `keeps_foreign`: whether references to foreign IP sets stay.
pub(super) fn group_changes(basis: Basis<'_>, layout: &Layout, names: &[String], keeps_foreign: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for (position, number) in group_numbers(basis).into_iter().enumerate() {
        let existing = group_of(basis.current, number);
        let mut references: Vec<Reference> = Vec::new();
        if let Some((_, group)) = existing {
            let kept = |arn: &String| {
                let shard = basis.current.shards.iter().find(|shard| shard.arn == *arn);
                let name = shard.map_or(arn, |shard| &shard.name);
                let stays = shard.is_some() || keeps_foreign;
                stays.then(|| Reference { name: name.clone(), arn: Some(arn.clone()) })
            };
            for reference in group.rule.references().iter().filter_map(kept) {
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
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
        let mut relies_on = match existing {
            Some((index, group)) => make_room(basis, index, group, &mut references),
            None => Vec::new(),
        };
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
                let rewrite =
                    rule_changes::must_rewrite(group, basis.current, basis.policy, basis.target, keeps_foreign);
                if !rewrite && refer_names.is_empty() {
                    continue;
                }
                let unrefer = dropped(basis, group, &spec);
                if unrefer.len() > relies_on.len() {
                    // It drops foreign sets as well. What they hold is unknown: any of ours may have to keep it in force.
                    relies_on = ends_wired(basis, layout, names);
                }
                let (id, token) = (group.id.clone(), group.token.clone());
                (Write::UpdateRuleGroup { id, token, spec, rewrite }, unrefer)
            }
        };
        // A hand's rule may let in by other means what ours are only about to.
        let is_edited = existing.is_some_and(|(_, group)| matches!(group.rule, GroupRule::Edited { .. }));
        changes.push(Change {
            stage: if unrefer.is_empty() && !is_edited { Stage::Wire } else { Stage::Unwire },
            write,
            add: Cidrs::default(),
            remove: Cidrs::default(),
            relies_on,
            refer: refer_names,
            unrefer,
        });
    }
    changes
}

/// The names of all IP sets of ours to which a rule refers afterwards.
fn ends_wired(basis: Basis<'_>, layout: &Layout, names: &[String]) -> Vec<String> {
    let existing = basis.current.shards.iter().zip(&layout.shards).filter(|(_, to)| to.group.is_some());
    existing.map(|(shard, _)| &shard.name).chain(names).cloned().collect()
}

/// Drops as many references as exceed the limit. Returns the names of their sets, which another rule group keeps in force.
fn make_room(basis: Basis<'_>, index: usize, group: &RuleGroup, references: &mut Vec<Reference>) -> Vec<String> {
    let excess = references.len().saturating_sub(basis.limits.group_references);
    let spare = references::spare(basis, index, group).into_iter().take(excess);
    let names: Vec<String> = spare.map(|shard| shard.name.clone()).collect();
    references.retain(|reference| !names.contains(&reference.name));
    names
}

/// What this group refers to and `spec` does not: names of our IP sets, and ARNs of others.
fn dropped(basis: Basis<'_>, group: &RuleGroup, spec: &RuleGroupSpec) -> Vec<String> {
    let kept: BTreeSet<&str> = spec.references.iter().filter_map(|reference| reference.arn.as_deref()).collect();
    let gone: BTreeSet<&String> = group.rule.references().iter().filter(|arn| !kept.contains(arn.as_str())).collect();
    let name = |arn: &String| {
        let ours = basis.current.shards.iter().find(|shard| shard.arn == *arn);
        ours.map_or_else(|| arn.clone(), |shard| shard.name.clone())
    };
    gone.into_iter().map(name).collect()
}
