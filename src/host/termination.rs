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
    write(Path::new(TERMINATION_LOG), document);
}

/// Writes the file if it is there already.
fn write(path: &Path, document: &Document) {
    let written = OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut file| {
        let line = line(document);
        file.write_all(line.as_bytes())
    });
    if let Err(error) = written {
        debug!("no outcome was left for Kubernetes: {}: {error}", path.display());
    }
}

/// The outcome, then why.
fn line(document: &Document) -> String {
    let outcome = document.outcome.to_string();
    let reason = document.reason.strip_prefix(&format!("{outcome}: ")).unwrap_or(&document.reason);
    let mut line = format!("{outcome}: {reason}");
    line.truncate(line.floor_char_boundary(MAX_LINE - 1));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_gets_one_line_if_it_is_there() {
        let directory = std::env::temp_dir().join(format!("wafsync-termination-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("termination-log");
        write(&path, &Document::failed("no Region"));
        assert!(!path.exists(), "it is never created");
        std::fs::write(&path, "something longer that stood there before").unwrap();
        write(&path, &Document::failed("no Region"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "failed: no Region\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_line_is_no_longer_than_kubernetes_shows() {
        let line = line(&Document::failed(&"ä".repeat(5000)));
        assert!(line.len() <= MAX_LINE && line.ends_with("ä\n"), "{}", line.len());
    }
}
