//! Carries out an approved plan, stage by stage, and says what happened.
//!
//! It decides nothing about *what* is written: a change is sent as it stands, with the lock token of the read that it
//! rests on, or not at all. It never reads, never plans again and never repeats a write that was refused, but for rule
//! groups that wait until AWS has spread what they refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::{info, warn};

use crate::aws::{AwsError, Class, IN_FLIGHT, Writer};
use crate::defects::{self, Defect};
use crate::model::cidr::Cidr;
use crate::model::spec::{RuleGroupSpec, WriteKind};
use crate::planning::guard::ApprovedPlan;
use crate::planning::plan::{Change, Stage, Write};
use crate::run::applied::Applied;
use crate::run::end::{Fault, Trouble};
use crate::stop::Stop;

/// Between two tries of a rule group whose IP sets are not available yet; what mature clients wait.
const PROPAGATION_POLL: Duration = Duration::from_secs(10);

/// Tries of such a rule group before it is left to the next run: about fifteen minutes.
const PROPAGATION_POLLS: usize = 90;

/// CIDRs in one line of the log.
pub(crate) const CIDRS_PER_LINE: usize = 100;

/// Carries out `plan`; answers what was written, and why the rest was not. It ends early only at a safe point: between
/// two calls.
pub(super) async fn apply(plan: &ApprovedPlan, writer: &Writer, stop: &Stop) -> (Applied, Vec<Trouble>) {
    let mut run = Applying {
        writer,
        stop,
        applied: Applied::default(),
        troubles: Vec::new(),
        arns: BTreeMap::new(),
        unwritten: BTreeSet::new(),
    };
    run.stage(plan.stage(Stage::Strip)).await;
    if defects::has(Defect::RemovesBeforeAdding) {
        run.stage(plan.stage(Stage::Remove)).await;
    }
    run.stage(plan.stage(Stage::Add)).await;
    let mut waiting = run.stage(plan.stage(Stage::Wire)).await;
    // What could not be brought into force may be in force through what these let go: then that is for the next plan.
    let mut letting_go = plan.stage(Stage::Unwire);
    if run.troubles.is_empty() {
        waiting.extend(run.stage(std::mem::take(&mut letting_go)).await);
    }
    run.stage(plan.stage(Stage::Remove)).await;
    for _ in 0..PROPAGATION_POLLS {
        if waiting.is_empty() {
            break;
        }
        if let Err(reason) = stop.sleep(PROPAGATION_POLL).await {
            run.troubles.push(Trouble::Stopped(reason));
            break;
        }
        run.troubles.retain(|trouble| !matches!(trouble, Trouble::Propagating(_)));
        waiting = run.stage(waiting).await;
        if run.troubles.is_empty() {
            waiting.extend(run.stage(std::mem::take(&mut letting_go)).await);
        }
    }
    (run.applied, run.troubles)
}

struct Applying<'a> {
    writer: &'a Writer,
    stop: &'a Stop,
    applied: Applied,
    /// Why the rest was not written.
    troubles: Vec<Trouble>,
    /// The ARNs of the IP sets that this run created.
    arns: BTreeMap<String, String>,
    /// IP sets to which no rule may newly refer: they were not written, so what they hold may not be wanted.
    unwritten: BTreeSet<String>,
}

/// What AWS said to one write.
enum Answer {
    Written { arn: Option<String> },
    Refused(Refusal),
}

/// Why a write was not made, as far as that is known.
struct Refusal {
    trouble: Trouble,
    /// It may have had its effect all the same.
    unsure: bool,
    /// It met somebody else's write.
    conflict: bool,
    /// Every other call of the same action would meet it too.
    concerns_action: bool,
}

impl Applying<'_> {
    /// Sends these changes side by side; answers those that wait for AWS to spread what they refer to.
    async fn stage<'c>(&mut self, changes: Vec<&'c Change>) -> Vec<&'c Change> {
        let mut waiting = Vec::new();
        // After a refusal that concerns the action as a whole, its other calls would only be refused as well.
        let mut closed: BTreeSet<WriteKind> = BTreeSet::new();
        let mut queue = changes.into_iter();
        let mut calls = stream::FuturesUnordered::new();
        loop {
            while calls.len() < IN_FLIGHT
                && let Some(change) = queue.next()
            {
                if closed.contains(&change.write.kind()) {
                    self.not_written(change);
                    continue;
                }
                let Some(write) = self.with_arns(change) else { continue };
                let fresh = change.refer.iter().any(|name| self.arns.contains_key(name));
                let (writer, stop) = (self.writer, self.stop);
                calls.push(async move { (change, send(writer, stop, change, &write, fresh).await, write) });
            }
            let Some((change, answer, write)) = calls.next().await else { return waiting };
            match answer {
                Answer::Written { arn } => self.written(&write, arn),
                Answer::Refused(Refusal { trouble, unsure, conflict, concerns_action }) => {
                    self.not_written(change);
                    self.applied.conflicts += usize::from(conflict);
                    if unsure {
                        self.applied.unsure.insert(write.target().to_owned(), write);
                    }
                    if concerns_action {
                        closed.insert(change.write.kind());
                    }
                    if matches!(trouble, Trouble::Propagating(_)) {
                        waiting.push(change);
                    }
                    self.troubles.push(trouble);
                }
            }
        }
    }

    /// The write with the ARNs of what this run created. New references to IP sets that were not written are left out;
    /// `None` if that leaves nothing to write.
    fn with_arns(&self, change: &Change) -> Option<Write> {
        // Others refer to sets that are wired already: those stay, whatever became of their own writes.
        let refused = |name: &String| self.unwritten.contains(name) && change.refer.contains(name);
        let resolve = |spec: &RuleGroupSpec| {
            let mut spec = spec.clone();
            for reference in &mut spec.references {
                if reference.arn.is_none() {
                    reference.arn = self.arns.get(&reference.name).cloned();
                }
            }
            spec.references.retain(|reference| !refused(&reference.name) && reference.arn.is_some());
            if let Some(arn) = self.arns.values().next() {
                spec.description.learn_account(arn);
            }
            spec
        };
        match &change.write {
            Write::CreateRuleGroup(spec) => Some(Write::CreateRuleGroup(resolve(spec))),
            Write::UpdateRuleGroup { rewrite: false, .. } if change.refer.iter().all(refused) => None,
            Write::UpdateRuleGroup { id, token, spec, rewrite } => {
                let (id, token, rewrite) = (id.clone(), token.clone(), *rewrite);
                Some(Write::UpdateRuleGroup { id, token, spec: resolve(spec), rewrite })
            }
            set => Some(set.clone()),
        }
    }

    fn written(&mut self, write: &Write, arn: Option<String>) {
        if let Some(arn) = arn {
            self.arns.insert(write.target().to_owned(), arn);
        }
        self.applied.unsure.remove(write.target());
        self.applied.note(write);
    }

    fn not_written(&mut self, change: &Change) {
        if matches!(change.write, Write::CreateIpSet(_) | Write::UpdateIpSet { .. }) {
            self.unwritten.insert(change.write.target().to_owned());
        }
    }
}

