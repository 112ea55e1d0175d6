//! The pace of each single API action, in front of every attempt.
//!
//! AWS counts per action, account and Region; so does this. A [`Governor`] hands out moments: the next attempt of an
//! action may begin that long from now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Attempts are spaced this much wider than the rate asks for, so that an attempt which starts a little late does not
/// bring the next one into the same second.
const SLACK: f64 = 1.05;

/// How far throttling can slow an action down: to a sixteenth of its rate.
const SLOWEST: f64 = 16.0;

/// What a call that went through takes off the slowness.
const RECOVERY: f64 = 0.9;

/// An API action that wafsync uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "AWS's own names")]
pub enum Action {
    Scan,
    DescribeTable,
    ListIpSets,
    GetIpSet,
    ListRuleGroups,
    GetRuleGroup,
    ListWebAcls,
    GetWebAcl,
    ListResourcesForWebAcl,
    CreateIpSet,
    UpdateIpSet,
    CreateRuleGroup,
    UpdateRuleGroup,
}

impl Action {
    /// AWS's name of the operation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scan => "Scan",
            Self::DescribeTable => "DescribeTable",
            Self::ListIpSets => "ListIPSets",
            Self::GetIpSet => "GetIPSet",
            Self::ListRuleGroups => "ListRuleGroups",
            Self::GetRuleGroup => "GetRuleGroup",
            Self::ListWebAcls => "ListWebACLs",
            Self::GetWebAcl => "GetWebACL",
            Self::ListResourcesForWebAcl => "ListResourcesForWebACL",
            Self::CreateIpSet => "CreateIPSet",
            Self::UpdateIpSet => "UpdateIPSet",
            Self::CreateRuleGroup => "CreateRuleGroup",
            Self::UpdateRuleGroup => "UpdateRuleGroup",
        }
    }
}

/// Paces attempts.
#[derive(Debug)]
pub struct Governor {
    read_rate: f64,
    write_rate: f64,
    lanes: Mutex<BTreeMap<Action, Lane>>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    next: Option<Instant>,
    slowness: f64,
    throttled: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Self { next: None, slowness: 1.0, throttled: 0 }
    }
}

impl Governor {
    /// Rates in calls a second, to each single action.
    #[must_use]
    pub const fn new(read_rate: f64, write_rate: f64) -> Self {
        Self { read_rate, write_rate, lanes: Mutex::new(BTreeMap::new()) }
    }

    /// Takes the next free moment of this action that is at least `after` from now: how long from now it is.
    ///
    /// What comes later queues behind it, even if there was room in front: that errors slow an action down is wanted.
    pub fn reserve(&self, action: Action, after: Duration) -> Duration {
        let Some(rate) = self.rate(action) else { return after };
        let now = Instant::now();
        self.with(action, |lane| {
            let at = lane.next.map_or(now, |next| next.max(now)).max(now + after);
            lane.next = Some(at + Duration::from_secs_f64(SLACK * lane.slowness / rate));
            at - now
        })
    }

    /// AWS refused an attempt for its pace: go half as fast.
    pub fn throttled(&self, action: Action) {
        self.with(action, |lane| {
            lane.slowness = (lane.slowness * 2.0).min(SLOWEST);
            lane.throttled += 1;
        });
    }

    /// A call went through.
    pub fn succeeded(&self, action: Action) {
        self.with(action, |lane| lane.slowness = (lane.slowness * RECOVERY).max(1.0));
    }

    /// How many attempts were refused for their pace.
    #[must_use]
    pub fn throttled_attempts(&self) -> u64 {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).values().map(|lane| lane.throttled).sum()
    }

    /// Scans have their own budget, in read capacity units.
    const fn rate(&self, action: Action) -> Option<f64> {
        match action {
            Action::Scan | Action::DescribeTable => None,
            Action::CreateIpSet | Action::UpdateIpSet | Action::CreateRuleGroup | Action::UpdateRuleGroup => {
                Some(self.write_rate)
            }
            _ => Some(self.read_rate),
        }
    }

    fn with<T>(&self, action: Action, f: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        f(lanes.entry(action).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(governor: &Governor, action: Action, attempts: usize) -> Vec<u128> {
        (0..attempts).map(|_| governor.reserve(action, Duration::ZERO).as_millis()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_action_has_its_own_pace() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(waits(&governor, Action::GetIpSet, 4), [0, 210, 420, 630]);
        assert_eq!(waits(&governor, Action::ListIpSets, 2), [0, 210]);
        assert_eq!(waits(&governor, Action::UpdateIpSet, 3), [0, 1050, 2100]);
        assert_eq!(waits(&governor, Action::Scan, 3), [0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_that_backs_off_keeps_its_distance_from_what_comes_next() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(governor.reserve(Action::GetIpSet, Duration::from_millis(900)).as_millis(), 900);
        assert_eq!(waits(&governor, Action::GetIpSet, 2), [1110, 1320]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_action_saves_nothing_up() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(waits(&governor, Action::GetIpSet, 1), [0]);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(waits(&governor, Action::GetIpSet, 3), [0, 210, 420]);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_pace_and_success_brings_it_back_slowly() {
        let governor = Governor::new(5.0, 1.0);
        governor.throttled(Action::UpdateIpSet);
        assert_eq!(waits(&governor, Action::UpdateIpSet, 3), [0, 2100, 4200]);
        for _ in 0..10 {
            governor.throttled(Action::UpdateIpSet);
        }
        let slowest = governor.with(Action::UpdateIpSet, |lane| lane.slowness);
        assert!((slowest - SLOWEST).abs() < f64::EPSILON);
        governor.succeeded(Action::UpdateIpSet);
        let after = governor.with(Action::UpdateIpSet, |lane| lane.slowness);
        assert!((after - SLOWEST * RECOVERY).abs() < f64::EPSILON);
        for _ in 0..100 {
            governor.succeeded(Action::UpdateIpSet);
        }
        assert!((governor.with(Action::UpdateIpSet, |lane| lane.slowness) - 1.0).abs() < f64::EPSILON);
        assert_eq!(governor.throttled_attempts(), 11);
    }
}
