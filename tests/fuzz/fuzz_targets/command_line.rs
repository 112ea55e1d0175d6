//! Arguments and environment are settings or a usage error, and what is suggested for pasting is one line.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;
use wafsync::cli;

fuzz_target!(|data: (Vec<String>, Vec<(String, String)>)| {
    let (args, env) = data;
    let args = std::iter::once("wafsync".to_owned()).chain(args).map(OsString::from);
    let env = env.into_iter().map(|(name, value)| (OsString::from(format!("WAFSYNC_{name}")), OsString::from(value)));
    match cli::parse(args, env) {
        Ok(parsed) => {
            let shown = parsed.warnings.iter().chain(&parsed.approve);
            assert!(shown.flat_map(|line| line.chars()).all(|char| !char.is_control()));
        }
        Err(usage) => {
            assert!(usage.exit == 64 || (usage.exit == 0 && usage.to_stdout));
            assert!(usage.text.chars().all(|char| char == '\n' || !char.is_control()));
        }
    }
});
