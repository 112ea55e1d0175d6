//! The fewest writes, found by trying every placement.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::{World, config, flat_worlds, roomy_worlds};
use crate::model::cidr::{Cidr, Family};

/// What a placement is judged by, in this order: CIDRs without a place (IPv4, IPv6), writes, new sets, empty sets used.
type Score = (usize, usize, usize, usize, usize);

struct Search<'a> {
    world: &'a World,
    missing: Vec<Cidr>,
    /// Per existing shard: what it would hold if it were written with no addition; `None` if nothing can be added.
    open: Vec<Option<usize>>,
    written: Vec<bool>,
    empty: Vec<bool>,
    /// Group writes by the number of new references; as long as there is a slot for each.
    group_writes: Vec<usize>,
    unwired: usize,
    best: Option<Score>,
}

/// The fewest group writes for this many references, by trying every group for each.
fn group_writes(world: &World, used: &mut [usize], references: usize) -> Option<usize> {
    let limit = world.limits.group_references;
    let has_room = |used: &[usize], at: usize| used[at] < limit;
    if references == 0 {
        return Some(0);
    }
    let referred_room = (0..used.len()).any(|at| world.groups[at].referred && has_room(used, at));
    let mut best: Option<usize> = None;
    for at in 0..used.len() {
        if !has_room(used, at) || (referred_room && !world.groups[at].referred) {
            continue;
        }
        used[at] += 1;
        let touched_before = world.groups[at].written_anyway || used[at] > start_use(world, at) + 1;
        if let Some(rest) = group_writes(world, used, references - 1) {
            let writes = rest + usize::from(!touched_before);
            best = Some(best.map_or(writes, |best| best.min(writes)));
        }
        used[at] -= 1;
    }
    best
}

fn start_use(world: &World, at: usize) -> usize {
    world.groups[at].references + world.shards.iter().filter(|shard| shard.group == Some(at)).count()
}

