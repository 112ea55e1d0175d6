//! A table, a WAF and an installation of wafsync, under a paused clock.

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

/// AWS's clock at the start of every scenario, in seconds since the epoch.
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

    /// Puts an item: see [`item`].
    pub(crate) fn item(&self, key: &str, ips: &[&str]) {
        self.aws.put_item(TABLE, key, item(key, ips));
    }

    /// Lets a rule group refer to a foreign IP set with these addresses as well, by hand. Returns the ARN of the set.
    pub(crate) fn refer_to_foreign(&self, group: &str, ip_set: &str, addresses: &[&str]) -> String {
        let arn = self.aws.put_ip_set("REGIONAL", ip_set, "IPV4", addresses, None);
        self.aws.edit_rule_group(group, |rules| {
            let ours = rules[0]["Statement"].take();
            let theirs = json!({"IPSetReferenceStatement": {"ARN": arn}});
            rules[0]["Statement"] = json!({"OrStatement": {"Statements": [ours, theirs]}});
        });
        arn
    }

    /// Puts the items `c1`, `c2` and so on, with one address each: see [`ip`].
    pub(crate) fn items(&self, numbers: RangeInclusive<u32>) {
        for number in numbers {
            self.item(&format!("c{number}"), &[&ip(number)]);
        }
    }

    /// Deletes these items.
    pub(crate) fn no_items(&self, numbers: RangeInclusive<u32>) {
        for number in numbers {
            self.aws.delete_item(TABLE, &format!("c{number}"));
        }
    }

    /// Changes the settings for later runs. The limits stay small.
    pub(crate) fn set(&mut self, args: &[&str]) {
        let limits = self.settings.waf.limits;
        self.settings = settings(args);
        let max_ip_sets = self.settings.waf.limits.max_ip_sets;
        self.settings.waf.limits = Limits { max_ip_sets, ..limits };
    }

    /// Makes the next attempt of this operation fail.
    pub(crate) fn fail(&self, operation: &str, when: When, kind: FaultKind) {
        self.fail_times(operation, 1, when, kind);
    }

    pub(crate) fn fail_times(&self, operation: &str, times: usize, when: When, kind: FaultKind) {
        self.aws.fail(Fault { operation: Some(operation.to_owned()), target: None, skip: 0, times, when, kind });
    }

    /// Makes the next attempts of this operation on this resource fail.
    pub(crate) fn fail_target(&self, operation: &str, target: &str, times: usize, when: When, kind: FaultKind) {
        let (operation, target) = (Some(operation.to_owned()), Some(target.to_owned()));
        self.aws.fail(Fault { operation, target, skip: 0, times, when, kind });
    }

    /// Runs this once, at the next call of the operation in this phase.
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

    /// Runs `apply` a minute later and returns its document.
    pub(crate) async fn next_apply(&self) -> Document {
        self.later().await;
        self.aws.clear_log();
        self.apply().await
    }

    /// Approves the digest that a plan shows now.
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

    /// The text report of a run.
    pub(crate) async fn text(&self, command: Command) -> String {
        let run = self.run(command).await;
        let document = Document::new(&run, &self.settings);
        text::render(&document, context(command, &run, &approving()))
    }

    pub(crate) async fn run(&self, command: Command) -> Run {
        // The SDK's back-off uses this random source.
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

    /// What a long-running process keeps between runs.
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

    /// Plans again and asserts that there is nothing to do and that nothing went wrong.
    pub(crate) async fn settled(&self) {
        let again = self.plan().await;
        assert_eq!(again.outcome, Outcome::Planned, "{}", again.reason);
        assert_eq!(again.changes, [], "{}", again.reason);
        assert_eq!(again.deferred, []);
        assert_eq!(again.held, []);
        assert_eq!(self.aws.violations(), Vec::<String>::new());
    }

    /// Lets time pass, so that one step of a scenario does not use up the API rate of the next.
    pub(crate) async fn later(&self) {
        tokio::time::advance(Duration::from_mins(1)).await;
    }

    /// Every address that our rules allow: the contents of the IP sets that a rule refers to.
    pub(crate) fn in_force(&self) -> Vec<String> {
        in_force(&self.aws)
    }

    /// The number of attempts of this operation.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.aws.log().iter().filter(|attempt| attempt.operation == operation).count()
    }
}

/// An item as Crossplane writes it: the addresses are a JSON array in a string.
pub(crate) fn item(key: &str, ips: &[&str]) -> Value {
    json!({"id": {"S": key}, "ips": {"S": json!(ips).to_string()}})
}

/// The host of every scenario is a command line.
pub(crate) fn approving() -> Approving {
    Approving::Command(Some(format!("wafsync apply --table={TABLE}")))
}

/// The context for reports of this run, without colors.
pub(crate) fn context<'a>(command: Command, run: &'a Run, approving: &'a Approving) -> Context<'a> {
    let (target, desired) = (&run.target, run.newest());
    Context { command, target, desired, approving, color: false, full: false, asks: false, items: &[] }
}

/// The addresses that our rules allow.
pub(crate) fn in_force(aws: &Aws) -> Vec<String> {
    let rules: String = aws.rule_groups().iter().map(|group| group.rules.to_string()).collect();
    let wired = aws.ip_sets().into_iter().filter(|set| rules.contains(&set.arn));
    let mut addresses: Vec<String> = wired.flat_map(|set| set.addresses).collect();
    addresses.sort_unstable();
    addresses
}

/// The settings of `apply --table clusters` with these additional arguments.
pub(crate) fn settings(args: &[&str]) -> Settings {
    let line = ["wafsync", "apply", "--table", TABLE].iter().chain(args).map(OsString::from);
    match cli::parse(line, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        _ => panic!("not an apply"),
    }
}

/// The address of item `cN`. As texts, the addresses sort like the numbers.
pub(crate) fn ip(number: u32) -> String {
    format!("198.51.{}.{}/32", 100 + number / 100, 100 + number % 100)
}

pub(crate) fn ips(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(ip).collect()
}

/// Each write in one line: `update_ip_set wafsync-ipv4-000 +198.51.100.7/32 -198.51.100.8/32`.
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

/// The outcome of a run, the number of planned writes, and the number of writes made.
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
