//! The plan: every API write that turns current into desired state, in order and as data.
//!
//! Guards are not known here: what may not be changed now is passed in as [`Restraint`].

mod changes;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use changes::{group_changes, new_names, set_changes};

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::current::{Current, RuleGroup, Shard};
use crate::model::desired::Desired;
use crate::model::limits::Limits;
use crate::model::naming::Target;
use crate::model::policy::RulePolicy;
use crate::model::spec::WriteKind;
use crate::planning::change::{Change, Stage};
use crate::planning::diff::{Class, Diff, Unwanted};
use crate::planning::layout::{self, GroupInput, Input, Layout, ShardInput, ShardLayout};
use crate::planning::lower_bound;
use crate::planning::lower_bound::counts;
use crate::planning::rule_changes;

/// The web ACLs that are told apart: half of the bits of a mask.
const WEB_ACLS: usize = 64;

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
    /// Whether references to foreign IP sets may not be dropped: a scan asked for addresses that may be in force only by them.
    pub keeps_foreign: bool,
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
    /// Whether references to foreign IP sets stay, because wanted addresses may be in force only by them.
    pub keeps_foreign: bool,
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
        let (input, layout, keeps_foreign) = lay_out_all(basis, restraint);
        debug_assert_eq!(layout.shards.len(), basis.current.shards.len(), "one layout for each shard");
        let minimum = lower_bound::writes(&counts::counts(&input, &layout));
        let names = new_names(basis, &layout);
        let mut changes = set_changes(basis, &layout, &names);
        changes.extend(group_changes(basis, &layout, &names, keeps_foreign));
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
        Self { changes, deferred: deferred.into_iter().collect(), unplaced: layout.unplaced, keeps_foreign, minimum }
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

/// The layout, the input from which it was made, and whether references to foreign IP sets stay: so they do while anything that
/// they may let in is in doubt, waits, or has no room.
fn lay_out_all<'a>(basis: Basis<'a>, restraint: Restraint<'a>) -> (Input<'a>, Layout, bool) {
    let has_foreign = |group: &RuleGroup| rule_changes::foreign(group, basis.current).next().is_some();
    let has_foreign = basis.current.groups.iter().any(has_foreign);
    let is_in_doubt = restraint.keeps_foreign || !restraint.proven || !restraint.waiting.is_empty();
    let keeping = |keeps_foreign| {
        let (input, layout) = lay_out(basis, Restraint { keeps_foreign, ..restraint });
        (input, layout, keeps_foreign)
    };
    let (input, layout, keeps_foreign) = keeping(has_foreign && is_in_doubt);
    let has_room = layout.unplaced.is_empty();
    if has_room || keeps_foreign || !has_foreign { (input, layout, keeps_foreign) } else { keeping(true) }
}

/// The layout, and the input from which it was made. Double references make room only where no reference is free any more:
/// what needs none of their places must not wait for them.
fn lay_out<'a>(basis: Basis<'a>, restraint: Restraint<'a>) -> (Input<'a>, Layout) {
    let input = layout_input(basis, restraint);
    let layout = layout::lay_out(&input);
    let is_wired = |(shard, to): (&ShardInput<'_>, &ShardLayout)| shard.group != to.group;
    let wires = !layout.new.is_empty() || input.shards.iter().zip(&layout.shards).any(is_wired);
    if layout.unplaced.is_empty() || wires {
        return (input, layout);
    }
    let spare = |number| {
        let group = group_of(basis.current, number);
        group.map_or(0, |(index, group)| references::spare(basis, index, group).len())
    };
    let spares: Vec<usize> = group_numbers(basis).into_iter().map(spare).collect();
    if spares.iter().sum::<usize>() == 0 {
        return (input, layout);
    }
    let mut roomier = input.clone();
    for (group, spare) in roomier.groups.iter_mut().zip(spares) {
        group.references -= spare;
    }
    let with_room = layout::lay_out(&roomier);
    if with_room.unplaced.len() < layout.unplaced.len() { (roomier, with_room) } else { (input, layout) }
}

fn layout_input<'a>(basis: Basis<'a>, restraint: Restraint<'a>) -> Input<'a> {
    // An empty table agrees with every set that a hand has emptied, and old reads can hide what it blocks for.
    let has_entries = basis.desired.view().entry_count() > 0;
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
                may_be_let_in_by: references::may_let_in(basis.current, shard),
                surely_let_in_by: references::surely_let_in(basis, shard),
                alone: shard.adopted && !references::is_enforced(basis.current, shard),
                seal: has_entries && needs_seal(shard, unwanted),
            }
        })
        .collect();
    let groups = numbers
        .iter()
        .map(|number| {
            let existing = group_of(basis.current, *number);
            let group = existing.map(|(_, group)| group);
            let is_rewritten = |group| {
                rule_changes::must_rewrite(group, basis.current, basis.policy, basis.target, restraint.keeps_foreign)
            };
            GroupInput {
                references: existing.map_or(0, |(index, group)| kept_references(basis, restraint, index, group)),
                referred: references::referred(basis.current, group),
                written_anyway: group.is_none_or(is_rewritten),
            }
        })
        .collect();
    let new_sets = basis.limits.max_ip_sets.saturating_sub(basis.current.shards.len());
    let desired = PerFamily::from_fn(|family| basis.desired.cidrs(family));
    Input { limits: basis.limits, shards, groups, desired, waiting: restraint.waiting, new_sets }
}

/// The references that this group keeps besides those to its own shards; more than fit if it must stay as it is.
fn kept_references(basis: Basis<'_>, restraint: Restraint<'_>, index: usize, group: &RuleGroup) -> usize {
    let double = references::double(basis.current, index, group).count();
    if !restraint.keeps_foreign {
        double
    } else if rule_changes::must_stay(group, basis.current, basis.policy, basis.target) {
        // Also if double references give way.
        basis.limits.group_references + double
    } else {
        double + rule_changes::foreign(group, basis.current).collect::<BTreeSet<_>>().len()
    }
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
        // Nearly all are: a run writes a few.
        Some(then) if then.cidrs == shard.cidrs => Vec::new(),
        Some(then) => shard.cidrs.iter().filter(|cidr| !then.cidrs.contains(*cidr)).collect(),
        None => shard.cidrs.iter().collect(),
    }
}

#[cfg(test)]
mod tests;
