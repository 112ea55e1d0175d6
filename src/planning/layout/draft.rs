//! Drafts: what has been decided so far about each existing shard.

use std::collections::BTreeSet;

use super::cover::Cover;
use super::input::{ShardInput, ShardLayout};
use crate::model::cidr::Cidr;

/// How certain it is that a shard's contents are in force, in the order in which copies of a wanted CIDR are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Force {
    /// One of our rules refers to the shard.
    Wired,
    /// No rule of ours was seen to refer to it, but some rule may.
    Possible,
    /// Nothing in it is in force.
    Idle,
}

impl Force {
    fn of(shard: &ShardInput<'_>) -> Self {
        if shard.group.is_some() {
            Self::Wired
        } else if shard.in_force {
            Self::Possible
        } else {
            Self::Idle
        }
    }
}

/// A draft of one existing shard.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) shard: &'a ShardInput<'a>,
    pub(super) force: Force,
    pub(super) ends_wired: bool,
    /// Wanted CIDRs that another shard (its index) certainly keeps: they may leave if this shard needs their room.
    pub(super) doubled: Vec<(Cidr, usize)>,
    /// Whether they may leave in this run.
    pub(super) spares: bool,
    /// CIDRs on which removals from other shards rely.
    pub(super) pinned: BTreeSet<Cidr>,
    /// Unwanted CIDRs that leave.
    pub(super) going: Vec<Cidr>,
    /// Those of them whose wanted addresses only other shards cover.
    pub(super) relying: Vec<Cidr>,
    /// The shards that cover them.
    pub(super) relies_on: BTreeSet<usize>,
    /// Unwanted CIDRs that cannot leave yet.
    pub(super) stuck: Vec<Cidr>,
    pub(super) add: Vec<Cidr>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(shard: &'a ShardInput<'a>, ends_wired: bool, cover: Cover) -> Self {
        Self {
            shard,
            force: Force::of(shard),
            ends_wired,
            doubled: Vec::new(),
            spares: false,
            pinned: BTreeSet::new(),
            going: cover.going,
            relying: Vec::new(),
            relies_on: BTreeSet::new(),
            stuck: cover.stuck,
            add: cover.add.into_iter().collect(),
        }
    }

    /// Whether a new reference to it is needed.
    pub(super) fn needs_slot(&self) -> bool {
        self.ends_wired && self.shard.group.is_none()
    }

    /// Whether additions may go here and would come into force.
    pub(super) fn takes_more(&self) -> bool {
        self.ends_wired && !self.shard.closed
    }

    pub(super) fn is_written(&self) -> bool {
        self.shard.seal || !self.going.is_empty() || !self.add.is_empty()
    }

    /// Whether it can rely on what is surely in force in this other shard: every web ACL that may let it in lets that one in.
    pub(super) const fn can_rely_on(&self, other: &Draft<'_>) -> bool {
        !self.shard.alone
            && matches!(other.force, Force::Wired)
            && self.shard.may_be_let_in_by & !other.shard.surely_let_in_by == 0
    }

    /// The number of CIDRs that one update can still add.
    pub(super) fn room(&self, capacity: usize) -> usize {
        let leaving = self.going.len() + self.spare().count();
        (capacity + leaving).saturating_sub(self.shard.cidrs.len() + self.add.len())
    }

    /// The number of CIDRs that an update that also removes one more of its CIDRs can still add.
    pub(super) fn space(&self, capacity: usize) -> usize {
        let leaving = self.going.len() + self.spare().count() + 1;
        (capacity + leaving).saturating_sub(self.shard.cidrs.len() + self.add.len())
    }

    /// Whether an update would remove everything that it holds now.
    pub(super) fn is_empty(&self) -> bool {
        self.shard.cidrs.len() == self.going.len() + self.spare().count()
    }

    /// How certain it is that this CIDR of the shard is in force.
    pub(super) fn force_of(&self, cidr: Cidr) -> Force {
        if self.shard.fresh.binary_search(&cidr).is_ok() { Force::Idle } else { self.force }
    }

    /// Whether this CIDR of the shard stays, as decided so far.
    pub(super) fn keeps(&self, cidr: Cidr) -> bool {
        self.going.binary_search(&cidr).is_err()
    }

    /// Whether this CIDR of the shard has been in force since the run began and certainly stays.
    pub(super) fn stays_for_sure(&self, cidr: Cidr) -> bool {
        let leaves = !self.shard.closed && self.shard.leaving.binary_search(&cidr).is_ok();
        !leaves && self.force_of(cidr) == Force::Wired
    }

    /// The doubled CIDRs that may leave.
    fn spare(&self) -> impl Iterator<Item = (Cidr, usize)> {
        let spares = self.spares;
        self.doubled.iter().copied().filter(move |(cidr, _)| spares && !self.pinned.contains(cidr))
    }

    pub(super) fn into_layout(mut self, group: Option<usize>, capacity: usize) -> ShardLayout {
        let kept = self.shard.cidrs.len() - self.going.len();
        let excess = if self.add.is_empty() { 0 } else { (kept + self.add.len()).saturating_sub(capacity) };
        let dropped: Vec<(Cidr, usize)> = self.spare().take(excess).collect();
        let mut relies_on = std::mem::take(&mut self.relies_on);
        if self.force != Force::Idle {
            self.relying.extend(dropped.iter().map(|(cidr, _)| *cidr));
            relies_on.extend(dropped.iter().map(|(_, keeper)| *keeper));
        }
        let (mut add, mut remove, mut relying, mut deferred) = (self.add, self.going, self.relying, self.stuck);
        remove.extend(dropped.into_iter().map(|(cidr, _)| cidr));
        for list in [&mut add, &mut remove, &mut relying, &mut deferred] {
            list.sort_unstable();
        }
        ShardLayout {
            add,
            remove,
            group,
            sealed: self.shard.seal,
            deferred,
            relying,
            relies_on: relies_on.into_iter().collect(),
        }
    }
}
