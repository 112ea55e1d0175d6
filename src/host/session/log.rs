//! Logs the end of a run: its outcome, what waits for approval and why, how to approve it, and the numbers.
//!
//! A scheduled Lambda function has no other output. A long-lived process logs what waits once, and after that only the
//! outcome until something changes.

use tracing::{error, info, warn};

use super::FOR_PROGRAMS;
use crate::metrics::Facts;
use crate::model::cidr::Cidr;
use crate::model::item::Rejection;
use crate::report::{Acl, Command, Document, lockout, ranges_in_words};
use crate::run::outcome::Outcome;
use crate::text;
use crate::text::number::{duration, grouped};

/// The most rejections that are logged one by one.
const REJECTIONS: usize = 4;

/// The most bytes of a list in one line. All lines about a hold stay below 4 KB.
const LIST: usize = 400;

/// The most characters of foreign text in one field.
const FIELD: usize = 80;

/// The most ranges of addresses in one list.
const RANGES: usize = 12;

/// The last logged state, so that it is not repeated.
#[derive(Debug, Default)]
pub(super) struct Said(Option<Waiting>);

/// What waits for approval, to detect changes.
#[derive(Debug, PartialEq)]
struct Waiting {
    outcome: Outcome,
    digest: Option<String>,
    reasons: Vec<String>,
    counts: [usize; 4],
    missing: Vec<Acl>,
}

impl Waiting {
    /// `None` if nothing waits.
    fn of(document: &Document) -> Option<Self> {
        let lists = [&document.held, &document.deferred, &document.unplaced];
        let missing: Vec<Acl> = document.web_acls.iter().filter(|acl| !acl.missing.is_empty()).cloned().collect();
        let rejections = document.table.rejections.len();
        let nothing = lists.iter().all(|list| list.is_empty()) && rejections == 0 && missing.is_empty();
        if nothing && !document.is_guarded() {
            return None;
        }
        let [held, deferred, unplaced] = lists.map(Vec::len);
        Some(Self {
            outcome: document.outcome,
            digest: document.digest.clone().filter(|_| document.is_guarded()),
            reasons: document.guard.reasons.clone(),
            counts: [held, deferred, unplaced, rejections],
            missing,
        })
    }
}

/// Logs the outcome in a line; for programs also what waits, unless that is unchanged, and the numbers.
pub(super) fn ended(said: &mut Said, command: Command, document: &Document, facts: &Facts) {
    let (outcome, writes) = (document.outcome, document.writes.done);
    let waiting = Waiting::of(document);
    let again = waiting.is_some() && said.0 == waiting;
    match (&document.error, command) {
        (Some(error), Command::Plan) => error!("{error}"),
        (Some(error), Command::Apply) => error!(%outcome, writes, "{error}"),
        (None, Command::Plan) => {}
        // The result says the same to a person.
        (None, Command::Apply) if outcome.exit_code() == 0 => {
            info!(target: FOR_PROGRAMS, %outcome, writes, "{}", document.reason);
        }
        (None, Command::Apply) if again => {
            warn!(target: FOR_PROGRAMS, %outcome, writes, "{}; as after the run before", document.reason);
        }
        // A person or the next run has to act.
        (None, Command::Apply) => warn!(%outcome, writes, "{}", document.reason),
    }
    said.0 = waiting;
    if !again {
        details(document);
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
        took = %duration(facts.duration),
        "the run has ended"
    );
}

/// Logs what waits, why, and how to approve it. In a terminal the result shows this.
fn details(document: &Document) {
    if document.is_guarded() {
        for reason in &document.guard.reasons {
            let guard = document.guard.verdict.as_str();
            warn!(target: FOR_PROGRAMS, guard, digest = document.digest, "{reason}");
        }
    }
    rejections(&document.table.rejections);
    held(document);
    waiting(&document.deferred, "deferred to a later run");
    waiting(&document.unplaced, "wanted, but without room");
    for acl in document.web_acls.iter().filter(|acl| !acl.missing.is_empty()) {
        references(acl);
    }
    match (&document.guard.approve, lockout(document)) {
        (Some(approve), Some(warning)) => {
            warn!(target: FOR_PROGRAMS, approve, "{warning} Only if that is what you want");
        }
        (Some(approve), None) => info!(target: FOR_PROGRAMS, approve, "to approve exactly this, after reading it"),
        (None, _) => {}
    }
}