impl<'a> Search<'a> {
    /// `spares`: copies of what another set surely keeps may go.
    fn new(world: &'a World, spares: bool) -> Self {
        let groups = world.groups.len();
        let start: Vec<usize> = (0..groups).map(|at| start_use(world, at)).collect();
        let group_writes = (0..).map_while(|count| group_writes(world, &mut start.clone(), count)).take(12).collect();
        let mut slots: usize = start.iter().map(|used| world.limits.group_references - used).sum();

        let mut ends_wired = Vec::new();
        let mut unwired = 0;
        for shard in &world.shards {
            let leaving = if shard.closed { Vec::new() } else { world.leaving(shard) };
            let clean = shard.cidrs.iter().all(|cidr| world.wanted.contains(cidr) || leaving.contains(cidr));
            let joins = shard.group.is_none() && (shard.adopted || clean) && slots > 0;
            slots -= usize::from(joins);
            unwired += usize::from(joins);
            ends_wired.push(joins || shard.group.is_some());
        }

        let is_enforced = |at: usize| world.shards[at].group.is_some_and(|group| world.groups[group].referred);
        let mut keepers: BTreeMap<Cidr, (u8, bool, usize)> = BTreeMap::new();
        for (at, shard) in world.shards.iter().enumerate().filter(|(at, _)| ends_wired[*at]) {
            let rank = if shard.group.is_some() { 0 } else { 1 + u8::from(!shard.is_in_force()) };
            for cidr in shard.cidrs.intersection(&world.wanted) {
                let this = (rank, !is_enforced(at), at);
                let keeper = keepers.entry(*cidr).or_insert(this);
                *keeper = this.min(*keeper);
            }
        }
        let (mut open, mut written, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        for (at, shard) in world.shards.iter().enumerate() {
            let leaving = if shard.closed { Vec::new() } else { world.leaving(shard) };
            let is_spare = |cidr: &Cidr| {
                let Some((rank, not_enforced, keeper)) = keepers.get(cidr).copied() else { return false };
                let surely = rank == 0 && !(not_enforced && is_enforced(at));
                spares && keeper != at && (surely || !shard.is_in_force())
            };
            let stays = |cidr: &&Cidr| !leaving.contains(cidr) && !is_spare(cidr);
            let kept = shard.cidrs.iter().filter(stays).count();
            open.push((ends_wired[at] && !shard.closed).then_some(kept));
            written.push(!leaving.is_empty() || world.seals(shard));
            empty.push(kept == 0 && leaving.is_empty() && !world.seals(shard));
        }
        let missing = world.wanted.iter().copied().filter(|cidr| !keepers.contains_key(cidr)).collect();
        Self { world, missing, open, written, empty, group_writes, unwired, best: None }
    }

    /// Copies go only where that finds a place for something that has none otherwise.
    fn best(world: &'a World) -> (Score, bool) {
        let best = |spares| {
            let mut search = Self::new(world, spares);
            let most_new = world.limits.max_ip_sets.saturating_sub(world.shards.len());
            search.place(0, &mut BTreeMap::new(), &mut Vec::new(), most_new, (0, 0));
            search.best.unwrap()
        };
        let (with, without) = (best(false), best(true));
        if (without.0, without.1) < (with.0, with.1) { (without, true) } else { (with, false) }
    }

    /// Tries every place for the missing CIDRs from `next` on.
    fn place(
        &mut self,
        next: usize,
        added: &mut BTreeMap<usize, usize>,
        new: &mut Vec<(Family, usize)>,
        most_new: usize,
        unplaced: (usize, usize),
    ) {
        let capacity = self.world.limits.set_capacity;
        let Some(cidr) = self.missing.get(next).copied() else {
            self.judge(added, new, unplaced);
            return;
        };
        for at in 0..self.world.shards.len() {
            let Some(kept) = self.open[at] else { continue };
            let count = added.get(&at).copied().unwrap_or(0);
            if self.world.shards[at].family == cidr.family() && kept + count < capacity {
                added.insert(at, count + 1);
                self.place(next + 1, added, new, most_new, unplaced);
                if count == 0 {
                    added.remove(&at)
                } else {
                    added.insert(at, count)
                };
            }
        }
        for at in 0..new.len() {
            if new[at].0 == cidr.family() && new[at].1 < capacity {
                new[at].1 += 1;
                self.place(next + 1, added, new, most_new, unplaced);
                new[at].1 -= 1;
            }
        }
        if new.len() < most_new && self.unwired + new.len() + 1 < self.group_writes.len() {
            new.push((cidr.family(), 1));
            self.place(next + 1, added, new, most_new, unplaced);
            new.pop();
        }
        let unplaced = match cidr.family() {
            Family::Ipv4 => (unplaced.0 + 1, unplaced.1),
            Family::Ipv6 => (unplaced.0, unplaced.1 + 1),
        };
        self.place(next + 1, added, new, most_new, unplaced);
    }

    fn judge(&mut self, added: &BTreeMap<usize, usize>, new: &[(Family, usize)], unplaced: (usize, usize)) {
        let mut sets: BTreeSet<usize> = added.keys().copied().collect();
        sets.extend((0..self.written.len()).filter(|at| self.written[*at]));
        let anyway = |at: &&crate::planning::layout::GroupInput| at.written_anyway;
        let groups = self.group_writes[self.unwired + new.len()] + self.world.groups.iter().filter(anyway).count();
        let empty = added.keys().filter(|at| self.empty[**at]).count();
        let score = (unplaced.0, unplaced.1, sets.len() + new.len() + groups, new.len(), empty);
        self.best = Some(self.best.map_or(score, |best| best.min(score)));
    }
}

fn score(world: &World, spares: bool) -> Score {
    let layout = world.lay_out();
    let unplaced = |family| layout.unplaced.iter().filter(|cidr| cidr.family() == family).count();
    let search = Search::new(world, spares);
    let used = |at: &usize| search.empty[*at] && !layout.shards[*at].add.is_empty();
    let empty = (0..world.shards.len()).filter(used).count();
    (unplaced(Family::Ipv4), unplaced(Family::Ipv6), world.writes(&layout), layout.new.len(), empty)
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn no_placement_of_single_addresses_needs_fewer_writes(world in flat_worlds()) {
        let (best, spares) = Search::best(&world);
        prop_assert_eq!(score(&world, spares), best, "{:#?}", world.lay_out());
    }

    #[test]
    fn the_names_of_the_sets_do_not_change_the_number_of_writes(world in roomy_worlds()) {
        let mut renamed = world.clone();
        renamed.shards.reverse();
        for (at, shard) in renamed.shards.iter_mut().enumerate() {
            shard.name = format!("s-{at:03}");
        }
        prop_assert_eq!(world.writes(&world.lay_out()), renamed.writes(&renamed.lay_out()));
    }
}
