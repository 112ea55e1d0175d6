//! References to one IP set from several rule groups, which overlapping runs can leave.

use super::{Basis, enforced_by};
use crate::model::current::{Current, RuleGroup, Shard};

/// Shards that this group refers to although they count as another group's. The references stay while there is room.
pub(super) fn double<'a>(current: &'a Current, index: usize, group: &RuleGroup) -> impl Iterator<Item = &'a Shard> {
    let refers = move |shard: &&Shard| shard.group != Some(index) && group.rule.references().contains(&shard.arn);
    current.shards.iter().filter(refers)
}

/// The rule groups that refer to this shard besides the one that it counts as.
pub(super) fn further<'a>(current: &'a Current, shard: &'a Shard) -> impl Iterator<Item = &'a RuleGroup> {
    let groups = current.groups.iter().enumerate().filter(|(index, _)| shard.group != Some(*index));
    groups.map(|(_, group)| group).filter(|group| group.rule.references().contains(&shard.arn))
}

/// Those of them that are in force without this reference: since the run began, their own group has referred to them and let
/// in the same clients.
pub(super) fn spare<'a>(basis: Basis<'a>, index: usize, group: &RuleGroup) -> Vec<&'a Shard> {
    let enforced = enforced_by(basis.current, Some(group));
    let is_enough = |shard: &&Shard| {
        let keeper = shard.group.and_then(|keeper| basis.current.groups.get(keeper));
        keeper.is_some_and(|keeper| {
            let lets_in = keeper.rule.lets_in(basis.policy, &basis.target.name);
            let covers = enforced & !enforced_by(basis.current, Some(keeper)) == 0;
            lets_in && covers && basis.at_start.is_none_or(|start| refers_to(start, keeper, shard))
        })
    };
    double(basis.current, index, group).filter(is_enough).collect()
}

fn refers_to(current: &Current, group: &RuleGroup, shard: &Shard) -> bool {
    let is_shard = |other: &&Shard| other.arn == shard.arn;
    let of = current.shards.iter().find(is_shard).and_then(|shard| current.groups.get(shard.group?));
    of.is_some_and(|of| of.arn == group.arn)
}
