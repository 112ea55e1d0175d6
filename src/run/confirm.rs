//! Proof by a second scan: nothing is removed from force because a single scan omits it.

use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Class;
use crate::progress::Wait;
use crate::run::decision::Care;
use crate::run::end::{End, Fault, Why};
use crate::run::observation::{Job, Observation};
use crate::stop::StopReason;
use crate::text::number::duration;

/// The proof that what a plan removes is unwanted.
#[derive(Debug)]
pub(super) enum Proof {
    /// No scan has begun since the newest read of WAF.
    Missing,
    /// A complete scan that began after the newest read of WAF, and whether it waited for the settling time.
    Scanned(Care),
    /// The second scan failed or came too late, which ends the run like this: it removes nothing.
    Unavailable(End),
}

impl Proof {
    /// Whether a plan that needs this much care can go on: with its proof, or without its removals.
    pub(super) fn suffices(&self, care: Care) -> bool {
        match self {
            Self::Missing => false,
            Self::Scanned(taken) => *taken >= care,
            Self::Unavailable(_) => true,
        }
    }

    /// How a run ends that could not get it.
    pub(super) fn lacking(&self) -> Option<End> {
        match self {
            Self::Unavailable(end) => Some(end.clone()),
            Self::Missing | Self::Scanned(_) => None,
        }
    }

    /// Drops the proof after WAF was read again: the next scan has to begin after that read.
    pub(super) fn expire(&mut self) {
        if self.can_be_had() {
            *self = Self::Missing;
        }
    }

    /// Whether removals may be planned: they have their proof or can still get it.
    pub(super) const fn can_be_had(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }
}

/// When the second scan may begin.
pub(super) fn due(job: &Job<'_>, observation: &Observation, care: Care) -> Instant {
    match care {
        Care::Settled => observation.scanned + job.settings.table.settle,
        Care::Immediate => Instant::now(),
    }
}

/// Scans the table again when that may count as proof.
pub(super) async fn confirm(job: &Job<'_>, observation: &mut Observation, care: Care) -> Proof {
    let wait = due(job, observation, care).saturating_duration_since(Instant::now());
    info!(wait = %duration(wait), "something would be removed: scanning the table again");
    let stopped = |reason| Proof::Unavailable(End::partial(Why::Stopped(reason)));
    match job.stop.wait(Wait::Settling, wait).await {
        Ok(()) => {}
        Err(StopReason::Deadline) => return Proof::Unavailable(End::partial(Why::NoTimeToConfirm)),
        Err(reason @ StopReason::Signal) => return stopped(reason),
    }
    let Err(error) = observation.scan_again(job).await else { return Proof::Scanned(care) };
    let fault = Fault::from(&error);
    let end = match error.class() {
        Class::Stopped(reason) => return stopped(reason),
        Class::Final => End::failed(fault),
        Class::Unavailable | Class::Conflict | Class::Duplicate | Class::NotFound | Class::Again => {
            End::partial(Why::Unconfirmed(fault))
        }
    };
    warn!(error = %error.with_hint(), "the second scan failed: nothing is removed in this run");
    Proof::Unavailable(end)
}
