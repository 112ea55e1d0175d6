//! The verdict on a run with its totals, the cost, and what to do next.

use super::context::Context;
use super::counts::{added, removed};
use super::document::Document;
use super::reason::{in_force, unenforced, unfinished_after, unknown, without_room};
use super::style::Tone;
use crate::run::outcome::Outcome;
use crate::run::record::Command;
use crate::text::number::{counted, grouped, seconds};

/// The verdict, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// One or two words in capitals.
    pub(super) word: String,
    /// Its color.
    pub(super) tone: Tone,
    /// The sentence after it, without a full stop.
    pub(super) sentence: String,
}

/// What to do next, which depends on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The instruction; ends with a colon if something to paste follows.
    pub(super) lead: String,
    /// Whether it is a warning.
    pub(super) grave: bool,
    /// Text to paste.
    pub(super) paste: Option<String>,
}

/// The verdict on a run.
pub(super) fn verdict(document: &Document, command: Command) -> Verdict {
    let of = |word: &str, tone, sentence: String| Verdict { word: word.to_owned(), tone, sentence };
    match (command, document.outcome) {
        (Command::Plan, Outcome::Planned) => planned(document),
        // Without a confirmed write, the sentence says what is known.
        (Command::Apply, Outcome::Changed) if document.writes.done > 0 => {
            let written = moves(document, command) + &unknown(document);
            of("CHANGED", Tone::Good, format!("{written}; {}", in_force(document)))
        }
        (Command::Apply, Outcome::Held) if !document.held.is_empty() && !document.is_blocked() => {
            let written = match (document.writes.done, document.unsure) {
                (0, 1..) => "no write was confirmed".to_owned(),
                _ => moves(document, command),
            } + &unknown(document);
            let waits = waits(document, "waits", "wait");
            of("HELD", Tone::Warning, format!("{written}; {waits}{}", unfinished_after(document)))
        }
        (_, outcome) => {
            let word = outcome.to_string();
            of(&word.to_uppercase(), tone(outcome), document.sentence.clone())
        }
    }
}

/// The color of an outcome.
pub(super) const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Converged | Outcome::Changed | Outcome::Planned => Tone::Good,
        Outcome::Blocked | Outcome::Held | Outcome::Unenforced | Outcome::Partial => Tone::Warning,
        Outcome::Failed => Tone::Bad,
    }
}

fn planned(document: &Document) -> Verdict {
    let of = |word: &str, tone, sentence: String| Verdict { word: word.to_owned(), tone, sentence };
    let moves = moves(document, Command::Plan);
    let unenforced = unenforced(document).map(|acls| format!("; but {acls}")).unwrap_or_default();
    let good = if unenforced.is_empty() { Tone::Good } else { Tone::Warning };
    if document.is_blocked() {
        let removed = removed(document, Command::Plan);
        let waits = match removed.ipv4 + removed.ipv6 {
            0 => moves,
            removed => counted(removed, "removal"),
        };
        of("BLOCKED", Tone::Warning, format!("nothing is written without approval: {waits}"))
    } else if document.is_guarded() && !document.held.is_empty() {
        let add = added(document, Command::Plan);
        let now = match (add.ipv4 + add.ipv6, document.changes.len()) {
            (0, 0) => "nothing to write now".to_owned(),
            (0, _) => format!("{} now", counted(document.writes.planned, "write")),
            (add, _) => format!("{} to add now", grouped(add)),
        };
        of("HELD", Tone::Warning, format!("{now}; {}", waits(document, "needs", "need")))
    } else if !document.changes.is_empty() {
        of("PLANNED", good, format!("{moves}{unenforced}"))
    } else {
        of("NOTHING TO DO", good, document.sentence.clone())
    }
}

/// `15 removals wait for approval`, and what has no room until then.
fn waits(document: &Document, one: &str, many: &str) -> String {
    let verb = if document.held.len() == 1 { one } else { many };
    let of = if verb.starts_with("need") { "" } else { " for" };
    format!("{} {verb}{of} approval{}", document.held_in_words().0, without_room(document))
}

