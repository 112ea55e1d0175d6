//! The document of a run, cut to what an invocation may answer, with the totals of what was cut.

use serde::Serialize;

use crate::report::{Document, Names};

/// Entries of a list; fewer where that is still too much text.
const LIMITS: [usize; 4] = [1000, 100, 10, 0];

/// What an invocation answers.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    document: Document,
    /// Whether a list is shorter than its total.
    truncated: bool,
    totals: Totals,
}

/// How long the lists were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Totals {
    rejections: usize,
    ip_sets: usize,
    changes: usize,
    /// Of all changes.
    add: usize,
    /// Of all changes.
    remove: usize,
    held: usize,
    deferred: usize,
    drift: usize,
}

impl Totals {
    fn of(document: &Document) -> Self {
        Self {
            rejections: document.table.rejections.len(),
            ip_sets: document.ip_sets.len(),
            changes: document.changes.len(),
            add: document.changes.iter().map(|change| change.add.len()).sum(),
            remove: document.changes.iter().map(|change| change.remove.len()).sum(),
            held: document.held.len(),
            deferred: document.deferred.len(),
            drift: document.drift.len(),
        }
    }
}

impl Answer {
    /// The document with lists as long as fit into so many bytes of JSON, a thousand at most.
    pub(super) fn fitting(document: Document, bytes: usize) -> Self {
        let totals = Totals::of(&document);
        let mut answer = Self { document, truncated: false, totals };
        for limit in LIMITS {
            cut(&mut answer.document, limit);
            answer.truncated = Totals::of(&answer.document) != totals;
            if answer.to_json().len() <= bytes {
                break;
            }
        }
        answer
    }

    pub(super) fn to_json(&self) -> String {
        // Maps have text keys and numbers are finite, so this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Cuts every list; what the changes add counts as one list, and so does what they remove.
fn cut(document: &mut Document, limit: usize) {
    document.table.rejections.truncate(limit);
    document.ip_sets.truncate(limit);
    document.changes.truncate(limit);
    let (mut add, mut remove) = (limit, limit);
    for change in &mut document.changes {
        take(&mut change.add, &mut add);
        take(&mut change.remove, &mut remove);
    }
    for cidrs in [&mut document.held, &mut document.deferred, &mut document.drift] {
        cidrs.truncate(limit);
    }
}

/// Leaves as many as are left, and takes them off.
fn take(names: &mut Names, left: &mut usize) {
    match names {
        Names::Cidrs(cidrs) => cidrs.truncate(*left),
        Names::IpSets(sets) => sets.truncate(*left),
    }
    *left -= names.len();
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cidr::Cidr;
    use crate::report::{Rejected, Write};

    fn cidrs(count: u32) -> Vec<Cidr> {
        (0..count).map(|n| Cidr::parse(&std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string()).unwrap()).collect()
    }

    fn change(add: u32, remove: u32) -> Write {
        Write {
            kind: "update_ip_set",
            target: "wafsync-ipv4-000".to_owned(),
            add: Names::Cidrs(cidrs(add)),
            remove: Names::Cidrs(cidrs(remove)),
        }
    }

    #[test]
    fn a_small_document_stays_as_it_is() {
        let mut document = Document::failed("denied");
        document.changes = vec![change(1000, 3)];
        let whole = serde_json::to_value(&document).unwrap();
        let answer: Value = serde_json::to_value(Answer::fitting(document, 1_000_000)).unwrap();
        for (key, value) in whole.as_object().unwrap() {
            assert_eq!(&answer[key], value, "{key}");
        }
        assert_eq!((&answer["truncated"], &answer["totals"]["add"]), (&false.into(), &1000.into()));
    }

    #[test]
    fn lists_are_cut_to_a_thousand_and_their_totals_told() {
        let mut document = Document::failed("");
        document.changes = vec![change(600, 0), change(600, 10), change(10, 2000)];
        document.held = cidrs(1001);
        let answer = Answer::fitting(document, 1_000_000);
        let lengths = |names: fn(&Write) -> &Names| {
            answer.document.changes.iter().map(|change| names(change).len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(|change| &change.add), [600, 400, 0]);
        assert_eq!(lengths(|change| &change.remove), [0, 10, 990]);
        assert_eq!(answer.document.held.len(), 1000);
        let Totals { changes, add, remove, held, .. } = answer.totals;
        assert_eq!((answer.truncated, changes, add, remove, held), (true, 3, 1210, 2010, 1001));
    }

    #[test]
    fn what_is_still_too_long_is_cut_further() {
        let mut document = Document::failed("");
        let rejected = Rejected { key: "k".repeat(2000), value: String::new(), reason: String::new(), ignored: false };
        document.table.rejections = vec![rejected; 1000];
        let answer = Answer::fitting(document, 300_000);
        assert_eq!((answer.document.table.rejections.len(), answer.totals.rejections), (100, 1000));
        assert!(answer.truncated && answer.to_json().len() <= 300_000);
    }
}
