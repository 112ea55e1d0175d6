//! Any arguments and environment are valid settings or a usage error. A suggested command is one line that a shell
//! reads as intended.
//!
//! The input is text. Each line is an argument, or a variable if it begins with `WAFSYNC_` and contains a `=`.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;
use wafsync::cli;

fuzz_target!(|input: &str| {
    let variable = |line: &&str| line.starts_with("WAFSYNC_") && line.contains('=');
    let args = input.lines().filter(|line| !variable(line));
    let args = std::iter::once("wafsync").chain(args).map(OsString::from);
    let env = input.lines().filter(variable).filter_map(|line| line.split_once('='));
    let env = env.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match cli::parse(args, env) {
        Ok(parsed) => {
            let shown = parsed.warnings.iter().chain(&parsed.approve);
            assert!(shown.flat_map(|line| line.chars()).all(|char| !char.is_control()));
            if let Some(command) = &parsed.approve {
                assert_eq!(words(command).first().map(String::as_str), Some("wafsync"), "{command}");
            }
        }
        Err(usage) => {
            assert!(usage.exit == 64 || (usage.exit == 0 && usage.to_stdout));
            assert!(usage.text.chars().all(|char| char == '\n' || !char.is_control()));
        }
    }
});

/// The words of a command in which only single quotes, and `\'` between them, are special. Everything else that a shell
/// would interpret must be quoted.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = command.chars();
    while let Some(char) = chars.next() {
        match char {
            '\'' => quoted = !quoted,
            '\\' if !quoted => assert_eq!(chars.next(), Some('\''), "{command}"),
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => {
                assert!(quoted || char.is_ascii_alphanumeric() || "_@%+=:,./-".contains(char), "{command}");
                word.push(char);
            }
        }
    }
    assert!(!quoted, "{command}");
    words.push(word);
    words
}
