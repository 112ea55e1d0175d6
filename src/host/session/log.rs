//! What the log says at the end of a run: its outcome, what waits and for whom, and the numbers behind it.
//!
//! Where nobody reads the result, as with a Lambda function on a schedule, the log is all there is.

use std::fmt;

use tracing::{error, info, warn};

use super::FOR_PROGRAMS;
use crate::metrics::Facts;
use crate::model::cidr::Cidr;
use crate::report::{Acl, Command, Document, Rejected};
use crate::run::apply;
use crate::text;

/// Lines about each kind of thing that waits: they come again with every run until it waits no more.
const LINES: usize = 20;

/// The outcome in a line; for whoever searches logs also what waits, and the numbers.
pub(super) fn ended(command: Command, document: &Document, facts: &Facts) {
    let (outcome, writes) = (document.outcome, document.writes.done);
    match (&document.error, command) {
        (Some(error), Command::Plan) => error!("{error}"),
        (Some(error), Command::Apply) => error!(%outcome, writes, "{error}"),
        (None, Command::Plan) => {}
        (None, Command::Apply) if outcome.exit_code() == 0 => info!(%outcome, writes, "{}", document.reason),
        // Something is left to be done, by a person or by the next run.
        (None, Command::Apply) => warn!(%outcome, writes, "{}", document.reason),
    }
    // Who reads it as it comes sees these in the result.
    guards(document);
    rejections(&document.table.rejections);
    for (cidrs, what) in
        [(&document.held, "held"), (&document.deferred, "deferred"), (&document.unplaced, "wanted, but without room")]
    {
        waiting(cidrs, what);
    }
    for acl in &document.web_acls {
        references(acl);
    }
    info!(
        target: FOR_PROGRAMS,
        %outcome,
        digest = document.digest,
        items = document.table.items,
        rejections = document.table.rejections.len(),
        desired_ipv4 = document.desired.ipv4,
        desired_ipv6 = document.desired.ipv6,
        planned = document.writes.planned,
        writes,
        held = document.held.len(),
        deferred = document.deferred.len(),
        unplaced = document.unplaced.len(),
        guard = document.guard.verdict.as_str(),
        throttled = facts.throttled,
        conflicts = facts.conflicts,
        seconds = facts.duration.as_secs_f64(),
        "the run has ended"
    );
}

fn guards(document: &Document) {
    if !document.is_guarded() {
        return;
    }
    for reason in &document.guard.reasons {
        warn!(target: FOR_PROGRAMS, guard = document.guard.verdict.as_str(), digest = document.digest, "{reason}");
    }
    if let Some(approve) = &document.guard.approve {
        info!(target: FOR_PROGRAMS, approve, "to let exactly this through, after reading it");
    }
}

/// Those that hold something back first.
fn rejections(rejections: &[Rejected]) {
    let (known, others): (Vec<_>, Vec<_>) = rejections.iter().partition(|rejection| rejection.ignored);
    for Rejected { key, value, reason, ignored } in others.into_iter().chain(known).take(LINES) {
        let (key, value, reason) = (text::line(key), text::line(value), text::line(reason));
        info!(target: FOR_PROGRAMS, %key, %value, %reason, ignored, "rejected");
    }
    more(rejections.len().saturating_sub(LINES), "rejected");
}

fn waiting(cidrs: &[Cidr], what: &str) {
    for line in apply::lines(cidrs).take(LINES) {
        info!(target: FOR_PROGRAMS, cidrs = line, "{what}");
    }
    more(cidrs.len().saturating_sub(LINES * apply::CIDRS_PER_LINE), what);
}

fn more(more: usize, what: impl fmt::Display) {
    if more > 0 {
        info!(target: FOR_PROGRAMS, more, "{what}, and so many more: `plan` lists them");
    }
}

fn references(acl: &Acl) {
    if acl.missing.is_empty() {
        return;
    }
    let (web_acl, overridden) = (text::line(&acl.name), acl.overridden.join(" "));
    warn!(target: FOR_PROGRAMS, %web_acl, missing = acl.missing.join(" "), overridden, "not enforced");
}
