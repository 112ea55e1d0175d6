//! Packing: which sets take the missing CIDRs, with the fewest API writes.

use super::bins::{Bin, fewest, largest};
use super::draft::Draft;
use super::input::Input;
use super::slots::Slots;
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;

/// The existing sets that take additions, in filling order, and the number of new ones after them.
#[derive(Debug)]
pub(super) struct Packing {
    existing: PerFamily<Vec<Bin>>,
    new: PerFamily<usize>,
    /// The number of CIDRs without a place, IPv4 and IPv6.
    pub(super) unplaced: (usize, usize),
}

/// The options for one family.
#[derive(Debug)]
struct Options {
    /// Sets that are written anyway.
    free: Vec<Bin>,
    /// The number of CIDRs that do not fit into those.
    rest: usize,
    /// Sets that would cost an update: those that keep something, the fullest first.
    filled: Vec<Bin>,
    /// Sets that would cost an update and keep nothing.
    empty: Vec<Bin>,
}

impl Packing {
    /// Chooses the option that places the most CIDRs, IPv4 first, with the fewest writes.
    ///
    /// Both families are considered together, because they share the sets that may be created and the references.
    pub(super) fn best(input: &Input<'_>, drafts: &[Draft<'_>], missing: &PerFamily<Cidrs>, slots: &Slots) -> Self {
        let capacity = input.limits.set_capacity;
        let options = PerFamily::from_fn(|family| Options::of(family, drafts, missing.get(family).len(), capacity));
        let unwired = drafts.iter().filter(|draft| draft.needs_slot()).count();
        let most = input.new_sets.min(slots.total().saturating_sub(unwired));
        let costs = PerFamily::from_fn(|family| options.get(family).costs(most, capacity));
        let group_writes: Vec<usize> = (0..=most).map(|new| slots.further_writes(unwired + new)).collect();

        let mut best = None;
        for (ipv4, cost4) in costs.ipv4.iter().enumerate() {
            for (ipv6, cost6) in costs.ipv6.iter().enumerate() {
                let new = ipv4 + ipv6;
                let Some(group_writes) = group_writes.get(new) else { break };
                let writes = cost4.updates + cost6.updates + new + group_writes;
                let rank = (cost4.unplaced, cost6.unplaced, writes, new);
                if best.as_ref().is_none_or(|(lowest, _)| rank < *lowest) {
                    best = Some((rank, PerFamily { ipv4, ipv6 }));
                }
            }
        }
        let unplaced = best.map_or((0, 0), |((ipv4, ipv6, ..), _)| (ipv4, ipv6));
        let new = best.map_or_else(PerFamily::default, |(_, new)| new);
        let existing = PerFamily::from_fn(|family| options.get(family).choose(*new.get(family), capacity));
        Self { existing, new, unplaced }
    }

    /// Distributes the missing CIDRs in order. Returns the contents of the new sets and the CIDRs without a place.
    pub(super) fn fill(
        &self,
        drafts: &mut [Draft<'_>],
        missing: &PerFamily<Cidrs>,
        capacity: usize,
    ) -> (Vec<(Family, Cidrs)>, Vec<Cidr>) {
        let (mut new, mut unplaced) = (Vec::new(), Vec::new());
        for family in Family::ALL {
            let mut missing = missing.get(family).iter();
            for bin in self.existing.get(family) {
                if let Some(draft) = drafts.get_mut(bin.id) {
                    draft.add.extend(missing.by_ref().take(bin.room));
                }
            }
            for _ in 0..*self.new.get(family) {
                new.push((family, missing.by_ref().take(capacity).collect()));
            }
            unplaced.extend(missing);
        }
        (new, unplaced)
    }
}

/// The cost of a number of new sets in one family.
#[derive(Debug)]
struct Cost {
    /// The number of CIDRs without a place.
    unplaced: usize,
    /// Existing sets that have to be written beyond those written anyway.
    updates: usize,
}

impl Options {
    fn of(family: Family, drafts: &[Draft<'_>], missing: usize, capacity: usize) -> Self {
        let (mut free, mut filled, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        for (id, draft) in drafts.iter().enumerate() {
            let bin = Bin { id, room: draft.room(capacity) };
            if draft.shard.family != family || !draft.takes_more() || bin.room == 0 {
                continue;
            }
            let kind = match (draft.is_written(), draft.is_empty()) {
                (true, _) => &mut free,
                (false, false) => &mut filled,
                (false, true) => &mut empty,
            };
            kind.push(bin);
        }
        for kind in [&mut free, &mut filled, &mut empty] {
            kind.sort_by_key(|bin| bin.room);
        }
        let rest = missing.saturating_sub(free.iter().map(|bin| bin.room).sum());
        Self { free: fewest(&free, missing), rest, filled, empty }
    }

    /// The cost for zero, one, two and more new sets, as far as more can help.
    fn costs(&self, most: usize, capacity: usize) -> Vec<Cost> {
        let useful = self.rest.div_ceil(capacity.max(1)).min(most);
        let costs = (0..=useful).map(|new| {
            let need = self.rest.saturating_sub(new * capacity);
            let picked = self.choose_further(need, capacity);
            let room: usize = picked.iter().map(|bin| bin.room).sum();
            Cost { unplaced: need.saturating_sub(room), updates: picked.len() }
        });
        costs.collect()
    }

    /// The existing sets to fill for this number of new ones.
    fn choose(&self, new: usize, capacity: usize) -> Vec<Bin> {
        let further = self.choose_further(self.rest.saturating_sub(new * capacity), capacity);
        self.free.iter().copied().chain(further).collect()
    }

    /// The fewest further sets with room for `need`, with as few empty ones as possible, the fullest first.
    fn choose_further(&self, need: usize, capacity: usize) -> Vec<Bin> {
        let all: Vec<Bin> = self.filled.iter().chain(&self.empty).copied().collect();
        let count = fewest(&all, need).len();
        let enough = |&empty: &usize| {
            let filled = count.saturating_sub(empty);
            empty * capacity + largest(self.filled.iter(), filled) >= need
        };
        let empty = (0..=self.empty.len().min(count)).find(enough).unwrap_or(self.empty.len());
        let filled = fewest(&self.filled, need.saturating_sub(empty * capacity));
        filled.into_iter().chain(self.empty.iter().copied().take(empty)).collect()
    }
}
