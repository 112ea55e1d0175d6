//! A demonstration of wafsync that needs no AWS account: `cargo run --example quickstart`.
//!
//! It serves a stand-in for AWS on a loopback port and runs the program against it, step by step. What it prints is the
//! program's real output. The example fails if a step has an unexpected exit code.
//!
//! The wafsync binary may not have been built, so this executable acts as both: called as `wafsync`, it does what the
//! binary does, which is one call to the library.

use std::error::Error;
use std::io::{self, ErrorKind, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use serde_json::json;
use wafsync_test_aws::{Aws, Config, Server};

/// The name under which this executable acts as wafsync.
const PROGRAM: &str = "wafsync";
const REGION: &str = "eu-central-1";
const TABLE: &str = "clusters";

/// The number of clusters. Each has two NAT gateways, hence two IPv4 addresses.
const CLUSTERS: u32 = 11_000;
/// This many clusters also have an IPv6 network: 25,000 CIDRs in all.
const WITH_IPV6: u32 = 3_000;
/// The first address, from a range that RFC 2544 reserves for tests. Later addresses count up from it.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// Items that are invalid in different ways: key and `ips`.
const BAD_ITEMS: [(&str, &str); 4] = [
    ("docs-sample", r#"["54.123.456.78/32"]"#),
    ("everybody", r#"["0.0.0.0/0"]"#),
    ("half-written", r#"["203.0.113.7/32""#),
    ("host-bits", r#"["203.0.113.9/24"]"#),
];

const USAGE: &str = "\
usage: cargo run --example quickstart [-- --fast]

Runs wafsync against a stand-in for AWS, step by step.
--fast: three clusters and one screen.
";

fn main() -> ExitCode {
    if std::env::args_os().next().is_some_and(|name| name == PROGRAM) {
        return wafsync::host::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let fast = match arguments.as_slice() {
        [] => false,
        ["--fast"] => true,
        ["-h" | "--help"] => return say(USAGE).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        _ => {
            let _ = write!(io::stderr(), "quickstart: unknown argument\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let shown = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(async { if fast { short_demo().await } else { full_demo().await } }));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that closed the pipe has seen enough.
        Err(error) if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "\nquickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a text. An error means that the output is closed.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A stand-in without rate limits.
fn unlimited() -> Aws {
    Aws::new(Config { read_rate: None, write_rate: None, ..Config::default() })
}

/// A short demonstration: a plan for three clusters, and its apply.
async fn short_demo() -> Result<(), Box<dyn Error>> {
    let aws = unlimited();
    aws.create_table(REGION, TABLE);
    for cluster in 1..=3 {
        let key = key(cluster);
        aws.put_item(TABLE, &key, item(&key, &[format!("198.51.100.{cluster}/32")]));
    }
    let stage = Stage { server: aws.serve().await? };
    stage.run("plan", 0).await?;
    stage.run_briefly("apply", 0).await
}

async fn full_demo() -> Result<(), Box<dyn Error>> {
    say("wafsync against a stand-in for AWS on this machine. The stand-in has no rate\n\
         limits, and the program waits 1 s, not 30 s, before it scans again to confirm\n\
         removals. The rest is as in production. Everything after a $ is a real run and\n\
         its real output.\n")?;
    let aws = unlimited();
    fill(&aws);
    for (key, ips) in BAD_ITEMS {
        aws.put_item(TABLE, key, json!({ "id": { "S": key }, "ips": { "S": ips } }));
    }
    let stage = Stage { server: aws.serve().await? };

    heading("A first look: 25,000 addresses, four bad items, an empty WAF")?;
    stage.run("plan", 0).await?;

    heading("Apply it")?;
    stage.run("apply", 0).await?;

    heading("Plan again")?;
    stage.run("plan --detailed-exitcode", 0).await?;

    heading("One cluster changes one of its addresses: one write")?;
    say("While the table holds invalid values, a missing address proves nothing, so\n\
         removals wait. By now the owners of the four bad items have deleted them.\n\n")?;
    for (key, _) in BAD_ITEMS {
        aws.delete_item(TABLE, key);
    }
    replace_one_address(&aws);
    aws.clear_log();
    stage.run("apply", 0).await?;
    let writes = aws.log().iter().filter(|attempt| attempt.effect).count();
    if writes != 1 {
        return Err(format!("the change took {writes} writes").into());
    }

    heading("Someone adds an address and deletes two networks by hand: wafsync repairs it")?;
    aws.edit_ip_set("wafsync-ipv4-002", |addresses| addresses.push("192.0.2.66/32".to_owned()));
    aws.edit_ip_set("wafsync-ipv6-000", |addresses| addresses.truncate(2_998));
    stage.run("apply", 0).await?;

    heading("Half the table vanishes: the removals are held")?;
    for cluster in CLUSTERS / 2..CLUSTERS {
        aws.delete_item(TABLE, &key(cluster));
    }
    stage.run("apply", 3).await?;

    heading("The table is empty: nothing is written")?;
    aws.clear_table(TABLE);
    stage.run("apply", 3).await?;

    heading("The table is back: no cluster was ever locked out")?;
    fill(&aws);
    replace_one_address(&aws);
    stage.run("plan --detailed-exitcode", 0).await?;
    say("\n\nEach run had the expected exit code, and the changed address took one write.\n")?;
    Ok(())
}

/// The stand-in that the program runs against.
struct Stage {
    server: Server,
}

impl Stage {
    /// Runs the program, shows its output, and checks its exit code.
    async fn run(&self, command: &str, expected: i32) -> Result<(), Box<dyn Error>> {
        self.start(command, expected, false).await
    }

    /// Runs the program, shows only its verdict, and checks its exit code.
    async fn run_briefly(&self, command: &str, expected: i32) -> Result<(), Box<dyn Error>> {
        self.start(command, expected, true).await
    }

    async fn start(&self, command: &str, expected: i32, brief: bool) -> Result<(), Box<dyn Error>> {
        say(&format!("$ wafsync {command} --table={TABLE}\n"))?;
        let mut program = Command::new(std::env::current_exe()?);
        // The program gets none of this machine's settings, least of all its credentials. Its input is not a terminal,
        // so `apply` asks nothing.
        program.arg0(PROGRAM).args(command.split(' ')).arg(format!("--table={TABLE}")).env_clear().envs([
            ("AWS_ENDPOINT_URL", self.server.url().as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("WAFSYNC_READ_RATE", "1000"),
            ("WAFSYNC_WRITE_RATE", "1000"),
            ("WAFSYNC_SETTLE", "1s"),
            ("WAFSYNC_LOG_FORMAT", "text"),
            ("WAFSYNC_LOG_LEVEL", "warn"),
        ]);
        program.stdin(Stdio::null()).stdout(if brief { Stdio::piped() } else { Stdio::inherit() });
        program.stderr(Stdio::inherit());
        let ran = tokio::task::spawn_blocking(move || program.output()).await??;
        let output = String::from_utf8_lossy(&ran.stdout);
        let verdict = output.lines().find_map(|line| line.split_once(';').filter(|_| line.starts_with("CHANGED: ")));
        let verdict = verdict.map(|(verdict, _)| format!("… {verdict} ")).unwrap_or_default();
        match ran.status.code() {
            Some(code) if code == expected => say(&format!("{verdict}(exit code {code})\n"))?,
            code => return Err(format!("{command} should have exited with {expected}, not {code:?}").into()),
        }
        Ok(())
    }
}

fn heading(text: &str) -> io::Result<()> {
    say(&format!("\n\n== {text}\n\n"))
}

/// Fills the table with all clusters.
fn fill(aws: &Aws) {
    aws.create_table(REGION, TABLE);
    for cluster in 0..CLUSTERS {
        let address = u32::from(FIRST_ADDRESS) + 2 * cluster;
        let mut ips = vec![format!("{}/32", Ipv4Addr::from(address)), format!("{}/32", Ipv4Addr::from(address + 1))];
        if cluster < WITH_IPV6 {
            let network = (0x2001_0db8_u128 << 96) | (u128::from(cluster) << 64);
            ips.push(format!("{}/64", Ipv6Addr::from(network)));
        }
        let key = key(cluster);
        aws.put_item(TABLE, &key, item(&key, &ips));
    }
}

/// Replaces the second NAT gateway of a cluster without an IPv6 network.
fn replace_one_address(aws: &Aws) {
    aws.put_item(TABLE, "cluster-07042", item("cluster-07042", &["198.18.55.4/32", "203.0.113.42/32"]));
}

fn key(cluster: u32) -> String {
    format!("cluster-{cluster:05}")
}

/// An item as Crossplane writes it: the addresses are a JSON array in a string.
fn item(key: &str, ips: &[impl AsRef<str>]) -> serde_json::Value {
    let ips: Vec<&str> = ips.iter().map(AsRef::as_ref).collect();
    json!({ "id": { "S": key }, "ips": { "S": json!(ips).to_string() } })
}
