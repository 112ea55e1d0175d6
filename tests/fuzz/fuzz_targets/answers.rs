//! Any answer of AWS leads to a plan or an error. Nothing panics, nothing is read forever, and no output of `plan`,
//! `apply`, `explain` or `check` contains terminal control characters.
//!
//! The input is text. Each line is an operation, a blank and the body of one answer to it, after `!` an error with
//! status 400, after `?` one with 500. An operation without a remaining line is answered with an empty document.
#![no_main]

use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use wafsync::aws::{Connection, ReadCache, look};
use wafsync::cli::{self, Invocation};
use wafsync::model::cidr::Cidr;
use wafsync::model::settings::Settings;
use wafsync::preflight::check;
use wafsync::preflight::explain::{Acls, Answers, Lookup};
use wafsync::report::{self, Approving, Command, Context, Document};
use wafsync::run::outcome::Outcome;
use wafsync::run::reconcile::reconcile;
use wafsync::run::record::Run;
use wafsync::stop::{Signal, Stop};
use wafsync::text;

/// The remaining answers.
#[derive(Clone, Debug, Default)]
struct ScriptedAws(Arc<Mutex<Vec<String>>>);

impl ScriptedAws {
    fn take(&self, operation: &str) -> String {
        let mut lines = self.0.lock().unwrap();
        let body = |line: &String| line.strip_prefix(operation)?.strip_prefix(' ').map(str::to_owned);
        let found = lines.iter().enumerate().find_map(|(index, line)| Some((index, body(line)?)));
        found.map_or_else(
            || "{}".to_owned(),
            |(index, body)| {
                lines.remove(index);
                body
            },
        )
    }
}

impl HttpConnector for ScriptedAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or("sts.GetCallerIdentity");
        let answer = self.take(target.rsplit('.').next().unwrap_or_default());
        let (status, body) = match answer.split_at_checked(1) {
            Some(("!", body)) => (400, body.to_owned()),
            Some(("?", body)) => (500, body.to_owned()),
            _ => (200, answer),
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

impl HttpClient for ScriptedAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What all inputs share, because it is slow to create.
struct Bench {
    runtime: Runtime,
    settings: Settings,
    connection: Connection,
    scripted: ScriptedAws,
}

impl Bench {
    fn new() -> Self {
        let args = ["wafsync", "plan", "--table=clusters", "--read-rate=1000", "--web-acl=front", "--adopt=offices"];
        let args = args.into_iter().chain(["--expiry-attribute=expires", "--settle=0s"]).map(OsString::from);
        let Invocation::Plan { settings, .. } = cli::parse(args, []).unwrap().invocation else { unreachable!() };
        let scripted = ScriptedAws::default();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "fuzz",
            )))
            .http_client(scripted.clone())
            .build();
        let connection = Connection::new(sdk, &settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        Self { runtime, settings, connection, scripted }
    }

    /// Runs a command and checks all of its outputs.
    async fn run(&self, command: Command, stop: &Stop) -> Run {
        let Self { settings, connection, .. } = self;
        let writer = connection.writer();
        let writer = (command == Command::Apply).then_some(&writer);
        let mut cache = ReadCache::default();
        let run =
            reconcile(settings, (&connection.table_reader(), &connection.waf_reader()), writer, &mut cache, stop).await;
        let document = Document::new(&run, settings);
        let approving = &Approving::Command(Some("wafsync apply".to_owned()));
        let (target, desired) = (&run.target, run.newest());
        let context =
            Context { command, target, desired, approving, color: false, full: true, asks: false, items: &[] };
        assert_escaped(&report::text::render(&document, context));
        assert_escaped(&report::markdown::render(&document, context));
        assert_escaped(&text::json(&serde_json::to_string_pretty(&document).unwrap()));
        let written = document.writes.done > 0;
        match document.outcome {
            Outcome::Planned | Outcome::Converged | Outcome::Blocked => assert!(!written, "{}", document.reason),
            Outcome::Changed => assert!(written, "{}", document.reason),
            Outcome::Held | Outcome::Unenforced | Outcome::Partial | Outcome::Failed => {}
        }
        run
    }

    async fn every_command(&self, input: &str) {
        let Self { settings, connection, scripted, .. } = self;
        let answers = || *scripted.0.lock().unwrap() = input.lines().map(str::to_owned).collect();
        // The SDK's back-off uses this random source.
        fastrand::seed(1);
        let stop = Signal::default().stop(None);
        answers();
        self.run(Command::Apply, &stop).await;
        answers();
        let run = self.run(Command::Plan, &stop).await;
        if let (Some(desired), Some(current)) = (run.newest(), run.current()) {
            let acls = current.web_acls.clone().map_or(Acls::NotLooked(None), Acls::Named);
            let seen = Lookup {
                desired,
                current,
                acls: &acls,
                policy: &settings.waf.policy,
                installation: &settings.waf.name,
            };
            let report = Answers::new(&[Cidr::parse("198.51.100.0/24").unwrap()], &["a".to_owned()], &seen, &seen);
            assert_escaped(&report.to_text());
            assert_escaped(&text::json(&serde_json::to_string(&report).unwrap()));
        }
        answers();
        let report = check::judge(settings, &look(connection, settings, &stop).await);
        assert_escaped(&report.to_text());
        assert_escaped(&text::json(&serde_json::to_string(&report).unwrap()));
    }
}

/// Asserts that line feeds are the only control characters.
fn assert_escaped(output: &str) {
    assert!(!output.contains(|char| char != '\n' && steers(char)), "{output:?}");
}

fn steers(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

thread_local! {
    static BENCH: Bench = Bench::new();
}

fuzz_target!(|input: &str| {
    BENCH.with(|bench| bench.runtime.block_on(bench.every_command(input)));
});
