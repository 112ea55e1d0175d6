//! What a run has to do, and the least time that it takes.

use std::time::Duration;

use crate::world::World;

/// Addresses in an IP set: one exists already, and there is room for one more.
pub(crate) const CAPACITY: u32 = 2;

/// What a run has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Each IP set gets one more address.
    Update,
    /// Each IP set has to be created and wired.
    Create,
    /// Half of the IP sets each.
    Mixed,
}

/// The calls a second that a run has of each action.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quota {
    /// All that AWS allows. The calls of a second may begin together.
    Whole,
    /// Half of it, beside another client.
    Half,
}

impl Quota {
    /// The least seconds that this many reads take.
    fn reads(self, calls: u32, answer: f64) -> f64 {
        match (self, calls.checked_sub(1)) {
            (_, None) => 0.0,
            (Self::Whole, Some(others)) => f64::from(others / 5) + answer,
            (Self::Half, Some(others)) => f64::from(others) / 2.5 + answer,
        }
    }

    /// The same of writes. Half of the quota is one write in two seconds, and the other client may be first.
    fn writes(self, calls: u32, answer: f64) -> f64 {
        match (self, calls.checked_sub(1)) {
            (_, None) => 0.0,
            (Self::Whole, Some(others)) => f64::from(others) + answer,
            (Self::Half, Some(_)) => 2.0 * f64::from(calls) + answer,
        }
    }
}

impl Work {
    /// The number of IP sets that exist already.
    pub(crate) const fn there(self, sets: u32) -> u32 {
        match self {
            Self::Update => sets,
            Self::Create => 0,
            Self::Mixed => sets / 2,
        }
    }

    /// The most IP sets: as many as there will be, so that none is created if one can be updated.
    pub(crate) fn most_sets(self, sets: u32) -> u32 {
        if self == Self::Create { 100 } else { sets }
    }

    /// Sets up what exists before the measured run, and what the table asks for.
    pub(crate) fn prepare(self, world: &World, sets: u32) {
        let there = self.there(sets);
        for number in 0..there {
            world.put(number);
        }
        if there > 0 {
            world.preload(1);
        }
        for number in there..CAPACITY * sets {
            world.put(number);
        }
    }

    /// Lower bound of the seconds that the necessary calls take at AWS's rates.
    ///
    /// The calls in order: the lists; the rule groups, which show which IP sets there are; the IP sets; the writes of IP
    /// sets, creates beside updates; if something has to be wired, a list that shows it, and the rule groups; a list that
    /// shows what was written.
    pub(crate) fn bound(self, sets: u32, latency: Duration, quota: Quota) -> f64 {
        let answer = latency.as_secs_f64();
        let there = self.there(sets);
        let created = sets - there;
        // Each rule group has to be created or updated. The first run creates all rule groups. Later runs update those that
        // get more IP sets.
        let wired = match (there, created) {
            (0, _) => 2,
            (_, 0) => 0,
            _ => sets.div_ceil(50) - there / 50,
        };
        let groups_read = if there > 0 { answer } else { 0.0 };
        let read = answer + groups_read + quota.reads(there, answer);
        let written = quota.writes(there, answer).max(quota.writes(created, answer));
        let wiring = if wired > 0 { answer + quota.writes(wired, answer) } else { 0.0 };
        read + written + wiring + answer
    }
}
