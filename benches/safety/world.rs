//! Whole runs against the stand-in, which enforces AWS's rates by a simulated clock: the figures are the same on every
//! machine.

use std::ffi::OsString;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::report::Document;
use wafsync::run::reconcile::reconcile;
use wafsync::stop::Signal;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, When};

pub(crate) const TABLE: &str = "clusters";
pub(crate) const REGION: &str = "eu-central-1";

/// A runtime whose clock jumps from one event to the next.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// An account with a table, and an installation of wafsync.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) settings: Settings,
}

impl World {
    /// An empty table and an empty WAF.
    pub(crate) fn new(config: Config, arguments: &[String]) -> Self {
        let line = ["wafsync", "apply", "--table", TABLE].map(OsString::from);
        let line = line.into_iter().chain(arguments.iter().map(OsString::from));
        let Invocation::Apply { mut settings, .. } = cli::parse(line, []).unwrap().invocation else {
            panic!("not an apply")
        };
        settings.waf.limits.set_capacity = config.set_capacity;
        let aws = Aws::new(config);
        aws.create_table(REGION, TABLE);
        Self { aws, settings }
    }

    /// Writes an item with one address, 10.0.0.0 plus `number`.
    pub(crate) fn item(&self, number: u32) {
        let [_, b, c, d] = number.to_be_bytes();
        let key = format!("c{number}");
        self.aws.put_item(TABLE, &key, json!({"id": {"S": key}, "ips": {"S": format!("[\"10.{b}.{c}.{d}/32\"]")}}));
    }

    /// Every answer takes this long from now on.
    pub(crate) fn answers_after(&self, latency: Duration) {
        self.aws.fail(Fault {
            operation: None,
            target: None,
            skip: 0,
            times: usize::MAX,
            when: When::Before,
            kind: FaultKind::Slow(latency),
        });
    }

    pub(crate) async fn apply(&self) -> Document {
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
