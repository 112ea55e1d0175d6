//! Measures how long a run takes at AWS's rates, compared with the minimum that the rates allow: `cargo bench --bench
//! rates`.
//!
//! The stand-in enforces the rates by a simulated clock, which jumps from one event to the next, so the figures are the
//! same on every machine. The bench fails if a run takes more than [`MOST`] or [`MOST_SHARED`] times the minimum, or if
//! AWS throttles a call although there is no other caller.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]
#![allow(clippy::print_stdout, reason = "a bench: it prints its figures")]

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use serde_json::json;
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::report::Document;
use wafsync::run::outcome::Outcome;
use wafsync::run::reconcile::reconcile;
use wafsync::stop::Signal;
use wafsync_test_aws::{Aws, Call, Config, Fault, FaultKind, Phase, When};

/// The maximum duration of a run, as a multiple of its lower bound.
const MOST: f64 = 1.05;

/// Addresses in an IP set: one exists already, and there is room for one more.
const CAPACITY: u32 = 2;

const TABLE: &str = "clusters";
const REGION: &str = "eu-central-1";

/// What a run has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Each IP set gets one more address.
    Update,
    /// Each IP set has to be created and wired.
    Create,
    /// Half of the IP sets each.
    Mixed,
}

impl Work {
    /// The number of IP sets that exist already.
    const fn there(self, sets: u32) -> u32 {
        match self {
            Self::Update => sets,
            Self::Create => 0,
            Self::Mixed => sets / 2,
        }
    }
}

/// The measurements of a run.
struct Figures {
    seconds: f64,
    /// From the start until half of the new addresses, and all of them, were in force.
    access: [f64; 2],
    refused: u64,
    calls: String,
}

fn main() -> ExitCode {
    let mut missed = 0;
    println!("| IP sets | work | answers after | bound | run | ratio | refused | half and all in force | calls |");
    println!("|---:|---|---:|---:|---:|---:|---:|---|---|");
    for work in [Work::Update, Work::Create, Work::Mixed] {
        for sets in [1, 10, 50, 100] {
            for latency in [30, 200] {
                if work == Work::Mixed && sets == 1 {
                    continue;
                }
                let latency = Duration::from_millis(latency);
                let figures = measure(work, sets, latency);
                let bound = bound(work, sets, latency);
                let ratio = figures.seconds / bound;
                let [half, all] = figures.access;
                let Figures { seconds, refused, calls, .. } = &figures;
                println!(
                    "| {sets} | {work:?} | {latency:?} | {bound:.2} s | {seconds:.2} s | {ratio:.3} | {refused} | \
                     {half:.1} s, {all:.1} s | {calls} |"
                );
                missed += u32::from(ratio > MOST || figures.refused > 0);
            }
        }
    }
    println!("{missed} above {MOST} times the bound");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lower bound of the seconds that the necessary calls take at AWS's rates.
///
/// The calls in order: the lists; the rule groups, which show which IP sets there are; the IP sets, five per second;
/// the writes of IP sets, one of each kind per second; if something has to be wired, a list that shows it, and the rule
/// groups; a list that shows what was written.
fn bound(work: Work, sets: u32, latency: Duration) -> f64 {
    let answer = latency.as_secs_f64();
    let calls = |calls: u32, together: u32| match calls.checked_sub(1) {
        None => 0.0,
        Some(others) => f64::from(others / together) + answer,
    };
    let there = work.there(sets);
    let created = sets - there;
    // Each rule group has to be created or updated.
    let groups = |sets: u32| sets.div_ceil(50);
    let wired = if created > 0 { groups(sets) - there / 50 } else { 0 };
    let groups_read = if there > 0 { answer } else { 0.0 };
    let read = answer + groups_read + calls(there, 5);
    let written = calls(there, 1).max(calls(created, 1));
    // The first run creates all rule groups. Later runs update those that get more IP sets.
    let wired =
        if there == 0 { answer + calls(2, 1) } else { f64::from(u8::from(wired > 0)) * (answer + calls(wired, 1)) };
    read + written + wired + answer
}

fn measure(work: Work, sets: u32, latency: Duration) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(work, sets);
        world.prepare(work, sets).await;
        let slow = FaultKind::Slow(latency);
        world.aws.fail(Fault {
            operation: None,
            target: None,
            skip: 0,
            times: usize::MAX,
            when: When::Before,
            kind: slow,
        });
        world.aws.clear_log();
        let began = Instant::now();
        let arrivals: Arc<Mutex<Vec<f64>>> = Arc::default();
        let seen = Arc::clone(&arrivals);
        world.aws.on_call(move |aws: &Aws, call: &Call| {
            if call.phase == Phase::After && call.ok && call.operation.contains("Update")
                || call.operation.contains("CreateRuleGroup")
            {
                let count = in_force(aws);
                let mut seen = seen.lock().unwrap();
                let now = began.elapsed().as_secs_f64();
                while seen.len() < count {
                    seen.push(now);
                }
            }
        });
        let before = in_force(&world.aws);
        let document = world.apply().await;
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(document.outcome, Outcome::Changed, "{work:?} {sets}: {}", document.reason);
        let arrivals = arrivals.lock().unwrap();
        let new = arrivals.get(before..).unwrap_or_default();
        let at = |index: usize| new.get(index).copied().unwrap_or_default();
        let refused = world.aws.violations().len();
        let count = |operation: &str| world.aws.log().iter().filter(|call| call.operation == operation).count();
        let operations = [
            "Scan",
            "ListIPSets",
            "GetIPSet",
            "ListRuleGroups",
            "GetRuleGroup",
            "CreateIPSet",
            "UpdateIPSet",
            "CreateRuleGroup",
            "UpdateRuleGroup",
        ];
        let calls: Vec<String> = operations
            .iter()
            .map(|name| (name, count(name)))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        Figures {
            seconds,
            access: [at(new.len() / 2), at(new.len().saturating_sub(1))],
            refused: u64::try_from(refused).unwrap(),
            calls: calls.join(", "),
        }
    })
}

