//! The governor: limits the rate of each API action, before every attempt.
//!
//! AWS counts per action, account and Region, and so does this. A [`Governor`] tells each attempt how long to wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::stop::{Stop, StopReason};

/// The factor by which attempts take more time than the rate requires, so that one that arrives a little late does not put
/// the next into the same second.
const SLACK: f64 = 1.02;

/// The most intervals between two attempts after throttling, without their random part: another client may need most of
/// the quota.
const SLOWEST: f64 = 4.0;

/// The share of the rate that an action regains in each second after AWS throttled it, or in each interval if that is
/// longer. Two seconds for a half: a client that pauses leaves its part to us soon, and one that stays is met once in a
/// few seconds.
const REGAINED: f64 = 0.25;

/// The random part of an interval after throttling. Without it, two clients with the same interval could meet each time.
const JITTER: f64 = 0.25;

/// An API action that wafsync uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "AWS's own names")]
pub enum Action {
    Scan,
    Query,
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
            Self::Query => "Query",
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

/// The rate limits of all actions.
#[derive(Debug)]
pub struct Governor {
    read_rate: f64,
    write_rate: f64,
    lanes: Mutex<BTreeMap<Action, Lane>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// When the newest attempts began or will begin, as many as the rate allows in a second.
    recent: VecDeque<Instant>,
    /// No attempt begins before.
    next: Option<Instant>,
    /// The queue for the next slot, in order of arrival.
    queue: Arc<tokio::sync::Mutex<()>>,
    /// The last time the rate was halved.
    halved: Option<Halved>,
    /// How many attempts AWS throttled since the last success.
    in_a_row: u32,
    throttled: u64,
}

/// A halving of the rate after AWS throttled an attempt.
#[derive(Clone, Copy, Debug)]
struct Halved {
    at: Instant,
    /// The share of the rate that was left.
    to: f64,
}

impl Lane {
    /// Notes when the next attempt begins, and when the one after it may.
    ///
    /// AWS counts the attempts of any one second. So as many as the rate allows may begin together, and the next one when
    /// a second has passed since the first of them. Once AWS has throttled an attempt, another client calls too: then they
    /// are spread over the second.
    fn begins(&mut self, at: Instant, rate: f64) {
        let (together, time) = window(rate);
        self.recent.push_back(at);
        while self.recent.len() > together {
            self.recent.pop_front();
        }
        let share = self.share(at, rate);
        let spread = if share < 1.0 {
            let jitter = JITTER.mul_add(fastrand::f64() - 0.5, 1.0);
            at + interval(rate).mul_f64((jitter / share).max(1.0))
        } else {
            at
        };
        // Those that began together before the refusal count too.
        let first = self.recent.front().filter(|_| self.recent.len() == together);
        self.next = Some(first.map_or(spread, |first| spread.max(*first + time)));
    }

    /// The share of the rate that this action takes: less than one for a while after AWS throttled an attempt.
    fn share(&self, at: Instant, rate: f64) -> f64 {
        self.halved.map_or(1.0, |halved| {
            let (_, time) = window(rate);
            let passed = at.saturating_duration_since(halved.at).div_duration_f64(time);
            REGAINED.mul_add(passed, halved.to).min(1.0)
        })
    }

    /// Halves the rate, and delays the next attempt: what refused this one lasts.
    fn throttled(&mut self, now: Instant, rate: f64) {
        let (_, time) = window(rate);
        // Attempts that were under way together are one reason to slow down, not several. So a share never gets below what
        // comes back meanwhile.
        if self.halved.is_none_or(|halved| now.saturating_duration_since(halved.at) >= time) {
            self.halved = Some(Halved { at: now, to: self.share(now, rate) / 2.0 });
        }
        let doubled = f64::from(self.in_a_row).exp2().min(SLOWEST);
        let delay = interval(rate).mul_f64(doubled * JITTER.mul_add(fastrand::f64(), 1.0));
        self.in_a_row = self.in_a_row.saturating_add(1);
        // The next slot was computed at the old rate.
        self.next = self.next.max(Some(now + delay));
    }
}

/// How many attempts may begin in how much time: a whole number a second, or one in longer than that.
fn window(rate: f64) -> (usize, Duration) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and small")]
    let whole = rate.floor() as usize;
    (whole.max(1), Duration::from_secs_f64(SLACK * rate.recip().max(1.0)))
}

/// The time between attempts that are spread evenly.
fn interval(rate: f64) -> Duration {
    let (together, time) = window(rate);
    time / u32::try_from(together).unwrap_or(u32::MAX)
}

