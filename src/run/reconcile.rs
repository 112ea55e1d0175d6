//! What a run does: observe, plan, guard, confirm removals, apply, verify.
//!
//! It keeps nothing between runs; what a process that lives on may remember comes in as a [`ReadCache`].

use std::time::Duration;

use crate::aws::{ReadCache, TableReader, WafReader, Writer};
use crate::model::settings::Settings;
use crate::planning::guard::{ApprovedPlan, Verdict};
use crate::run::apply::apply;
use crate::run::confirm::{Proof, confirm};
use crate::run::decide::{decide, digest};
use crate::run::decision::Decision;
use crate::run::end::{End, Why};
use crate::run::history::History;
use crate::run::observation::{Job, Observation};
use crate::run::record::{Command, Round, Run};
use crate::run::verify::conclude;
use crate::stop::Stop;

/// How often a run plans again after somebody else wrote, before it leaves the rest to the next run.
const ROUNDS: u32 = 5;

/// Before planning again: this, times the round, plus up to as much again by chance, so that two runs that met part.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// Whether this run may write.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// Look only.
    Plan,
    /// Carry the plan out.
    Apply(&'a Writer),
}

/// Brings WAF to what the table asks for, or says what that would take.
pub async fn reconcile(
    settings: &Settings,
    (table, waf): (&TableReader, &WafReader),
    mode: Mode<'_>,
    cache: &mut ReadCache,
    stop: &Stop,
) -> Run {
    let mut job = Job { settings, target: waf.target(), table, waf, cache, stop };
    let mut history = History::default();
    let (observation, end) = match Observation::take(&mut job).await {
        Err(end) => (None, end),
        Ok(mut observation) => {
            let end = match (observation.abort_on_rejections(settings), mode) {
                (Err(end), _) => end,
                (Ok(()), Mode::Plan) => preview(&job, &observation, &mut history),
                (Ok(()), Mode::Apply(writer)) => converge(&mut job, &mut observation, &mut history, writer).await,
            };
            let end = end.and_unread(&observation.seen.current.unread_web_acls);
            (Some(observation), end)
        }
    };
    record(job, observation, history, end, mode)
}

/// What `apply` would do, as far as one scan can tell.
fn preview(job: &Job<'_>, observation: &Observation, history: &mut History) -> End {
    match decide(job, observation, history, true) {
        Ok(decision) => {
            history.pending = Some(decision);
            End::Done
        }
        Err(end) => end,
    }
}

/// Plans and writes until there is nothing left to write, or a person has to look, or the run has to end.
async fn converge(job: &mut Job<'_>, observation: &mut Observation, history: &mut History, writer: &Writer) -> End {
    let mut proof = Proof::Missing;
    for round in 0..ROUNDS {
        let (approved, decision) = match prepare(job, observation, history, round, &mut proof).await {
            Ok(approved) => approved,
            Err(end) => return history.cut_short(end),
        };
        let (applied, troubles) = apply(&approved, writer, job.stop).await;
        let round = Round { decision, applied, troubles };
        let outdated = round.is_outdated();
        history.carried_out(round);
        observation.is_behind = true;
        if !outdated {
            break;
        }
        if proof.can_be_had() {
            proof = Proof::Missing;
        }
    }
    conclude(job, observation, history, proof).await
}

/// The plan of a round; for any round but the first WAF is read again.
async fn prepare(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    round: u32,
    proof: &mut Proof,
) -> Result<(ApprovedPlan, Decision), End> {
    if round > 0 {
        let pause = ROUND_PAUSE * round;
        let waited = job.stop.sleep(pause + pause.mul_f64(fastrand::f64())).await;
        waited.map_err(|reason| End::partial(Why::Stopped(reason)))?;
        observation.read_again(job).await?;
        history.acknowledge(&observation.seen.current);
        history.mark_created(&mut observation.seen.current);
    }
    approve(job, observation, history, proof).await
}

/// A plan that may be carried out: guarded, and confirmed by a second scan where it removes something. A plan that may
/// not be is left pending.
async fn approve(
    job: &Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    proof: &mut Proof,
) -> Result<(ApprovedPlan, Decision), End> {
    loop {
        let decision = decide(job, observation, history, proof.can_be_had())?;
        let care = decision.care().filter(|care| !proof.suffices(*care));
        // A second look at once can show that a guard need not hold what has to wait for the table to settle.
        match (decision.judgement.verdict, care) {
            (Verdict::Pass | Verdict::Held | Verdict::Approved, Some(care)) => {
                history.pending = Some(decision);
                *proof = confirm(job, observation, care).await;
                observation.abort_on_rejections(job.settings)?;
            }
            (Verdict::Blocked, _) | (_, None) => {
                let Some(approved) = ApprovedPlan::new(decision.plan.clone(), &decision.judgement) else {
                    history.pending = Some(decision);
                    return Err(End::Blocked);
                };
                history.pending = None;
                return Ok((approved, decision));
            }
        }
    }
}

/// The record of a run that has ended.
fn record(job: Job<'_>, observation: Option<Observation>, history: History, end: End, mode: Mode<'_>) -> Run {
    let digest = observation.as_ref().and_then(|observation| digest(&job, observation, &history));
    Run {
        target: job.target,
        command: match mode {
            Mode::Plan => Command::Plan,
            Mode::Apply(_) => Command::Apply,
        },
        seen: observation.map(|observation| observation.into_seen(history.rounds.last())),
        rounds: history.rounds,
        pending: history.pending,
        digest,
        end,
    }
}
