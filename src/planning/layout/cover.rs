//! Cover: the unwanted CIDRs that can leave a set which still covers every wanted address that it covers now.
//!
//! A lock token guards one set, and AWS propagates each set separately. So a CIDR that keeps wanted addresses in force
//! leaves only if the same set covers them after the update, with CIDRs that stay in it or that the update adds.

use std::collections::BTreeSet;

use super::input::{Input, ShardInput};
use crate::defects::{self, Defect};
use crate::model::cidr::Cidr;
use crate::model::cidrs::{Cidrs, Slice};
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

impl Cover {
    /// Decides for one shard independently of others.
    pub(super) fn of(shard: &ShardInput<'_>, input: &Input<'_>) -> Self {
        let is_free = !shard.in_force && shard.group.is_none();
        if shard.closed {
            return Self::default();
        }
        if is_free || shard.leaving.is_empty() || defects::has(Defect::ReplacesAtOnce) {
            return Self { going: shard.leaving.clone(), ..Self::default() };
        }
        let first = Self::with_staying(shard, input, &[]);
        if first.stuck.is_empty() {
            return first;
        }
        // What is inside another one that stays can leave.
        let mut stuck: Vec<Cidr> = coverage::widest(first.stuck).collect();
        let mut passes = 0;
        loop {
            // Stuck CIDRs cover addresses too, so that less has to be added for the rest, and all of it fits.
            let rest = Self::with_staying(shard, input, &stuck);
            debug_assert!(rest.stuck.is_empty(), "less is added than before");
            // Then some of them may fit after all.
            let released = rest.released(shard, input, &stuck);
            if released.is_empty() || passes == PASSES {
                return Self { stuck, ..rest };
            }
            stuck.retain(|cidr| !released.contains(cidr));
            passes += 1;
        }
    }

    /// Those of the `stuck` CIDRs that can leave too, because this leaves room for what is added in their place.
    fn released(&self, shard: &ShardInput<'_>, input: &Input<'_>, stuck: &[Cidr]) -> BTreeSet<Cidr> {
        let capacity = input.limits.set_capacity;
        let kept = shard.cidrs.len() - self.going.len();
        let room = (capacity + 1).saturating_sub(kept + self.add.len());
        let leaves = |cidr: &Cidr| self.going.binary_search(cidr).is_ok() || stuck.binary_search(cidr).is_ok();
        let stays: Vec<Cidr> =
            shard.cidrs.iter().filter(|cidr| !leaves(cidr)).chain(self.add.iter().copied()).collect();
        let stays = Cidrs::from(stays);
        let needs = |cidr: &Cidr| {
            let needs = needed(*cidr, *input.desired.get(shard.family), stays.as_slice(), input.waiting, room)?;
            Some((needs.len(), *cidr, needs))
        };
        let mut replaced: Vec<(usize, Cidr, Vec<Cidr>)> = stuck.iter().filter_map(needs).collect();
        replaced.sort_unstable();
        let (mut released, mut add) = (BTreeSet::new(), BTreeSet::new());
        for (_, cidr, needs) in replaced {
            let further = needs.iter().filter(|need| !add.contains(*need)).count();
            if kept + self.add.len() + add.len() + further <= capacity + released.len() + 1 {
                add.extend(needs);
                released.insert(cidr);
            }
        }
        released
    }

    /// Decides for one shard in which the `stuck` CIDRs, sorted, stay.
    fn with_staying(shard: &ShardInput<'_>, input: &Input<'_>, stuck: &[Cidr]) -> Self {
        let is_leaving = |cidr: &Cidr| shard.leaving.binary_search(cidr).is_ok() && stuck.binary_search(cidr).is_err();
        let (leaving, stays): (Vec<Cidr>, Vec<Cidr>) = shard.cidrs.iter().partition(is_leaving);
        let stays = Cidrs::from(stays);
        let capacity = input.limits.set_capacity;
        let mut cover = Self::default();
        let mut replaced = Vec::new();
        for cidr in leaving {
            match needed(cidr, *input.desired.get(shard.family), stays.as_slice(), input.waiting, capacity) {
                Some(needs) if needs.is_empty() => cover.going.push(cidr),
                Some(needs) => replaced.push((needs.len(), cidr, needs)),
                None => cover.stuck.push(cidr),
            }
        }
        let all: BTreeSet<Cidr> = replaced.iter().flat_map(|(_, _, needs)| needs.iter().copied()).collect();
        if stays.len() + cover.stuck.len() + all.len() <= capacity {
            cover.going.extend(replaced.into_iter().map(|(_, cidr, _)| cidr));
            cover.add = all;
        } else {
            // Those that need the fewest additions go first, because they make room for the rest.
            replaced.sort_unstable();
            for (_, cidr, needs) in replaced {
                let further = needs.iter().filter(|need| !cover.add.contains(need)).count();
                let kept = shard.cidrs.len() - cover.going.len() - 1;
                if kept + cover.add.len() + further <= capacity {
                    cover.add.extend(needs);
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

/// The wanted CIDRs that a set with `stays` needs to still cover what is wanted of `leaving`. `None` if they are more than
/// `most`, or if they leave something uncovered that is `waiting`.
fn needed(leaving: Cidr, desired: Slice<'_>, stays: Slice<'_>, waiting: &[Cidr], most: usize) -> Option<Vec<Cidr>> {
    let mut needs: Vec<Cidr> = Vec::new();
    for part in due(desired, leaving, waiting) {
        if coverage::covers(stays, part.common) {
            continue;
        }
        if needs.len() == most {
            return None;
        }
        needs.push(part.wanted);
    }
    let covers = |common: Cidr| {
        let with = || coverage::overlapping(stays, common).chain(needs.iter().copied()).collect::<Cidrs>();
        coverage::covers(stays, common) || coverage::covers(&with(), common)
    };
    not_due(desired, leaving, waiting).all(|part| covers(part.common)).then_some(needs)
}

/// A wanted CIDR that shares addresses with one that leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) wanted: Cidr,
    /// The addresses that both have.
    pub(super) common: Cidr,
}

/// What is wanted of `leaving` and may be added now: the widest CIDRs, sorted.
pub(super) fn due(desired: Slice<'_>, leaving: Cidr, waiting: &[Cidr]) -> impl Iterator<Item = Part> {
    let waits = |cidr: &Cidr| waiting.binary_search(cidr).is_ok();
    parts(leaving, coverage::overlapping(desired, leaving).filter(move |cidr| !waits(cidr)))
}

/// What is wanted of `leaving` and has to wait: the widest CIDRs, sorted. What is due may cover the same addresses.
pub(super) fn not_due(desired: Slice<'_>, leaving: Cidr, waiting: &[Cidr]) -> impl Iterator<Item = Part> {
    // `leaving` may be a range around the whole table, so look only if anything waits.
    let desired = if waiting.is_empty() { Slice::default() } else { desired };
    let waits = |cidr: &Cidr| waiting.binary_search(cidr).is_ok();
    parts(leaving, coverage::overlapping(desired, leaving).filter(waits))
}

fn parts(leaving: Cidr, wanted: impl Iterator<Item = Cidr>) -> impl Iterator<Item = Part> {
    let part = move |wanted: Cidr| Part { wanted, common: if wanted.covers(leaving) { leaving } else { wanted } };
    coverage::widest(wanted).map(part)
}
