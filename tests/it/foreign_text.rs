//! Foreign text in the table reaches no output unescaped: not text, JSON, Markdown, the log, `explain` or `check`. The
//! command that a plan suggests is safe to paste. All of it is tested on the real binary.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::{Ended, Process};
use crate::world::TABLE;

/// Colors, a window title, a line of its own, text direction, Markdown, HTML and shell.
const EVIL: &str =
    "evil\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\r\n\u{202e}\u{2066}\u{200b}|`*[x](http://a)*<b>&$(reboot)'\"";

/// A table whose key, value and expiry are hostile, and clusters whose addresses are all in force.
async fn world() -> Process {
    let process = Process::new().await;
    for number in 0..20 {
        process.item(&format!("cluster-{number}"), &[&format!("203.0.113.{number}/32")]);
    }
    assert_eq!(process.start(&["apply"]).end().await.code, Some(0));
    process.item(EVIL, &["198.51.100.7/32", EVIL]);
    let expiry = json!({"id": {"S": EVIL}, "ips": {"S": EVIL}, "expires": {"S": EVIL}});
    process.aws.put_item(TABLE, "expiry", expiry);
    process
}

async fn ended(process: &Process, args: &[&str]) -> Ended {
    process.start(&[args, &["--expiry-attribute=expires"]].concat()).end().await
}

/// Asserts that line feeds are the only control characters.
#[track_caller]
fn assert_escaped(output: &str, what: &str) {
    let steers = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!output.contains(steers), "{what}: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_text_reaches_no_output_unescaped() {
    let process = world().await;
    for args in [
        ["plan", "--output=text", "--log-format=text"].as_slice(),
        &["plan", "--output=json", "--log-format=json"],
        &["plan", "--output=markdown", "--log-level=debug"],
        &["explain", "198.51.100.7", "--output=text"],
        &["explain", "198.51.100.7", "--output=json"],
        &["check", "--output=text"],
        &["check", "--output=json"],
        &["apply", "--output=text", "--log-format=text", "--log-level=debug"],
        &["apply", "--output=json", "--log-format=json", "--log-level=debug"],
    ] {
        let run = ended(&process, args).await;
        assert!(run.stdout.contains("evil"), "{args:?} shows who it is about: {}", run.stdout);
        assert_escaped(&run.stdout, &format!("{args:?}, stdout"));
        assert_escaped(&run.stderr, &format!("{args:?}, stderr"));
        if args.contains(&"--output=json") {
            let document: Value = serde_json::from_str(&run.stdout).unwrap();
            let whole = document.to_string();
            assert!(whole.contains(&Value::from(EVIL).to_string()) || args[0] == "check", "{whole}");
        }
        if args.contains(&"--output=markdown") {
            crate::rendered::assert_harmless(&run.stdout);
        }
    }
}

/// The suggested command.
fn suggested(stdout: &str) -> Option<&str> {
    stdout.lines().map(str::trim).find(|line| line.starts_with("wafsync ") && line.contains(" --approve "))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suggested_command_is_safe_to_paste() {
    let process = world().await;
    for number in 0..15 {
        process.aws.delete_item(TABLE, &format!("cluster-{number}"));
    }
    let nasty =
        ["$(touch pasted)", "`touch pasted`", "a; touch pasted", "it's \"quoted\" \\ & | > pasted", "~ * ? # !"];
    let ignored: Vec<String> = nasty.iter().map(|key| format!("--ignore-item={key}")).collect();
    let ignored: Vec<&str> = ignored.iter().map(String::as_str).collect();
    let run = ended(&process, &[&["plan"], ignored.as_slice()].concat()).await;
    let command = suggested(&run.stdout).unwrap_or_else(|| panic!("no command: {}", run.stdout));

    let folder = std::env::temp_dir().join(format!("wafsync-paste-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // How a shell reads the line: one argument per line, and no other program in its path.
    let script = format!("wafsync() {{ printf '%s\\n' \"$@\"; }}\n{command}\n");
    let mut shell = Command::new("/bin/sh");
    let shell = shell.args(["-c", &script]).current_dir(&folder).stdin(Stdio::null()).output().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(left.is_empty() && shell.stderr.is_empty(), "{command}: {left:?}");
    let arguments = String::from_utf8(shell.stdout).unwrap();
    assert_eq!(arguments.lines().filter(|line| ignored.contains(line)).count(), nasty.len(), "{arguments}");

    // Text that a person cannot check before pasting is not suggested.
    let hidden = ended(&process, &["plan", &format!("--ignore-item={EVIL}")]).await;
    assert_eq!(suggested(&hidden.stdout), None, "{}", hidden.stdout);
    assert_escaped(&hidden.stdout, "stdout");
}
