//! The daemon: one run after another until a signal.
//!
//! Runs never overlap, and no run ends it, whatever its outcome.

use std::time::Duration;

use tracing::info;

use crate::host::session::{FOR_PROGRAMS, Finished, Session};
use crate::metrics::health::Health;
use crate::report::Command;
use crate::run::outcome::Outcome;
use crate::stop::Signal;
use crate::text::number::duration;
use tokio::time::Instant;

/// The fraction of the interval by which starts vary, so that many installations do not run in step.
const JITTER: f64 = 0.1;

/// Applies immediately and then every `every`, from start to start, until a signal. After a run that takes longer, the
/// next starts immediately.
///
/// `clock` returns the time in seconds since the epoch. `ended` gets each run and the time until the next one.
pub async fn watch(
    session: &mut Session,
    every: Duration,
    signal: &Signal,
    health: &Health,
    clock: impl Fn() -> i64,
    mut ended: impl AsyncFnMut(&Finished, Duration),
) {
    loop {
        let began = Instant::now();
        let deadline = session.settings().run.deadline;
        health.expect_life_within(deadline);
        let finished = session.run(Command::Apply, clock(), &signal.stop(Some(began + deadline))).await;
        health.set_ready(finished.document.outcome != Outcome::Failed);
        let next = began + pause(every, fastrand::f64());
        ended(&finished, next.saturating_duration_since(Instant::now())).await;
        let pause = next.saturating_duration_since(Instant::now());
        health.expect_life_within(pause);
        info!(target: FOR_PROGRAMS, "the next run begins in {}", duration(pause));
        // Without a deadline, only a signal ends a pause early.
        if signal.stop(None).sleep(pause).await.is_err() {
            info!("stopped by a signal; no further run starts");
            return;
        }
    }
}

/// `every`, up to a tenth more or less; `chance` is from 0 to 1.
fn pause(every: Duration, chance: f64) -> Duration {
    every.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_a_tenth_more_or_less() {
        let every = Duration::from_mins(5);
        for (chance, seconds) in [(0.0, 270.0), (0.5, 300.0), (1.0, 330.0)] {
            assert!((pause(every, chance).as_secs_f64() - seconds).abs() < 1e-6, "{chance}");
        }
    }
}
