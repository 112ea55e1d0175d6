//! Reliance: what leaves a full set although only other sets cover its wanted addresses.
//!
//! It relies on CIDRs in wired sets that stay in this run and were in force when it began, so that AWS has propagated
//! them. The plan names these sets, which are checked by a list right before the write.

use super::cover::{due, not_due};
use super::draft::{Draft, Force};
use super::input::Input;
use crate::model::cidr::Cidr;
use crate::model::coverage;

/// Lets stuck CIDRs leave whose wanted addresses other sets cover, together with what fits into this set.
pub(super) fn release(drafts: &mut [Draft<'_>], input: &Input<'_>) {
    // First rely on what certainly stays, then also on what is stuck and therefore stays in this run. Otherwise full sets
    // could wait for each other's room forever.
    for by_stuck in [false, true] {
        let all = drafts.iter().enumerate();
        let mut stuck: Vec<(Cidr, usize)> =
            all.flat_map(|(index, draft)| draft.stuck.iter().map(move |cidr| (*cidr, index))).collect();
        // The narrowest first: they can rely on wider ones.
        stuck.sort_unstable_by_key(|(cidr, index)| (u8::MAX - cidr.prefix(), *cidr, *index));
        for (cidr, index) in stuck {
            if let Some(ways) = rely(drafts, input, index, cidr, by_stuck) {
                take(drafts, index, cidr, ways);
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

/// The conditions for a CIDR to leave.
#[derive(Debug, Default)]
struct Ways {
    /// CIDRs that stay in other shards.
    relied: Vec<Stay>,
    /// CIDRs that are added to its own shard.
    add: Vec<Cidr>,
}

/// The conditions under which everything wanted of `leaving` stays in force without it; `None` if there are none.
fn rely(drafts: &[Draft<'_>], input: &Input<'_>, index: usize, leaving: Cidr, by_stuck: bool) -> Option<Ways> {
    let draft = drafts.get(index)?;
    if draft.pinned.contains(&leaving) {
        return None;
    }
    let stays = |cidr: &Cidr| *cidr != leaving && draft.keeps(*cidr);
    let own = coverage::overlapping(draft.shard.cidrs, leaving).filter(stays).map(|cidr| Stay { cidr, shard: index });
    let others = drafts.iter().enumerate().filter(|(shard, other)| *shard != index && draft.can_rely_on(other));
    let others = others.flat_map(|(shard, draft)| {
        let stays = move |cidr: &Cidr| {
            draft.stays_for_sure(*cidr)
                || (by_stuck && draft.stuck.binary_search(cidr).is_ok() && draft.force_of(*cidr) == Force::Wired)
        };
        coverage::overlapping(draft.shard.cidrs, leaving).filter(stays).map(move |cidr| Stay { cidr, shard })
    });
    // Prefer its own, then the lowest names.
    let candidates: Vec<Stay> = own.chain(others).collect();
    if let Some(whole) = covering_alone(&candidates, leaving, index) {
        return Some(Ways { relied: vec![whole], add: Vec::new() });
    }
    let mut ways = Ways::default();
    let desired = *input.desired.get(leaving.family());
    let mut walk = Walk::new(&candidates, index);
    for part in due(desired, leaving, input.waiting) {
        match walk.covering(part.common) {
            Some(found) => ways.relied.extend(found),
            None => ways.add.push(part.wanted),
        }
    }
    let mut waiting = not_due(desired, leaving, input.waiting).peekable();
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
    // What needs no other set leaves here only in the room of what does: the rest was decided before.
    let is_here = !ways.relied.is_empty() || !draft.relying.is_empty();
    let fits = draft.fits(ways.add.len(), input.limits.set_capacity);
    (ways.add.is_empty() || is_here && fits).then_some(ways)
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

fn take(drafts: &mut [Draft<'_>], index: usize, leaving: Cidr, ways: Ways) {
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