/// Logs rejections, first those that hold something back.
fn rejections(rejections: &[Rejection]) {
    let (known, others): (Vec<_>, Vec<_>) = rejections.iter().partition(|rejection| rejection.ignored);
    for Rejection { key, value, reason, ignored } in others.into_iter().chain(known).take(REJECTIONS) {
        let (key, value, reason) = (field(key), field(value), reason.to_string());
        let reason = text::line(&reason);
        info!(target: FOR_PROGRAMS, key, value, %reason, ignored, "rejected");
    }
    let more = rejections.len().saturating_sub(REJECTIONS);
    if more > 0 {
        info!(target: FOR_PROGRAMS, more, "more rejections: `plan --full` lists them");
    }
}

/// Logs the held CIDRs: their number in each IP set, and their ranges.
fn held(document: &Document) {
    if document.held.is_empty() {
        return;
    }
    let sets = document.held_in.iter().map(|held| format!("{} {}", held.ip_set, grouped(held.cidrs.len())));
    info!(
        target: FOR_PROGRAMS,
        removals = document.held.len() - document.waiting.len(),
        additions = document.waiting.len(),
        ip_sets = bounded(sets),
        ranges = told(&document.held),
        "held"
    );
}

fn waiting(cidrs: &[Cidr], what: &str) {
    if !cidrs.is_empty() {
        info!(target: FOR_PROGRAMS, cidrs = cidrs.len(), ranges = told(cidrs), "{what}");
    }
}

fn references(acl: &Acl) {
    let (web_acl, overridden) = (text::line(&acl.name), acl.overridden.join(" "));
    warn!(target: FOR_PROGRAMS, %web_acl, missing = acl.missing.join(" "), overridden, "not enforced");
}

fn told(cidrs: &[Cidr]) -> String {
    bounded(ranges_in_words(cidrs.iter().copied(), RANGES).into_iter())
}

/// Joins as many as fit with commas, followed by the number of the rest.
fn bounded(all: impl ExactSizeIterator<Item = String>) -> String {
    let (mut list, mut left) = (String::new(), all.len());
    for one in all {
        let comma = if list.is_empty() { "" } else { ", " };
        if list.len() + comma.len() + one.len() > LIST {
            return format!("{list}{comma}{left} more");
        }
        list = list + comma + &one;
        left -= 1;
    }
    list
}

fn field(foreign: &str) -> String {
    let safe = text::line(foreign);
    match safe.char_indices().nth(FIELD) {
        Some((end, _)) => format!("{}…", safe.get(..end).unwrap_or_default()),
        None => safe.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_process_that_lives_on_tells_an_unchanged_hold_in_a_line() {
        let facts = Facts {
            began: 0,
            duration: Duration::from_millis(29_793),
            throttled: 0,
            conflicts: 0,
            in_force: None,
            writes: BTreeMap::new(),
            drift_removed: 0,
            above_minimum: 0,
        };
        let mut document = Document::failed("");
        (document.outcome, document.error) = (Outcome::Held, None);
        document.reason = "held: 1 removal waits for approval".to_owned();
        document.held = vec![Cidr::parse("198.51.100.7").unwrap()];
        let (memory, mut said) = (Memory::default(), Said::default());
        let writer = memory.clone();
        let subscriber = tracing_subscriber::fmt().without_time().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            ended(&mut said, Command::Apply, &document, &facts);
            ended(&mut said, Command::Apply, &document, &facts);
        });
        let log = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 5, "{log}");
        assert!(lines[1].contains("held removals=1"), "{log}");
        assert!(lines[3].contains("held: 1 removal waits for approval; as after the run before"), "{log}");
        assert!(lines[4].contains("took=30s"), "{log}");
    }

    #[test]
    fn a_long_list_is_cut_between_its_entries() {
        let sets = |count: usize| (0..count).map(|number| format!("wafsync-ipv4-{number:03} 10,000"));
        assert_eq!(bounded(sets(2)), "wafsync-ipv4-000 10,000, wafsync-ipv4-001 10,000");
        let cut = bounded(sets(100));
        assert!(cut.len() < LIST + 20 && cut.ends_with("wafsync-ipv4-015 10,000, 84 more"), "{cut}");
    }

    #[test]
    fn a_long_key_is_cut() {
        assert_eq!(field("cluster-7"), "cluster-7");
        assert_eq!(field(&"k".repeat(2_000)).chars().count(), FIELD + 1);
    }

    #[test]
    fn what_waits_is_news_only_when_it_changes() {
        let mut document = Document::failed("");
        assert_eq!(Waiting::of(&document), None);
        document.held = vec![Cidr::parse("198.51.100.7").unwrap()];
        let before = Waiting::of(&document);
        assert!(before.is_some() && before == Waiting::of(&document));
        document.held.push(Cidr::parse("198.51.100.8").unwrap());
        assert_ne!(before, Waiting::of(&document));
    }
}