/// `3 to add, 1 to remove` or `3 added, 1 removed`, or the number of writes if no CIDR changes.
fn moves(document: &Document, command: Command) -> String {
    let (add, remove) = (added(document, command), removed(document, command));
    let (to_add, to_remove) = match command {
        Command::Plan => ("to add", "to remove"),
        Command::Apply => ("added", "removed"),
    };
    let parts = [(add.ipv4 + add.ipv6, to_add), (remove.ipv4 + remove.ipv6, to_remove)];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    let writes = match command {
        Command::Plan => document.writes.planned,
        Command::Apply => document.writes.done,
    };
    match (parts.is_empty(), writes) {
        (false, _) => parts.join(", "),
        (true, 0) => "nothing written".to_owned(),
        (true, writes) => format!("{} without a new or a removed CIDR", counted(writes, "write")),
    }
}

/// `6 writes, the fewest possible, about 35s.`; empty if there is nothing to write and nothing to approve.
pub(super) fn cost(document: &Document, command: Command) -> String {
    let mut sentences = Vec::new();
    let writes = document.writes;
    // The sentence has the writes of a run that is not done, and approving a blocked plan costs the whole plan.
    let tells_writes = matches!(document.outcome, Outcome::Unenforced | Outcome::Partial) || document.unsure > 0;
    let is_told = tells_writes && command == Command::Apply;
    if writes.planned > 0 && !document.is_blocked() && !is_told {
        let fewest = if writes.planned == writes.minimum {
            ", the fewest possible".to_owned()
        } else {
            format!(", at least {} needed", grouped(writes.minimum))
        };
        sentences.push(match command {
            Command::Plan => {
                format!("{}{fewest}, about {}.", counted(writes.planned, "write"), seconds(document.estimate_seconds))
            }
            Command::Apply if writes.done == writes.planned => {
                format!("{} made{fewest}.", counted(writes.done, "write"))
            }
            Command::Apply => {
                format!("{} of {} made{fewest}.", grouped(writes.done), counted(writes.planned, "write"))
            }
        });
    }
    if document.can_be_approved() {
        let (writes, time) = (document.approval_writes, seconds(document.approval_seconds));
        let adds = if document.is_blocked() { "takes" } else { "adds" };
        sentences.push(match writes {
            0 => format!("Approving adds no write, and about {time}."),
            writes => format!("Approving {adds} {}, about {time}.", counted(writes, "write")),
        });
    }
    sentences.join(" ")
}

/// What to do next; `None` if there is nothing to do.
pub(super) fn next(document: &Document, context: Context<'_>) -> Option<Next> {
    let plain = |lead: &str, paste| Next { lead: lead.to_owned(), grave: false, paste };
    if let Some(paste) = context.approval(document) {
        return Some(match lockout(document) {
            Some(warning) => {
                Next { lead: format!("{warning} Only if that is what you want:"), grave: true, paste: Some(paste) }
            }
            None => plain("To approve exactly this, after reading it:", Some(paste)),
        });
    }
    match (context.command, document.outcome) {
        (Command::Plan, Outcome::Planned) if !document.changes.is_empty() && !context.asks => {
            Some(plain("To carry it out:", Some(context.approving.apply())))
        }
        (_, Outcome::Unenforced) => Some(plain(
            "To see what to change in the web ACL, with the settings of this run:",
            Some("wafsync check".to_owned()),
        )),
        _ => None,
    }
}

/// `Approving locks out all 25,000 IPv4 addresses.`; `None` if it does not.
#[must_use]
pub fn lockout(document: &Document) -> Option<String> {
    let lockout = document.lockout.filter(|_| document.is_guarded())?;
    let family = lockout.family.map(|family| format!(" {}", family.title())).unwrap_or_default();
    Some(match lockout.cidrs {
        1 => format!("Approving locks out the only{family} address in force."),
        all => format!("Approving locks out all {}{family} addresses.", grouped(all)),
    })
}
