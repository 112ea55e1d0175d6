//! The causes of an error of the SDK in one line, without what it says of its own insides.

use std::error::Error;

/// What the SDK puts between the name of one of its hooks and what that hook said.
const INTERCEPTOR: &str = "interceptor encountered an error";

/// What the SDK says of the layer an error passed through, which says nothing of the error.
const WRAPPERS: [&str; 7] =
    ["", "dispatch failure", "client error (Connect)", "client error (SendRequest)", "io error", "timeout", "other"];

/// The causes of an error, each once, outermost first; the SDK's own wrappers say nothing.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        let part = without_insides(&part);
        if !WRAPPERS.contains(&part) && !parts.iter().any(|known| known.contains(part)) {
            parts.push(part.to_owned());
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

/// What the SDK says of its own insides says nothing to people: which hook of it failed, and the request as a value.
fn without_insides(part: &str) -> &str {
    let cause = part.split_once(INTERCEPTOR).map_or(part, |(_, cause)| cause.trim_start_matches([':', ' ']));
    cause.split_once(" to request `").map_or(cause, |(cause, _)| cause)
}