/// The number of addresses that our rules allow.
fn in_force(aws: &Aws) -> usize {
    let rules: String = aws.rule_groups().iter().map(|group| group.rules.to_string()).collect();
    aws.ip_sets().iter().filter(|set| rules.contains(&set.arn)).map(|set| set.addresses.len()).sum()
}

struct World {
    aws: Aws,
    settings: Settings,
}

impl World {
    fn new(work: Work, sets: u32) -> Self {
        let config = Config { set_capacity: usize::try_from(CAPACITY).unwrap(), ..Config::default() };
        let aws = Aws::new(config.clone());
        aws.create_table(REGION, TABLE);
        // As many as there will be, so that none is created if one can be updated.
        let most = format!("--max-ip-sets={}", if work == Work::Create { 100 } else { sets });
        let line = ["wafsync", "apply", "--table", TABLE, &most].map(OsString::from);
        let Invocation::Apply { mut settings, .. } = cli::parse(line, []).unwrap().invocation else {
            panic!("not an apply")
        };
        settings.waf.limits.set_capacity = config.set_capacity;
        Self { aws, settings }
    }

    /// Sets up what exists before the measured run, and what the table asks for.
    async fn prepare(&self, work: Work, sets: u32) {
        let there = work.there(sets);
        for set in 0..there {
            self.item(set);
        }
        if there > 0 {
            // One address in each set, as after many removals.
            self.aws.preload_sets(REGION, TABLE, "wafsync", self.settings.waf.limits.max_ip_sets, 1);
        }
        for number in there..CAPACITY * sets {
            self.item(number);
        }
        tokio::time::advance(Duration::from_mins(1)).await;
    }

    fn item(&self, number: u32) {
        let [_, b, c, d] = number.to_be_bytes();
        let key = format!("c{number}");
        self.aws.put_item(TABLE, &key, json!({"id": {"S": key}, "ips": {"S": format!("[\"10.{b}.{c}.{d}/32\"]")}}));
    }

    async fn apply(&self) -> Document {
        fastrand::seed(1);
        let connection = Connection::new(self.sdk(), &self.settings).unwrap();
        let stop = Signal::default().stop(Some(Instant::now() + self.settings.run.deadline));
        let writer = connection.writer();
        let readers = (&connection.table_reader(), &connection.waf_reader());
        let run = reconcile(&self.settings, readers, Some(&writer), &mut ReadCache::default(), &stop).await;
        Document::new(&run, &self.settings)
    }

    fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("AKID", "secret", None, None, "bench");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.aws.http_client())
            .build()
    }
}
