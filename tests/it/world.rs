//! A table, a WAF and one installation of wafsync between them, under a paused clock.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value, json};
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::host::session::Session;
use wafsync::model::cidr::Cidr;
use wafsync::model::limits::Limits;
use wafsync::model::settings::Settings;
use wafsync::preflight::iam_policy::Access;
use wafsync::report::{Approving, Command, Context, Document, Names, text};
use wafsync::run::outcome::Outcome;
use wafsync::run::record::Run;
use wafsync::stop::Signal;
use wafsync_test_aws::{Aws, Call, Config, Fault, FaultKind, Phase, When};

use crate::iam::assert_allowed;
use crate::running;

/// The table of every scenario.
pub(crate) const TABLE: &str = "clusters";

/// When every scenario begins by AWS's clock, in seconds since the epoch.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) settings: Settings,
    pub(crate) signal: Signal,
}

impl World {
    /// An empty table and an empty WAF, with AWS's own quotas and rates.
    pub(crate) fn new(args: &[&str]) -> Self {
        Self::with(Config::default(), args)
    }

    pub(crate) fn with(config: Config, args: &[&str]) -> Self {
        let limits = (config.set_capacity, config.group_references);
        let aws = Aws::new(Config { epoch: config.epoch.or(Some(NOW)), ..config });
        aws.create_table("eu-central-1", TABLE);
        let mut settings = settings(args);
        (settings.waf.limits.set_capacity, settings.waf.limits.group_references) = limits;
        Self { aws, settings, signal: Signal::default() }
    }

    /// An item as Crossplane writes it: the addresses are a JSON array in a string.
    pub(crate) fn item(&self, key: &str, ips: &[&str]) {
        self.aws.put_item(TABLE, key, json!({"id": {"S": key}, "ips": {"S": json!(ips).to_string()}}));
    }

    /// Items `c1`, `c2` and so on, one address each: see [`ip`].
    pub(crate) fn items(&self, numbers: RangeInclusive<u32>) {
        for number in numbers {
            self.item(&format!("c{number}"), &[&ip(number)]);
        }
    }

    /// The same items are gone.
    pub(crate) fn no_items(&self, numbers: RangeInclusive<u32>) {
        for number in numbers {
            self.aws.delete_item(TABLE, &format!("c{number}"));
        }
    }

    /// Other settings from the next run on; the limits stay as small as they are.
    pub(crate) fn set(&mut self, args: &[&str]) {
        let limits = self.settings.waf.limits;
        self.settings = settings(args);
        let max_ip_sets = self.settings.waf.limits.max_ip_sets;
        self.settings.waf.limits = Limits { max_ip_sets, ..limits };
    }

    /// The next attempt of this operation fails so.
    pub(crate) fn fail(&self, operation: &str, when: When, kind: FaultKind) {
        self.fail_times(operation, 1, when, kind);
    }

    pub(crate) fn fail_times(&self, operation: &str, times: usize, when: When, kind: FaultKind) {
        self.aws.fail(Fault { operation: Some(operation.to_owned()), target: None, skip: 0, times, when, kind });
    }

    /// The next attempts of this operation on this resource fail so.
    pub(crate) fn fail_target(&self, operation: &str, target: &str, times: usize, when: When, kind: FaultKind) {
        let (operation, target) = (Some(operation.to_owned()), Some(target.to_owned()));
        self.aws.fail(Fault { operation, target, skip: 0, times, when, kind });
    }

    /// Does this once, when the operation is next asked for in this phase.
    pub(crate) fn once(&self, operation: &'static str, phase: Phase, act: impl FnOnce(&Aws, &Call) + Send + 'static) {
        let mut act = Some(act);
        self.aws.on_call(move |aws, call| {
            if call.operation == operation
                && call.phase == phase
                && let Some(act) = act.take()
            {
                act(aws, call);
            }
        });
    }

    /// `apply`, a minute later; gives what became of it and the writes it made.
    pub(crate) async fn next_apply(&self) -> Document {
        self.later().await;
        self.aws.clear_log();
        self.apply().await
    }

    /// Takes the digest that a plan shows now for approved.
    pub(crate) async fn set_approval(&mut self) {
        self.later().await;
        self.settings.guards.approve = self.plan().await.digest;
    }

    pub(crate) async fn plan(&self) -> Document {
        let run = self.run(Command::Plan).await;
        Document::new(&run, &self.settings)
    }

    pub(crate) async fn apply(&self) -> Document {
        let run = self.run(Command::Apply).await;
        Document::new(&run, &self.settings)
    }

    /// What a person sees.
    pub(crate) async fn text(&self, command: Command) -> String {
        let run = self.run(command).await;
        let document = Document::new(&run, &self.settings);
        text::render(&document, context(command, &run, &approving()))
    }

