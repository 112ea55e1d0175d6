//! Desired × current → the contents of every shard, by the fewest API writes.
//!
//! An address stays where it is. What must go goes, what is missing fills the sets that are written anyway, and only
//! the rest costs writes of its own. Nothing here looks at AWS, time or settings: the same [`Input`] gives the same
//! [`Layout`].
//!
//! 1. `slots`: which shards end wired, and to which rule group a new reference goes;
//! 2. `standing`: what stands where: missing, doubled, and the addresses that surely stay in force;
//! 3. `replaced`: which CIDRs can leave without a gap for an address that stays wanted;
//! 4. `packing`: which sets take what is still missing.

mod packing;
mod replaced;
mod slots;
mod standing;
#[cfg(test)]
mod tests;

use crate::cidr::{Cidr, Family, PerFamily};
use crate::limits::Limits;
use packing::Packing;
use slots::Slots;
use standing::Standing;

/// One existing shard, as layout sees it.
#[derive(Clone, Debug)]
pub struct ShardInput<'a> {
    /// Its name: breaks ties. Shards come sorted by name.
    pub name: &'a str,
    /// Its family.
    pub family: Family,
    /// What it holds now: sorted, no duplicates.
    pub cidrs: &'a [Cidr],
    /// What may leave it in this run: unwanted and not held. Sorted; a subset of `cidrs`.
    pub leaving: Vec<Cidr>,
    /// What it holds that was not in force through it when the run began: AWS may still be spreading it, so nothing that
    /// leaves relies on it. Sorted; a subset of `cidrs`.
    pub fresh: Vec<Cidr>,
    /// The rule group (index into [`Input::groups`]) that refers to it.
    pub group: Option<usize>,
    /// Nothing may be added to it in this run.
    pub closed: bool,
    /// Adopted: what it holds counts as in force even before it is wired, and it is not stripped.
    pub adopted: bool,
}

/// One rule group, existing or to be created.
#[derive(Clone, Copy, Debug)]
pub struct GroupInput {
    /// References that it will keep, to sets that are not shards too.
    pub references: usize,
    /// Every named web ACL refers to it (true where none was named).
    pub referred: bool,
    /// It is written in any case (created, or its rule or description changes): another reference costs nothing.
    pub written_anyway: bool,
}

/// Everything that layout looks at.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// What fits.
    pub limits: Limits,
    /// Existing shards, sorted by name.
    pub shards: Vec<ShardInput<'a>>,
    /// Rule groups in the order of their numbers.
    pub groups: Vec<GroupInput>,
    /// What is wanted: sorted, no duplicates.
    pub desired: PerFamily<&'a [Cidr]>,
    /// How many IP sets may still be created.
    pub new_sets: usize,
}

/// What becomes of one existing shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardLayout {
    /// CIDRs to add, sorted.
    pub add: Vec<Cidr>,
    /// CIDRs to remove, sorted (doubled wanted ones too).
    pub remove: Vec<Cidr>,
    /// The rule group that refers to it afterwards; `None` if no slot was free, or if wiring it would let in something
    /// that is not wanted.
    pub group: Option<usize>,
}

/// A shard to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewShard {
    /// Its family.
    pub family: Family,
    /// Its contents, sorted, not empty.
    pub cidrs: Vec<Cidr>,
    /// The rule group that will refer to it.
    pub group: usize,
}

/// The contents of every shard after the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One for each of [`Input::shards`].
    pub shards: Vec<ShardLayout>,
    /// Shards to be created, IPv4 before IPv6.
    pub new: Vec<NewShard>,
    /// CIDRs that stay for this run because their replacement is not in force yet: sorted, distinct.
    pub deferred: Vec<Cidr>,
    /// Wanted CIDRs for which there is no room in this run: sorted. What comes first in the order is placed first,
    /// but for what replaces a CIDR in the very set that it leaves. Where `deferred` is not empty, the deferred CIDRs
    /// may be what takes the room, and a later run may find it.
    pub unplaced: Vec<Cidr>,
}

/// Works out what every shard holds after the run, with the fewest API writes.
///
/// It never fails: what finds no place is listed in [`Layout::unplaced`], what cannot leave yet in
/// [`Layout::deferred`]. The cost is `n log n` in the number of CIDRs.
#[must_use]
pub fn lay_out(input: &Input<'_>) -> Layout {
    let slots = Slots::new(input);
    let mut drafts = slots::wire(input, slots.total());
    let mut missing = PerFamily::from_fn(|_| Vec::new());
    for family in Family::ALL {
        let mut standing = Standing::survey(input.desired.get(family), family, &mut drafts);
        replaced::settle(&mut drafts, &mut standing, family, input.limits.set_capacity);
        *missing.get_mut(family) = standing.into_missing();
    }
    let packing = Packing::best(input, &drafts, &missing, &slots);
    let (new, unplaced) = packing.fill(&mut drafts, missing, input.limits.set_capacity);
    let layout = finish(drafts, new, unplaced, &slots);
    debug_assert!(keeps_its_promise(input, &layout), "a wanted CIDR is lost or a set is too full");
    layout
}

