//! Cover: the unwanted CIDRs that can leave a set which still covers every wanted address that it covers now.
//!
//! A lock token guards one set, and AWS propagates each set separately. So a CIDR that keeps wanted addresses in force
//! leaves only if the same set covers them after the update, with CIDRs that stay in it or that the update adds.

use std::collections::BTreeSet;

use super::demand::{Demand, Needs};
use super::input::ShardInput;
use crate::defects::{self, Defect};
use crate::model::cidr::Cidr;
use crate::model::cidrs::Cidrs;
use crate::model::coverage;

/// The number of times that the room of what need not be added is used for more. What stays then leaves in a later run.
const PASSES: usize = 8;

/// The decision about the CIDRs that may leave one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Cover {
    /// CIDRs that leave.
    pub(super) going: Vec<Cidr>,
    /// CIDRs that stay because what must be added in their place does not fit or has to wait.
    pub(super) stuck: Vec<Cidr>,
    /// Wanted CIDRs that are added in their place: missing ones, or copies of those in other sets.
    pub(super) add: BTreeSet<Cidr>,
}

/// A CIDR that can leave if others take its place.
struct Replaced<'a> {
    cidr: Cidr,
    needs: Needs<'a>,
}

impl Replaced<'_> {
    /// Those that need the fewest come first.
    fn rank(&self) -> (usize, Cidr) {
        (self.needs.len(), self.cidr)
    }
}

impl Cover {
    /// Decides for one shard independently of others.
    pub(super) fn of(shard: &ShardInput<'_>, demand: Demand<'_>, capacity: usize) -> Self {
        let is_free = !shard.in_force && shard.group.is_none();
        if shard.closed {
            return Self::default();
        }
        if is_free || shard.leaving.is_empty() || defects::has(Defect::ReplacesAtOnce) {
            return Self { going: shard.leaving.clone(), ..Self::default() };
        }
        let first = Self::with_staying(shard, demand, capacity, &[]);
        if first.stuck.is_empty() {
            return first;
        }
        // What is inside another one that stays can leave.
        let mut stuck: Vec<Cidr> = coverage::widest(first.stuck).collect();
        let mut passes = 0;
        loop {
            // Stuck CIDRs cover addresses too, so that less has to be added for the rest, and all of it fits.
            let rest = Self::with_staying(shard, demand, capacity, &stuck);
            debug_assert!(rest.stuck.is_empty(), "less is added than before");
            // Then some of them may fit after all.
            let released = rest.released(shard, demand, capacity, &stuck);
            if released.is_empty() || passes == PASSES {
                return Self { stuck, ..rest };
            }
            stuck.retain(|cidr| !released.contains(cidr));
            passes += 1;
        }
    }

    /// Those of the `stuck` CIDRs that can leave too, because this leaves room for what is added in their place.
    fn released(&self, shard: &ShardInput<'_>, demand: Demand<'_>, capacity: usize, stuck: &[Cidr]) -> BTreeSet<Cidr> {
        let kept = shard.cidrs.len() - self.going.len();
        let room = (capacity + 1).saturating_sub(kept + self.add.len());
        let leaves = |cidr: &Cidr| self.going.binary_search(cidr).is_ok() || stuck.binary_search(cidr).is_ok();
        let stays: Vec<Cidr> =
            shard.cidrs.iter().filter(|cidr| !leaves(cidr)).chain(self.add.iter().copied()).collect();
        let stays = Cidrs::from(stays);
        let needs = |cidr: &Cidr| {
            let needs = demand.needs(*cidr, stays.as_slice(), room)?;
            Some(Replaced { cidr: *cidr, needs })
        };
        let mut replaced: Vec<Replaced<'_>> = stuck.iter().filter_map(needs).collect();
        replaced.sort_unstable_by_key(Replaced::rank);
        let (mut released, mut add) = (BTreeSet::new(), BTreeSet::new());
        for Replaced { cidr, needs } in replaced {
            let further = needs.beyond(&add);
            if kept + self.add.len() + add.len() + further <= capacity + released.len() + 1 {
                add.extend(needs.iter());
                released.insert(cidr);
            }
        }
        released
    }

    /// Decides for one shard in which the `stuck` CIDRs, sorted, stay.
    fn with_staying(shard: &ShardInput<'_>, demand: Demand<'_>, capacity: usize, stuck: &[Cidr]) -> Self {
        let is_leaving = |cidr: &Cidr| shard.leaving.binary_search(cidr).is_ok() && stuck.binary_search(cidr).is_err();
        let (leaving, stays): (Vec<Cidr>, Vec<Cidr>) = shard.cidrs.iter().partition(is_leaving);
        let stays = Cidrs::from(stays);
        let mut cover = Self::default();
        let mut replaced = Vec::new();
        for cidr in leaving {
            match demand.needs(cidr, stays.as_slice(), capacity) {
                Some(needs) if needs.is_empty() => cover.going.push(cidr),
                Some(needs) => replaced.push(Replaced { cidr, needs }),
                None => cover.stuck.push(cidr),
            }
        }
        let room = capacity.saturating_sub(stays.len() + cover.stuck.len());
        let mut all = BTreeSet::new();
        let mut fits = |replaced: &Replaced<'_>| {
            all.extend(replaced.needs.iter());
            all.len() <= room
        };
        if replaced.iter().all(&mut fits) {
            cover.going.extend(replaced.into_iter().map(|replaced| replaced.cidr));
            cover.add = all;
        } else {
            // Those that need the fewest additions go first, because they make room for the rest.
            replaced.sort_unstable_by_key(Replaced::rank);
            for Replaced { cidr, needs } in replaced {
                let further = needs.beyond(&cover.add);
                let kept = shard.cidrs.len() - cover.going.len() - 1;
                if kept + cover.add.len() + further <= capacity {
                    cover.add.extend(needs.iter());
                    cover.going.push(cidr);
                } else {
                    cover.stuck.push(cidr);
                }
            }
        }
        cover.going.sort_unstable();
        cover.stuck.sort_unstable();
        cover
    }
}
