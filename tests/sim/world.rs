//! A small account, a table, and installations of wafsync under a paused clock, observed at every call.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::time::TimeSource;
use serde_json::{Value, json};
use tokio::time::Instant;
use wafsync::aws::{self, AwsError, Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::host::session::{Finished, Session};
use wafsync::model::cidr::Cidr;
use wafsync::model::desired::Desired;
use wafsync::model::policy::Action;
use wafsync::model::settings::{MaxAdditions, MaxRemovals, OnRejection, Settings};
use wafsync::planning::change::{Stage, Write};
use wafsync::preflight::check;
use wafsync::preflight::explain::{Acls, Lookup, explain};
use wafsync::preflight::iam_policy::{self, Access, IamScope};
use wafsync::preflight::line::Severity;
use wafsync::report::{Command, Document};
use wafsync::run::outcome::Outcome;
use wafsync::run::record::Run;
use wafsync::stop::{Signal, Stop};
use wafsync_test_aws::{Aws, Config, Phase, iam};

use crate::careless::Careless;
use crate::observer::{Checked, Errand, Explained, Limit, Observer, Promise, Terms};
use crate::ranges::Ranges;
use crate::running;

/// The table of every world.
pub(crate) const TABLE: &str = "clusters";

/// The start time of every world, in seconds since the epoch.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The maximum number of runs to converge once the faults have ended. A run that ends `blocked` or `held` does not
/// count: a person approves what it shows, and the run with that approval counts.
const RUNS_TO_CONVERGE: usize = 3;

/// The maximum number of runs that wait for approval before that: an adopted set, a rule, too many removals, and
/// another one if the approval of a rule leads to removals.
const RUNS_FOR_A_PERSON: usize = 4;

/// The settings of every world: small numbers, so that limits are reached often.
const ARGS: [&str; 4] = ["--max-ip-sets=6", "--settle=5s", "--max-removals=3", "--deadline=30m"];

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) observer: Observer,
    pub(crate) settings: Settings,
    account: Config,
    /// When this machine's clock showed [`NOW`].
    started: Instant,
    /// Nobody else changes anything from now on.
    pub(crate) calm: Arc<AtomicBool>,
    /// The cache of reads of each caller, if processes run on from run to run. A killed process loses it.
    pub(crate) warm: Option<Mutex<BTreeMap<String, ReadCache>>>,
    /// The session of each caller, if whole processes run on: with the approval that they were started with, until the
    /// settings change.
    pub(crate) sessions: Option<Mutex<BTreeMap<String, Session>>>,
    /// The defect of every process.
    pub(crate) careless: Option<Careless>,
    /// Every run that ended.
    pub(crate) lived: Mutex<Vec<Lived>>,
}

/// What a run did, and its report.
pub(crate) struct Lived {
    pub(crate) document: Value,
    /// The number of times that it planned and wrote.
    pub(crate) rounds: usize,
    /// It removed something from a set to which no rule referred.
    pub(crate) stripped: bool,
    /// It wrote an adopted set.
    pub(crate) adopted: bool,
    /// It wrote a CIDR that was merged from several.
    pub(crate) merged: bool,
}

/// The parameters of one run.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// The caller: the access key of its calls.
    pub(crate) caller: String,
    pub(crate) settings: Settings,
    pub(crate) signal: Signal,
    /// The seed of its random source.
    pub(crate) seed: u64,
    /// It has little time, or is stopped by a signal.
    pub(crate) hurried: bool,
}

/// The configuration of the stand-in, with small quotas.
pub(crate) fn small() -> Config {
    Config { set_capacity: 4, group_references: 2, scan_page_bytes: 100, epoch: Some(NOW), ..Config::default() }
}

impl World {
    /// An empty table and an empty WAF.
    pub(crate) fn new(config: Config, args: &[&str]) -> Self {
        let (limits, account) = ((config.set_capacity, config.group_references), config.clone());
        let aws = Aws::new(config);
        aws.create_table("eu-central-1", TABLE);
        let mut settings = settings(args);
        (settings.waf.limits.set_capacity, settings.waf.limits.group_references) = limits;
        let observer = Observer::new(&aws, terms(&settings, &account));
        Self {
            aws,
            observer,
            settings,
            account,
            started: Instant::now(),
            calm: Arc::default(),
            warm: None,
            sessions: None,
            careless: None,
            lived: Mutex::default(),
        }
    }

