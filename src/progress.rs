//! How far a run has come: told by what works, watched by a host that draws it. Nothing depends on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

/// A wait that begins is logged if it is longer, where nobody watches.
const WORTH_A_LINE: Duration = Duration::from_secs(10);

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The table to settle, before a second scan confirms removals.
    Settling,
    /// AWS to spread new IP sets, before a rule refers to them.
    Propagation,
}

impl Wait {
    /// What it is for, after "waiting 30s: ".
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Settling => "a second scan confirms removals then",
            Self::Propagation => "AWS is spreading new IP sets, which is normal",
        }
    }
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Items scanned so far, all scans together.
    pub items: usize,
    /// Pages of the table.
    pub pages: usize,
    /// IP sets read, and those to be read.
    pub sets: (usize, usize),
    /// Web ACLs read, and those to be read in search of the ones that refer to our rule groups.
    pub web_acls: (usize, usize),
    /// Writes confirmed, and those planned.
    pub writes: (usize, usize),
    /// What is waited for, and until when.
    pub wait: Option<(Wait, Instant)>,
}

/// Where progress is told; clones share it. By default nobody watches, and long waits are logged.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    snapshot: Snapshot,
    watched: bool,
    /// The wait that was logged last: one that is repeated is logged once.
    logged: Option<Wait>,
}

impl Progress {
    /// Progress that somebody watches.
    #[must_use]
    pub fn watched() -> Self {
        Self(Arc::new(Mutex::new(Told { watched: true, ..Told::default() })))
    }

    /// How far it has come.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.told().snapshot.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the table was read.
    pub fn page(&self, items: usize) {
        self.tell(|told| {
            told.pages += 1;
            told.items += items;
        });
    }

    /// This many IP sets are going to be read.
    pub fn sets_to_read(&self, count: usize) {
        self.tell(|told| told.sets = (0, count));
    }

    /// An IP set was read.
    pub fn set_read(&self) {
        self.tell(|told| told.sets.0 += 1);
    }

    /// This many web ACLs are going to be read.
    pub fn web_acls_to_read(&self, count: usize) {
        self.tell(|told| told.web_acls = (0, count));
    }

    /// A web ACL was read.
    pub fn web_acl_read(&self) {
        self.tell(|told| told.web_acls.0 += 1);
    }

    /// This many further writes are going to be made.
    pub fn writes_planned(&self, count: usize) {
        self.tell(|told| told.writes.1 += count);
    }

    /// A write was confirmed.
    pub fn written(&self) {
        self.tell(|told| told.writes.0 += 1);
    }

    /// A wait begins.
    pub(crate) fn wait_begins(&self, wait: Wait, duration: Duration) {
        let mut told = self.told();
        // AWS is asked again every few seconds, for minutes.
        let is_long = duration > WORTH_A_LINE || wait == Wait::Propagation;
        if is_long && !told.watched && told.logged != Some(wait) {
            told.logged = Some(wait);
            match wait {
                Wait::Settling => info!("waiting {}s: {}", duration.as_secs(), wait.purpose()),
                Wait::Propagation => info!("waiting: {}", wait.purpose()),
            }
        }
        told.snapshot.wait = Some((wait, Instant::now() + duration));
    }

    /// The wait is over.
    pub(crate) fn wait_ends(&self) {
        self.told().snapshot.wait = None;
    }

    fn tell(&self, tell: impl FnOnce(&mut Snapshot)) {
        tell(&mut self.told().snapshot);
    }
}
