//! Progress on stderr in a terminal: one line that is redrawn and finally erased.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::progress::{Progress, Snapshot};
use crate::text::number::{counted, grouped};

/// The time between updates.
const TICK: Duration = Duration::from_millis(120);

/// The current line, so that the log can be written above it.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A progress line, shown until it is dropped.
pub(super) struct Line {
    progress: Progress,
    drawing: Option<(ProgressBar, JoinHandle<()>)>,
}

impl Line {
    /// Starts a line. Draws nothing if stderr is not a terminal; long waits are logged instead. `read_rate`: reads per second.
    pub(super) fn start(read_rate: f64) -> Self {
        if !io::stderr().is_terminal() {
            return Self { progress: Progress::default(), drawing: None };
        }
        let (progress, bar) = (Progress::watched(), ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let (watched, drawn) = (progress.clone(), bar.clone());
        let drawing = tokio::spawn(async move {
            loop {
                // The line is drawn again at this rate; no call waits for it.
                tokio::time::sleep(TICK).await;
                drawn.set_message(message(&watched.snapshot(), read_rate, Instant::now()));
                drawn.tick();
            }
        });
        Self { progress, drawing: Some((bar, drawing)) }
    }

    /// Where the run reports its progress.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((bar, drawing)) = self.drawing.take() {
            drawing.abort();
            bar.finish_and_clear();
            *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Writes above the progress line, if one is drawn.
pub(super) fn above<T>(write: impl FnOnce() -> T) -> T {
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match drawn {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Stderr for the log: output is written above the progress line.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        above(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The progress as text: the current activity, and the remaining time if it is known.
fn message(told: &Snapshot, read_rate: f64, now: Instant) -> String {
    let Snapshot { items, pages, sets, web_acls, writes, wait } = told;
    if let Some((wait, until)) = wait {
        let left = until.saturating_duration_since(now).as_secs_f64().ceil();
        return format!("waiting {left:.0}s: {}", wait.purpose());
    }
    if writes.1 > 0 {
        return format!("written {} of {} changes", grouped(writes.0), grouped(writes.1));
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate of seconds; there are at most some thousands to read")]
    let time_left = |left: usize| format!("about {:.0}s left", (left as f64 / read_rate).ceil());
    let mut parts = Vec::new();
    if *pages > 0 {
        parts.push(format!("scanned {} in {}", counted(*items, "item"), counted(*pages, "page")));
    }
    for ((done, all), what) in [(sets, "IP sets"), (web_acls, "web ACLs")] {
        if done < all {
            parts.push(format!("read {done} of {all} {what}, {}", time_left(all - done)));
        }
    }
    if parts.is_empty() { "reading the table and WAF".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Wait;

    #[tokio::test(start_paused = true)]
    async fn the_line_says_what_is_going_on() {
        let now = Instant::now();
        let line = |told: &Snapshot| message(told, 5.0, now);
        let mut told = Snapshot::default();
        assert_eq!(line(&told), "reading the table and WAF");
        (told.items, told.pages, told.sets) = (12_000, 2, (40, 100));
        assert_eq!(line(&told), "scanned 12,000 items in 2 pages; read 40 of 100 IP sets, about 12s left");
        told.sets = (100, 100);
        assert_eq!(line(&told), "scanned 12,000 items in 2 pages");
        told.web_acls = (0, 20);
        assert_eq!(line(&told), "scanned 12,000 items in 2 pages; read 0 of 20 web ACLs, about 4s left");
        told.wait = Some((Wait::Settling, now + Duration::from_millis(24_200)));
        assert_eq!(line(&told), "waiting 25s: then a second scan confirms removals");
        told.wait = Some((Wait::Propagation, now));
        assert_eq!(line(&told), "waiting 0s: AWS is propagating new IP sets, which is normal");
        told.wait = Some((Wait::Agreement, now + Duration::from_secs(2)));
        assert_eq!(line(&told), "waiting 2s: reads of WAF are out of date, so they are repeated");
        told.wait = Some((Wait::Verification, now + Duration::from_secs(4)));
        assert_eq!(line(&told), "waiting 4s: WAF does not show the last writes yet, so it is read again");
        told.wait = Some((Wait::NextLook, now + Duration::from_secs(7)));
        assert_eq!(line(&told), "waiting 7s: then it looks again");
        (told.wait, told.writes) = (None, (3, 10));
        assert_eq!(line(&told), "written 3 of 10 changes");
    }
}
