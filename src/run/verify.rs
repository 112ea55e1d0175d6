//! Verifies a run: reads WAF until it shows what the run has written, and decides how the run ends.

use std::time::Duration;

use tracing::warn;

use crate::progress::Wait;
use crate::run::decision::Decision;
use crate::run::end::{End, Failure, Why};
use crate::run::observation::unread_later;
use crate::run::state::State;

/// Reads until one shows what was written.
const VERIFY_READS: u32 = 6;

/// Before the second of them; doubled before each further one. Together the minute for which reads may be old.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// Reads WAF, after a pause, until it shows all that this run has written.
pub(super) async fn read_back(state: &mut State<'_>, pause: Duration) -> Result<(), End> {
    let State { job, observation, history, .. } = state;
    if !pause.is_zero() {
        job.stop.sleep(pause).await.map_err(|reason| End::partial(Why::Stopped(reason)))?;
    }
    for read in 0..VERIFY_READS {
        if read > 0 {
            let pause = VERIFY_PAUSE * 2_u32.pow(read - 1);
            job.stop.wait(Wait::Verification, pause).await.map_err(|_| End::partial(Why::NotSeen))?;
        }
        let installation = job.target.name.clone();
        if let Some(current) = observation.read_again(job).await.map_err(|error| unread_later(&error))? {
            history.acknowledge(current, &installation);
            return Ok(());
        }
    }
    warn!("WAF does not show the last writes yet");
    Err(End::partial(Why::NotSeen))
}

/// How a run ends whose last plan needs no further change.
pub(super) fn finished(state: &State<'_>) -> End {
    gravest(state.proof.lacking().into_iter().chain(left_to_the_next_run(state))).unwrap_or(End::Done)
}

/// How a run ends whose last plan was not carried out in full, or not shown by WAF. `unread`: why it was not shown.
pub(super) fn unfinished(state: &State<'_>, unread: Option<End>) -> End {
    let ends = state.history.troubles().map(End::from).chain(state.proof.lacking()).chain(unread);
    gravest(ends.chain(left_to_the_next_run(state)))
        .unwrap_or_else(|| End::failed(Failure::Internal("a run is unfinished without a reason")))
}

/// What the last plan leaves to the next run.
fn left_to_the_next_run(state: &State<'_>) -> Vec<End> {
    let State { observation, history, .. } = state;
    let last = history.pending.as_ref().or(history.rounds.last().map(|round| &round.decision));
    let Some(Decision { plan, .. }) = last else {
        return vec![End::failed(Failure::Internal("a run is verified without a plan"))];
    };
    let mut left = Vec::new();
    let newest = &observation.seen.scans.newest;
    if plan.deferred.iter().any(|cidr| !newest.covers_all(*cidr)) {
        left.push(End::partial(Why::Deferred));
    }
    if !plan.unplaced.is_empty() {
        left.push(End::partial(Why::NoRoomYet));
    }
    if plan.keeps_foreign {
        left.push(End::partial(Why::ForeignReference));
    }
    left
}

/// The first failure, or else the first end.
fn gravest(ends: impl IntoIterator<Item = End>) -> Option<End> {
    let mut ends: Vec<End> = ends.into_iter().collect();
    let failed = ends.iter().position(|end| matches!(end, End::Failed(_))).unwrap_or_default();
    (!ends.is_empty()).then(|| ends.swap_remove(failed))
}
