//! One line of outcome where Kubernetes looks for it: `kubectl describe pod` shows it, also when the log is gone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use tracing::debug;

use crate::report::Document;

/// The default of a container's `terminationMessagePath`.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Kubernetes shows no more of it, in bytes.
const MAX_LINE: usize = 4096;

/// Leaves the outcome for Kubernetes; elsewhere there is no such file and nothing happens.
pub(super) fn log(document: &Document) {
    write(Path::new(TERMINATION_LOG), outcome(document));
}

/// Leaves a usage error in the same place: after an edit of a `ConfigMap` there is nothing else to see.
pub(super) fn log_usage(problem: &str) {
    write(Path::new(TERMINATION_LOG), format!("usage error: {problem}"));
}

/// Writes the file if it is there already.
fn write(path: &Path, mut line: String) {
    line.truncate(line.floor_char_boundary(MAX_LINE - 1));
    line.push('\n');
    let opened = OpenOptions::new().write(true).truncate(true).open(path);
    if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
        debug!("no outcome was left for Kubernetes: {}: {error}", path.display());
    }
}

/// The outcome, then why.
fn outcome(document: &Document) -> String {
    let outcome = document.outcome.to_string();
    let reason = document.reason.strip_prefix(&format!("{outcome}: ")).unwrap_or(&document.reason);
    format!("{outcome}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file gets in which something stood before.
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
    fn the_line_is_no_longer_than_kubernetes_shows() {
        let line = written(outcome(&Document::failed(&"ä".repeat(5000))));
        assert!(line.len() <= MAX_LINE && line.ends_with("ä\n"), "{}", line.len());
    }
}