impl Governor {
    /// Creates a governor with these rates, in calls per second to each action.
    #[must_use]
    pub const fn new(read_rate: f64, write_rate: f64) -> Self {
        Self { read_rate, write_rate, lanes: Mutex::new(BTreeMap::new()) }
    }

    /// Waits for the turn of this action: first come, first served, and slower once AWS throttles.
    ///
    /// # Errors
    ///
    /// If the run has to end first.
    pub async fn turn(&self, action: Action, stop: &Stop) -> Result<(), StopReason> {
        let queue = self.with(action, |lane| Arc::clone(&lane.queue));
        let _front = queue.lock().await;
        if let Some(reason) = stop.reason() {
            return Err(reason);
        }
        loop {
            let wait = self.with(action, |lane| lane.next.map(|next| next.saturating_duration_since(Instant::now())));
            match wait.filter(|wait| !wait.is_zero()) {
                Some(wait) => stop.sleep(wait).await?,
                None => break,
            }
        }
        self.reserve(action, Duration::ZERO);
        Ok(())
    }

    /// Takes the next free slot of this action that is at least `after` from now. Returns the time until then.
    ///
    /// Later attempts queue behind it, even if there were earlier slots: errors should slow an action down.
    pub fn reserve(&self, action: Action, after: Duration) -> Duration {
        let Some(rate) = self.rate(action) else { return after };
        let now = Instant::now();
        self.with(action, |lane| {
            let at = lane.next.map_or(now, |next| next.max(now)).max(now + after);
            lane.begins(at, rate);
            at - now
        })
    }

    /// Slows an action down after AWS throttled an attempt: halves its rate, and delays the next attempt.
    ///
    /// The rate comes back by and by, whether or not calls succeed: AWS's answer tells that another client called just
    /// before, not how much it needs. What is left to us shows only where we try.
    pub fn throttled(&self, action: Action) {
        let rate = self.rate(action);
        self.with(action, |lane| {
            lane.throttled += 1;
            if let Some(rate) = rate {
                lane.throttled(Instant::now(), rate);
            }
        });
    }

    /// Notes a successful call: the next throttled attempt is the first in a row again.
    pub fn succeeded(&self, action: Action) {
        self.with(action, |lane| lane.in_a_row = 0);
    }

    /// Whether this limits the rate of the action, and so decides when a throttled attempt is repeated.
    #[must_use]
    pub const fn paces(&self, action: Action) -> bool {
        self.rate(action).is_some()
    }

