//! Slots: which shards are wired afterwards, and which rule groups get new references, with the fewest group writes.

use super::bins::{Bin, fewest};
use super::cover::Cover;
use super::demand::Demand;
use super::draft::Draft;
use super::input::{Input, ShardInput};
use crate::model::cidr::{Cidr, PerFamily};

/// The free references of every rule group.
#[derive(Debug)]
pub(super) struct Slots {
    groups: Vec<Group>,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    free: Bin,
    referred: bool,
    written_anyway: bool,
}

impl Slots {
    pub(super) fn new(input: &Input<'_>) -> Self {
        let groups = input.groups.iter().enumerate().map(|(id, group)| {
            let wired = input.shards.iter().filter(|shard| shard.group == Some(id)).count();
            let room = input.limits.group_references.saturating_sub(group.references + wired);
            Group { free: Bin { id, room }, referred: group.referred, written_anyway: group.written_anyway }
        });
        Self { groups: groups.collect() }
    }

    /// The number of free references in all groups.
    pub(super) fn total(&self) -> usize {
        self.groups.iter().map(|group| group.free.room).sum()
    }

    /// The rule group for each of `count` new references, or of as many as there is room for.
    ///
    /// Groups that every web ACL refers to come first, because a shard in another group would not be enforced. Of those, it
    /// uses the ones that are written anyway and the fewest others, lowest numbers first.
    pub(super) fn take(&self, count: usize) -> Vec<usize> {
        let mut taken = Vec::new();
        for referred in [true, false] {
            let tier = |written_anyway: bool| -> Vec<Bin> {
                let fits = |group: &&Group| group.referred == referred && group.written_anyway == written_anyway;
                self.groups.iter().filter(fits).map(|group| group.free).collect()
            };
            let mut used = tier(true);
            let rest = (count - taken.len()).saturating_sub(used.iter().map(|group| group.room).sum());
            used.extend(fewest(&tier(false), rest));
            used.sort_by_key(|group| group.id);
            for group in used {
                taken.extend(std::iter::repeat_n(group.id, group.room.min(count - taken.len())));
            }
        }
        taken
    }

    /// The number of additional rule group writes for `count` new references.
    pub(super) fn further_writes(&self, count: usize) -> usize {
        let mut groups = self.take(count);
        groups.sort_unstable();
        groups.dedup();
        let free = self.groups.iter().filter(|group| group.written_anyway && groups.contains(&group.free.id)).count();
        groups.len() - free
    }
}

/// Decides which shards are wired, in order of name, while there are slots.
pub(super) fn wire<'a>(input: &'a Input<'a>, demand: &PerFamily<Demand<'_>>, mut slots: usize) -> Vec<Draft<'a>> {
    let draft = |shard: &'a ShardInput<'a>| {
        let cover = Cover::of(shard, *demand.get(shard.family), input.limits.set_capacity);
        let joins = shard.group.is_none() && slots > 0 && may_be_wired(shard, &cover, input);
        slots -= usize::from(joins);
        Draft::new(shard, joins || shard.group.is_some(), cover)
    };
    input.shards.iter().map(draft).collect()
}

/// Whether a shard may come into force: not with anything unwanted or waiting for approval.
fn may_be_wired(shard: &ShardInput<'_>, cover: &Cover, input: &Input<'_>) -> bool {
    let desired = *input.desired.get(shard.family);
    let goes = |cidr: &Cidr| cover.going.binary_search(cidr).is_ok();
    let fits = |cidr: &Cidr| desired.contains(*cidr) && input.waiting.binary_search(cidr).is_err();
    shard.adopted || shard.cidrs.iter().all(|cidr| goes(&cidr) || fits(&cidr))
}