/// `fresh`: it refers to an IP set that this run has created.
async fn send(writer: &Writer, stop: &Stop, change: &Change, write: &Write, fresh: bool) -> Answer {
    if let Some(reason) = stop.reason() {
        let trouble = Trouble::Stopped(reason);
        return Answer::Refused(Refusal { trouble, unsure: false, conflict: false, concerns_action: false });
    }
    log_removals(change);
    let result = match write {
        Write::CreateIpSet(spec) => writer.create_ip_set(spec, stop).await.map(Some),
        Write::UpdateIpSet { id, token, spec } => writer.update_ip_set(id, token, spec, stop).await.map(|()| None),
        Write::CreateRuleGroup(spec) => writer.create_rule_group(spec, stop).await.map(|()| None),
        Write::UpdateRuleGroup { id, token, spec, .. } => {
            writer.update_rule_group(id, token, spec, stop).await.map(|()| None)
        }
    };
    let (target, lock_token) = (write.target(), became_of_token(write, result.as_ref().err()));
    match result {
        Ok(arn) => {
            info!(
                target,
                write = write.kind().as_str(),
                lock_token,
                added = change.add.len(),
                removed = change.remove.len(),
                references = new_references(change, write),
                "written"
            );
            Answer::Written { arn }
        }
        Err(error) => {
            warn!(target, write = write.kind().as_str(), lock_token, error = %error.with_hint(), "not written");
            let trouble = trouble(&error, fresh);
            Answer::Refused(Refusal {
                unsure: error.may_have_happened(),
                conflict: matches!(trouble, Trouble::Outdated(_)) && error.class() == Class::Conflict,
                concerns_action: matches!(trouble, Trouble::Failed(_)) && error.concerns_action(),
                trouble,
            })
        }
    }
}

/// References that are new to the rule group: those that were left out of what was sent do not count.
fn new_references(change: &Change, write: &Write) -> usize {
    match write {
        Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } => {
            spec.references.iter().filter(|reference| change.refer.contains(&reference.name)).count()
        }
        Write::CreateIpSet(_) | Write::UpdateIpSet { .. } => 0,
    }
}

/// What became of the lock token that a write was sent with: the token itself says nothing to people.
fn became_of_token(write: &Write, error: Option<&AwsError>) -> &'static str {
    match (write, error) {
        (Write::CreateIpSet(_) | Write::CreateRuleGroup(_), _) => "none needed",
        (_, None) => "spent",
        (_, Some(error)) if error.class() == Class::Conflict => "stale",
        (_, Some(error)) if error.may_have_happened() => "unknown",
        (_, Some(_)) => "kept",
    }
}

/// What an error means for the run.
fn trouble(error: &AwsError, fresh: bool) -> Trouble {
    let fault = || Fault::from(error);
    match error.class() {
        Class::Stopped(reason) => Trouble::Stopped(reason),
        // Only rule groups refer to something that has to spread first, and only they are tried again.
        Class::Unavailable if error.operation().ends_with("RuleGroup") => Trouble::Propagating(fault()),
        // AWS does not know everywhere yet what this run has created.
        Class::NotFound if fresh => Trouble::Propagating(fault()),
        Class::Unavailable | Class::Conflict | Class::Duplicate | Class::NotFound | Class::Again => {
            Trouble::Outdated(fault())
        }
        // The refusal of its repetition says nothing about an attempt whose answer was lost: look before believing it.
        Class::Final if error.may_have_happened() => Trouble::Outdated(fault()),
        Class::Final => Trouble::Failed(fault()),
    }
}

/// The way back: what is about to be removed, in lines of bounded length.
fn log_removals(change: &Change) {
    for line in lines(&change.remove) {
        info!(target = change.write.target(), cidrs = line, "removing");
    }
}

/// CIDRs as the log has them.
pub(crate) fn lines(cidrs: &[Cidr]) -> impl Iterator<Item = String> {
    cidrs.chunks(CIDRS_PER_LINE).map(|cidrs| cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}