    /// Tells the observer the current settings.
    pub(crate) fn tell(&self) {
        self.observer.set_terms(terms(&self.settings, &self.account));
    }

    pub(crate) fn item(&self, key: &str, cidrs: &[&str]) {
        self.observer.put_item(&self.aws, key, cidrs, &[]);
    }

    /// Runs this at calls from here on, counted from 0, until the end of all interference.
    pub(crate) fn at_calls(&self, mut at: Vec<usize>, mut act: impl FnMut(&Aws, &Observer) + Send + 'static) {
        let (observer, calm, mut calls) = (self.observer.clone(), Arc::clone(&self.calm), 0);
        self.calm.store(false, Ordering::Relaxed);
        self.aws.on_call(move |aws, call| {
            if call.phase == Phase::After || calm.load(Ordering::Relaxed) {
                return;
            }
            while let Some(due) = at.iter().position(|due| *due == calls) {
                at.swap_remove(due);
                act(aws, &observer);
            }
            calls += 1;
        });
    }

    pub(crate) fn by_hand(&self, edit: impl FnOnce(&Aws)) {
        self.observer.by_hand(&self.aws, edit);
    }

    /// Declares the current foreign resources. `named_like_ours` have names like ours, but are foreign.
    pub(crate) fn set_foreign(&self, named_like_ours: &[&str]) {
        self.observer.set_foreign(&self.aws, named_like_ours);
    }

    pub(crate) fn process(&self, caller: &str) -> Process {
        Process {
            caller: caller.to_owned(),
            settings: self.settings.clone(),
            signal: Signal::default(),
            seed: 1,
            hurried: false,
        }
    }

    /// A complete run.
    pub(crate) async fn apply(&self, process: &Process) -> Document {
        // The SDK's back-off uses this random source.
        fastrand::seed(process.seed);
        self.observer.begin(&self.aws, &process.caller, process.errand());
        let document = self.run(process, Command::Apply).await;
        let mut said = serde_json::to_value(&document).unwrap();
        said["exit_code"] = json!(document.outcome.exit_code());
        self.observer.end(&process.caller, Some(&said));
        document
    }

    /// The plan of a run.
    pub(crate) async fn plan(&self, process: &Process) -> Document {
        self.observer.begin(&self.aws, &process.caller, process.errand());
        let document = self.run(process, Command::Plan).await;
        self.observer.end(&process.caller, Some(&json!({"digest": document.digest})));
        document
    }

    /// A run that is killed as soon as `killer` ends.
    pub(crate) async fn killed(&self, process: &Process, killer: impl Future<Output = ()>) -> Option<Document> {
        fastrand::seed(process.seed);
        self.observer.begin(&self.aws, &process.caller, process.errand());
        let document = tokio::select! {
            biased;
            () = killer => None,
            document = self.run(process, Command::Apply) => Some(document),
        };
        self.observer.end(&process.caller, None);
        document
    }

    async fn run(&self, process: &Process, command: Command) -> Document {
        let Some(careless) = self.careless else { return self.run_with(process, &process.settings, command).await };
        let mut settings = careless.replace_settings(process.settings.clone());
        if careless == Careless::ApprovesUnseen && command == Command::Apply {
            settings.guards.approve = self.run_with(process, &settings, Command::Plan).await.digest;
        }
        self.run_with(process, &settings, command).await
    }

