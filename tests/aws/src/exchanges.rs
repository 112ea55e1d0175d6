//! A record of every exchange for a judge outside this program: one JSON object a line, in the file that the environment
//! variable `WAFSYNC_EXCHANGES` names.
//!
//! `tests/witness/model.py` holds it to AWS's own model of its APIs. An answer that a fault replaced with what AWS would
//! never say is left out, and so are requests that may repeat it.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};

use crate::fault::FaultKind;
use crate::state::Answer;
use crate::wire::{Reply, Request, Service};

/// Names the file; without it nothing is recorded.
const VARIABLE: &str = "WAFSYNC_EXCHANGES";

/// Exchanges of one operation and status that a process records; simulations make millions that differ in tokens alone.
const OF_A_KIND: usize = 2_000;

struct Recorder {
    file: File,
    seen: HashSet<u64>,
    kinds: BTreeMap<(String, u16), usize>,
}

fn recorder() -> Option<&'static Mutex<Recorder>> {
    static RECORDER: OnceLock<Option<Mutex<Recorder>>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os(VARIABLE)?;
        let file =
            OpenOptions::new().create(true).append(true).open(path).expect("the file of exchanges can be opened");
        Some(Mutex::new(Recorder { file, seen: HashSet::new(), kinds: BTreeMap::new() }))
    };
    RECORDER.get_or_init(open).as_ref()
}

/// Records one exchange if somebody asks for it. `garbled`: the caller was told what AWS would not say.
pub(crate) fn record(request: &Request, answer: &Answer, fault: Option<&FaultKind>, garbled: bool) {
    let Some(recorder) = recorder().filter(|_| request.service != Service::Unknown && request.flaw.is_none()) else {
        return;
    };
    let reply = match answer {
        Answer::Whole(reply) if !matches!(fault, Some(FaultKind::Body(_) | FaultKind::Unavailable503)) => Some(reply),
        _ => None,
    };
    let status = reply.map_or(0, |reply| reply.status);
    let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    let mut hash = DefaultHasher::new();
    (&request.operation, request.hash, reply.map(|reply| &reply.body)).hash(&mut hash);
    if !recorder.seen.insert(hash.finish()) {
        return;
    }
    let kind = recorder.kinds.entry((request.operation.clone(), status)).or_default();
    *kind += 1;
    if *kind > OF_A_KIND {
        return;
    }
    let text = |reply: &Reply| String::from_utf8_lossy(&reply.body).into_owned();
    let line = json!({
        "service": request.service.name(),
        "operation": request.operation,
        "request": (!garbled).then(|| Value::Object(request.body.clone())),
        "status": status,
        "answer": reply.map(text),
    });
    // One write for each line: several processes append to the same file.
    let line = format!("{line}\n");
    recorder.file.write_all(line.as_bytes()).expect("an exchange can be recorded");
}
