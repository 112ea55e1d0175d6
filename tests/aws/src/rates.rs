//! Rate limits: which calls of an action are admitted.
//!
//! AWS publishes how many calls a second each action has ("AWS WAF quotas"), not how it counts them. Where its
//! documentation says how, it is a token bucket ("Request throttling for the Amazon EC2 API"; the same for Amazon ECS, Elastic
//! Load Balancing, Amazon RDS and Amazon Route 53): a call takes a token or is refused, and a refused call finds none to
//! take. The default here is stricter than any of that.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How calls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limiter {
    /// In any second (or any longer time in which the rate allows one call), refused calls count too. Stricter than a
    /// bucket for a client alone. Two clients hardly fit, because their refused calls keep each other out.
    #[default]
    Window,
    /// A token bucket that holds the calls of one second, or one call. Refused calls take no token.
    Bucket,
}

/// The calls of one action in one region.
#[derive(Debug, Default)]
struct Lane {
    /// When it was called, within the window of its rate.
    past: VecDeque<Instant>,
    /// When the bucket is full again.
    full: Option<Instant>,
}

/// The calls of all actions.
#[derive(Debug, Default)]
pub(crate) struct Rates(BTreeMap<(String, String), Lane>);

impl Rates {
    /// Counts a call. `tolerance` is how much earlier than the rate it may come.
    ///
    /// # Errors
    ///
    /// If it is refused: why.
    pub(crate) fn admit(
        &mut self,
        (region, operation): (&str, &str),
        (rate, limiter): (f64, Limiter),
        now: Instant,
        tolerance: Duration,
    ) -> Result<(), String> {
        let lane = self.0.entry((region.to_owned(), operation.to_owned())).or_default();
        match limiter {
            Limiter::Window => lane.count(rate, now, tolerance),
            Limiter::Bucket => lane.take(rate, now, tolerance),
        }
    }
}

impl Lane {
    fn count(&mut self, rate: f64, now: Instant, tolerance: Duration) -> Result<(), String> {
        // A rate below one per second means one call in a longer window.
        let (calls, window) =
            if rate < 1.0 { (1.0, Duration::from_secs_f64(rate.recip())) } else { (rate, Duration::from_secs(1)) };
        let window = window.saturating_sub(tolerance);
        while self.past.front().is_some_and(|then| *then + window <= now) {
            self.past.pop_front();
        }
        self.past.push_back(now);
        if u32::try_from(self.past.len()).is_ok_and(|count| f64::from(count) <= calls) {
            return Ok(());
        }
        Err(format!("{} calls in {window:?}", self.past.len()))
    }

    fn take(&mut self, rate: f64, now: Instant, tolerance: Duration) -> Result<(), String> {
        let refill = Duration::from_secs_f64(rate.recip());
        let full = self.full.map_or(now, |full| full.max(now));
        // With this much time to go, the bucket has one token.
        let one = refill.mul_f64(rate.floor().max(1.0) - 1.0);
        let wait = (full - now).saturating_sub(one);
        if wait > tolerance {
            return Err(format!("no token for {wait:?}"));
        }
        self.full = Some(full + refill);
        Ok(())
    }
}
