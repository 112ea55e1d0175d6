//! What a run does: observe, plan, guard, confirm removals, apply, verify.
//!
//! It keeps nothing between runs; what a process that lives on may remember comes in as a [`ReadCache`].

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::{ReadCache, TableReader, WafReader, Writer};
use crate::model::settings::Settings;
use crate::planning::guard::{ApprovedPlan, Verdict};
use crate::run::apply::apply;
use crate::run::confirm::{Proof, confirm, due};
use crate::run::decide::{decide, digest};
use crate::run::decision::Decision;
use crate::run::end::{End, Failure, Why};
use crate::run::history::History;
use crate::run::observation::{Job, Observation};
use crate::run::record::{Command, Round, Run};
use crate::run::verify::{finished, look_again, unfinished};
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
                (Ok(()), Mode::Apply(writer)) => match converge(&mut job, &mut observation, &mut history, writer).await
                {
                    Ok(end) => end,
                    Err(end) => history.cut_short(end),
                },
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

/// Plans and writes until the newest view of WAF shows all that is wanted, or a person has to look, or the run has to
/// end.
async fn converge(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    writer: &Writer,
) -> Result<End, End> {
    let mut proof = Proof::Missing;
    for round in 0..=ROUNDS {
        let decision = prove(job, observation, history, writer, &mut proof).await?;
        if decision.plan.changes.is_empty() {
            history.keep(decision);
            return Ok(finished(observation, history, proof));
        }
        if round == ROUNDS {
            history.pending = Some(decision);
            break;
        }
        history.pending = None;
        let state = carry_out(job, observation, history, writer, decision, None).await?;
        if state == State::Troubled && !history.may_have_written() {
            return Ok(unfinished(observation, history, proof, Ok(())));
        }
        let shown = look_again(job, observation, history, pause(state, round)).await;
        if shown.is_err() || state == State::Troubled {
            return Ok(unfinished(observation, history, proof, shown));
        }
        proof.expire();
    }
    Ok(unfinished(observation, history, proof, Err(End::partial(Why::KeptChanging))))
}

/// A plan that lacks no proof. What needs none does not wait for it: it is written while the settling time runs.
async fn prove(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    writer: &Writer,
    proof: &mut Proof,
) -> Result<Decision, End> {
    let mut round = 0;
    loop {
        let decision = decide(job, observation, history, proof.can_be_had())?;
        if decision.judgement.verdict == Verdict::Blocked {
            history.pending = Some(decision);
            return Err(End::Blocked);
        }
        let Some(care) = decision.care().filter(|care| !proof.suffices(*care)) else { return Ok(decision) };
        let (first, rest) = decision.split();
        history.pending = Some(rest);
        let until = due(job, observation, care);
        if !first.plan.changes.is_empty()
            && round < ROUNDS
            && carry_out(job, observation, history, writer, first, Some(until)).await? == State::Outdated
        {
            look_again(job, observation, history, pause(State::Outdated, round)).await?;
            proof.expire();
            round += 1;
            continue;
        }
        // A second look at once can show that a guard need not hold what has to wait for the table to settle.
        *proof = confirm(job, observation, care).await;
        observation.abort_on_rejections(job.settings)?;
    }
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All of it was written.
    Written,
    /// Some of it was refused because what was read is out of date.
    Outdated,
    /// Some of it was not written, and reading again would not help.
    Troubled,
}

/// Carries a plan out.
async fn carry_out(
    job: &mut Job<'_>,
    observation: &mut Observation,
    history: &mut History,
    writer: &Writer,
    decision: Decision,
    until: Option<Instant>,
) -> Result<State, End> {
    let Some(approved) = ApprovedPlan::new(decision.plan.clone(), &decision.judgement) else {
        return Err(End::failed(Failure::Internal("a plan that a guard stops was to be carried out")));
    };
    let (applied, troubles) = apply(&approved, writer, job, observation, until).await;
    let round = Round { decision, applied, troubles };
    let state = match (round.is_outdated(), round.troubles.is_empty()) {
        (true, _) => State::Outdated,
        (false, false) => State::Troubled,
        (false, true) => State::Written,
    };
    history.carried_out(round);
    Ok(state)
}

/// How long to wait before WAF is read again.
fn pause(state: State, round: u32) -> Duration {
    match state {
        State::Outdated => (ROUND_PAUSE * (round + 1)).mul_f64(1.0 + fastrand::f64()),
        State::Written | State::Troubled => Duration::ZERO,
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
        seen: observation.map(|observation| observation.seen),
        rounds: history.rounds,
        pending: history.pending,
        digest,
        end,
    }
}