    /// A run with settings that the observer need not know.
    async fn run_with(&self, process: &Process, settings: &Settings, command: Command) -> Document {
        let stop = process.signal.stop(Some(Instant::now() + process.settings.run.deadline));
        if let Some(sessions) = &self.sessions {
            let before = self.observer.arrived();
            let living = sessions.lock().unwrap().remove(&process.caller);
            let mut session = match living.filter(|session| lives_on(session, settings)) {
                Some(session) => session,
                None => Session::new(self.sdk(&process.caller), settings.clone()).unwrap(),
            };
            let Finished { run, document, .. } = session.run(command, NOW, &stop).await;
            sessions.lock().unwrap().insert(process.caller.clone(), session);
            self.has_run(&run, &document, settings, &process.caller, before);
            return document;
        }
        let connection = Connection::new(self.sdk(&process.caller), settings).unwrap();
        let warm = |edit: &mut dyn FnMut(&mut BTreeMap<String, ReadCache>)| {
            self.warm.iter().for_each(|caches| edit(&mut caches.lock().unwrap()));
        };
        let mut cache = ReadCache::default();
        warm(&mut |caches| cache = caches.remove(&process.caller).unwrap_or_default());
        let before = self.observer.arrived();
        let run = running::run(&connection, settings, command, &mut cache, &stop).await;
        warm(&mut |caches| drop(caches.insert(process.caller.clone(), std::mem::take(&mut cache))));
        let document = Document::new(&run, settings);
        self.has_run(&run, &document, settings, &process.caller, before);
        document
    }

    /// Records what a run did. Its calls have this number or a higher one, because a call of an earlier run, with earlier
    /// settings, can be handled during this one.
    fn has_run(&self, run: &Run, document: &Document, settings: &Settings, caller: &str, first: usize) {
        let policy = iam_policy::policy(Access::Apply, &IamScope::of(settings, Some("eu-central-1")));
        let log = self.aws.log();
        let own = log.iter().filter(|attempt| attempt.index >= first && attempt.caller == caller);
        for call in own.flat_map(iam::calls) {
            assert!(iam::allows(&policy, &call), "the policy does not allow {call:?}");
        }
        self.lived.lock().unwrap().push(Lived::new(run, document, settings));
    }

    /// Runs `explain` for these addresses, and `check`, and has the observer check the answers.
    pub(crate) async fn asks(&self, addresses: &[String]) {
        let stop = Signal::default().stop(Some(Instant::now() + self.settings.run.deadline));
        let begin = |caller: &str| self.observer.begin(&self.aws, caller, self.process(caller).errand());
        begin("explains");
        let connection = Connection::new(self.sdk("explains"), &self.settings).unwrap();
        match self.explain(&connection, addresses, &stop).await {
            Ok(answers) => self.observer.explained("explains", &answers),
            Err(_) => self.observer.end("explains", None),
        }
        begin("checks");
        let connection = Connection::new(self.sdk("checks"), &self.settings).unwrap();
        let report = check::judge(&self.settings, &aws::look(&connection, &self.settings, &stop).await);
        let verdict = |subject: &str| report.lines.iter().find(|line| line.subject == subject).map(|line| line.verdict);
        let answer = Checked {
            bad_rule: verdict("match") == Some(Severity::Failure),
            missing: verdict("rule groups") == Some(Severity::Warning),
        };
        self.observer.checked("checks", answer);
    }

    async fn explain(
        &self,
        connection: &Connection,
        addresses: &[String],
        stop: &Stop,
    ) -> Result<Vec<Explained>, AwsError> {
        let (table, waf) = (&self.settings.table, &self.settings.waf);
        let reader = connection.waf_reader();
        let view = connection.table_reader().scan(table, stop).await?;
        let desired = Desired::new(view, &table.always, table.aggregate, table.widest);
        let mut current = reader.read_waf(waf, &mut ReadCache::default(), stop).await?;
        let acls = match current.web_acls.take() {
            Some(named) => Acls::Named(named),
            None if current.groups.is_empty() => Acls::NotLooked(None),
            None => {
                let referring = reader.referring_web_acls(&current.groups, waf, stop).await?;
                match (referring.web_acls.is_empty(), referring.listed) {
                    (false, _) => Acls::Found(referring.web_acls, None),
                    (true, 0) => Acls::NotLooked(None),
                    (true, listed) => Acls::NoneRefers(listed),
                }
            }
        };
        let seen =
            Lookup { desired: &desired, current: &current, acls: &acls, policy: &waf.policy, installation: &waf.name };
        let answer = |address: &String| {
            let explanation = explain(Cidr::parse(address).unwrap(), &seen);
            Explained { address: address.clone(), wanted: explanation.wanted, in_force: explanation.in_force }
        };
        Ok(addresses.iter().map(answer).collect())
    }

