//! What layout looks at, and what comes of it: values only.

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Slice;
use crate::model::limits::Limits;

/// One existing shard, as layout sees it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, of which any may go with any")]
pub struct ShardInput<'a> {
    /// Its name: breaks ties. Shards come sorted by name.
    pub name: &'a str,
    /// Its family.
    pub family: Family,
    /// What it holds now.
    pub cidrs: Slice<'a>,
    /// What may leave it in this run: unwanted and not held. Sorted; a subset of `cidrs`.
    pub leaving: Vec<Cidr>,
    /// What it holds that was not in force through it when the run began: AWS may still be spreading it, so no other shard
    /// relies on it. Sorted; a subset of `cidrs`.
    pub fresh: Vec<Cidr>,
    /// The rule group (index into [`Input::groups`]) that refers to it.
    pub group: Option<usize>,
    /// Nothing may be added to it in this run.
    pub closed: bool,
    /// Adopted and not taken over yet: it may be wired with whatever it holds.
    pub adopted: bool,
    /// What it holds counts as in force, even if no rule group was seen to refer to it.
    pub in_force: bool,
    /// It has to be written, even if its contents stay as they are.
    pub seal: bool,
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
    /// What is wanted.
    pub desired: PerFamily<Slice<'a>>,
    /// What of it may not be added in this run: sorted.
    pub waiting: &'a [Cidr],
    /// How many IP sets may still be created.
    pub new_sets: usize,
}

/// What becomes of one existing shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardLayout {
    /// CIDRs to add, sorted.
    pub add: Vec<Cidr>,
    /// CIDRs to remove, sorted: unwanted ones, and copies of wanted ones whose room is needed.
    pub remove: Vec<Cidr>,
    /// The rule group that refers to it afterwards; `None` if no slot was free, or if wiring it would let in something
    /// that is not wanted.
    pub group: Option<usize>,
    /// Whether it is written although nothing of this changes: [`ShardInput::seal`].
    pub sealed: bool,
    /// CIDRs that may leave it and cannot yet, sorted: what some of their addresses need instead is not in force.
    pub deferred: Vec<Cidr>,
    /// Those of `remove` for which it does not cover itself what is wanted of them, sorted.
    pub relying: Vec<Cidr>,
    /// The shards (indices into [`Input::shards`]) that cover it.
    pub relies_on: Vec<usize>,
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
    /// Wanted CIDRs for which there is no room in this run: sorted. What comes first in the order is placed first,
    /// except what replaces a CIDR in the set that it leaves. Deferred CIDRs may be what takes the room; then a later run
    /// finds it.
    pub unplaced: Vec<Cidr>,
}
