//! What a run does: observe, plan, guard, confirm removals, apply, verify.
//!
//! It keeps nothing between runs: what a long-lived process may remember is passed in as a [`ReadCache`].

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::{ReadCache, TableReader, WafReader, Writer};
use crate::model::settings::Settings;
use crate::planning::guard::ApprovedPlan;
use crate::run::apply::apply;
use crate::run::confirm::{Proof, confirm, due};
use crate::run::decide::{decide, digest};
use crate::run::decision::Decision;
use crate::run::end::{End, Why};
use crate::run::observation::{Job, Observation};
use crate::run::record::{Command, Completion, Round, Run};
use crate::run::state::State;
use crate::run::verify::{finished, read_back, unfinished};
use crate::stop::Stop;

/// How often a run plans again after a write conflict before it leaves the rest to the next run.
const ROUNDS: u32 = 5;

/// The pause before planning again, times the round, plus up to as much again at random so that two runs drift apart.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// Brings WAF to what the table asks for, or only plans it without a writer, and returns the record of the run.
pub async fn reconcile(
    settings: &Settings,
    (table, waf): (&TableReader, &WafReader),
    writer: Option<&Writer>,
    cache: &mut ReadCache,
    stop: &Stop,
) -> Run {
    let command = if writer.is_some() { Command::Apply } else { Command::Plan };
    let mut job = Job { settings, target: waf.target(), table, waf, cache, stop };
    let observation = match Observation::take(&mut job, writer.is_some()).await {
        Ok(observation) => observation,
        Err(end) => return Run::unseen(job.target, command, end),
    };
    let mut state = State::new(job, observation);
    let end = match writer {
        None => preview(&mut state),
        Some(writer) => converge(&mut state, writer).await,
    };
    let end = end.unwrap_or_else(|end| state.history.cut_short(end));
    let digest = digest(&state);
    state.into_record(command, digest, end)
}

/// Plans what `apply` would do, as far as one scan can tell.
fn preview(state: &mut State<'_>) -> Result<End, End> {
    state.history.pending = Some(decide(state)?);
    Ok(End::Done)
}

/// Plans and writes until WAF, read after the last write, needs no further change. The error is what ended it earlier.
async fn converge(state: &mut State<'_>, writer: &Writer) -> Result<End, End> {
    for round in 0..=ROUNDS {
        let decision = prove(state, writer).await?;
        if decision.plan.is_empty() && state.observation.is_unread {
            state.history.pending = Some(decision.into_record());
            if let Err(unread) = read_back(state, Duration::ZERO).await {
                return Ok(unfinished(state, Some(unread)));
            }
            state.proof.expire();
            continue;
        }
        if decision.plan.is_empty() {
            state.history.keep(decision.into_record());
            return Ok(finished(state));
        }
        if round == ROUNDS {
            state.history.pending = Some(decision.into_record());
            break;
        }
        state.history.pending = None;
        let completion = carry_out(state, writer, decision, None).await;
        if completion == Completion::Troubled && !state.history.may_have_written() {
            return Ok(unfinished(state, None));
        }
        let pause = if completion == Completion::Outdated { pause(round) } else { Duration::ZERO };
        let unread = read_back(state, pause).await.err();
        if unread.is_some() || completion == Completion::Troubled {
            return Ok(unfinished(state, unread));
        }
        state.proof.expire();
    }
    Ok(unfinished(state, Some(End::partial(Why::KeptChanging))))
}

/// Returns an approved plan whose removals are proven. Changes that need no proof are written during the settling time.
async fn prove(state: &mut State<'_>, writer: &Writer) -> Result<Decision<ApprovedPlan>, End> {
    let mut round = 0;
    loop {
        let decision = decide(state)?;
        let care = decision.care();
        let new = state.observation.withdrawn_since_settling(&decision.diff);
        let removes_new = decision.removals().any(|cidr| new.contains(&cidr));
        let decision = match decision.approve() {
            Ok(approved) => approved,
            Err(refused) => {
                let end = refused.refusal();
                state.history.pending = Some(*refused);
                return Err(end);
            }
        };
        let Some(care) = care.filter(|care| removes_new || !state.proof.suffices(*care)) else { return Ok(decision) };
        let (first, rest) = decision.split();
        state.history.pending = Some(rest.into_record());
        let until = due(&state.job, &state.observation, care);
        if !first.plan.is_empty()
            && round < ROUNDS
            && carry_out(state, writer, first, Some(until)).await == Completion::Outdated
        {
            read_back(state, pause(round)).await?;
            state.proof.expire();
            round += 1;
            continue;
        }
        if removes_new && matches!(state.proof, Proof::Scanned(_)) {
            // This scan is the first that says anything about them.
            state.observation.settle_from_here();
            state.proof = Proof::Missing;
            continue;
        }
        // An immediate second scan can show removals that need the settling time, because a guard no longer holds them.
        state.proof = confirm(&state.job, &mut state.observation, care).await;
    }
}

/// Carries a plan out. `until`: when to stop waiting for AWS to propagate what it refers to.
async fn carry_out(
    state: &mut State<'_>,
    writer: &Writer,
    decision: Decision<ApprovedPlan>,
    until: Option<Instant>,
) -> Completion {
    state.observation.is_unread = true;
    let (applied, troubles) = apply(&decision.plan, writer, &mut state.job, &mut state.observation, until).await;
    let mut decision = decision.into_record();
    applied.keep_what_was_sent(&mut decision.plan.changes);
    let round = Round { decision, applied, troubles };
    let completion = round.completion();
    state.history.carried_out(round);
    completion
}

/// How long to wait before WAF is read and planned again.
fn pause(round: u32) -> Duration {
    (ROUND_PAUSE * (round + 1)).mul_f64(1.0 + fastrand::f64())
}