    pub(crate) fn sdk(&self, caller: &str) -> SdkConfig {
        let client = self.aws.http_client();
        let client = match self.careless {
            Some(careless) => careless.replace_transport(client),
            None => client,
        };
        let credentials = Credentials::new(caller, "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client)
            .time_source(Clock(self.started))
            .build()
    }

    /// Lets time pass, so that one run does not use up the API rate of the next, and everything is propagated.
    pub(crate) async fn later(&self) {
        tokio::time::advance(Duration::from_mins(20)).await;
    }

    /// Runs without faults, and approves what waits. Asserts that a few runs converge and that the next one writes
    /// nothing. Returns the number of runs.
    pub(crate) async fn converges(&self) -> usize {
        self.converges_with(&mut |_, _| {}).await
    }

    /// The same, with every run passed to `show`.
    pub(crate) async fn converges_with(&self, show: &mut impl FnMut(&Document, &Process)) -> usize {
        self.aws.clear_faults();
        self.calm.store(true, Ordering::Relaxed);
        let mut process = self.process("after");
        let (mut runs, mut waited) = (0, 0);
        let mut asked_before = None;
        let kept = loop {
            self.later().await;
            let before = self.aws.log().len();
            let asked = self.observer.wanted(&self.aws);
            if asked_before.replace(asked.clone()).is_some_and(|before| before != asked) {
                // An item has expired since, so there is something new to do, and to approve.
                (runs, waited) = (0, 0);
            }
            let run = self.apply(&process).await;
            show(&run, &process);
            process.settings.guards.approve = None;
            // The end is a run that wrote nothing, with any outcome, for example if a web ACL does not enforce it.
            let wrote = self.aws.log().iter().skip(before).any(|attempt| attempt.effect);
            match run.outcome {
                // An item may have expired meanwhile.
                Outcome::Converged | Outcome::Unenforced if !wrote && asked != self.observer.wanted(&self.aws) => {}
                // A full set does not rely on one to which a web ACL does not refer.
                Outcome::Unenforced if !wrote => break Ranges::of(run.deferred.iter().map(ToString::to_string)),
                Outcome::Converged if !wrote => break Ranges::default(),
                Outcome::Held | Outcome::Blocked => {
                    waited += 1;
                    process.settings.guards.approve.clone_from(&run.digest);
                }
                _ => runs += 1,
            }
            self.assert_sound();
            let few = runs <= RUNS_TO_CONVERGE && waited <= RUNS_FOR_A_PERSON;
            assert!(few, "{}: {}\n{}", Promise::Converges.words(), run.reason, self.history());
        };
        self.assert_sound();
        let (found, asked) = (self.observer.in_force(), self.observer.wanted(&self.aws));
        let is_right = asked.within(&found) && found.without(&asked).within(&kept);
        assert!(is_right, "converged to {found:?}, not to {asked:?}\n{}", self.history());
        runs
    }

    /// Asserts that no promise was broken so far.
    pub(crate) fn assert_sound(&self) {
        let broken = self.observer.broken(&self.aws);
        assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), self.history());
    }

    /// Every byte of what happened: the attempts with their whole requests, the reports of all runs, and the final
    /// state of WAF.
    pub(crate) fn trace(&self) -> String {
        let mut trace = self.history();
        for attempt in self.aws.log() {
            let _ = writeln!(trace, "{} {:?} {}", attempt.body, attempt.shown_token, attempt.stale);
        }
        for lived in self.lived.lock().unwrap().iter() {
            let _ = writeln!(trace, "{}", lived.document);
        }
        let (sets, groups, acls) = (self.aws.ip_sets(), self.aws.rule_groups(), self.aws.web_acls());
        let _ = writeln!(trace, "{sets:?}\n{groups:?}\n{acls:?}");
        trace
    }

    /// Every attempt so far, one line each.
    pub(crate) fn history(&self) -> String {
        let mut lines = String::new();
        let chronicle = self.observer.chronicle();
        let mut note = chronicle.iter().peekable();
        let mut log = self.aws.log();
        log.sort_by_key(|attempt| attempt.index);
        for attempt in &log {
            // What came before the first call of the log belongs to another log.
            while let Some((_, note)) = note.next_if(|(calls, _)| *calls <= attempt.index) {
                let _ = writeln!(lines, "    {note}");
            }
            let (fault, effect) = (&attempt.fault, if attempt.effect { "effect" } else { "-" });
            let detail: Vec<String> = ["Addresses", "LockToken", "ExclusiveStartKey"]
                .into_iter()
                .filter_map(|member| attempt.request.get(member).map(Value::to_string))
                .collect();
            let _ = writeln!(
                lines,
                "{} {:?} {} {} {} {effect} {:?} {fault:?}{} {}",
                attempt.index,
                attempt.at,
                attempt.caller,
                attempt.operation,
                attempt.target,
                attempt.outcome,
                if attempt.stale { " stale" } else { "" },
                detail.join(" ")
            );
        }
        for (_, note) in note {
            let _ = writeln!(lines, "    {note}");
        }
        lines
    }
}

