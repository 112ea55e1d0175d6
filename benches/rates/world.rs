//! An account at AWS's rates, and the processes that work on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use serde_json::json;
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::report::Document;
use wafsync::run::reconcile::reconcile;
use wafsync::stop::Signal;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Limiter, When};

pub(crate) const REGION: &str = "eu-central-1";

const TABLE: &str = "clusters";

/// Runs this in a clock of its own, which jumps from one event to the next.
pub(crate) fn simulated<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) settings: Settings,
}

/// A process of wafsync, with what it remembers of earlier runs.
pub(crate) struct Process<'a> {
    world: &'a World,
    connection: Connection,
    cache: ReadCache,
}

impl World {
    /// An account whose IP sets hold this many addresses each.
    pub(crate) fn new(set_capacity: u32, max_ip_sets: u32, limiter: Limiter) -> Self {
        let set_capacity = usize::try_from(set_capacity).unwrap();
        let aws = Aws::new(Config { set_capacity, limiter, ..Config::default() });
        aws.create_table(REGION, TABLE);
        let most = format!("--max-ip-sets={max_ip_sets}");
        let line = ["wafsync", "apply", "--table", TABLE, &most].map(OsString::from);
        let Invocation::Apply { mut settings, .. } = cli::parse(line, []).unwrap().invocation else {
            panic!("not an apply")
        };
        settings.waf.limits.set_capacity = set_capacity;
        Self { aws, settings }
    }

    /// Puts the table in force, with this many addresses in each IP set, as after many removals.
    pub(crate) fn preload(&self, filled: usize) {
        self.aws.preload_sets(REGION, TABLE, "wafsync", self.settings.waf.limits.max_ip_sets, filled);
    }

    pub(crate) fn put(&self, number: u32) {
        let key = format!("c{number}");
        self.aws.put_item(TABLE, &key, json!({"id": {"S": key}, "ips": {"S": format!("[\"{}\"]", address(number))}}));
    }

    pub(crate) fn delete(&self, number: u32) {
        self.aws.delete_item(TABLE, &format!("c{number}"));
    }

    /// Makes every later answer take this long.
    pub(crate) fn answers_after(&self, latency: Duration) {
        let (when, kind) = (When::Before, FaultKind::Slow(latency));
        self.aws.fail(Fault { operation: None, target: None, skip: 0, times: usize::MAX, when, kind });
    }

    /// The addresses that our rules allow.
    pub(crate) fn in_force(&self) -> Vec<String> {
        in_force(&self.aws)
    }

    /// Starts a process.
    pub(crate) fn process(&self) -> Process<'_> {
        let connection = Connection::new(self.sdk(), &self.settings).unwrap();
        Process { world: self, connection, cache: ReadCache::default() }
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

    /// How often each action was called, as Markdown.
    pub(crate) fn calls(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.aws.log() {
            *counts.entry(call.operation).or_default() += 1;
        }
        counts.iter().map(|(operation, count)| format!("{count} {operation}")).collect::<Vec<_>>().join(", ")
    }

    /// How many calls were refused for their rate.
    pub(crate) fn refused(&self) -> u32 {
        u32::try_from(self.aws.violations().len()).unwrap()
    }
}

impl Process<'_> {
    /// Runs `apply`.
    pub(crate) async fn apply(&mut self) -> Document {
        let settings = &self.world.settings;
        let stop = Signal::default().stop(Some(Instant::now() + settings.run.deadline));
        let writer = self.connection.writer();
        let readers = (&self.connection.table_reader(), &self.connection.waf_reader());
        let run = reconcile(settings, readers, Some(&writer), &mut self.cache, &stop).await;
        Document::new(&run, settings)
    }
}

/// The address of an item.
pub(crate) fn address(number: u32) -> String {
    let [_, b, c, d] = number.to_be_bytes();
    format!("10.{b}.{c}.{d}/32")
}

/// The addresses that our rules allow.
pub(crate) fn in_force(aws: &Aws) -> Vec<String> {
    let rules: String = aws.rule_groups().iter().map(|group| group.rules.to_string()).collect();
    aws.ip_sets().into_iter().filter(|set| rules.contains(&set.arn)).flat_map(|set| set.addresses).collect()
}
