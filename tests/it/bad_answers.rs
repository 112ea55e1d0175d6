//! Malformed answers of AWS: each is an error that names its call, or is harmless.
//!
//! Nothing panics, nothing is read forever, and no output contains terminal control characters.

use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::report::{Command, Document, markdown, text};
use wafsync::run::outcome::Outcome;
use wafsync::run::record::Run;
use wafsync::stop::Signal;
use wafsync_test_aws::{Config, FaultKind, When};

use crate::running;
use crate::world::{World, reference_to};

/// Returns the body of an answer, for the operation and the number of earlier calls to it.
type Script = Box<dyn FnMut(&str, usize) -> String + Send>;

/// An AWS whose answers are scripted. Every status is 200.
#[derive(Clone)]
struct ScriptedAws(Arc<Mutex<(Script, Vec<String>)>>);

impl ScriptedAws {
    fn new(script: impl FnMut(&str, usize) -> String + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new((Box::new(script), Vec::new()))))
    }

    fn calls(&self, operation: &str) -> usize {
        self.0.lock().unwrap().1.iter().filter(|known| *known == operation).count()
    }
}

impl std::fmt::Debug for ScriptedAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScriptedAws")
    }
}

impl HttpConnector for ScriptedAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let earlier = self.calls(&operation);
        let mut state = self.0.lock().unwrap();
        let body = (state.0)(&operation, earlier);
        state.1.push(operation);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body))))
    }
}

impl HttpClient for ScriptedAws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn settings() -> Settings {
    let args = ["wafsync", "plan", "--table=clusters", "--read-rate=1000", "--web-acl=front"].map(OsString::from);
    match cli::parse(args, []).unwrap().invocation {
        Invocation::Plan { settings, .. } => settings,
        _ => panic!("not a plan"),
    }
}

/// Plans without a deadline, so that only the program's own limits end it.
async fn plan(http: SharedHttpClient, settings: &Settings) -> (Run, Document) {
    run(http, settings, Command::Plan).await
}

async fn run(http: SharedHttpClient, settings: &Settings, command: Command) -> (Run, Document) {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")))
        .http_client(http)
        .build();
    let connection = Connection::new(sdk, settings).unwrap();
    fastrand::seed(1);
    let stop = Signal::default().stop(None);
    let run = running::run(&connection, settings, command, &mut ReadCache::default(), &stop).await;
    let document = Document::new(&run, settings);
    (run, document)
}

#[tokio::test(start_paused = true)]
async fn a_next_marker_that_never_ends_is_an_error_after_a_thousand_pages() {
    for operation in ["ListIPSets", "ListRuleGroups", "ListWebACLs"] {
        let scripted = ScriptedAws::new(move |called, earlier| {
            let list = called.strip_prefix("List").unwrap_or("Items");
            let page = json!([{"Name": "n", "Id": "i", "ARN": "arn:x", "LockToken": "t", "Description": ""}]);
            let endless = called == operation;
            let marker = if endless { json!(earlier.to_string()) } else { Value::Null };
            json!({list: if endless { page } else { json!([]) }, "NextMarker": marker}).to_string()
        });
        let settings = if operation == "ListWebACLs" { settings() } else { without_acls() };
        let (_, document) = plan(SharedHttpClient::new(scripted.clone()), &settings).await;
        assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
        assert_eq!(document.reason, format!("failed: {operation} all: the list does not end"));
        assert_eq!(scripted.calls(operation), 1000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_million_tiny_values_is_one_rejection_for_each_item() {
    let million = |value: &str| vec![value; 1_000_000].join(",");
    let numbers = Value::from(format!("[{}]", million("1")));
    let scripted = ScriptedAws::new(move |called, _| match called {
        "Scan" => format!(
            r#"{{"Items":[{{"id":{{"S":"list"}},"ips":{{"L":[{}]}}}},{{"id":{{"S":"text"}},"ips":{{"S":{numbers}}}}}]}}"#,
            million(r#"{"S":""}"#),
        ),
        list => json!({list.strip_prefix("List").unwrap_or("none"): []}).to_string(),
    });
    let (_, document) = plan(SharedHttpClient::new(scripted), &without_acls()).await;
    let named: Vec<String> =
        document.table.rejections.iter().map(|found| format!("{}: {}", found.key, found.reason)).collect();
    let reason = "the item asks for 1000000 CIDRs, --max-per-item allows 100: all of it is rejected";
    assert_eq!(named, [format!("list: {reason}"), format!("text: {reason}")]);
}

fn without_acls() -> Settings {
    let mut settings = settings();
    settings.waf.web_acls.clear();
    settings
}

/// Passes everything on, but changes the answers of one operation.
#[derive(Clone, Debug)]
struct Garbler {
    http: SharedHttpClient,
    operation: &'static str,
    garble: fn(&mut Value, usize) -> bool,
    place: usize,
    reached: Arc<Mutex<bool>>,
}

#[derive(Debug)]
struct Garbling(Garbler, SharedHttpConnector);

impl HttpConnector for Garbling {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let concerned = target.rsplit('.').next() == Some(self.0.operation);
        let (garbler, answer) = (self.0.clone(), self.1.call(request));
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            if !concerned {
                return Ok(answer);
            }
            let status = answer.status();
            let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
            let mut body: Value = serde_json::from_slice(&body).unwrap();
            *garbler.reached.lock().unwrap() |= (garbler.garble)(&mut body, garbler.place);
            Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
        })
    }
}

impl HttpClient for Garbler {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Garbling(self.clone(), self.http.http_connector(settings, components)))
    }
}

