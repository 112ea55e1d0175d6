//! The real binary as a black box: its output and exit codes.
//!
//! It calls the stand-in on a loopback port. Nothing sleeps: each wait is for an event.

use std::fmt;
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Server, When};

use crate::world::{TABLE, reference_to};

const REGION: &str = "eu-central-1";

/// A program without output for this long hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// An account on a loopback port.
struct Bench {
    aws: Aws,
    server: Server,
}

/// How a run ended.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or("none".to_owned(), |code| code.to_string());
        write!(f, "exit code: {code}\n\n---- stdout\n{}\n---- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Ran {
    /// With the log lines sorted, because writes run in parallel.
    fn sorted(mut self) -> Self {
        let mut lines: Vec<&str> = self.stderr.split_inclusive('\n').collect();
        lines.sort_unstable();
        self.stderr = lines.concat();
        self
    }

    /// With `CALL` for the name of the failed call, because several run in parallel and any of them can fail first.
    fn any_call(mut self) -> Self {
        for call in ["Scan table clusters:", "ListIPSets all:", "ListRuleGroups all:"] {
            self.stderr = self.stderr.replace(call, "CALL:");
        }
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Bench {
    /// An empty table and an empty WAF without rate limits, so that nothing waits.
    async fn new() -> Self {
        let aws = Aws::new(Config { read_rate: None, write_rate: None, ..Config::default() });
        aws.create_table(REGION, TABLE);
        let server = aws.serve().await.unwrap();
        Self { aws, server }
    }

    /// Ten clusters with one IPv4 address each, all in force.
    async fn settled() -> Self {
        let bench = Self::new().await;
        for number in 0..10 {
            bench.item(&format!("cluster-{number}"), &[&format!("203.0.113.{number}/32")]);
        }
        assert_eq!(bench.run(&["apply"]).await.code, Some(0));
        bench
    }

    fn item(&self, key: &str, ips: &[&str]) {
        self.aws.put_item(TABLE, key, json!({"id": {"S": key}, "ips": {"S": json!(ips).to_string()}}));
    }

    /// The program, with the environment that all tests share and none of this machine's settings.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wafsync"));
        command.args(args).env_clear().kill_on_drop(true).stdin(Stdio::null()).envs([
            ("AWS_ENDPOINT_URL", self.server.url().as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("WAFSYNC_TABLE", TABLE),
            ("WAFSYNC_READ_RATE", "1000"),
            ("WAFSYNC_WRITE_RATE", "1000"),
            ("WAFSYNC_SETTLE", "0s"),
            ("WAFSYNC_LOG_FORMAT", "text"),
        ]);
        command
    }

    async fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().await.unwrap().into()
    }

    fn refuse(&self, operation: &str) {
        self.aws.fail(Fault {
            operation: Some(operation.to_owned()),
            target: None,
            skip: 0,
            times: usize::MAX,
            when: When::Before,
            kind: FaultKind::AccessDenied,
        });
    }
}

/// A run that failed before it had a plan: nothing on stdout, one line on stderr.
#[track_caller]
fn assert_one_line(ran: &Ran) {
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (Some(1), "", 1), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_plan_then_apply_then_nothing_to_do() {
    let bench = Bench::new().await;
    bench.item("cluster-a", &["198.51.100.7/32"]);
    insta::assert_snapshot!("first_plan", bench.run(&["plan"]).await);
    insta::assert_snapshot!("first_apply", bench.run(&["apply"]).await.sorted());
    insta::assert_snapshot!("second_apply", bench.run(&["apply"]).await);
    assert_eq!(bench.aws.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_write_and_each_removed_cidr_is_in_the_log() {
    let bench = Bench::settled().await;
    bench.item("cluster-3", &["198.51.100.3/32"]);
    insta::assert_snapshot!("changed", bench.run(&["apply"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_removals_exit_with_3_and_are_made_once_approved() {
    let bench = Bench::settled().await;
    for number in 2..10 {
        bench.aws.delete_item(TABLE, &format!("cluster-{number}"));
    }
    let held = bench.run(&["apply", "--max-removals=50%"]).await;
    insta::assert_snapshot!("held", held);
    let digest = held.stdout.rsplit_once("--approve ").unwrap().1.trim();
    let approved = bench.run(&["apply", "--max-removals=50%", "--approve", digest]).await;
    insta::assert_snapshot!("approved", approved);
    assert_eq!(bench.run(&["plan", "--detailed-exitcode"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_exits_with_3_and_writes_nothing() {
    let bench = Bench::settled().await;
    bench.aws.clear_table(TABLE);
    bench.aws.clear_log();
    insta::assert_snapshot!("blocked", bench.run(&["apply"]).await);
    assert!(bench.aws.log().iter().all(|attempt| !attempt.effect), "{:?}", bench.aws.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_detailed_exit_code_distinguishes_nothing_pending_and_guarded() {
    let bench = Bench::settled().await;
    let detailed = ["plan", "--detailed-exitcode"];
    assert_eq!(bench.run(&detailed).await.code, Some(0));
    bench.item("cluster-new", &["198.51.100.7/32"]);
    assert_eq!(bench.run(&detailed).await.code, Some(2));
    assert_eq!(bench.run(&["plan"]).await.code, Some(0));
    bench.aws.clear_table(TABLE);
    assert_eq!(bench.run(&detailed).await.code, Some(3));
    assert_eq!(bench.run(&["plan"]).await.code, Some(0));
    bench.refuse("Scan");
    assert_eq!(bench.run(&detailed).await.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_aws_error_is_one_line() {
    let bench = Bench::new().await;
    let no_table = bench.run(&["plan", "--table=absent"]).await;
    let wrong_region = bench.command(&["plan"]).env("AWS_REGION", "us-west-2").output().await.unwrap().into();
    let no_region = bench.command(&["plan"]).env_remove("AWS_REGION").output().await.unwrap().into();
    let no_roots = bench.command(&["plan"]).env("SSL_CERT_FILE", "/dev/null").output().await.unwrap().into();
    let no_credentials: Ran = bench
        .command(&["plan"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .output()
        .await
        .unwrap()
        .into();
    // Nothing listens on this port.
    let no_server = bench.command(&["plan"]).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").output().await.unwrap();
    let mut no_server = Ran::from(no_server);
    no_server.stderr = no_server.stderr.replace("os error 61", "os error 111");
    bench.refuse("ListIPSets");
    let denied = bench.run(&["apply"]).await;
    let denied_to_explain = bench.run(&["explain", "198.51.100.7"]).await;
    let all = [
        ("no such table", no_table),
        ("another Region", wrong_region),
        ("no Region", no_region),
        ("no CA certificates", no_roots),
        ("no credentials", no_credentials.any_call()),
        ("no server", no_server.any_call()),
        ("access denied", denied),
        ("access denied to explain", denied_to_explain),
    ];
    let mut errors = Vec::new();
    for (case, ran) in &all {
        assert_one_line(ran);
        errors.push(format!("{case}\n{}\n", ran.stderr));
    }
    insta::assert_snapshot!("errors", errors.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_write_exits_with_1_and_reports_the_writes_made() {
    let bench = Bench::settled().await;
    bench.refuse("UpdateIPSet");
    bench.item("cluster-new", &["198.51.100.7/32"]);
    insta::assert_snapshot!("failed", bench.run(&["apply"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_errors_exit_with_64() {
    let bench = Bench::new().await;
    let mut mistakes = Vec::new();
    for args in [
        &["apply", "--max-removals=lots"][..],
        &["apply", "--table="],
        &["apply", "--settle=soon"],
        &["apply", "--no-such-flag"],
        &["apply", "--output=markdown"],
        &["explain", "54.123.456.78"],
        &["explain"],
        &["aply"],
    ] {
        let ran = bench.run(args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{args:?}: {ran}");
        mistakes.push(format!("$ wafsync {}\n{}\n", args.join(" "), ran.stderr));
    }
    let ran: Ran = bench.command(&["apply"]).env("WAFSYNC_MIN_ADDRESSES", "-1").output().await.unwrap().into();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{ran}");
    mistakes.push(format!("$ WAFSYNC_MIN_ADDRESSES=-1 wafsync apply\n{}\n", ran.stderr));
    let ran: Ran = bench.command(&["plan"]).env_remove("WAFSYNC_TABLE").output().await.unwrap().into();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{ran}");
    mistakes.push(format!("$ wafsync plan (without a table)\n{}", ran.stderr));
    insta::assert_snapshot!("mistakes", mistakes.concat());
    assert_eq!(bench.aws.log().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_distinguishes_wanted_and_in_force() {
    let bench = Bench::settled().await;
    bench.item("cluster-new", &["198.51.100.7/32"]);
    bench.aws.delete_item(TABLE, "cluster-3");
    let mut answers = Vec::new();
    for (address, code) in
        [("203.0.113.1", 0), ("198.51.100.7/32", 5), ("203.0.113.3", 6), ("192.0.2.1", 7), ("203.0.113.0/28", 7)]
    {
        let ran = bench.run(&["explain", address]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""), "{address}: {ran}");
        answers.push(format!("$ wafsync explain {address}\n{}(exit code {code})\n\n", ran.stdout));
    }
    insta::assert_snapshot!("explain", answers.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_document_is_printed_for_every_outcome() {
    let bench = Bench::new().await;
    bench.item("cluster-a", &["198.51.100.7/32", "54.123.456.78/32"]);
    let applied = bench.run(&["apply", "--output=json"]).await;
    insta::assert_snapshot!("json", applied.sorted());
    bench.refuse("Scan");
    let failed = bench.run(&["apply", "--output=json"]).await;
    let document: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((failed.code, &document["outcome"]), (Some(1), &json!("failed")));
    let no_region: Ran =
        bench.command(&["plan", "--output=json"]).env_remove("AWS_REGION").output().await.unwrap().into();
    let document: Value = serde_json::from_str(&no_region.stdout).unwrap();
    assert_eq!((no_region.code, &document["outcome"]), (Some(1), &json!("failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_one_json_object_per_line_without_a_terminal() {
    let bench = Bench::new().await;
    bench.item("cluster-a", &["198.51.100.7/32"]);
    let ran: Ran = bench.command(&["apply"]).env_remove("WAFSYNC_LOG_FORMAT").output().await.unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran}");
    for line in ran.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["message"].is_string() && event["level"].is_string(), "{line}");
    }
    assert!(ran.stderr.contains(r#""outcome":"changed""#), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_need_no_aws_make_no_call() {
    let bench = Bench::new().await;
    let policy = bench.run(&["iam-policy", "--for=plan"]).await;
    assert_eq!((policy.code, policy.stderr.as_str()), (Some(0), ""), "{policy}");
    let statements: Value = serde_json::from_str(&policy.stdout).unwrap();
    assert_eq!(statements["Version"], "2012-10-17");
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.run(&["completions", shell]).await;
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""));
        assert!(script.stdout.contains("max-removals"), "{script}");
    }
    let version = bench.run(&["--version"]).await;
    assert_eq!((version.code, version.stdout), (Some(0), format!("wafsync {}\n", env!("CARGO_PKG_VERSION"))));
    assert_eq!(bench.aws.log().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_does_not_panic() {
    let bench = Bench::new().await;
    bench.item("cluster-a", &["198.51.100.7/32"]);
    let mut child = bench.command(&["apply"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(bench.aws.ip_set("wafsync-ipv4-000").unwrap().addresses, ["198.51.100.7/32"]);
}

/// A run whose first write is in flight until it is released.
struct Hanging {
    bench: Bench,
    child: Child,
    /// Releases the write.
    release: mpsc::Sender<()>,
}

impl Hanging {
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench.item("cluster-a", &["198.51.100.7/32"]);
        let (begun, mut is_begun) = tokio::sync::mpsc::unbounded_channel();
        let (release, released) = mpsc::channel();
        bench.aws.on_call(move |_, call| {
            if call.operation == "CreateIPSet" && call.ok {
                let _ = begun.send(());
                // Once the other end is dropped, nothing hangs any more.
                let _ = tokio::task::block_in_place(|| released.recv());
            }
        });
        let child = bench.command(&["apply"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        is_begun.recv().await.unwrap();
        Self { bench, child, release }
    }

    /// Sends the signal and waits for this message.
    async fn terminate(&mut self, stderr: &mut (impl tokio::io::AsyncBufRead + Unpin), said: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let mut line = String::new();
        while !line.contains(said) {
            line.clear();
            let read = tokio::time::timeout(TIMEOUT, stderr.read_line(&mut line)).await;
            assert_ne!(read.expect("the message arrives").unwrap(), 0, "the program ended without the message");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_waits_for_the_call_in_flight_and_reports_what_is_left() {
    let mut hanging = Hanging::new().await;
    let mut stderr = BufReader::new(hanging.child.stderr.take().unwrap());
    hanging.terminate(&mut stderr, "waiting for calls in flight").await;
    drop(hanging.release);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).await.unwrap();
    let mut ran = Ran::from(hanging.child.wait_with_output().await.unwrap());
    ran.stderr = rest;
    insta::assert_snapshot!("stopped", ran);
    let next = hanging.bench.run(&["apply"]).await;
    assert_eq!(next.code, Some(0), "{next}");
    assert_eq!(hanging.bench.run(&["plan", "--detailed-exitcode"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_exits_immediately() {
    let mut hanging = Hanging::new().await;
    let mut stderr = BufReader::new(hanging.child.stderr.take().unwrap());
    hanging.terminate(&mut stderr, "signal again to exit immediately").await;
    hanging.terminate(&mut stderr, "exited immediately").await;
    assert_eq!(hanging.child.wait().await.unwrap().code(), Some(4));
    drop(hanging.release);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_is_not_a_success() {
    let bench = Bench::settled().await;
    for args in [&["plan"][..], &["iam-policy"], &["completions", "bash"], &["--help"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = bench.command(args).stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let ran: Ran = run.wait_with_output().await.unwrap().into();
        let line = "could not write the result to stdout: No space left on device (os error 28)";
        assert!(ran.code == Some(1) && ran.stderr.contains(line), "{args:?}: {ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_region_and_a_check_without_one_are_one_line() {
    let bench = Bench::new().await;
    let ran: Ran = bench.command(&["plan"]).env("AWS_REGION", "x y").output().await.unwrap().into();
    let line = "\"x y\" is not an AWS Region; hint: set AWS_REGION to one such as eu-west-1\n";
    assert_eq!((ran.code, ran.stderr), (Some(1), format!("ERROR {line}")));
    let ran: Ran = bench.command(&["check"]).env("AWS_REGION", "x y").output().await.unwrap().into();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        (ran.code, words(&ran.stdout)),
        (Some(1), words(&format!("failure connection {line} 0 ok, 0 warnings, 1 failure")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_set_to_nothing_counts_as_unset() {
    let bench = Bench::settled().await;
    let folder = std::env::temp_dir().join(format!("wafsync-{}-region", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (named, empty) = (folder.join("named"), folder.join("empty"));
    std::fs::write(&named, format!("[default]\nregion = {REGION}\n")).unwrap();
    std::fs::write(&empty, "[default]\nregion =\n").unwrap();
    let plan = async |default: &str, file: &std::path::Path| -> Ran {
        let mut command = bench.command(&["plan"]);
        command.env("AWS_REGION", "").env("AWS_DEFAULT_REGION", default).env("AWS_CONFIG_FILE", file);
        command.output().await.unwrap().into()
    };
    for (default, file) in [(REGION, &empty), ("", &named)] {
        let ran = plan(default, file).await;
        assert!(ran.code == Some(0) && ran.stdout.contains("WAF wafsync in eu-central-1"), "{ran}");
    }
    let nowhere = plan("", &empty).await;
    let line = "ERROR no AWS Region is set; hint: set AWS_REGION, or `region` in the profile\n";
    assert_eq!((nowhere.code, nowhere.stderr.as_str()), (Some(1), line));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_set_to_nothing_is_named() {
    let bench = Bench::new().await;
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_WAFV2"] {
        let ran: Ran = bench.command(&["plan"]).env(name, "").output().await.unwrap().into();
        let line = format!("ERROR {name} is set to nothing; hint: set it to a URL, or unset it\n");
        assert_eq!((ran.code, ran.stderr), (Some(1), line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_that_aborts_a_run_is_named() {
    let bench = Bench::settled().await;
    bench.item("cluster-bad", &["54.123.456.78/32"]);
    let ran = bench.run(&["plan", "--on-rejection=abort"]).await;
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("aborted", ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_without_a_key_cause_a_warning() {
    let bench = Bench::settled().await;
    let ran = bench.run(&["plan", "--key-attribute=cluster"]).await;
    let warning =
        "WARN 10 items without a key in the attribute cluster: reports cannot name them; hint: set --key-attribute";
    assert!(ran.code == Some(0) && ran.stderr.contains(warning), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_finds_the_web_acls_that_refer_to_us() {
    let bench = Bench::settled().await;
    bench.aws.put_web_acl("REGIONAL", "other", "Block", json!([]));
    let none = bench.run(&["explain", "203.0.113.1"]).await;
    assert!(none.code == Some(5) && none.stdout.contains("none refers to our rule groups"), "{none}");
    let groups = ["wafsync-1", "wafsync-2"].map(|name| bench.aws.rule_group(name).unwrap().arn);
    let references: Vec<Value> = groups.iter().zip(0..).map(|(arn, priority)| reference_to(arn, priority)).collect();
    bench.aws.put_web_acl("REGIONAL", "front", "Block", Value::Array(references));
    let found = bench.run(&["explain", "203.0.113.1", "203.0.113.2"]).await;
    assert!(found.code == Some(0) && found.stdout.contains("front refers to wafsync-1"), "{found}");
    bench.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"Count": {}}));
    let counted = bench.run(&["explain", "203.0.113.1"]).await;
    assert!(counted.code == Some(5) && counted.stdout.contains("overrides its action"), "{counted}");
    let (operation, when, kind) = (Some("GetWebACL".to_owned()), When::Before, FaultKind::AccessDenied);
    bench.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"None": {}}));
    bench.aws.put_web_acl("REGIONAL", "zone", "Block", json!([]));
    bench.aws.fail(Fault { operation, target: Some("zone".to_owned()), skip: 0, times: 1, when, kind });
    let some = bench.run(&["explain", "203.0.113.1"]).await;
    assert!(some.stdout.contains("in force by the web ACLs that were read"), "{some}");
    assert!(some.stdout.contains("not all were looked at: GetWebACL zone: AccessDeniedException"), "{some}");
    bench.refuse("ListWebACLs");
    let unseen = bench.run(&["explain", "203.0.113.1"]).await;
    assert!(unseen.code == Some(0) && unseen.stdout.contains("in our rules; no web ACL was looked at"), "{unseen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_waits_until_everything_is_wanted_and_in_force() {
    let bench = Bench::settled().await;
    let calls = |operation: &str| bench.aws.log().iter().filter(|call| call.operation == operation).count();
    let scans = calls("Scan");
    let at_once = bench.run(&["explain", "--item=cluster-1", "--wait=1h"]).await;
    assert_eq!(at_once.code, Some(0), "{at_once}");
    assert_eq!((calls("Scan"), calls("Query")), (scans, 1), "the item is read by its key");
    bench.refuse("Query");
    let denied = bench.run(&["explain", "--item=cluster-1", "--wait=1h"]).await;
    assert!(denied.code == Some(0) && denied.stderr.contains("each look scans the whole table"), "{denied}");
    assert_eq!(calls("Scan"), scans + 1);
    let too_short = bench.run(&["explain", "198.51.100.7", "--wait=1s"]).await;
    let up = " WARN the time is up: after 1s, not all of it is wanted and in force\n";
    assert_eq!((too_short.code, too_short.stderr.as_str()), (Some(7), up));
    // A signal ends the wait with the most recent answer.
    let run = bench.command(&["explain", "198.51.100.7", "--wait=1h"]);
    let mut child = { run }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).await.unwrap();
    assert!(line.contains("waiting: 0 of 1 wanted and in force"), "{line}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended: Ran = child.wait_with_output().await.unwrap().into();
    assert!(ended.code == Some(7) && ended.stdout.contains("is neither wanted nor in force"), "{ended}");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("WARN interrupted after "), "{rest}");
    assert!(rest.contains("s: this is the answer of the last look; the table was scanned "), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_with_a_line_break_are_named() {
    let bench = Bench::new().await;
    let ran: Ran = bench.command(&["plan"]).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE\n").output().await.unwrap().into();
    assert_one_line(&ran);
    assert!(ran.stderr.contains("AWS_ACCESS_KEY_ID has a line break"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_no_web_acl_enforces_exits_with_3() {
    let bench = Bench::new().await;
    bench.item("cluster-a", &["198.51.100.7/32"]);
    bench.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let plan = ["plan", "--web-acl=front", "--detailed-exitcode"];
    assert_eq!(bench.run(&plan).await.code, Some(3), "before the first apply");
    assert_eq!(bench.run(&["apply", "--web-acl=front"]).await.code, Some(3));
    assert_eq!(bench.run(&plan).await.code, Some(3), "with nothing to write");
    let groups = ["wafsync-1", "wafsync-2"].map(|name| bench.aws.rule_group(name).unwrap().arn);
    let references: Vec<Value> = groups.iter().zip(0..).map(|(arn, priority)| reference_to(arn, priority)).collect();
    bench.aws.edit_web_acl("front", |rules| *rules = Value::Array(references));
    assert_eq!(bench.run(&plan).await.code, Some(0));
    bench.item("cluster-b", &["198.51.100.8/32"]);
    assert_eq!(bench.run(&plan).await.code, Some(2));
}
