//! Joins a message and its hint, which are kept apart until they are displayed.

/// Separates a message from its hint on one line.
const HINT: &str = "; hint: ";

/// A message, with its hint on the same line if it has one.
#[must_use]
pub fn with_hint(message: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{}{HINT}{hint}", message.trim_end_matches('.')),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_follows_its_message_on_the_same_line() {
        assert_eq!(with_hint("Access denied.", Some("ask")), "Access denied; hint: ask");
        assert_eq!(with_hint("Access denied.", None), "Access denied.");
    }
}
