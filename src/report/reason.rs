//! Why a run ended as it did, in a sentence for people.

use super::document::Document;
use crate::planning::guard::Verdict;
use crate::run::end::{End, Why};
use crate::run::outcome::Outcome;
use crate::run::record::{Command, Run};
use crate::stop::StopReason;
use crate::text::number::counted;

/// Why a run ended as it did: one sentence, without a full stop.
pub(super) fn reason(run: &Run, document: &Document) -> String {
    let pending = document.changes.len();
    match document.outcome {
        Outcome::Failed => format!("failed: {}", document.error.as_deref().unwrap_or("no further word")),
        Outcome::Planned if document.guard.verdict == Verdict::Blocked => {
            "blocked: nothing would be written before a person has looked".to_owned()
        }
        Outcome::Planned if !document.held.is_empty() => {
            format!(
                "held: {} would wait for a person; {} would be made",
                document.held_in_words().0,
                if pending == 0 { "no write".to_owned() } else { counted(pending, "write") },
            ) + &without_room(document)
        }
        Outcome::Planned => {
            let unenforced = unenforced(document).map(|acls| format!("; but {acls}")).unwrap_or_default();
            match pending {
                0 => nothing_to_do(document) + &unenforced,
                _ => format!("{} would bring WAF in step with the table{unenforced}", counted(pending, "write")),
            }
        }
        Outcome::Blocked => "blocked: nothing was written, a person has to look first".to_owned(),
        Outcome::Held if matches!(run.end, End::Blocked) => format!(
            "held: after {} WAF was edited by somebody else, and what is left to do needs a person",
            counted(document.writes.done, "write")
        ),
        Outcome::Held => format!(
            "held: {} for a person; {} made{}",
            match document.held_in_words() {
                (what, 1) => format!("{what} waits"),
                (what, _) => format!("{what} wait"),
            },
            were(document.writes.done),
            without_room(document)
        ),
        Outcome::Unenforced => {
            let acls = unenforced(document).unwrap_or_default();
            format!("unenforced: {acls}; {} made", were(document.writes.done))
        }
        Outcome::Partial => match &run.end {
            End::Partial(why) => {
                let unknown = run.writes_unsure();
                let left = pending.saturating_sub(document.writes.done + unknown);
                let unknown = match unknown {
                    0 => String::new(),
                    unknown => format!(", what became of {unknown} is not known"),
                };
                let made = match (run.command, left) {
                    (Command::Plan, _) => String::new(),
                    (Command::Apply, 0) => format!("; {} made{unknown}", were(document.writes.done)),
                    (Command::Apply, left) => {
                        format!("; {} made{unknown}, {left} left to the next run", were(document.writes.done))
                    }
                };
                format!("partial: {}{made}", why_partial(why))
            }
            _ => "partial".to_owned(),
        },
        Outcome::Changed => {
            format!("changed: {} made; every wanted address is in force and no other", were(document.writes.done))
        }
        Outcome::Converged => nothing_to_do(document),
    }
}

/// What is shut out until the removals that wait are approved.
fn without_room(document: &Document) -> String {
    match document.unplaced.len() {
        0 => String::new(),
        unplaced => format!("; there is no room for {} until then", counted(unplaced, "wanted CIDR")),
    }
}

/// Which web ACLs let nobody in by which of our rule groups.
fn unenforced(document: &Document) -> Option<String> {
    let acls = document.web_acls.iter().filter(|acl| !acl.missing.is_empty());
    let acls: Vec<String> = acls
        .map(|acl| format!("web ACL {} does not enforce {}", crate::text::line(&acl.name), acl.missing.join(", ")))
        .collect();
    (!acls.is_empty()).then(|| acls.join("; "))
}

fn nothing_to_do(document: &Document) -> String {
    if document.deferred.is_empty() {
        "nothing to do: WAF holds exactly what the table asks for".to_owned()
    } else {
        "nothing to do in this run: what is deferred goes in a later one".to_owned()
    }
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
        Why::Stopped(StopReason::Deadline) => "the deadline was near".to_owned(),
        Why::Stopped(StopReason::Signal) => "asked to stop".to_owned(),
        Why::Unconfirmed(error) => {
            format!("removals wait, for the scan that has to confirm them failed: {}", error.with_hint())
        }
        Why::NoTimeToConfirm => {
            "removals wait, for the scan that has to confirm them would begin after the deadline".to_owned()
        }
        Why::Propagating(error) => format!("AWS has not spread a new IP set yet: {}", error.with_hint()),
        Why::Unread(error) => format!("not everything could be read this time: {}", error.with_hint()),
        Why::Outdated(error) => format!("somebody else kept writing, or AWS kept refusing: {}", error.with_hint()),
        Why::KeptChanging => "WAF kept changing while wafsync wrote".to_owned(),
        Why::NotSeen => "what was written does not show in WAF yet".to_owned(),
        Why::Deferred => "unwanted addresses that cannot go safely yet stay in force until a later run".to_owned(),
        Why::NoRoomYet => "wanted addresses wait for the room that others leave".to_owned(),
    }
}
