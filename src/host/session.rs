//! A session: one installation in one process, with its clients, its cache, and one run after another.
//!
//! Every host has one: a command, `watch`, and a Lambda function across invocations. It prints nothing and does not depend
//! on the host.

mod log;

use std::time::Duration;

use aws_config::SdkConfig;
use tokio::time::Instant;
use tracing::{Instrument as _, error_span, info};

use crate::aws::{self, Connection, NoRegion, ReadCache, TableReader, WafReader, Writer};
use crate::metrics::Facts;
use crate::model::settings::Settings;
use crate::preflight::iam_policy::Access;
use crate::report::{Approving, Command, Document};
use crate::run::reconcile::reconcile;
use crate::run::record::Run;
use crate::stop::Stop;
use crate::text::with_hint;

/// The tracing target of spans and events that a terminal does not show.
pub const FOR_PROGRAMS: &str = "wafsync::for_programs";

/// An installation's clients, settings and cache.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    connection: Connection,
    table: TableReader,
    waf: WafReader,
    /// Created by the first `apply`: a process that only plans never has one.
    writer: Option<Writer>,
    cache: ReadCache,
    throttled: u64,
    approving: Approving,
    said: log::Said,
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// Its record.
    pub run: Run,
    /// Its document.
    pub document: Document,
    /// Its facts for metrics.
    pub facts: Facts,
}

/// The variables with credentials. The SDK panics if one contains a line break, as a Secret made with `echo` does.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Loads Region, credentials and endpoints from the environment. The error is a message for people.
async fn environment() -> Result<SdkConfig, String> {
    for variable in CREDENTIALS {
        let value = std::env::var_os(variable).unwrap_or_default();
        if value.to_string_lossy().chars().any(char::is_control) {
            let hint = "remove it; `echo -n` and `printf` add none";
            return Err(with_hint(&format!("{variable} has a line break or another control character"), Some(hint)));
        }
    }
    aws::environment().await.map_err(|error| with_hint(&error.to_string(), Some(error.hint())))
}

/// Creates clients for this command with these settings from the environment. The error is a message for people.
pub(super) async fn connect(settings: &Settings, access: Access) -> Result<Connection, String> {
    let sdk = environment().await?;
    let connection = Connection::with_access(sdk, settings, access);
    connection.map_err(|error| with_hint(&error.to_string(), Some(error.hint())))
}

impl Session {
    /// Creates a session for this command with clients from the environment. The error is a message for people.
    pub(super) async fn from_environment(
        settings: Settings,
        access: Access,
        approving: Approving,
    ) -> Result<Self, String> {
        let connection = connect(&settings, access).await?;
        Ok(Self::over(connection, settings).approved_by(approving))
    }

    /// Creates a session.
    ///
    /// # Errors
    ///
    /// As [`Connection::new`].
    pub fn new(sdk: SdkConfig, settings: Settings) -> Result<Self, NoRegion> {
        Ok(Self::over(Connection::new(sdk, &settings)?, settings))
    }

    fn over(connection: Connection, settings: Settings) -> Self {
        let (table, waf) = (connection.table_reader(), connection.waf_reader());
        Self {
            settings,
            connection,
            table,
            waf,
            writer: None,
            cache: ReadCache::default(),
            throttled: 0,
            approving: Approving::Command(None),
            said: log::Said::default(),
        }
    }

    /// Sets how this host approves a plan, which the log shows.
    #[must_use]
    pub fn approved_by(self, approving: Approving) -> Self {
        Self { approving, ..self }
    }

    /// How this host approves a plan.
    #[must_use]
    pub const fn approving(&self) -> &Approving {
        &self.approving
    }

    /// The settings of the next run.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets what differs between runs: the approved digest and the deadline.
    pub fn prepare(&mut self, approve: Option<String>, deadline: Duration) {
        self.settings.guards.approve = approve;
        self.settings.run.deadline = deadline;
    }

    /// Runs once. `now` is in seconds since the epoch.
    pub async fn run(&mut self, command: Command, now: i64, stop: &Stop) -> Finished {
        // An error span, so that it exists at every log level.
        let span = error_span!(target: FOR_PROGRAMS, "run", id = format!("{:016x}", fastrand::u64(..)));
        self.run_in_span(command, now, stop).instrument(span).await
    }

    async fn run_in_span(&mut self, command: Command, now: i64, stop: &Stop) -> Finished {
        let began = Instant::now();
        let (table, name) = (self.settings.table.name(), &self.settings.waf.name);
        let named = match command {
            Command::Plan => "plan",
            Command::Apply => "apply",
        };
        info!(target: FOR_PROGRAMS, command = named, table, name, "the run begins");
        let writer = match command {
            Command::Plan => None,
            Command::Apply => Some(&*self.writer.get_or_insert_with(|| self.connection.writer())),
        };
        let run = reconcile(&self.settings, (&self.table, &self.waf), writer, &mut self.cache, stop).await;
        let mut document = Document::new(&run, &self.settings);
        let digest = document.digest.as_ref().filter(|_| document.can_be_approved());
        document.guard.approve = digest.map(|digest| self.approving.of(digest));
        if command == Command::Apply {
            // An approval is spent by one run, even if it was not needed: a later plan with that digest is another plan.
            self.settings.guards.approve = None;
        }
        let throttled = self.connection.throttled_attempts();
        let facts = Facts::new(&run, now, began.elapsed(), throttled - self.throttled);
        self.throttled = throttled;
        log::ended(&mut self.said, command, &document, &facts);
        Finished { run, document, facts }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
    use serde_json::json;
    use wafsync_test_aws::{Aws, Config};

    use super::*;
    use crate::cli::{self, Invocation};
    use crate::run::outcome::Outcome;
    use crate::stop::Signal;

    /// The configuration of a client that calls the stand-in.
    pub(crate) fn sdk(aws: &Aws) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "test",
            )))
            .http_client(aws.http_client())
            .build()
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_only_plans_never_has_what_can_write() {
        let aws = Aws::new(Config::default());
        aws.create_table("eu-central-1", "clusters");
        aws.put_item("clusters", "a", json!({"id": {"S": "a"}, "ips": {"S": "198.51.100.7"}}));
        let line = ["wafsync", "plan", "--table=clusters"].map(std::ffi::OsString::from);
        let Invocation::Plan { settings, .. } = cli::parse(line, []).unwrap().invocation else { panic!("not a plan") };
        let mut session = Session::new(sdk(&aws), settings).unwrap();
        let stop = Signal::default().stop(None);
        let planned = session.run(Command::Plan, 0, &stop).await;
        assert_eq!((planned.document.outcome, planned.document.changes.len()), (Outcome::Planned, 3));
        assert!(session.writer.is_none());
        assert_eq!(session.run(Command::Apply, 0, &stop).await.document.outcome, Outcome::Changed);
        assert!(session.writer.is_some());
    }
}