/// The value at this place, in reading order.
fn at<'v>(value: &'v mut Value, place: &mut usize) -> Option<&'v mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(parts) => parts.iter_mut().find_map(|part| at(part, place)),
        Value::Object(members) => members.values_mut().find_map(|member| at(member, place)),
        _ => None,
    }
}

fn put(body: &mut Value, mut place: usize, value: Value) -> bool {
    at(body, &mut place).map(|found| *found = value).is_some()
}

/// Replacements for a value.
const GARBLES: [fn(&mut Value, usize) -> bool; 5] = [
    |body, place| put(body, place, Value::Null),
    |body, place| put(body, place, json!(-7.5e300)),
    |body, place| put(body, place, json!("evil\u{1b}[31m\u{9b}|`\u{202e}<b>\n")),
    |body, place| put(body, place, json!([[], {}, "", null])),
    |body, place| put(body, place, json!({"": {}})),
];

#[tokio::test(start_paused = true)]
async fn any_value_at_any_place_of_an_answer_is_an_error_or_harmless() {
    let mut world = World::new(&[]);
    world.item("cluster-a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    world.apply().await;
    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arn, 0)]));
    world.set(&["--web-acl", "front", "--read-rate=1000"]);
    world.item("cluster-b", &["198.51.100.8/32", "no address"]);
    world.aws.answers_are_garbled();
    let operations = ["Scan", "ListIPSets", "GetIPSet", "ListRuleGroups", "GetRuleGroup", "ListWebACLs", "GetWebACL"];
    let (mut tried, mut failed) = (0, 0);
    for operation in operations {
        for garble in GARBLES {
            for place in 0.. {
                let reached = Arc::new(Mutex::new(false));
                let http = world.aws.http_client();
                let garbler = Garbler { http, operation, garble, place, reached: Arc::clone(&reached) };
                world.later().await;
                let (run, document) = plan(SharedHttpClient::new(garbler), &world.settings).await;
                if !*reached.lock().unwrap() {
                    break;
                }
                tried += 1;
                failed += usize::from(document.outcome == Outcome::Failed);
                harmless(&run, &document, Command::Plan, &format!("{operation}, place {place}"));
            }
        }
    }
    assert!(tried > 300 && failed > 50 && failed < tried, "{tried} answers, of which {failed} are errors");
}

#[tokio::test(start_paused = true)]
async fn an_ip_set_with_two_address_lists_is_not_an_empty_one() {
    let world = World::new(&[]);
    world.items(1..=2);
    world.apply().await;
    let set = world.aws.ip_set("wafsync-ipv4-000").unwrap();
    let addresses = r#""Addresses": ["198.51.100.1/32", "198.51.100.2/32"]"#;
    let body = format!(
        r#"{{"IPSet": {{"Name": "{}", "Id": "{}", "ARN": "{}", "IPAddressVersion": "IPV4", {addresses}, {addresses}}}, "LockToken": "{}"}}"#,
        set.name, set.id, set.arn, set.lock_token
    );
    world.aws.answers_are_garbled();
    world.fail_times("GetIPSet", 3, When::Before, FaultKind::Body(Box::leak(body.into_boxed_str())));
    world.items(3..=3);
    let document = world.next_apply().await;
    let cause = "GetIPSet wafsync-ipv4-000: the answer has its addresses more than once";
    assert!(document.error.as_ref().is_some_and(|error| error.starts_with(cause)), "{document:?}");
    assert_eq!((document.outcome, world.in_force().len()), (Outcome::Failed, 2));
}

