//! Counts for the lower bound: what the input of a layout amounts to in numbers.
//!
//! Of the layout itself only what it could not do is looked at (deferred and unplaced CIDRs), never where it puts
//! anything. The counting goes its own way, so that a mistake of the layout shows as a difference.

use super::bound::{Counts, FamilyCounts, GroupCounts, ShardCounts};
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Slice;
use crate::model::coverage;
use crate::model::merged::Merged;
use crate::planning::layout::{Input, Layout, ShardInput};

/// Counts what has to be done, for [`super::bound::writes`].
///
/// The bound is exact, with one exception: if an unwanted CIDR stands in several shards and only some of its copies
/// could leave, the counts cannot say which, and take each copy as one that may leave but need not.
#[must_use]
pub fn counts(input: &Input<'_>, layout: &Layout) -> Counts {
    let groups = (0..).zip(&input.groups).map(|(at, group)| {
        let wired = input.shards.iter().filter(|shard| shard.group == Some(at)).count();
        let free = input.limits.group_references.saturating_sub(wired + group.references);
        GroupCounts { free, written_anyway: group.written_anyway, referred: group.referred }
    });
    let groups: Vec<GroupCounts> = groups.collect();
    let free = groups.iter().map(|group| group.free).sum();
    let waiting = input.shards.iter().filter(|shard| shard.group.is_none() && is_safe(input, shard));
    let to_wire: Vec<&str> = waiting.map(|shard| shard.name).take(free).collect();
    let family = |family| {
        let shards: Vec<&ShardInput<'_>> = input.shards.iter().filter(|shard| shard.family == family).collect();
        let ends_wired = |shard: &ShardInput<'_>| shard.group.is_some() || to_wire.contains(&shard.name);
        family_counts(input, &shards, ends_wired, layout, family)
    };
    Counts {
        ipv4: family(Family::Ipv4),
        ipv6: family(Family::Ipv6),
        groups,
        new_sets: input.new_sets,
        set_capacity: input.limits.set_capacity,
        unwired: to_wire.len(),
    }
}

fn is_in_force(shard: &ShardInput<'_>) -> bool {
    shard.adopted || shard.in_force || shard.group.is_some()
}

/// Whether the shard can come into force without anything unwanted coming with it.
fn is_safe(input: &Input<'_>, shard: &ShardInput<'_>) -> bool {
    let desired = *input.desired.get(shard.family);
    let wanted = shard.cidrs.iter().filter(|cidr| desired.contains(*cidr) && !contains(input.waiting, *cidr)).count();
    let goes = |cidr: &&Cidr| !shard.in_force || !coverage::overlaps(desired, **cidr);
    let leaving = if shard.closed { 0 } else { shard.leaving.iter().filter(goes).count() };
    shard.adopted || wanted + leaving == shard.cidrs.len()
}

fn family_counts(
    input: &Input<'_>,
    shards: &[&ShardInput<'_>],
    ends_wired: impl Fn(&ShardInput<'_>) -> bool,
    layout: &Layout,
    family: Family,
) -> FamilyCounts {
    let desired = *input.desired.get(family);
    let open = |shard: &ShardInput<'_>| ends_wired(shard) && !shard.closed;
    let (placed, spare) = copies(desired, shards, &ends_wired);
    let stuck = stuck_copies(shards, &layout.deferred);
    let waiting = input.waiting.iter().filter(|cidr| cidr.family() == family).count();
    let unplaced = layout.unplaced.iter().filter(|cidr| cidr.family() == family).count();
    let count = |(shard, doubled): (&&ShardInput<'_>, usize)| {
        let (mut leaving, mut spare) = (0, if open(shard) { doubled } else { 0 });
        if !shard.closed {
            for cidr in &shard.leaving {
                let copies = stuck.partition_point(|other| other <= cidr) - stuck.partition_point(|other| other < cidr);
                if copies == 0 || !is_in_force(shard) {
                    leaving += 1;
                } else if copies > 1 {
                    spare += 1;
                }
            }
        }
        ShardCounts { held: shard.cidrs.len(), leaving, spare, open: open(shard) }
    };
    FamilyCounts {
        missing: desired.len().saturating_sub(placed + unplaced + waiting),
        shards: shards.iter().zip(spare).map(count).collect(),
    }
}

/// How many wanted CIDRs have a place, and how many of each shard's have it in another one.
fn copies(
    desired: Slice<'_>,
    shards: &[&ShardInput<'_>],
    ends_wired: impl Fn(&ShardInput<'_>) -> bool,
) -> (usize, Vec<usize>) {
    let lists = shards.iter().map(|shard| if ends_wired(shard) { shard.cidrs } else { Slice::default() });
    let rank = |at: &usize| shards.get(*at).map(|shard| (shard.group.is_none(), !is_in_force(shard), *at));
    let (mut placed, mut spare) = (0, vec![0; shards.len()]);
    let mut merged = Merged::new(lists);
    while let Some((cidr, holders)) = merged.step() {
        if !desired.contains(cidr) {
            continue;
        }
        placed += 1;
        let keeper = holders.iter().copied().min_by_key(rank);
        for holder in holders.iter().filter(|holder| Some(**holder) != keeper) {
            if let Some(spare) = spare.get_mut(*holder) {
                *spare += 1;
            }
        }
    }
    (placed, spare)
}

/// The copies in force of CIDRs that cannot all leave in this run, sorted, one for each copy.
fn stuck_copies(shards: &[&ShardInput<'_>], deferred: &[Cidr]) -> Vec<Cidr> {
    let mut copies: Vec<Cidr> = Vec::new();
    for shard in shards.iter().filter(|shard| is_in_force(shard) && !shard.closed) {
        copies.extend(deferred.iter().filter(|cidr| contains(&shard.leaving, **cidr)));
    }
    copies.sort_unstable();
    copies
}

fn contains(sorted: &[Cidr], cidr: Cidr) -> bool {
    sorted.binary_search(&cidr).is_ok()
}
