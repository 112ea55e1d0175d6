//! The wafsync binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    wafsync::host::main()
}
