//! Records each kind of exchange for checks outside this program, as one JSON object per line, in the file named by the
//! environment variable `WAFSYNC_EXCHANGES`.
//!
//! `tests/witness/model.py` checks the exchanges against AWS's own API model. Simulations make millions of exchanges
//! that differ only in ids, tokens and addresses. A process records only the first exchange of each [`shape`]. Answers
//! that a fault replaced with something AWS would never send are left out, and so are requests that may repeat them.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use crate::fault::FaultKind;
use crate::state::Answer;
use crate::wire::{Reply, Request, Service};

/// Names the file. If it is unset, nothing is recorded.
const VARIABLE: &str = "WAFSYNC_EXCHANGES";

/// The prefixes of error types.
const WAF: &[u8] = b"com.amazonaws.wafv2#";
const DYNAMODB: &[u8] = b"com.amazonaws.dynamodb";

/// The maximum length of a word that is kept unchanged.
const WORD: usize = 32;

struct Recorder {
    file: File,
    /// Hashes of whole exchanges. An exact duplicate is skipped before its shape is computed.
    known: HashSet<u64>,
    shapes: HashSet<u64>,
}

fn recorder() -> Option<&'static Mutex<Recorder>> {
    static RECORDER: OnceLock<Option<Mutex<Recorder>>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os(VARIABLE)?;
        let file =
            OpenOptions::new().create(true).append(true).open(path).expect("the file of exchanges can be opened");
        Some(Mutex::new(Recorder { file, known: HashSet::new(), shapes: HashSet::new() }))
    };
    RECORDER.get_or_init(open).as_ref()
}

/// Records one exchange, if recording is on. `garbled`: AWS would not give this answer.
pub(crate) fn record(request: &Request, answer: &Answer, fault: Option<&FaultKind>, garbled: bool) {
    let Some(recorder) = recorder().filter(|_| request.service != Service::Unknown && request.flaw.is_none()) else {
        return;
    };
    // Some faults are errors that no operation of the service has.
    let foreign = |reply: &Reply| {
        let others = if request.service == Service::DynamoDb { WAF } else { DYNAMODB };
        reply.status != 200 && reply.body.windows(others.len()).any(|part| part == others)
    };
    let reply = match answer {
        Answer::Whole(reply) if !matches!(fault, Some(FaultKind::Body(_) | FaultKind::Unavailable503)) => Some(reply),
        _ => None,
    };
    let reply = reply.filter(|reply| !foreign(reply));
    let status = reply.map_or(0, |reply| reply.status);
    let exchange = hash(&(&request.operation, request.hash, reply.map(|reply| &reply.body)));
    if !recorder.lock().unwrap_or_else(PoisonError::into_inner).known.insert(exchange) {
        return;
    }
    let injected = fault.is_some_and(|fault| !fault.is_no_failure());
    let shape = hash(&(shape_of(request, reply, garbled), injected));
    let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
    if !recorder.shapes.insert(shape) {
        return;
    }
    let text = |reply: &Reply| String::from_utf8_lossy(&reply.body).into_owned();
    let line = json!({
        "service": request.service.name(),
        "operation": request.operation,
        "request": (!garbled).then(|| Value::Object(request.body.clone())),
        "status": status,
        "answer": reply.map(text),
        "injected": injected,
    });
    // One write per line, because several processes append to the same file.
    let line = format!("{line}\n");
    recorder.file.write_all(line.as_bytes()).expect("an exchange can be recorded");
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A hash of the parts of an exchange that a check looks at.
fn shape_of(request: &Request, reply: Option<&Reply>, garbled: bool) -> u64 {
    let answer = reply.map(|reply| match serde_json::from_slice(&reply.body) {
        Ok(value) => shape(&value),
        Err(_) => hash(&classes(&String::from_utf8_lossy(&reply.body))),
    });
    let asked = (!garbled).then(|| shape_of_members(&request.body));
    hash(&(request.service.name(), &request.operation, asked, reply.map(|reply| reply.status), answer))
}

/// The shape of a value, as a hash. Two values have the same shape if no model of types, members, enums, patterns and
/// lengths can tell them apart. Ids, tokens, addresses, and the order and number of similar list entries make no
/// difference.
fn shape(value: &Value) -> u64 {
    match value {
        Value::Null => hash(&0),
        Value::Bool(_) => hash(&1),
        Value::Number(number) => hash(&(2, number.as_i64().map(|number| number.min(1_000)))),
        Value::String(text) => hash(&(3, classes(text))),
        Value::Array(list) => {
            let entries: BTreeSet<u64> = list.iter().map(shape).collect();
            hash(&(4, entries, list.len().next_power_of_two()))
        }
        Value::Object(members) => shape_of_members(members),
    }
}

fn shape_of_members(members: &Map<String, Value>) -> u64 {
    let members: BTreeSet<(u64, u64)> =
        members.iter().map(|(name, value)| (hash(&classes(name)), shape(value))).collect();
    hash(&(5, members))
}

/// The text with each character replaced by its class. Words in capitals, such as enum values, are kept.
fn classes(text: &str) -> String {
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if text.len() <= WORD && text.chars().all(capital) && text.contains(char::is_alphabetic) {
        return text.to_owned();
    }
    let class = |c: char| match c {
        '0'..='9' | 'a'..='f' => 'x',
        'g'..='z' => 'z',
        'A'..='Z' => 'Z',
        other => other,
    };
    text.chars().map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_that_a_model_can_tell_apart_have_different_shapes() {
        let like = |a: Value, b: Value| assert_eq!(shape(&a), shape(&b), "{a} {b}");
        let unlike = |a: Value, b: Value| assert_ne!(shape(&a), shape(&b), "{a} {b}");
        like(json!({"Id": "0f3a"}), json!({"Id": "9999"}));
        like(
            json!({"Addresses": ["192.0.2.1/32", "192.0.2.7/32"]}),
            json!({"Addresses": ["192.0.2.9/32", "192.0.2.3/32"]}),
        );
        like(json!({"b": 1, "a": 2}), json!({"a": 2, "b": 1}));
        unlike(json!({"Id": "0f3a"}), json!({"Id": "0f3"}));
        unlike(json!({"Id": "0f3a"}), json!({"Ids": "0f3a"}));
        unlike(json!({"Scope": "REGIONAL"}), json!({"Scope": "REGIONAM"}));
        unlike(json!({"Limit": 100}), json!({"Limit": 101}));
        unlike(json!({"Limit": 100}), json!({"Limit": "100"}));
        unlike(json!({"Addresses": []}), json!({"Addresses": ["192.0.2.1/32"]}));
        unlike(json!({"Addresses": null}), json!({}));
    }
}
