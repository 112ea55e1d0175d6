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
pub(super) fn log_usage(text: &str) {
    write(Path::new(TERMINATION_LOG), usage(text));
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

/// What is wrong, without what clap adds for a terminal below an empty line.
fn usage(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let wrong: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("usage error: {}", wrong.join(" "))
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

    #[test]
    fn a_usage_error_is_one_line_without_advice_for_a_terminal() {
        let bad_value = "error: --max-removals 'lots' (from WAFSYNC_MAX_REMOVALS): must be a percentage\n";
        assert_eq!(
            usage(bad_value),
            "usage error: --max-removals 'lots' (from WAFSYNC_MAX_REMOVALS): must be a percentage"
        );
        let of_clap = "error: the following required arguments were not provided:\n  <ADDRESS>\n\nUsage: wafsync …\n";
        assert_eq!(usage(of_clap), "usage error: the following required arguments were not provided: <ADDRESS>");
    }
}
