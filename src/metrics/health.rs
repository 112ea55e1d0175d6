//! What a daemon shows of itself: the metrics of its last run, whether it is alive, and whether it is ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// In that format a text that does not end so has been cut off.
const NO_METRICS: &str = "# EOF\n";

/// How much later than promised a sign of life may come: writing out a large result and pushing metrics take a while.
pub(crate) const GRACE: Duration = Duration::from_mins(2);

/// What is to be shown; clones share it.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    metrics: String,
    alive_until: Instant,
    ready: bool,
}

impl Default for Health {
    /// Alive, not ready, without metrics.
    fn default() -> Self {
        let shown = Shown { metrics: NO_METRICS.to_owned(), alive_until: Instant::now() + GRACE, ready: false };
        Self(Arc::new(Mutex::new(shown)))
    }
}

impl Health {
    /// Puts up the metrics of the last run, in the format of OpenMetrics.
    pub fn set_metrics(&self, text: String) {
        self.shown().metrics = text;
    }

    /// Ready: the last run has not failed.
    pub fn set_ready(&self, ready: bool) {
        self.shown().ready = ready;
    }

    /// A sign of life; the next one comes within this time, and some grace.
    pub fn expect_life_within(&self, time: Duration) {
        self.shown().alive_until = Instant::now() + time + GRACE;
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metrics of the last run, in the format of OpenMetrics.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shown().metrics.clone()
    }

    /// Whether the sign of life that was promised is not overdue.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Instant::now() <= self.shown().alive_until
    }

    /// Whether the last run has not failed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shown().ready
    }
}
