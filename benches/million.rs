//! A whole run over a million items beside the AWS SDK alone, which reads the same pages and IP sets and throws them
//! away: `cargo build --profile bench --workspace && cargo bench --bench million`.
//!
//! The stand-in runs in a process of its own, without rates. Each round runs the programs in turn, so that a machine
//! that slows down slows all of them; what counts is the ratio. `MILLION_ITEMS` and `MILLION_ROUNDS` change the size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench: it prints its figures")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_sdk_wafv2::types::Scope;

/// How often the peak memory of a program is looked at.
const POLL: Duration = Duration::from_millis(2);

fn main() {
    // Cargo hands `--bench` to every bench.
    if std::env::args().any(|argument| argument == "--drain") {
        tokio::runtime::Runtime::new().unwrap().block_on(drain());
        return;
    }
    let items = from_environment("MILLION_ITEMS", 1_000_000);
    let rounds = from_environment("MILLION_ROUNDS", 5);
    let (mut server, url) = stand_in(items, 0);
    let this = std::env::current_exe().unwrap();
    let wafsync = PathBuf::from(env!("CARGO_BIN_EXE_wafsync"));
    let plan = ["plan", "--table=clusters", "--read-rate=1000"];
    let mut figures: [Vec<(f64, u64)>; 2] = Default::default();
    for _ in 0..rounds {
        figures[0].push(run(Command::new(&this).arg("--drain"), &url));
        figures[1].push(run(Command::new(&wafsync).args(plan), &url));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let (mut changed, url) = stand_in(items, 1);
    let apply = ["apply", "--table=clusters", "--read-rate=1000", "--write-rate=1000", "--settle=0s"];
    // Whatever runs first makes the change: so one run for each server.
    let applied = run(Command::new(&wafsync).args(apply), &url);
    changed.kill().unwrap();
    changed.wait().unwrap();
    let alone = median(&figures[0]);
    println!("{items} items, medians of {rounds} rounds in turn");
    for (name, (seconds, peak)) in
        [("AWS SDK alone", alone), ("plan, nothing to do", median(&figures[1])), ("apply, one change (once)", applied)]
    {
        println!("{name:<26} {seconds:>7.2} s {:>6.2} x {peak:>6} KiB", seconds / alone.0);
    }
}

fn from_environment(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// Seconds, and KiB of memory at the peak.
fn run(command: &mut Command, url: &str) -> (f64, u64) {
    let environment = [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let began = Instant::now();
    let mut child = command.envs(environment).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak_of(&child).unwrap_or_default().max(peak);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(POLL),
        }
    };
    assert!(status.success(), "{command:?}: {status}");
    (began.elapsed().as_secs_f64(), peak)
}

/// As Linux counts it; nothing elsewhere.
fn peak_of(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn median(figures: &[(f64, u64)]) -> (f64, u64) {
    let (mut seconds, mut peaks): (Vec<f64>, Vec<u64>) = figures.iter().copied().unzip();
    seconds.sort_by(f64::total_cmp);
    peaks.sort_unstable();
    (seconds[seconds.len() / 2], peaks[peaks.len() / 2])
}

/// The stand-in, with keys of 60 characters.
fn stand_in(items: u32, changed: u32) -> (Child, String) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_wafsync")).with_file_name("wafsync-test-aws");
    let mut server = Command::new(&program)
        .args(["--no-rates", "--preload", "--key-length=60"].iter().flat_map(|argument| argument.split('=')))
        .args(["--items", &items.to_string(), "--changed", &changed.to_string(), "--max-ip-sets", "1000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; build the workspace first", program.display()));
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

/// What no program that uses the SDK can do without.
async fn drain() {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (dynamodb, waf) = (aws_sdk_dynamodb::Client::new(&sdk), aws_sdk_wafv2::Client::new(&sdk));
    let scan = async {
        let mut key = None;
        loop {
            let names = HashMap::from([("#a0".to_owned(), "id".to_owned()), ("#a1".to_owned(), "ips".to_owned())]);
            let request =
                dynamodb.scan().table_name("clusters").consistent_read(true).projection_expression("#a0, #a1");
            let request = request.set_expression_attribute_names(Some(names)).set_exclusive_start_key(key);
            key = request.send().await.unwrap().last_evaluated_key;
            if key.is_none() {
                break;
            }
        }
    };
    let sets = async {
        let list = waf.list_ip_sets().scope(Scope::Regional).limit(100).send().await.unwrap();
        for set in list.ip_sets.unwrap_or_default() {
            let (name, id) = (set.name.unwrap(), set.id.unwrap());
            waf.get_ip_set().scope(Scope::Regional).name(name).id(id).send().await.unwrap();
        }
    };
    tokio::join!(scan, sets);
}
