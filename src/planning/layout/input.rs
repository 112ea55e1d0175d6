//! Input and output of the layout.

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::{Cidrs, Slice};
use crate::model::limits::Limits;

/// An existing shard.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts in any combination")]
pub struct ShardInput<'a> {
    /// Its name, which breaks ties. Shards are sorted by name.
    pub name: &'a str,
    /// Its family.
    pub family: Family,
    /// Its contents.
    pub cidrs: Slice<'a>,
    /// CIDRs that may leave it in this run: unwanted and not held. Sorted; a subset of `cidrs`.
    pub leaving: Vec<Cidr>,
    /// CIDRs that it brought into force after the run began. AWS may still be propagating them, so no other shard relies on
    /// them. Sorted; a subset of `cidrs`.
    pub fresh: Vec<Cidr>,
    /// The rule group (index into [`Input::groups`]) that refers to it.
    pub group: Option<usize>,
    /// The web ACLs that may let in what it holds: a bit for each.
    pub may_be_let_in_by: u128,
    /// The web ACLs that have surely let in what it holds since the run began.
    pub surely_let_in_by: u128,
    /// Whether nothing may be added to it in this run.
    pub closed: bool,
    /// Whether it is adopted and not managed yet: then it may be wired with all its contents.
    pub adopted: bool,
    /// Whether its contents count as in force, even if no rule group was seen to refer to it.
    pub in_force: bool,
    /// Whether it relies on no other shard: it is adopted, and a web ACL may still refer to it by a rule of its own.
    pub alone: bool,
    /// Whether it must be written even if its contents stay.
    pub seal: bool,
}

/// A rule group, existing or to be created.
#[derive(Clone, Copy, Debug)]
pub struct GroupInput {
    /// References that it keeps besides those to its own shards.
    pub references: usize,
    /// Whether every named web ACL refers to it (true if none is named).
    pub referred: bool,
    /// Whether it is written in any case (created, or its rule or description changes), so that another reference is free.
    pub written_anyway: bool,
}

/// The input of the layout.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The limits of IP sets and rule groups.
    pub limits: Limits,
    /// Existing shards, sorted by name.
    pub shards: Vec<ShardInput<'a>>,
    /// Rule groups in the order of their numbers.
    pub groups: Vec<GroupInput>,
    /// The desired state.
    pub desired: PerFamily<Slice<'a>>,
    /// Wanted CIDRs that may not be added in this run, sorted.
    pub waiting: &'a [Cidr],
    /// The number of IP sets that may still be created.
    pub new_sets: usize,
}

/// The decision about an existing shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardLayout {
    /// CIDRs to add, sorted.
    pub add: Vec<Cidr>,
    /// CIDRs to remove, sorted: unwanted ones, and copies of wanted ones whose room is needed.
    pub remove: Vec<Cidr>,
    /// The rule group that refers to it afterwards; `None` if no slot is free, or if wiring it would let in something unwanted.
    pub group: Option<usize>,
    /// Whether it is written although nothing else changes: [`ShardInput::seal`].
    pub sealed: bool,
    /// CIDRs that may leave but cannot yet, sorted: what covers some of their addresses instead is not in force.
    pub deferred: Vec<Cidr>,
    /// Those of `remove` whose wanted addresses other shards cover, sorted.
    pub relying: Vec<Cidr>,
    /// The shards (indices into [`Input::shards`]) that cover them.
    pub relies_on: Vec<usize>,
}

/// A shard to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewShard {
    /// Its family.
    pub family: Family,
    /// Its contents, not empty.
    pub cidrs: Cidrs,
    /// The rule group that will refer to it.
    pub group: usize,
}

/// The layout: the contents of every shard after the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One for each of [`Input::shards`].
    pub shards: Vec<ShardLayout>,
    /// Shards to be created, IPv4 before IPv6.
    pub new: Vec<NewShard>,
    /// Wanted CIDRs without room in this run, sorted. CIDRs are placed in order, except those that replace a CIDR in the set
    /// that it leaves. If deferred CIDRs take the room, a later run has it.
    pub unplaced: Vec<Cidr>,
}
