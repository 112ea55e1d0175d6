//! Reads WAF until what was written shows, and says how the run ends.

use std::time::Duration;

use tracing::warn;

use crate::run::confirm::Proof;
use crate::run::end::{End, Failure, Why};
use crate::run::history::History;
use crate::run::observation::{Job, Observation};

/// Reads after the last write, for reads may lag.
const VERIFY_READS: u32 = 6;

/// Between two of them.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// Checks what was written and says how the run ends.
pub(super) async fn conclude(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    proof: Proof,
) -> End {
    let shown = verify(job, observation, history).await;
    let Some(round) = history.rounds.last() else {
        return End::failed(Failure::Internal("a run that carried nothing out is said to be complete"));
    };
    let mut ends: Vec<End> = round.troubles.iter().map(End::from).collect();
    if let Proof::Unavailable(end) = proof {
        ends.push(end);
    }
    ends.extend(shown.err());
    let plan = &round.decision.plan;
    if plan.deferred.iter().any(|cidr| !observation.seen.scans.newest.covers_all(*cidr)) {
        ends.push(End::partial(Why::Deferred));
    }
    if !plan.unplaced.is_empty() {
        ends.push(End::partial(Why::NoRoomYet));
    }
    let failed = ends.iter().position(|end| matches!(end, End::Failed(_)));
    match failed.or_else(|| (!ends.is_empty()).then_some(0)) {
        Some(first) => ends.swap_remove(first),
        None => End::Done,
    }
}

/// Reads what was written until it shows, a few times.
async fn verify(job: &mut Job<'_>, observation: &mut Observation, history: &mut History) -> Result<(), End> {
    if history.rounds.iter().all(|round| round.applied.done() == 0 && round.applied.unsure.is_empty()) {
        return Ok(());
    }
    for read in 0..VERIFY_READS {
        if read > 0 {
            job.stop.sleep(VERIFY_PAUSE).await.map_err(|_| End::partial(Why::NotSeen))?;
        }
        observation.read_again(job).await?;
        let current = &observation.seen.current;
        history.acknowledge(current);
        if history.rounds.last().is_none_or(|round| round.applied.shows_in(current)) {
            return Ok(());
        }
    }
    warn!("what was written does not show in WAF yet");
    Err(End::partial(Why::NotSeen))
}
