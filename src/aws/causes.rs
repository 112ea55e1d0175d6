//! The causes of an SDK error in one line, without the SDK's internals.

use std::error::Error;

/// The SDK's text between the name of an interceptor and its message.
const INTERCEPTOR: &str = "interceptor encountered an error";

/// The SDK's messages about the layers that an error passed through, which say nothing about the error.
const WRAPPERS: [&str; 7] =
    ["", "dispatch failure", "client error (Connect)", "client error (SendRequest)", "io error", "timeout", "other"];

/// The distinct causes of an error, outermost first, without the SDK's wrappers.
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

/// Removes the SDK's internals from a cause: the name of the interceptor, and requests and responses as values.
fn without_insides(part: &str) -> &str {
    let cause = part.split_once(INTERCEPTOR).map_or(part, |(_, cause)| cause.trim_start_matches([':', ' ']));
    let cause = cause.split_once(" to request `").map_or(cause, |(cause, _)| cause);
    cause.split_once(" Response {").map_or(cause, |(cause, _)| cause.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_insides_of_the_sdk_are_left_out() {
        for (said, shown) in [
            ("interceptor encountered an error: it was refused", "it was refused"),
            ("no such host to request `Request { uri: a }`", "no such host"),
            ("error response (code: 503). Response { status: 503, headers: {} }", "error response (code: 503)"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_insides(said), shown);
        }
    }
}
