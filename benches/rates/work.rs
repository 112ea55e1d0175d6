//! What a run has to do, and the least time that it takes.

use std::time::Duration;

use tokio::time::Instant;
use wafsync_test_aws::Neighbor;

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
pub(crate) enum Quota<'a> {
    /// All that AWS allows. The calls of a second may begin together.
    Whole,
    /// Half of it, beside another client. Half of one write a second is one in two, and the other client may be first.
    Half,
    /// All of it while this client takes nothing, from this moment on.
    Left(&'a Neighbor, Instant),
}

impl Quota<'_> {
    /// The least seconds until so many calls of an action are answered, if none can begin before `since`.
    fn answered(self, action: &str, calls: u32, since: f64, answer: f64) -> f64 {
        let Some(others) = calls.checked_sub(1) else { return since };
        let writes = action.starts_with("Create") || action.starts_with("Update");
        let rate = if writes { 1 } else { 5 };
        let last = match self {
            Self::Whole => since + f64::from(others / rate),
            Self::Half if writes => since + 2.0 * f64::from(calls),
            Self::Half => since + 2.0 * f64::from(others) / f64::from(rate),
            Self::Left(neighbor, start) => {
                let left = |at: f64| {
                    let at = start + Duration::from_secs_f64(at);
                    (neighbor.leaves_some(action, at) - start).as_secs_f64()
                };
                (0..others / rate).fold(left(since), |at, _| left(at + 1.0))
            }
        };
        last + answer
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
    pub(crate) fn bound(self, sets: u32, latency: Duration, quota: Quota<'_>) -> f64 {
        let there = self.there(sets);
        let created = sets - there;
        // Each rule group has to be created or updated. The first run creates all rule groups. Later runs update those that
        // get more IP sets.
        let (wire, wired) = match (there, created) {
            (0, _) => ("CreateRuleGroup", 2),
            (_, 0) => ("UpdateRuleGroup", 0),
            _ => ("UpdateRuleGroup", sets.div_ceil(50) - there / 50),
        };
        let answered = |action, calls, since| quota.answered(action, calls, since, latency.as_secs_f64());
        let listed = answered("ListIPSets", 1, 0.0).max(answered("ListRuleGroups", 1, 0.0));
        let groups = answered("GetRuleGroup", there.min(1), listed);
        let read = answered("GetIPSet", there, groups);
        let written = answered("UpdateIPSet", there, read).max(answered("CreateIPSet", created, read));
        let wirable = answered("ListIPSets", wired.min(1), written);
        let done = answered(wire, wired, wirable);
        answered("ListIPSets", 1, done)
    }
}
