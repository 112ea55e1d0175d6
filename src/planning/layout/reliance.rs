//! Reliance: what leaves a full set although only other sets cover its wanted addresses.
//!
//! It relies on CIDRs in wired sets that stay in this run and were in force when it began, so that AWS has propagated
//! them. The plan names these sets, which are checked by a list right before the write.

use super::demand::Demand;
use super::draft::{Draft, Force};
use super::holders::Holders;
use crate::model::cidr::{Cidr, PerFamily};

/// Lets stuck CIDRs leave whose wanted addresses other sets cover, together with what fits into this set.
pub(super) fn release(drafts: &mut [Draft<'_>], demand: &PerFamily<Demand<'_>>, capacity: usize) {
    if drafts.iter().all(|draft| draft.stuck.is_empty()) {
        return;
    }
    let holders = Holders::new(drafts);
    // First rely on what certainly stays, then also on what is stuck and therefore stays in this run. Otherwise full sets
    // could wait for each other's room forever.
    for by_stuck in [false, true] {
        let all = drafts.iter().enumerate();
        let mut stuck: Vec<Stay> =
            all.flat_map(|(shard, draft)| draft.stuck.iter().map(move |cidr| Stay { cidr: *cidr, shard })).collect();
        // The narrowest first: they can rely on wider ones.
        stuck.sort_unstable_by_key(|stay| (u8::MAX - stay.cidr.prefix(), stay.cidr, stay.shard));
        // One CIDR can be stuck in a hundred shards, with the same around it.
        for same in stuck.chunk_by(|a, b| a.cidr == b.cidr) {
            let Some(leaving) = same.first().map(|stay| stay.cidr) else { continue };
            let mut near = near(drafts, &holders, leaving, by_stuck);
            for stay in same {
                if let Some(ways) = rely(drafts, *demand.get(leaving.family()), capacity, &near, *stay) {
                    near.retain(|near| near.stay != *stay);
                    take(drafts, *stay, ways);
                }
            }
        }
    }
}

/// A CIDR that stays in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stay {
    cidr: Cidr,
    shard: usize,
}

/// A CIDR of any shard that shares addresses with one that leaves.
#[derive(Clone, Copy, Debug)]
struct Near {
    stay: Stay,
    /// Whether other shards may rely on it.
    is_sure: bool,
}

/// The conditions for a CIDR to leave.
#[derive(Debug, Default)]
struct Ways {
    /// CIDRs that stay in other shards.
    relied: Vec<Stay>,
    /// CIDRs that are added to its own shard.
    add: Vec<Cidr>,
}

/// What shares addresses with `leaving` in any shard.
fn near(drafts: &[Draft<'_>], holders: &Holders, leaving: Cidr, by_stuck: bool) -> Vec<Near> {
    let near = |(cidr, shard): (Cidr, usize)| {
        let draft = drafts.get(shard)?;
        let is_stuck = || draft.stuck.binary_search(&cidr).is_ok() && draft.force_of(cidr) == Force::Wired;
        Some(Near { stay: Stay { cidr, shard }, is_sure: draft.stays_for_sure(cidr) || by_stuck && is_stuck() })
    };
    holders.overlapping(leaving).filter_map(near).collect()
}

/// The conditions under which everything wanted of what leaves stays in force without it; `None` if there are none.
fn rely(drafts: &[Draft<'_>], demand: Demand<'_>, capacity: usize, near: &[Near], leaves: Stay) -> Option<Ways> {
    let Stay { cidr: leaving, shard: index } = leaves;
    let draft = drafts.get(index)?;
    if draft.pinned.contains(&leaving) {
        return None;
    }
    let may_help = |near: &&Near| {
        if near.stay.shard == index {
            near.stay.cidr != leaving && draft.keeps(near.stay.cidr)
        } else {
            near.is_sure && drafts.get(near.stay.shard).is_some_and(|other| draft.can_rely_on(other))
        }
    };
    let candidates: Vec<Stay> = near.iter().filter(may_help).map(|near| near.stay).collect();
    // What needs no other set leaves here only in the room of what does: the rest was decided before.
    let most = |relies: bool| if relies || !draft.relying.is_empty() { draft.space(capacity) } else { 0 };
    if candidates.is_empty() && demand.exceeds(leaving, most(false)) {
        return None;
    }
    if let Some(whole) = covering_alone(&candidates, leaving, index) {
        return Some(Ways { relied: vec![whole], add: Vec::new() });
    }
    let mut ways = Ways::default();
    // It prefers its own, then the lowest names.
    let mut walk = Walk::new(&candidates, index);
    for part in demand.due(leaving) {
        match walk.covering(part.common) {
            Some(found) => ways.relied.extend(found),
            None => ways.add.push(part.wanted),
        }
    }
    let mut waiting = demand.not_due(leaving).peekable();
    if waiting.peek().is_some() {
        let added = ways.add.iter().map(|cidr| Stay { cidr: *cidr, shard: index });
        let candidates: Vec<Stay> = candidates.iter().copied().chain(added).collect();
        let mut walk = Walk::new(&candidates, index);
        for part in waiting {
            ways.relied.extend(walk.covering(part.common)?);
        }
    }
    ways.relied.sort_unstable_by_key(|stay| (stay.shard, stay.cidr));
    ways.relied.dedup();
    (ways.add.len() <= most(!ways.relied.is_empty())).then_some(ways)
}

/// The candidate that [`Walk::covering`] would choose for each address of `leaving`: it covers all of them, and its own shard has
/// nothing that would come first. A set can hold thousands of CIDRs with hundreds of wanted ones in each.
fn covering_alone(candidates: &[Stay], leaving: Cidr, index: usize) -> Option<Stay> {
    if candidates.iter().any(|stay| stay.shard == index) {
        return None;
    }
    let all = candidates.iter().filter(|stay| stay.cidr.covers(leaving));
    all.max_by_key(|stay| (stay.cidr.last(), std::cmp::Reverse(stay.shard))).copied()
}

/// Candidates in the order of their first addresses, walked once by questions about higher and higher addresses: a range that
/// leaves can hold all of the table.
struct Walk<'a> {
    own: Reach<'a>,
    others: Reach<'a>,
}

/// The candidate that reaches furthest of those that begin at the address of the newest question or before.
struct Reach<'a> {
    ahead: std::iter::Peekable<std::vec::IntoIter<&'a Stay>>,
    furthest: Option<&'a Stay>,
    /// The address of the newest question.
    asked: u128,
}