/// Hands out the references, existing shards first, and puts everything in order.
fn finish(drafts: Vec<Draft<'_>>, new: Vec<(Family, Vec<Cidr>)>, unplaced: Vec<Cidr>, slots: &Slots) -> Layout {
    let unwired = drafts.iter().filter(|draft| draft.needs_slot()).count();
    let mut groups = slots.take(unwired + new.len()).into_iter();
    let mut deferred: Vec<Cidr> = drafts.iter().flat_map(|draft| draft.stuck.iter().copied()).collect();
    deferred.sort_unstable();
    deferred.dedup();
    let shards = drafts
        .into_iter()
        .map(|draft| {
            let group = if draft.needs_slot() { groups.next() } else { draft.shard.group };
            draft.into_layout(group)
        })
        .collect();
    let new = new.into_iter().zip(groups).map(|((family, cidrs), group)| NewShard { family, cidrs, group }).collect();
    Layout { shards, new, deferred, unplaced }
}

/// Whether every wanted CIDR is in a shard that ends wired, or listed as unplaced, and no shard is too full.
fn keeps_its_promise(input: &Input<'_>, layout: &Layout) -> bool {
    let mut fits = layout.new.iter().all(|new| new.cidrs.len() <= input.limits.set_capacity);
    let mut accounted: Vec<Cidr> = layout.new.iter().flat_map(|new| new.cidrs.iter().copied()).collect();
    accounted.extend(&layout.unplaced);
    for (shard, after) in input.shards.iter().zip(&layout.shards) {
        let stays = |cidr: &&Cidr| after.remove.binary_search(cidr).is_err();
        // What somebody overfilled may stay too full, but nothing is added to it.
        fits &= after.add.is_empty()
            || shard.cidrs.len() + after.add.len() <= input.limits.set_capacity + after.remove.len();
        if after.group.is_some() {
            accounted.extend(shard.cidrs.iter().filter(stays).chain(&after.add));
        }
    }
    accounted.sort();
    let is_there = |cidr| accounted.binary_search(cidr).is_ok();
    fits && Family::ALL.into_iter().all(|family| input.desired.get(family).iter().all(is_there))
}

/// How what a shard holds at the start of the run counts. In the order in which a copy of a wanted CIDR is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Force {
    /// One of our rules refers to the shard.
    Wired,
    /// Adopted and not wired yet: somebody else's rule may refer to it.
    Adopted,
    /// Nothing in it is in force.
    Idle,
}

impl Force {
    fn of(shard: &ShardInput<'_>) -> Self {
        if shard.group.is_some() {
            Self::Wired
        } else if shard.adopted {
            Self::Adopted
        } else {
            Self::Idle
        }
    }
}

/// What has been decided so far about one existing shard.
#[derive(Debug)]
struct Draft<'a> {
    shard: &'a ShardInput<'a>,
    force: Force,
    ends_wired: bool,
    /// Wanted CIDRs that another shard keeps: they leave if this shard is written.
    doubled: Vec<Cidr>,
    /// Unwanted CIDRs that leave.
    going: Vec<Cidr>,
    /// Unwanted CIDRs that cannot leave yet.
    stuck: Vec<Cidr>,
    add: Vec<Cidr>,
}

impl<'a> Draft<'a> {
    fn new(shard: &'a ShardInput<'a>, ends_wired: bool) -> Self {
        let force = Force::of(shard);
        Self { shard, force, ends_wired, doubled: Vec::new(), going: Vec::new(), stuck: Vec::new(), add: Vec::new() }
    }

    /// Whether a new reference to it is needed.
    fn needs_slot(&self) -> bool {
        self.ends_wired && self.shard.group.is_none()
    }

    /// Whether additions may go here and would come into force.
    fn takes_more(&self) -> bool {
        self.ends_wired && !self.shard.closed
    }

    fn is_written(&self) -> bool {
        !self.going.is_empty() || !self.add.is_empty()
    }

    /// How many more CIDRs one update of it can add.
    fn room(&self, capacity: usize) -> usize {
        let leaving = self.going.len() + self.doubled.len();
        (capacity + leaving).saturating_sub(self.shard.cidrs.len() + self.add.len())
    }

    /// How this CIDR of the shard counts.
    fn force_of(&self, cidr: Cidr) -> Force {
        if self.shard.fresh.binary_search(&cidr).is_ok() { Force::Idle } else { self.force }
    }

    /// Whether an update would leave nothing of what it holds now.
    fn is_empty(&self) -> bool {
        self.shard.cidrs.len() == self.going.len() + self.doubled.len()
    }

    fn into_layout(self, group: Option<usize>) -> ShardLayout {
        let written = self.is_written();
        let (mut add, mut remove) = (self.add, self.going);
        if written {
            remove.extend(self.doubled);
        }
        add.sort_unstable();
        remove.sort_unstable();
        ShardLayout { add, remove, group }
    }
}