/// The settings of `apply --table clusters` with these additional arguments.
pub(crate) fn settings(args: &[&str]) -> Settings {
    let line = ["wafsync", "apply", "--table", TABLE].iter().chain(&ARGS).chain(args).map(OsString::from);
    match cli::parse(line, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        _ => panic!("not an apply"),
    }
}

/// Whether a process can run on with these settings. A new approval needs a new process.
fn lives_on(session: &Session, settings: &Settings) -> bool {
    let of = |settings: &Settings| {
        let mut settings = settings.clone();
        settings.guards.approve = None;
        settings.run.deadline = Duration::ZERO;
        format!("{settings:?}")
    };
    settings.guards.approve.is_none() && of(session.settings()) == of(settings)
}

/// This machine's clock.
#[derive(Debug)]
struct Clock(Instant);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs()) + self.0.elapsed()
    }
}

impl Process {
    pub(crate) fn errand(&self) -> Errand {
        Errand {
            approve: self.settings.guards.approve.clone(),
            aggregates: self.settings.table.aggregate,
            web_acls: self.settings.waf.web_acls.clone(),
            max_ip_sets: self.settings.waf.limits.max_ip_sets,
            hurried: self.hurried,
        }
    }
}

impl Lived {
    fn new(run: &Run, document: &Document, settings: &Settings) -> Self {
        let written = || run.written();
        let is_set = |write: &Write| matches!(write, Write::CreateIpSet(_) | Write::UpdateIpSet { .. });
        let asked = |cidr: &wafsync::model::cidr::Cidr| {
            let entries = || run.seen.iter().flat_map(|seen| seen.scans.all()).flat_map(|scan| scan.view().entries());
            settings.table.always.contains(cidr) || entries().any(|entry| entry.cidr == *cidr)
        };
        Self {
            document: serde_json::to_value(document).unwrap(),
            rounds: run.rounds.len(),
            stripped: written().any(|change| change.stage == Stage::Strip && is_set(&change.write)),
            adopted: written().any(|change| settings.waf.adopt.contains(change.write.target())),
            merged: written().flat_map(|change| &change.add).any(|cidr| !asked(&cidr)),
        }
    }
}

fn terms(settings: &Settings, config: &Config) -> Terms {
    Terms {
        adopted: settings.waf.adopt.clone(),
        counts: settings.waf.policy.action == Action::Count,
        always: settings.table.always.iter().map(ToString::to_string).collect(),
        max_removals: match settings.guards.max_removals {
            MaxRemovals::Count(count) => count,
            MaxRemovals::Percent(_) => panic!("the observer knows only counts"),
        },
        max_additions: settings.guards.max_additions.map(|limit| match limit {
            MaxAdditions::Count(count) => Limit::Count(count),
            // Whole ones only.
            MaxAdditions::Percent(percent) => Limit::Percent(percent.to_string().parse().unwrap()),
        }),
        min_addresses: settings.guards.min_addresses,
        settle: settings.table.settle,
        holds_rejections: settings.guards.on_rejection == OnRejection::Hold,
        read_lag: config.read_lag,
        propagation: config.propagation,
        set_capacity: config.set_capacity,
        group_references: config.group_references,
        widest: [settings.table.widest.ipv4, settings.table.widest.ipv6].map(u32::from),
    }
}
