//! When a run has to end: its deadline or a signal. Every safe point and every wait checks it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::progress::{Progress, Wait};

/// The least remaining time with which a call starts; with less it would probably be cut off.
pub const SHORTEST_CALL: Duration = Duration::from_secs(1);

/// The time before the deadline that is reserved for reporting how the run ended.
pub const EPILOGUE: Duration = Duration::from_millis(500);

const _: () = assert!(EPILOGUE.as_millis() < SHORTEST_CALL.as_millis(), "a call that starts has time to end");

/// What ends a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The deadline is near.
    Deadline,
    /// SIGINT or SIGTERM.
    Signal,
}

/// A deadline and a signal. Cheap to clone; every clone sees the same signal.
#[derive(Clone, Debug)]
pub struct Stop {
    deadline: Option<Instant>,
    signal: watch::Receiver<bool>,
    progress: Progress,
}

/// Sends the signal to every [`Stop`] made from it.
#[derive(Clone, Debug)]
pub struct Signal(watch::Sender<bool>);

impl Default for Signal {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Signal {
    /// Asks every run to stop at its next safe point.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }

    /// A stop with this signal and a deadline that is this far away.
    #[must_use]
    pub fn stop_within(&self, time: Duration) -> Stop {
        self.stop(Some(Instant::now() + time))
    }

    /// A stop with this signal and this deadline.
    #[must_use]
    pub fn stop(&self, deadline: Option<Instant>) -> Stop {
        Stop { deadline, signal: self.0.subscribe(), progress: Progress::default() }
    }
}

impl Stop {
    /// The same stop for a run that reports its progress there.
    #[must_use]
    pub fn telling(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// Where to report progress.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Waits this long, and shows people what for.
    ///
    /// # Errors
    ///
    /// As [`sleep`](Self::sleep).
    pub async fn wait(&self, wait: Wait, duration: Duration) -> Result<(), StopReason> {
        self.progress.wait_begins(wait, duration);
        let waited = self.sleep(duration).await;
        self.progress.wait_ends();
        waited
    }

    /// Why no further call may start; `None` if it may.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        if *self.signal.borrow() {
            return Some(StopReason::Signal);
        }
        (self.left() < SHORTEST_CALL).then_some(StopReason::Deadline)
    }

    /// The remaining time.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for the signal.
    pub async fn signalled(&self) {
        let mut signal = self.signal.clone();
        // Without a sender no signal can come.
        if signal.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits this long.
    ///
    /// # Errors
    ///
    /// Immediately if the deadline comes first, and as soon as a signal arrives.
    pub async fn sleep(&self, duration: Duration) -> Result<(), StopReason> {
        if let Some(reason) = self.reason() {
            return Err(reason);
        }
        if self.left().saturating_sub(SHORTEST_CALL) < duration {
            return Err(StopReason::Deadline);
        }
        tokio::select! {
            () = self.signalled() => Err(StopReason::Signal),
            // A signal ends this wait, and the deadline bounds it.
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_would_outlast_the_deadline_does_not_begin() {
        let stop = Signal::default().stop(Some(Instant::now() + 10 * SECOND));
        assert_eq!(stop.sleep(10 * SECOND).await, Err(StopReason::Deadline));
        assert_eq!(stop.left(), 10 * SECOND);
        assert_eq!(stop.sleep(9 * SECOND).await, Ok(()));
        assert_eq!(stop.reason(), None);
        tokio::time::advance(SECOND / 2).await;
        assert_eq!(stop.reason(), Some(StopReason::Deadline));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_a_wait() {
        let signal = Signal::default();
        let stop = signal.stop(None);
        let wait = stop.sleep(3600 * SECOND);
        let raise = async { signal.raise() };
        assert_eq!(tokio::join!(wait, raise).0, Err(StopReason::Signal));
        assert_eq!(stop.reason(), Some(StopReason::Signal));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_signal_or_a_deadline_a_wait_is_a_wait() {
        let stop = Signal::default().stop(None);
        assert_eq!(stop.sleep(3600 * SECOND).await, Ok(()));
    }
}
