//! The source of each lock token: it must come from the read that showed the contents on which the write is based.

use std::collections::{BTreeMap, BTreeSet};

use wafsync_test_aws::{Attempt, Outcome};

/// What a run has read and written since it listed the resources of a kind.
#[derive(Default)]
pub(super) struct Reads {
    /// By kind, such as `IPSet`: the number of the newest call that listed it.
    listed: BTreeMap<String, usize>,
    /// The kinds with a write since.
    written: BTreeSet<String>,
    /// By kind and name.
    read: BTreeMap<(String, String), Read>,
}

#[derive(Default)]
struct Read {
    /// The number of reads that showed it.
    shown: usize,
    /// Whether a fault hit one of the reads, so another followed.
    struck: bool,
    /// Whether a read came after a write of its kind.
    late: bool,
}

impl Reads {
    /// Follows one more call. Returns whether it is an update whose token was not read with the rest of its round.
    pub(super) fn follow(&mut self, attempt: &Attempt) -> bool {
        let Attempt { operation, target, .. } = attempt;
        let ok = attempt.outcome == Outcome::Ok;
        if let Some(kind) = operation.strip_prefix("List") {
            if ok && attempt.request.get("NextMarker").is_none() {
                let kind = kind.trim_end_matches('s');
                self.listed.insert(kind.to_owned(), attempt.index);
                self.written.remove(kind);
                self.read.retain(|(known, _), _| known != kind);
            }
        } else if let Some(kind) = operation.strip_prefix("Get") {
            let late = self.written.contains(kind);
            let read = self.read.entry((kind.to_owned(), target.clone())).or_default();
            read.struck |= attempt.fault.is_some();
            read.shown += usize::from(ok);
            read.late |= late;
        } else if let Some(kind) = operation.strip_prefix("Update") {
            let read = self.read.get(&(kind.to_owned(), target.clone()));
            let apart = read.is_some_and(|read| read.late || read.shown > 1 && !read.struck);
            self.writes(kind, attempt);
            return apart;
        } else if let Some(kind) = operation.strip_prefix("Create") {
            self.writes(kind, attempt);
        }
        false
    }

    /// Records a write, unless it was sent before the list and only delayed.
    fn writes(&mut self, kind: &str, attempt: &Attempt) {
        if self.listed.get(kind).is_none_or(|listed| attempt.index > *listed) {
            self.written.insert(kind.to_owned());
        }
    }
}