    /// The number of throttled attempts.
    #[must_use]
    pub fn throttled_attempts(&self) -> u64 {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).values().map(|lane| lane.throttled).sum()
    }

    /// Scans have their own budget, in read capacity units.
    const fn rate(&self, action: Action) -> Option<f64> {
        match action {
            Action::Scan | Action::Query | Action::DescribeTable => None,
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
    use crate::stop::Signal;

    fn waits(governor: &Governor, action: Action, attempts: usize) -> Vec<u128> {
        (0..attempts).map(|_| governor.reserve(action, Duration::ZERO).as_millis()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_action_has_its_own_pace() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(waits(&governor, Action::GetIpSet, 11), [0, 0, 0, 0, 0, 1020, 1020, 1020, 1020, 1020, 2040]);
        assert_eq!(waits(&governor, Action::ListIpSets, 2), [0, 0]);
        assert_eq!(waits(&governor, Action::UpdateIpSet, 3), [0, 1020, 2040]);
        assert_eq!(waits(&governor, Action::Scan, 3), [0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_that_backs_off_keeps_its_distance_from_what_comes_next() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(governor.reserve(Action::GetIpSet, Duration::from_millis(900)).as_millis(), 900);
        assert_eq!(waits(&governor, Action::GetIpSet, 6), [900, 900, 900, 900, 1920, 1920]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_attempts_than_the_rate_allows() {
        for rate in [0.5, 1.0, 2.5, 5.0, 1000.0] {
            let governor = Governor::new(rate, rate);
            let mut begins = Vec::new();
            for step in 0..40 {
                begins.push(Instant::now() + governor.reserve(Action::GetIpSet, Duration::from_millis(step % 3 * 100)));
                tokio::time::advance(Duration::from_millis(step % 7 * 50)).await;
                if step % 16 == 3 {
                    governor.throttled(Action::GetIpSet);
                }
                governor.succeeded(Action::GetIpSet);
            }
            let (together, time) = window(rate);
            for window in begins.windows(together + 1) {
                assert!(window[together] - window[0] >= time, "{rate}: {window:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_attempts_are_spread_over_the_second() {
        let governor = Governor::new(5.0, 1.0);
        governor.throttled(Action::GetIpSet);
        let waits = waits(&governor, Action::GetIpSet, 6);
        assert!((204..=255).contains(&waits[0]), "{waits:?}");
        for pair in waits.windows(2) {
            assert!((204..=460).contains(&(pair[1] - pair[0])), "{waits:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_action_saves_nothing_up() {
        let governor = Governor::new(5.0, 1.0);
        assert_eq!(waits(&governor, Action::GetIpSet, 1), [0]);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(waits(&governor, Action::GetIpSet, 6), [0, 0, 0, 0, 0, 1020]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_already_goes_slower_too() {
        let (governor, stop) = (Governor::new(5.0, 1.0), Signal::default().stop(None));
        let (governor, stop, began) = (&governor, &stop, Instant::now());
        let turns = (0..4).map(|at| async move {
            governor.turn(Action::UpdateIpSet, stop).await.unwrap();
            if at == 1 {
                governor.throttled(Action::UpdateIpSet);
            }
            began.elapsed().as_millis()
        });
        let turns = futures_util::future::join_all(turns).await;
        assert_eq!(turns[..2], [0, 1020]);
        assert!((2040..=2295).contains(&turns[2]), "{turns:?}");
        // Half of the rate, and what a second has brought back.
        assert!((1090..=1540).contains(&(turns[3] - turns[2])), "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_wait_of_everybody() {
        let (governor, signal) = (Governor::new(5.0, 1.0), Signal::default());
        let (governor, stop) = (&governor, &signal.stop(None));
        let turns = (0..4).map(|_| async move { governor.turn(Action::UpdateIpSet, stop).await });
        let raise = async { signal.raise() };
        let (turns, ()) = tokio::join!(futures_util::future::join_all(turns), raise);
        let stopped = Err(StopReason::Signal);
        assert_eq!(turns, [Ok(()), stopped, stopped, stopped]);
    }

    fn share(governor: &Governor, action: Action) -> f64 {
        governor.with(action, |lane| lane.share(Instant::now(), governor.rate(action).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_rate_and_time_brings_it_back() {
        for (rate, time) in [(5.0, 1_020), (1.0, 1_020), (0.5, 2_040)] {
            let (governor, action) = (Governor::new(5.0, rate), Action::UpdateIpSet);
            let time = Duration::from_millis(time);
            let expect = |share_left: f64| {
                let share = share(&governor, action);
                assert!((share - share_left).abs() < 1e-9, "{rate}: {share}, not {share_left}");
            };
            expect(1.0);
            governor.throttled(action);
            expect(0.5);
            governor.throttled(action);
            expect(0.5);
            tokio::time::advance(time).await;
            expect(0.75);
            governor.throttled(action);
            expect(0.375);
            for _ in 0..40 {
                tokio::time::advance(time).await;
                governor.throttled(action);
            }
            expect(0.25);
            governor.succeeded(action);
            expect(0.25);
            tokio::time::advance(time * 2).await;
            expect(0.75);
            tokio::time::advance(time).await;
            expect(1.0);
            assert_eq!(governor.throttled_attempts(), 43);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_refusal_in_a_row_delays_the_next_attempt_longer() {
        let (governor, action) = (Governor::new(5.0, 1.0), Action::UpdateIpSet);
        let delay = |least: u128| {
            governor.throttled(action);
            let wait = governor.with(action, |lane| lane.next.unwrap() - Instant::now());
            assert!((least..=least * 5 / 4).contains(&wait.as_millis()), "{wait:?}, not about {least} ms");
            wait
        };
        for least in [1_020, 2_040, 4_080, 4_080] {
            tokio::time::advance(delay(least)).await;
        }
        governor.succeeded(action);
        tokio::time::advance(delay(1_020)).await;
        assert_eq!(waits(&governor, action, 1), [0], "after the delay it is free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_has_no_rate_here_and_its_refusals_are_counted() {
        let governor = Governor::new(5.0, 1.0);
        governor.throttled(Action::Scan);
        assert_eq!(waits(&governor, Action::Scan, 3), [0, 0, 0]);
        assert_eq!((governor.throttled_attempts(), governor.paces(Action::Scan)), (1, false));
        assert!(governor.paces(Action::GetIpSet) && governor.paces(Action::UpdateIpSet));
    }
}
