//! `apply` on a terminal shows its plan and asks once.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use wafsync_test_aws::{Fault, FaultKind, When};

use crate::process::Process;

/// The prompt before the program waits for an answer.
const QUESTION: &str = "Only yes applies it:";

/// Runs `apply` on a pseudo-terminal, answers the prompt, and returns the exit code and the screen.
async fn apply(process: &Process, args: &[&str], answer: &'static str) -> (Option<i32>, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let end: OwnedFd = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let stdio = || Stdio::from(end.try_clone().unwrap());
    let mut command = process.command(&[&["apply"], args].concat());
    command.stdin(stdio()).stdout(stdio()).stderr(stdio());
    let mut child = command.spawn().unwrap();
    drop((command, end));
    let reading = tokio::task::spawn_blocking(move || {
        let mut terminal = File::from(terminal);
        let (mut shown, mut answered, mut buffer) = (String::new(), false, [0; 4096]);
        loop {
            match terminal.read(&mut buffer) {
                Ok(0) => return shown,
                Ok(count) => shown.push_str(&String::from_utf8_lossy(&buffer[..count])),
                // The other end was closed.
                Err(error) if error.kind() != ErrorKind::Interrupted => return shown,
                Err(_) => {}
            }
            if shown.contains(QUESTION) && !answered {
                answered = true;
                terminal.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    let code = child.wait().await.unwrap().code();
    (code, reading.await.unwrap())
}

#[tokio::test]
async fn apply_shows_its_plan_and_continues_only_after_yes() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    for answer in ["\n", "y\n", "Yes\n", "no\n", "\u{4}"] {
        let (code, shown) = apply(&process, &[], answer).await;
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("198.51.100.7/32") && shown.contains("Nothing was written."), "{shown}");
        assert!(process.aws.ip_sets().is_empty(), "{answer:?}: {shown}");
    }
    let (code, shown) = apply(&process, &[], "yes\n").await;
    assert_eq!((code, process.aws.ip_sets().len()), (Some(0), 1), "{shown}");
    // If there is nothing to write, there is nothing to ask.
    let (code, shown) = apply(&process, &[], "no\n").await;
    assert!(code == Some(0) && !shown.contains(QUESTION), "{shown}");
}

#[tokio::test]
async fn a_plan_without_a_write_ends_as_a_run_would() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.aws.put_web_acl("REGIONAL", "front", "Block", serde_json::json!([]));
    let named = ["--web-acl=front"];
    assert_eq!(apply(&process, &named, "yes\n").await.0, Some(3));
    let (code, shown) = apply(&process, &named, "no\n").await;
    assert!(code == Some(3) && !shown.contains(QUESTION), "{shown}");
    assert!(shown.contains("front does NOT enforce wafsync-1"), "{shown}");
}

#[tokio::test]
async fn a_web_acl_that_cannot_be_read_stops_no_write() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    process.aws.put_web_acl("REGIONAL", "front", "Block", serde_json::json!([]));
    process.aws.fail(Fault {
        operation: Some("GetWebACL".to_owned()),
        target: None,
        skip: 0,
        times: 100,
        when: When::Before,
        kind: FaultKind::AccessDenied,
    });
    let (code, shown) = apply(&process, &["--web-acl=front"], "yes\n").await;
    assert!(code == Some(1) && shown.contains(QUESTION) && shown.contains("1 to add."), "{shown}");
    assert_eq!(process.aws.ip_sets().len(), 1, "{shown}");
    let (code, shown) = apply(&process, &["--web-acl=front"], "yes\n").await;
    assert!(code == Some(1) && !shown.contains(QUESTION) && shown.contains("front"), "{shown}");
    // What is blocked shows how to approve it, as without that web ACL.
    let blocked = ["--web-acl=front", "--action=count"];
    let (code, shown) = apply(&process, &blocked, "yes\n").await;
    assert!(code == Some(3) && shown.contains("--approve"), "{shown}");
    let (code, shown) = apply(&process, &[&blocked[..], &["--output=json"]].concat(), "yes\n").await;
    assert!(code == Some(3) && shown.contains("\"outcome\": \"blocked\""), "{shown}");
}

#[tokio::test]
async fn a_plan_without_a_write_comes_in_the_format_asked_for() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    assert_eq!(apply(&process, &["--yes"], "").await.0, Some(0));
    let (code, shown) = apply(&process, &["--output=json"], "no\n").await;
    assert!(code == Some(0) && shown.contains("\"changes\": []"), "{shown}");
    let (code, shown) = apply(&process, &["--output=json", "--table=missing"], "no\n").await;
    assert!(code == Some(1) && shown.contains("\"outcome\": \"failed\""), "{shown}");
}

#[tokio::test]
async fn yes_as_a_flag_skips_the_question() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let (code, shown) = apply(&process, &["--yes"], "no\n").await;
    assert_eq!((code, process.aws.ip_sets().len(), shown.contains(QUESTION)), (Some(0), 1, false), "{shown}");
}

#[tokio::test]
async fn a_plan_that_changed_after_it_was_shown_is_not_applied() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    // The second scan of the process is the one after the answer.
    let mut scans = 0;
    process.aws.on_call(move |aws, call| {
        if call.operation == "Scan" && call.phase == wafsync_test_aws::Phase::Before {
            scans += 1;
            if scans == 2 {
                let item = serde_json::json!({"id": {"S": "b"}, "ips": {"S": "[\"198.51.100.8/32\"]"}});
                aws.put_item(crate::world::TABLE, "b", item);
            }
        }
    });
    let (code, shown) = apply(&process, &[], "yes\n").await;
    assert!(code == Some(4) && shown.contains("The plan has changed"), "{shown}");
    assert!(process.aws.ip_sets().is_empty(), "{shown}");
}