impl<'a> Reach<'a> {
    fn new(candidates: impl Iterator<Item = &'a Stay>) -> Self {
        let mut candidates: Vec<&Stay> = candidates.collect();
        // Of those that begin together, the order stays.
        candidates.sort_by_key(|stay| stay.cidr.first());
        Self { ahead: candidates.into_iter().peekable(), furthest: None, asked: 0 }
    }

    /// The candidate that holds this address and reaches furthest; of several, the one with the lowest name.
    fn at(&mut self, address: u128) -> Option<&'a Stay> {
        debug_assert!(self.asked <= address, "questions ascend");
        self.asked = address;
        while let Some(stay) = self.ahead.next_if(|stay| stay.cidr.first() <= address) {
            let reach = |stay: &Stay| (stay.cidr.last(), std::cmp::Reverse(stay.shard));
            if self.furthest.is_none_or(|furthest| reach(stay) >= reach(furthest)) {
                self.furthest = Some(stay);
            }
        }
        self.furthest.filter(|furthest| furthest.cidr.last() >= address)
    }
}

impl<'a> Walk<'a> {
    fn new(candidates: &'a [Stay], index: usize) -> Self {
        let (own, others): (Vec<&Stay>, Vec<&Stay>) = candidates.iter().partition(|stay| stay.shard == index);
        Self { own: Reach::new(own.into_iter()), others: Reach::new(others.into_iter()) }
    }

    /// The candidates in other shards that, with those in its own, cover `common`. Every question is about higher addresses than
    /// the one before.
    fn covering(&mut self, common: Cidr) -> Option<Vec<Stay>> {
        let mut found = Vec::new();
        let mut next = common.first();
        loop {
            let best = if let Some(own) = self.own.at(next) {
                own
            } else {
                let other = self.others.at(next)?;
                found.push(*other);
                other
            };
            if best.cidr.last() >= common.last() {
                return Some(found);
            }
            next = best.cidr.last() + 1;
        }
    }
}

fn take(drafts: &mut [Draft<'_>], leaves: Stay, ways: Ways) {
    let Stay { cidr: leaving, shard: index } = leaves;
    for stay in &ways.relied {
        if let Some(other) = drafts.get_mut(stay.shard) {
            other.pinned.insert(stay.cidr);
        }
    }
    if let Some(draft) = drafts.get_mut(index) {
        // Both are sorted, and long where much is stuck.
        if let Ok(at) = draft.stuck.binary_search(&leaving) {
            draft.stuck.remove(at);
        }
        if let Err(at) = draft.going.binary_search(&leaving) {
            draft.going.insert(at, leaving);
        }
        if !ways.relied.is_empty() {
            draft.relying.push(leaving);
        }
        draft.relies_on.extend(ways.relied.iter().map(|stay| stay.shard));
        if !ways.add.is_empty() {
            draft.add.extend(ways.add);
            draft.add.sort_unstable();
            draft.add.dedup();
        }
    }
}
