//! The read budget (`--read-capacity`): limits the read units per second of scans.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::stop::{Stop, StopReason};

/// A budget of read capacity units per second, shared by all scans of a process. Only the answer says what a page cost,
/// so each page is paid for after it was read, and the next page of any segment waits until then.
#[derive(Debug)]
pub(super) struct Budget {
    units_per_second: f64,
    /// The permit to read a page.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<Spending>,
}

#[derive(Debug)]
struct Spending {
    next: Instant,
    items: i32,
}

/// The most items of the first page: one unit each, unless they are larger than 4 KB.
const FIRST_ITEMS: u32 = 100;

/// The most items of any page: 1 MB of tiny items can take a hundred times that in memory.
pub(super) const MOST_ITEMS: i32 = 10_000;

impl Budget {
    pub(super) fn new(units_per_second: u32) -> Self {
        let items = i32::try_from(units_per_second.min(FIRST_ITEMS)).unwrap_or(1);
        let state = Mutex::new(Spending { next: Instant::now(), items });
        Self { units_per_second: f64::from(units_per_second), turn: tokio::sync::Mutex::default(), state }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Spending) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a page may be read, and makes the next one wait for it.
    pub(super) async fn turn(&self, stop: &Stop) -> Result<tokio::sync::MutexGuard<'_, ()>, StopReason> {
        let turn = self.turn.lock().await;
        stop.sleep(self.wait()).await?;
        Ok(turn)
    }

    /// The time at which everything read so far is paid for.
    fn wait(&self) -> Duration {
        self.with(|state| state.next.saturating_duration_since(Instant::now()))
    }

    /// The number of items to request so that a page costs about one second's units and does not starve other readers.
    pub(super) fn items(&self) -> i32 {
        self.with(|state| state.items)
    }

    pub(super) fn spent(&self, units: f64, items: i32) {
        self.with(|state| {
            let pause = Duration::try_from_secs_f64(units / self.units_per_second).unwrap_or(Duration::ZERO);
            state.next = state.next.max(Instant::now()) + pause;
            if units > 0.0 && items > 0 {
                let fitting = (f64::from(items) * self.units_per_second / units).clamp(1.0, f64::from(MOST_ITEMS));
                #[expect(clippy::cast_possible_truncation, reason = "clamped to ten thousand")]
                let fitting = fitting as i32;
                state.items = fitting;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_budget_waits_for_what_was_spent_and_asks_for_pages_that_fit() {
        assert_eq!(Budget::new(10).items(), 10);
        let budget = Budget::new(250);
        assert_eq!((budget.wait(), budget.items()), (Duration::ZERO, 100));
        let budget = Budget::new(100);
        assert_eq!((budget.wait(), budget.items()), (Duration::ZERO, 100));
        budget.spent(250.0, 100);
        assert_eq!((budget.wait(), budget.items()), (Duration::from_millis(2500), 40));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(budget.wait(), Duration::ZERO);
        budget.spent(0.5, 100);
        assert_eq!((budget.wait(), budget.items()), (Duration::from_millis(5), MOST_ITEMS));
        budget.spent(0.0, 0);
        assert_eq!(budget.items(), MOST_ITEMS);
    }
}
