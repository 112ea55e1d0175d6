//! Proof by a second scan: nothing leaves force because a single scan did not show it.

use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Class;
use crate::progress::Wait;
use crate::run::decision::Care;
use crate::run::end::{End, Fault, Why};
use crate::run::observation::{Job, Observation};
use crate::stop::StopReason;
use crate::text::number::duration;

/// Whether what is to be removed has the proof that it needs.
#[derive(Debug)]
pub(super) enum Proof {
    /// Not yet: a scan has to begin after the newest read of WAF.
    Missing,
    /// A scan that began after the newest read of WAF, with so much care.
    Scanned(Care),
    /// It cannot be had in this run, for this reason: nothing is removed.
    Unavailable(End),
}

impl Proof {
    /// Whether no scan is missing, or none can be had, for what takes so much care.
    pub(super) fn suffices(&self, care: Care) -> bool {
        match self {
            Self::Missing => false,
            Self::Scanned(taken) => *taken >= care,
            Self::Unavailable(_) => true,
        }
    }

    /// How a run ends that lacks it.
    pub(super) fn lacking(self) -> Option<End> {
        match self {
            Self::Unavailable(end) => Some(end),
            Self::Missing | Self::Scanned(_) => None,
        }
    }

    /// After WAF was read again, a scan has to begin anew.
    pub(super) fn expire(&mut self) {
        if self.can_be_had() {
            *self = Self::Missing;
        }
    }

    /// Whether what needs a second scan may be planned: it has one, or can still get it.
    pub(super) const fn can_be_had(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }
}

/// When the second scan may begin.
pub(super) fn due(job: &Job<'_>, observation: &Observation, care: Care) -> Instant {
    match care {
        Care::Settled => observation.scan_began + job.settings.table.settle,
        Care::Immediate => Instant::now(),
    }
}

/// Scans again, late enough for the answer to mean something.
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
    if let Class::Stopped(reason) = error.class() {
        return stopped(reason);
    }
    warn!(error = %error.with_hint(), "the second scan failed: nothing is removed in this run");
    let fault = Fault::from(&error);
    Proof::Unavailable(match error.class() {
        Class::Final => End::failed(fault),
        _ => End::partial(Why::Unconfirmed(fault)),
    })
}
