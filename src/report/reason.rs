//! The reason why a run ended as it did, in a sentence.

use super::document::Document;
use crate::planning::guard::Verdict;
use crate::run::end::{End, Why};
use crate::run::outcome::Outcome;
use crate::run::record::{Command, Run};
use crate::stop::StopReason;
use crate::text::number::{counted, grouped};

/// Why a run ended as it did, without a full stop: the headline, unless it has none, and the sentence after it.
pub(super) fn reason(run: &Run, document: &Document) -> (Option<&'static str>, String) {
    let pending = document.changes.len();
    match document.outcome {
        Outcome::Failed => (Some("failed"), document.error.clone().unwrap_or_else(|| "unknown error".to_owned())),
        Outcome::Planned => planned(document, pending),
        Outcome::Blocked => (Some("blocked"), "nothing was written; approval is needed".to_owned()),
        Outcome::Held => (Some("held"), held(run, document)),
        Outcome::Unenforced => {
            let acls = unenforced(document).unwrap_or_default();
            (Some("unenforced"), format!("{acls}; {}{}", made(document), unfinished_after(document)))
        }
        Outcome::Partial => (Some("partial"), partial(run, document, pending)),
        Outcome::Changed => {
            let made = made(document);
            (Some("changed"), format!("{made}; {}", in_force(document)))
        }
        Outcome::Converged => nothing_to_do(document),
    }
}

fn planned(document: &Document, pending: usize) -> (Option<&'static str>, String) {
    if document.guard.verdict == Verdict::Blocked {
        return (Some("blocked"), "nothing would be written without approval".to_owned());
    }
    if !document.held.is_empty() {
        let held = document.held_in_words().0;
        let writes = if pending == 0 { "no write".to_owned() } else { counted(pending, "write") };
        let sentence = format!("{held} would wait for approval; {writes} would be made{}", without_room(document));
        return (Some("held"), sentence);
    }
    let unenforced = unenforced(document).map(|acls| format!("; but {acls}")).unwrap_or_default();
    if pending == 0 {
        let (headline, sentence) = nothing_to_do(document);
        return (headline, sentence + &unenforced);
    }
    (None, format!("{} would bring WAF in step with the table{unenforced}", counted(pending, "write")))
}

fn held(run: &Run, document: &Document) -> String {
    if matches!(run.end, End::Blocked) {
        return format!("{}; what is left needs approval", made(document));
    }
    let (what, count) = document.held_in_words();
    let wait = if count == 1 { "waits" } else { "wait" };
    let made = made(document);
    format!("{what} {wait} for approval; {made}{}{}", without_room(document), unfinished_after(document))
}

/// Why a run that is held or not enforced ended early: its outcome does not say so.
pub(super) fn unfinished(run: &Run, document: &Document) -> Option<String> {
    let End::Partial(why) = &run.end else { return None };
    // What has no room until an approval is told with what is held.
    let is_told = matches!(**why, Why::NoRoomYet) && document.outcome == Outcome::Held;
    (!is_told).then(|| format!("not finished: {}", why_partial(why)))
}

/// The same, as the end of a sentence.
pub(super) fn unfinished_after(document: &Document) -> String {
    document.unfinished.as_ref().map(|unfinished| format!("; {unfinished}")).unwrap_or_default()
}

fn partial(run: &Run, document: &Document, pending: usize) -> String {
    let why = match &run.end {
        End::Partial(why) => why_partial(why),
        End::Done | End::Blocked | End::Failed(_) => "not finished".to_owned(),
    };
    let left = pending.saturating_sub(document.writes.done + document.unsure);
    let made = made(document);
    match (run.command, left) {
        (Command::Plan, _) => why,
        (Command::Apply, 0) => format!("{why}; {made}"),
        (Command::Apply, left) => format!("{why}; {made}, {left} left to the next run"),
    }
}

/// `3 writes were made`, and how many more may have been.
fn made(document: &Document) -> String {
    match (document.writes.done, document.unsure) {
        (0, 1..) => format!("no write was confirmed{}", unknown(document)),
        (done, _) => format!("{} made{}", were(done), unknown(document)),
    }
}

/// `, the effect of 1 is unknown`, or nothing.
pub(super) fn unknown(document: &Document) -> String {
    match document.unsure {
        0 => String::new(),
        unsure => format!(", the effect of {unsure} is unknown"),
    }
}

/// What has no room until others are removed, perhaps those that wait for approval.
pub(super) fn without_room(document: &Document) -> String {
    let until = if document.held_removals().is_empty() { "others are removed" } else { "then" };
    match document.unplaced.len() {
        0 => String::new(),
        unplaced => format!("; no room for {} until {until}", counted(unplaced, "wanted CIDR")),
    }
}

/// What is known about access once everything is written: without a web ACL, a rule group lets no one in.
pub(super) fn in_force(document: &Document) -> &'static str {
    if !document.unread_web_acls.is_empty() {
        "wafsync's rules hold every wanted address and no other; a web ACL could not be read"
    } else if document.web_acls.is_empty() {
        "wafsync's rules hold every wanted address and no other; no web ACL was looked at"
    } else {
        "every wanted address is in force and no other"
    }
}

/// The web ACLs that do not enforce some of our rule groups; `None` if there is none.
pub(super) fn unenforced(document: &Document) -> Option<String> {
    let acls = document.web_acls.iter().filter(|acl| !acl.missing.is_empty());
    let acls: Vec<String> = acls
        .map(|acl| format!("web ACL {} does not enforce {}", crate::text::line(&acl.name), acl.missing.join(", ")))
        .collect();
    (!acls.is_empty()).then(|| acls.join("; "))
}

fn nothing_to_do(document: &Document) -> (Option<&'static str>, String) {
    let sentence = match document.deferred.len() {
        0 => "WAF holds exactly what the table asks for".to_owned(),
        1 => "1 unwanted CIDR stays until a later run can remove it safely".to_owned(),
        all => format!("{} unwanted CIDRs stay until a later run can remove them safely", grouped(all)),
    };
    (Some("nothing to do"), sentence)
}

fn were(writes: usize) -> String {
    match writes {
        0 => "no write was".to_owned(),
        1 => "1 write was".to_owned(),
        many => format!("{} were", counted(many, "write")),
    }
}

fn why_partial(why: &Why) -> String {
    match why {
        Why::Stopped(StopReason::Deadline) => "stopped before the deadline".to_owned(),
        Why::Stopped(StopReason::Signal) => "stopped by a signal".to_owned(),
        Why::Unconfirmed(error) => {
            format!("removals postponed: the confirming scan failed: {}", error.with_hint())
        }
        Why::NoTimeToConfirm => {
            "removals postponed: the confirming scan would begin after the deadline (raise --deadline or lower --settle)".to_owned()
        }
        Why::Propagating(error) => format!("AWS does not show all changes yet: {}", error.with_hint()),
        Why::Unread(error) => format!("some reads failed: {}", error.with_hint()),
        Why::Outdated(error) => format!("WAF changed meanwhile, or a write was not confirmed: {}", error.with_hint()),
        Why::KeptChanging => "WAF kept changing during the run".to_owned(),
        Why::NotSeen => "WAF does not show the last writes yet".to_owned(),
        Why::Deferred => "some unwanted addresses cannot be removed safely before a later run".to_owned(),
        Why::NoRoomYet => "some wanted addresses have no room until others are removed".to_owned(),
        Why::ForeignReference => {
            "a reference to an IP set that is not ours stays, because wanted addresses may be in force only by it; dropping it needs \
             another approval"
                .to_owned()
        }
    }
}