/// Until a run reads again, it knows only what the answer to a write says.
#[tokio::test(start_paused = true)]
async fn after_any_answer_to_a_write_the_outcome_is_true_and_the_next_run_converges() {
    let (mut tried, mut changed, mut failed) = (0, 0, 0);
    for operation in ["CreateIPSet", "UpdateIPSet", "CreateRuleGroup", "UpdateRuleGroup"] {
        for garble in GARBLES {
            for place in 0.. {
                let reached = Arc::new(Mutex::new(false));
                let world = World::with(Config { read_rate: None, write_rate: None, ..Config::default() }, &[]);
                world.aws.answers_are_garbled();
                let http = world.aws.http_client();
                let garbler = Garbler { http, operation, garble, place, reached: Arc::clone(&reached) };
                let what = format!("{operation}, place {place}");
                // The first run creates everything, so that the second has something to update.
                let cluster_a: &[&str] = &["198.51.100.7/32"];
                for wanted in [cluster_a, &["198.51.100.8/32", "2001:db8:1::/48"]] {
                    world.item("cluster-a", wanted);
                    let before = world.in_force();
                    let (run, document) =
                        run(SharedHttpClient::new(garbler.clone()), &world.settings, Command::Apply).await;
                    harmless(&run, &document, Command::Apply, &what);
                    let after = world.in_force();
                    match document.outcome {
                        Outcome::Changed => {
                            assert_eq!(after, wanted, "{what}");
                            changed += 1;
                        }
                        Outcome::Failed | Outcome::Partial => failed += 1,
                        outcome => panic!("{what}: {outcome:?} {}", document.reason),
                    }
                    let allowed = |cidr: &String| wanted.contains(&cidr.as_str()) || before.contains(cidr);
                    assert!(after.iter().all(allowed), "{what}: {after:?}");
                    world.later().await;
                    let next = world.apply().await;
                    let fine = matches!(next.outcome, Outcome::Changed | Outcome::Converged);
                    assert!(fine, "{what}: {}", next.reason);
                    assert_eq!(world.in_force(), wanted, "{what}");
                    world.later().await;
                }
                world.settled().await;
                if !*reached.lock().unwrap() {
                    break;
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 50 && failed > 50 && changed > 50, "{tried} answers: {changed} changed, {failed} are errors");
}

#[track_caller]
fn harmless(run: &Run, document: &Document, command: Command, what: &str) {
    let approving = crate::world::approving();
    let context = crate::world::context(command, run, &approving);
    let page = markdown::render(document, context);
    let json = serde_json::to_string(document).unwrap();
    let json = wafsync::text::json(&json);
    for output in [text::render(document, context), page.clone(), json.into_owned()] {
        let steers = |c: char| c != '\n' && c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!output.contains(steers), "{what}: {output}");
    }
    crate::rendered::assert_harmless(&page);
    if document.outcome == Outcome::Failed {
        let named = ["Scan ", "List", "Get", "Create", "Update"].iter().any(|call| document.reason.contains(call));
        assert!(named, "{what}: {}", document.reason);
    }
}

/// A realistic memory limit for a small job.
#[cfg(target_os = "linux")]
const MEMORY: u32 = 256 * 1024;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_densest_possible_pages_fit_in_little_memory() {
    let process = crate::process::Process::new().await;
    let none = json!({"NULL": true});
    // An item has at most 400 KB, and an element of a list takes at least two bytes.
    let most = |key: &str| json!({"id": {"S": key}, "ips": {"L": vec![none.clone(); 190_000]}});
    for number in 0..10 {
        let key = format!("item-{number}");
        process.aws.put_item(crate::world::TABLE, &key, most(&key));
    }
    let nested = json!({"id": {"S": "nested"}, "ips": {"S": "[[".repeat(195_000)}});
    process.aws.put_item(crate::world::TABLE, "nested", nested);
    let long = "k".repeat(2048);
    let bad = json!({"id": {"S": long}, "ips": {"SS": (0..100).map(|n| n.to_string()).collect::<Vec<_>>()}});
    for number in 0..1000 {
        process.aws.put_item(crate::world::TABLE, &format!("long-{number}"), bad.clone());
    }
    let run = process.start_in(MEMORY, &["plan"]).end().await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // Ten lists, one text, and every value of the items with the long keys.
    assert!(run.stdout.contains("100,011 values cannot be used"), "{}", run.stdout);
}
