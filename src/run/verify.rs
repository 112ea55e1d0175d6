//! Reads WAF until it shows what this run has written, and says how the run ends.

use std::time::Duration;

use tracing::warn;

use crate::run::confirm::Proof;
use crate::run::end::{End, Failure, Why};
use crate::run::history::History;
use crate::run::observation::{Job, Observation, unread_later};

/// Reads until one shows what was written.
const VERIFY_READS: u32 = 6;

/// Before the second of them; doubled before each further one. Together the minute for which reads may be old.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// Reads WAF, after a pause, until it shows all that this run has written.
pub(super) async fn look_again(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    pause: Duration,
) -> Result<(), End> {
    if !pause.is_zero() {
        job.stop.sleep(pause).await.map_err(|reason| End::partial(Why::Stopped(reason)))?;
    }
    for read in 0..VERIFY_READS {
        if read > 0 {
            let pause = VERIFY_PAUSE * 2_u32.pow(read - 1);
            job.stop.sleep(pause).await.map_err(|_| End::partial(Why::NotSeen))?;
        }
        let installation = job.target.name.clone();
        if let Some(current) = observation.read_again(job).await.map_err(|error| unread_later(&error))? {
            history.acknowledge(current, &installation);
            return Ok(());
        }
    }
    warn!("what was written does not show in WAF yet");
    Err(End::partial(Why::NotSeen))
}

/// How a run ends whose last plan was carried out. `shown`: what became of the read after it.
pub(super) fn unfinished(observation: &Observation, history: &History, proof: Proof, shown: Result<(), End>) -> End {
    let Some(round) = history.rounds.last() else {
        return End::failed(Failure::Internal("a run that carried nothing out is said to be unfinished"));
    };
    let mut ends: Vec<End> = round.troubles.iter().map(End::from).collect();
    ends.extend(proof.lacking());
    ends.extend(shown.err());
    ends.extend(left_over(observation, history));
    gravest(ends)
}

/// How a run ends whose newest plan, on the newest view of WAF, finds nothing to write.
pub(super) fn finished(observation: &Observation, history: &History, proof: Proof) -> End {
    let mut ends = Vec::new();
    ends.extend(proof.lacking());
    ends.extend(left_over(observation, history));
    gravest(ends)
}

/// What the last plan leaves to a later run.
fn left_over(observation: &Observation, history: &History) -> Vec<End> {
    let last = history.pending.as_ref().or(history.rounds.last().map(|round| &round.decision));
    let Some(plan) = last.map(|decision| &decision.plan) else { return Vec::new() };
    let newest = &observation.seen.scans.newest;
    let mut left = Vec::new();
    if plan.deferred.iter().any(|cidr| !newest.covers_all(*cidr)) {
        left.push(End::partial(Why::Deferred));
    }
    if !plan.unplaced.is_empty() {
        left.push(End::partial(Why::NoRoomYet));
    }
    left
}

/// What failed counts for more than what the next run goes on with.
fn gravest(mut ends: Vec<End>) -> End {
    let failed = ends.iter().position(|end| matches!(end, End::Failed(_)));
    match failed.or_else(|| (!ends.is_empty()).then_some(0)) {
        Some(first) => ends.swap_remove(first),
        None => End::Done,
    }
}
