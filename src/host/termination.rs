//! Writes outcome and report to Kubernetes' termination log: `kubectl describe pod` shows them even when the log is gone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use tracing::debug;

use crate::report::Document;

/// The default `terminationMessagePath` of a container.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The most bytes that Kubernetes shows.
const MAX_LINE: usize = 4096;

/// Writes the outcome and the report; does nothing where the file does not exist, which is everywhere else.
pub(super) fn log(document: &Document, report: &str) {
    write(Path::new(TERMINATION_LOG), with_report(outcome(document), report));
}

/// The outcome, then as many of the report's last lines as fit: the verdict is at its end.
fn with_report(mut outcome: String, report: &str) -> String {
    let room = MAX_LINE.saturating_sub(outcome.len() + "\n\n\n".len());
    let report = report.trim_end();
    let from = report.len().saturating_sub(room);
    let starts = std::iter::once(0).chain(report.match_indices('\n').map(|(at, _)| at + 1));
    if let Some(tail) = starts.filter(|start| *start >= from).find_map(|start| report.get(start..))
        && !tail.is_empty()
    {
        outcome.push_str("\n\n");
        outcome.push_str(tail);
    }
    outcome
}

/// Writes a usage error to the same file: after a bad edit of a `ConfigMap` nothing else shows it.
pub(super) fn log_usage(problem: &str) {
    write(Path::new(TERMINATION_LOG), format!("usage error: {problem}"));
}

/// Writes the file if it exists.
fn write(path: &Path, mut line: String) {
    line.truncate(line.floor_char_boundary(MAX_LINE - 1));
    line.push('\n');
    let opened = OpenOptions::new().write(true).truncate(true).open(path);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        debug!("could not write the outcome for Kubernetes: {}: {error}", path.display());
    }
}

/// The outcome and the reason.
fn outcome(document: &Document) -> String {
    let outcome = document.outcome.to_string();
    format!("{outcome}: {}", document.sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contents of a file, which was not empty, after a write.
    fn written(line: String) -> String {
        let path = std::env::temp_dir().join(format!("wafsync-termination-{:016x}", fastrand::u64(..)));
        write(&path, line.clone());
        assert!(!path.exists(), "it is never created");
        std::fs::write(&path, "something longer that stood there before").unwrap();
        write(&path, line);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        text
    }

    #[test]
    fn the_file_gets_one_line_if_it_is_there() {
        assert_eq!(written(outcome(&Document::failed("no Region"))), "failed: no Region\n");
    }

    #[test]
    fn the_end_of_the_report_stands_below_the_outcome_from_the_beginning_of_a_line() {
        assert_eq!(with_report("held: 3".to_owned(), "IP sets\n  one\n\nHELD\n"), "held: 3\n\nIP sets\n  one\n\nHELD");
        let long = (0..1000).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
        let text = written(with_report("held: 3".to_owned(), &long));
        assert!(text.len() <= MAX_LINE && text.len() > MAX_LINE - 20, "{}", text.len());
        assert!(text.starts_with("held: 3\n\nline ") && text.ends_with("\nline 999\n"), "{text}");
        assert_eq!(with_report("held: 3".to_owned(), &"x".repeat(MAX_LINE)), "held: 3");
    }

    #[test]
    fn the_line_is_no_longer_than_kubernetes_shows() {
        let line = written(outcome(&Document::failed(&"ä".repeat(5000))));
        assert!(line.len() <= MAX_LINE && line.ends_with("ä\n"), "{}", line.len());
    }
}
