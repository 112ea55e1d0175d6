//! Turns a panic, in wafsync or a dependency, into one line in the log and exit code 1.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use tracing::error;

use crate::run::outcome::Outcome;
use crate::text;

/// The number of source path components that are shown: crate, folders and file, without the build machine's prefix.
const PATH_PARTS: usize = 4;

/// Logs every panic from now on, including in tasks, in one line and without a backtrace.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|info| error!("{}", line(info))));
}

/// Runs a closure; a panic in it is a failure.
pub(super) fn caught(run: impl FnOnce() -> u8) -> u8 {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(Outcome::Failed.exit_code())
}

fn line(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|location| format!(" at {}:{}", short(location.file()), location.line()));
    let message = info.payload_as_str().unwrap_or("unknown cause");
    format!("internal error: {}{}", text::line(message), place.unwrap_or_default())
}

fn short(path: &str) -> String {
    // The folder of a registry says nothing about the crate in it.
    let parts = path.rsplit(['/', '\\']).take(PATH_PARTS).take_while(|part| !part.starts_with("index."));
    let parts: Vec<&str> = parts.collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure() {
        assert_eq!(caught(|| 3), 3);
        assert_eq!(caught(|| panic!("on purpose")), 1);
    }

    #[test]
    fn a_source_path_is_shown_without_where_it_was_built() {
        assert_eq!(
            short("/home/a/registry/src/index/some-crate-1.0.0/src/http/sign.rs"),
            "some-crate-1.0.0/src/http/sign.rs"
        );
        assert_eq!(short("/registry/src/index.example.com-0123/a-crate-1.0.0/src/lib.rs"), "a-crate-1.0.0/src/lib.rs");
        assert_eq!(short("src/lib.rs"), "src/lib.rs");
    }
}
