//! Progress of a run, reported by the layers below for a host that draws it. Nothing depends on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

/// Waits longer than this are logged where no host draws progress.
const WORTH_A_LINE: Duration = Duration::from_secs(10);

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The settling time before the second scan, which confirms removals.
    Settling,
    /// Propagation of new IP sets, before a rule can refer to them.
    Propagation,
    /// Reads of WAF that agree with each other.
    Agreement,
    /// A read of WAF that shows what this run wrote.
    Verification,
    /// Propagation of other IP sets, on which a removal relies.
    Reliance,
    /// The next look of `explain --wait`.
    NextLook,
}

impl Wait {
    /// The reason, after "waiting 30s: ".
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Settling => "then a second scan confirms removals",
            Self::Propagation => "AWS is propagating new IP sets, which is normal",
            Self::Agreement => "reads of WAF are out of date, so they are repeated",
            Self::Verification => "WAF does not show the last writes yet, so it is read again",
            Self::Reliance => "AWS may still be propagating IP sets on which a removal relies",
            Self::NextLook => "then it looks again",
        }
    }
}

/// How far a run has progressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Items scanned so far, in all scans.
    pub items: usize,
    /// Pages scanned so far.
    pub pages: usize,
    /// IP sets read so far, and their total.
    pub sets: (usize, usize),
    /// Web ACLs read so far in search of references to our rule groups, and their total.
    pub web_acls: (usize, usize),
    /// Writes confirmed so far, and their total.
    pub writes: (usize, usize),
    /// The current wait and when it ends.
    pub wait: Option<(Wait, Instant)>,
}

/// The progress of a run, shared by its clones. By default it is not drawn, and long waits are logged.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    snapshot: Snapshot,
    watched: bool,
    /// The wait that was logged last, so that a repeated one is logged once.
    logged: Option<Wait>,
}

impl Progress {
    /// Progress that a host draws.
    #[must_use]
    pub fn watched() -> Self {
        Self(Arc::new(Mutex::new(Told { watched: true, ..Told::default() })))
    }

    /// A snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.told().snapshot.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a page of the table.
    pub fn page(&self, items: usize) {
        self.tell(|told| {
            told.pages += 1;
            told.items += items;
        });
    }

    /// Adds this many IP sets to be read.
    pub fn sets_to_read(&self, count: usize) {
        self.tell(|told| told.sets = (0, count));
    }

    /// Records that an IP set was read.
    pub fn set_read(&self) {
        self.tell(|told| told.sets.0 += 1);
    }

    /// Adds this many web ACLs to be read.
    pub fn web_acls_to_read(&self, count: usize) {
        self.tell(|told| told.web_acls = (0, count));
    }

    /// Records that a web ACL was read.
    pub fn web_acl_read(&self) {
        self.tell(|told| told.web_acls.0 += 1);
    }

    /// Adds this many planned writes.
    pub fn writes_planned(&self, count: usize) {
        self.tell(|told| told.writes.1 += count);
    }

    /// Records a confirmed write.
    pub fn written(&self) {
        self.tell(|told| told.writes.0 += 1);
    }

    /// Records that a wait begins.
    pub(crate) fn wait_begins(&self, wait: Wait, duration: Duration) {
        let mut told = self.told();
        // Some are repeated every few seconds, for a minute or more.
        let is_long = duration > WORTH_A_LINE || wait == Wait::Propagation;
        if is_long && !told.watched && told.logged != Some(wait) {
            told.logged = Some(wait);
            match wait {
                Wait::Propagation => info!("waiting: {}", wait.purpose()),
                Wait::Settling | Wait::Agreement | Wait::Verification | Wait::Reliance | Wait::NextLook => {
                    info!("waiting {}s: {}", duration.as_secs(), wait.purpose());
                }
            }
        }
        told.snapshot.wait = Some((wait, Instant::now() + duration));
    }

    /// Records that the wait is over.
    pub(crate) fn wait_ends(&self) {
        self.told().snapshot.wait = None;
    }

    fn tell(&self, tell: impl FnOnce(&mut Snapshot)) {
        tell(&mut self.told().snapshot);
    }
}