    pub(crate) async fn run(&self, command: Command) -> Run {
        // The SDK's back-off draws from here.
        fastrand::seed(1);
        let connection = self.connection();
        let stop = self.signal.stop(Some(Instant::now() + self.settings.run.deadline));
        let before = self.aws.log().len();
        let run = running::run(&connection, &self.settings, command, &mut ReadCache::default(), &stop).await;
        let access = match command {
            Command::Plan => Access::Plan,
            Command::Apply => Access::Apply,
        };
        assert_allowed(access, &self.settings, self.aws.log().get(before..).unwrap_or_default());
        run
    }

    /// What a process that lives on holds.
    pub(crate) fn session(&self) -> Session {
        Session::new(self.sdk(), self.settings.clone()).unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::new(self.sdk(), &self.settings).unwrap()
    }

    pub(crate) fn sdk(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "test",
            )))
            .http_client(self.aws.http_client())
            .build()
    }

    /// Plans again: there has to be nothing to do, and nothing may have gone wrong on the way.
    pub(crate) async fn settled(&self) {
        let again = self.plan().await;
        assert_eq!(again.outcome, Outcome::Planned, "{}", again.reason);
        assert_eq!(again.changes, [], "{}", again.reason);
        assert_eq!(again.deferred, []);
        assert_eq!(again.held, []);
        assert_eq!(self.aws.violations(), Vec::<String>::new());
    }

    /// Lets time pass, so that one step of a scenario does not take the next one's API rate.
    pub(crate) async fn later(&self) {
        tokio::time::advance(Duration::from_mins(1)).await;
    }

    /// Every address that WAF would let in by our rules: contents of the IP sets that a rule refers to.
    pub(crate) fn in_force(&self) -> Vec<String> {
        in_force(&self.aws)
    }

    /// How often each operation was attempted.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.aws.log().iter().filter(|attempt| attempt.operation == operation).count()
    }
}

/// The host of every scenario is a command line.
pub(crate) fn approving() -> Approving {
    Approving::Command(Some(format!("wafsync apply --table={TABLE}")))
}

/// What reports of this run need, without colors.
pub(crate) fn context<'a>(command: Command, run: &'a Run, approving: &'a Approving) -> Context<'a> {
    let (target, desired) = (&run.target, run.newest());
    Context { command, target, desired, approving, color: false, full: false, asks: false, items: &[] }
}

/// What our rules let in.
pub(crate) fn in_force(aws: &Aws) -> Vec<String> {
    let rules: String = aws.rule_groups().iter().map(|group| group.rules.to_string()).collect();
    let wired = aws.ip_sets().into_iter().filter(|set| rules.contains(&set.arn));
    let mut addresses: Vec<String> = wired.flat_map(|set| set.addresses).collect();
    addresses.sort_unstable();
    addresses
}

/// The settings of `apply --table clusters` and these further arguments.
pub(crate) fn settings(args: &[&str]) -> Settings {
    let line = ["wafsync", "apply", "--table", TABLE].iter().chain(args).map(OsString::from);
    match cli::parse(line, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        _ => panic!("not an apply"),
    }
}

/// The address of item `cN`; as texts they sort like the numbers.
pub(crate) fn ip(number: u32) -> String {
    format!("198.51.{}.{}/32", 100 + number / 100, 100 + number % 100)
}

pub(crate) fn ips(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(ip).collect()
}

/// Each write in a line: `update_ip_set wafsync-ipv4-000 +198.51.100.7/32 -198.51.100.8/32`.
pub(crate) fn changes(document: &Document) -> Vec<String> {
    let names = |sign: char, names: &Names| -> String {
        let value = serde_json::to_value(names).unwrap();
        value
            .as_array()
            .unwrap()
            .iter()
            .fold(String::new(), |text, name| format!("{text} {sign}{}", name.as_str().unwrap()))
    };
    let line = |write: &wafsync::report::Write| {
        format!("{} {}{}{}", write.kind, write.target, names('+', &write.add), names('-', &write.remove))
    };
    document.changes.iter().map(line).collect()
}

/// How a run ended, and how many of the planned writes were made.
pub(crate) fn ended(document: &Document) -> (Outcome, usize, usize) {
    (document.outcome, document.writes.planned, document.writes.done)
}

pub(crate) fn texts(cidrs: &[Cidr]) -> Vec<String> {
    cidrs.iter().map(ToString::to_string).collect()
}

/// A rule of a web ACL that refers to this rule group.
pub(crate) fn reference_to(group: &str, priority: u32) -> Value {
    json!({
        "Name": format!("rule-{priority}"),
        "Priority": priority,
        "Statement": {"RuleGroupReferenceStatement": {"ARN": group}},
        "OverrideAction": {"None": {}},
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"},
    })
}
