//! What has been decided so far about each existing shard.

use super::input::{ShardInput, ShardLayout};
use crate::model::cidr::Cidr;

/// How what a shard holds at the start of the run counts. In the order in which a copy of a wanted CIDR is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Force {
    /// One of our rules refers to the shard.
    Wired,
    /// Adopted and not wired yet: somebody else's rule may refer to it.
    Adopted,
    /// Nothing in it is in force.
    Idle,
}

impl Force {
    pub(super) fn of(shard: &ShardInput<'_>) -> Self {
        if shard.group.is_some() {
            Self::Wired
        } else if shard.adopted || shard.in_force {
            Self::Adopted
        } else {
            Self::Idle
        }
    }
}

/// What has been decided so far about one existing shard.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) shard: &'a ShardInput<'a>,
    pub(super) force: Force,
    pub(super) ends_wired: bool,
    /// Wanted CIDRs that another shard keeps: they leave if this shard is written.
    pub(super) doubled: Vec<Cidr>,
    /// Unwanted CIDRs that leave.
    pub(super) going: Vec<Cidr>,
    /// Unwanted CIDRs that cannot leave yet.
    pub(super) stuck: Vec<Cidr>,
    pub(super) add: Vec<Cidr>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(shard: &'a ShardInput<'a>, ends_wired: bool) -> Self {
        let force = Force::of(shard);
        Self { shard, force, ends_wired, doubled: Vec::new(), going: Vec::new(), stuck: Vec::new(), add: Vec::new() }
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
        !self.going.is_empty() || !self.add.is_empty()
    }

    /// How many more CIDRs one update of it can add.
    pub(super) fn room(&self, capacity: usize) -> usize {
        let leaving = self.going.len() + self.doubled.len();
        (capacity + leaving).saturating_sub(self.shard.cidrs.len() + self.add.len())
    }

    /// How this CIDR of the shard counts.
    pub(super) fn force_of(&self, cidr: Cidr) -> Force {
        if self.shard.fresh.binary_search(&cidr).is_ok() { Force::Idle } else { self.force }
    }

    /// Whether an update would leave nothing of what it holds now.
    pub(super) fn is_empty(&self) -> bool {
        self.shard.cidrs.len() == self.going.len() + self.doubled.len()
    }

    pub(super) fn into_layout(self, group: Option<usize>) -> ShardLayout {
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
