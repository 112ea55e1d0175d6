//! Sends one change, logs what it removes and what AWS says, and classifies a failure.

use tracing::{debug, info, warn};

use crate::aws::{AwsError, Class, Receipt, Writer};
use crate::model::cidr::Cidr;
use crate::planning::change::{Change, Write};
use crate::run::end::{Fault, Trouble};
use crate::stop::Stop;

/// The most CIDRs in one line of the log.
const CIDRS_PER_LINE: usize = 100;

/// Why a write failed.
pub(super) struct Refusal {
    pub(super) trouble: Trouble,
    /// Whether it may have taken effect.
    pub(super) unsure: bool,
    /// Whether it was a write conflict.
    pub(super) conflict: bool,
    /// Whether every other call of the same action would fail too.
    pub(super) concerns_action: bool,
}

/// Sends one change. `fresh`: it refers to an IP set that this run has created.
pub(super) async fn send(
    writer: &Writer,
    stop: &Stop,
    change: &Change,
    write: &Write,
    arn: String,
    fresh: bool,
) -> Result<Receipt, Refusal> {
    if let Some(reason) = stop.reason() {
        let trouble = Trouble::Stopped(reason);
        return Err(Refusal { trouble, unsure: false, conflict: false, concerns_action: false });
    }
    log_removals(change);
    let result = match write {
        Write::CreateIpSet(spec) => writer.create_ip_set(spec, stop).await,
        Write::CreateRuleGroup(spec) => writer.create_rule_group(spec, stop).await,
        Write::UpdateIpSet { id, token, spec } => {
            let next = writer.update_ip_set(id, token, spec, stop).await;
            next.map(|token| Receipt { id: id.clone(), arn, token })
        }
        Write::UpdateRuleGroup { id, token, spec, .. } => {
            let next = writer.update_rule_group(id, token, spec, stop).await;
            next.map(|token| Receipt { id: id.clone(), arn, token })
        }
    };
    let target = write.target();
    let error = match result {
        Ok(receipt) => {
            info!(
                target,
                write = write.kind().as_str(),
                added = change.add.len(),
                removed = change.remove.len(),
                references = new_references(change, write),
                "written"
            );
            return Ok(receipt);
        }
        Err(error) => error,
    };
    let trouble = trouble(&error, fresh);
    if matches!(trouble, Trouble::Propagating(_)) {
        debug!(target, error = %error.with_hint(), "waiting: AWS has not propagated a new IP set yet");
    } else {
        warn!(target, write = write.kind().as_str(), error = %error.with_hint(), "not written");
    }
    Err(Refusal {
        unsure: error.may_have_happened(),
        conflict: matches!(trouble, Trouble::Outdated(_)) && error.class() == Class::Conflict,
        concerns_action: matches!(trouble, Trouble::Failed(_)) && error.concerns_action(),
        trouble,
    })
}

/// The number of new references that were sent.
fn new_references(change: &Change, write: &Write) -> usize {
    match write {
        Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } => {
            spec.references.iter().filter(|reference| change.refer.contains(&reference.name)).count()
        }
        Write::CreateIpSet(_) | Write::UpdateIpSet { .. } => 0,
    }
}

/// Classifies an error for the run.
pub(super) fn trouble(error: &AwsError, fresh: bool) -> Trouble {
    let fault = || Fault::from(error);
    match error.class() {
        Class::Stopped(reason) => Trouble::Stopped(reason),
        // Only rule groups refer to something that has to propagate first.
        Class::Unavailable if error.operation().ends_with("RuleGroup") => Trouble::Propagating(fault()),
        // What this run has created has not propagated everywhere yet.
        Class::NotFound if fresh => Trouble::Propagating(fault()),
        Class::Unavailable | Class::Conflict | Class::Duplicate | Class::NotFound | Class::Again => {
            Trouble::Outdated(fault())
        }
        // The error of a retry says nothing about an attempt whose answer was lost: read WAF first.
        Class::Final if error.may_have_happened() => Trouble::Outdated(fault()),
        Class::Final => Trouble::Failed(fault()),
    }
}

/// Logs what is about to be removed, in lines of bounded length, so that it can be restored.
fn log_removals(change: &Change) {
    if !change.unrefer.is_empty() {
        info!(target = change.write.target(), ip_sets = change.unrefer.join(" "), "dropping references");
    }
    for line in lines(&change.remove) {
        info!(target = change.write.target(), cidrs = line, "removing");
    }
}

/// Formats CIDRs as lines of the log.
fn lines(cidrs: impl IntoIterator<Item = Cidr>) -> impl Iterator<Item = String> {
    let mut cidrs = cidrs.into_iter().map(|cidr| cidr.to_string()).peekable();
    std::iter::from_fn(move || {
        cidrs.peek()?;
        Some(cidrs.by_ref().take(CIDRS_PER_LINE).collect::<Vec<_>>().join(" "))
    })
}
