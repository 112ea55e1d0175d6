//! The answer to an invocation: the document of a run, cut to Lambda's limit, with the totals of what was cut.

use serde::Serialize;

use crate::report::{Document, Names};

/// The most elements of a list; the next limit applies if the answer is still too large.
const LIMITS: [usize; 4] = [1000, 100, 10, 0];

/// The answer to an invocation.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    document: Document,
    /// Whether a list is shorter than its total.
    truncated: bool,
    totals: Totals,
}

/// The lengths of the lists before they were cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Totals {
    rejections: usize,
    ip_sets: usize,
    changes: usize,
    /// CIDRs that the changes add.
    add: usize,
    /// CIDRs that the changes remove.
    remove: usize,
    held: usize,
    deferred: usize,
    drift: usize,
    unplaced: usize,
}

impl Totals {
    fn of(document: &Document) -> Self {
        Self {
            rejections: document.table.rejections.len(),
            ip_sets: document.ip_sets.len(),
            changes: document.changes.len(),
            add: document.changes.iter().map(|change| cidrs(&change.add)).sum(),
            remove: document.changes.iter().map(|change| cidrs(&change.remove)).sum(),
            held: document.held.len(),
            deferred: document.deferred.len(),
            drift: document.drift.len(),
            unplaced: document.unplaced.len(),
        }
    }
}

impl Answer {
    /// Cuts the document's lists so that its JSON fits into this many bytes.
    pub(super) fn fitting(document: Document, bytes: usize) -> Self {
        let totals = Totals::of(&document);
        let mut answer = Self { document, truncated: false, totals };
        for limit in LIMITS {
            answer.truncated |= cut(&mut answer.document, limit);
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

/// The number of CIDRs in a list; 0 for a list of IP sets.
fn cidrs(names: &Names) -> usize {
    match names {
        Names::Cidrs(cidrs) => cidrs.len(),
        Names::IpSets(_) => 0,
    }
}

/// Cuts every list and returns whether any was longer.
fn cut(document: &mut Document, limit: usize) -> bool {
    let mut cut = document.table.rejections.len() > limit;
    if cut {
        // The scan's own list stays whole.
        document.table.rejections = document.table.rejections.iter().take(limit).cloned().collect::<Vec<_>>().into();
    }
    cut |= shorten(&mut document.ip_sets, limit);
    cut |= shorten(&mut document.changes, limit);
    for change in &mut document.changes {
        for names in [&mut change.add, &mut change.remove] {
            cut |= match names {
                Names::Cidrs(cidrs) => {
                    let longer = cidrs.len() > limit;
                    if longer {
                        *cidrs = cidrs.iter().take(limit).collect();
                    }
                    longer
                }
                Names::IpSets(sets) => shorten(sets, limit),
            };
        }
        change.wanted_by.truncate(limit);
    }
    for cidrs in [&mut document.held, &mut document.deferred, &mut document.drift, &mut document.unplaced] {
        cut |= shorten(cidrs, limit);
    }
    cut
}

fn shorten<T>(list: &mut Vec<T>, limit: usize) -> bool {
    let longer = list.len() > limit;
    list.truncate(limit);
    longer
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::cidr::Cidr;
    use crate::model::item::{Rejection, RejectionReason};
    use crate::model::spec::WriteKind;
    use crate::report::Write;

    fn cidrs(count: u32) -> Vec<Cidr> {
        (0..count).map(|n| Cidr::parse(&std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string()).unwrap()).collect()
    }

    fn change(add: u32, remove: u32) -> Write {
        Write {
            kind: WriteKind::UpdateIpSet,
            target: "wafsync-ipv4-000".to_owned(),
            add: Names::Cidrs(cidrs(add).into()),
            wanted_by: (0..add).map(|_| None).collect(),
            remove: Names::Cidrs(cidrs(remove).into()),
            written: false,
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
        document.changes = vec![change(1600, 0), change(600, 10), change(10, 2000)];
        document.held = cidrs(1001);
        let answer = Answer::fitting(document, 1_000_000);
        let lengths = |names: fn(&Write) -> &Names| {
            answer.document.changes.iter().map(|change| names(change).len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(|change| &change.add), [1000, 600, 10]);
        assert_eq!(lengths(|change| &change.remove), [0, 10, 1000]);
        assert_eq!(answer.document.changes[0].wanted_by.len(), 1000);
        assert_eq!(answer.document.held.len(), 1000);
        let Totals { changes, add, remove, held, .. } = answer.totals;
        assert_eq!((answer.truncated, changes, add, remove, held), (true, 3, 2210, 2010, 1001));
    }

    #[test]
    fn what_is_still_too_long_is_cut_further() {
        let mut document = Document::failed("");
        let rejected = Rejection {
            key: "k".repeat(2000).into(),
            value: "".into(),
            reason: RejectionReason::NotAnArray,
            ignored: false,
        };
        document.table.rejections = vec![rejected; 1000].into();
        let answer = Answer::fitting(document, 300_000);
        assert_eq!((answer.document.table.rejections.len(), answer.totals.rejections), (100, 1000));
        assert!(answer.truncated && answer.to_json().len() <= 300_000);
    }
}
