//! The health of a daemon: the metrics of its last run, liveness and readiness.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The end marker of the OpenMetrics format.
const NO_METRICS: &str = "# EOF\n";

/// How late the next sign of life may be: writing a large result and pushing metrics take a while.
pub(crate) const GRACE: Duration = Duration::from_mins(2);

/// The health of a daemon, shared by its clones.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    metrics: String,
    alive_until: Instant,
    ready: bool,
}

impl Default for Health {
    /// A daemon that is alive but not ready, without metrics.
    fn default() -> Self {
        let shown = Shown { metrics: NO_METRICS.to_owned(), alive_until: Instant::now() + GRACE, ready: false };
        Self(Arc::new(Mutex::new(shown)))
    }
}

impl Health {
    /// Sets the metrics of the last run, in the OpenMetrics format.
    pub fn set_metrics(&self, text: String) {
        self.shown().metrics = text;
    }

    /// Sets whether the last run has succeeded.
    pub fn set_ready(&self, ready: bool) {
        self.shown().ready = ready;
    }

    /// Records a sign of life; the next one is due within this time and some grace.
    pub fn expect_life_within(&self, time: Duration) {
        self.shown().alive_until = Instant::now() + time + GRACE;
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metrics of the last run, in the OpenMetrics format.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shown().metrics.clone()
    }

    /// Whether the next sign of life is not overdue.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Instant::now() <= self.shown().alive_until
    }

    /// Whether the last run has succeeded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shown().ready
    }
}
