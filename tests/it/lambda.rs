//! The binary as a Lambda function, against a stand-in for Lambda's runtime API.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Queue, mpsc};
use wafsync_test_aws::{Fault, FaultKind, When};

use crate::documents;
use crate::process::{Process, Running};
use crate::world::TABLE;

/// The function's answer to an invocation.
#[derive(Debug)]
enum Answer {
    Response(Value),
    Error(Value),
}

/// The runtime API of Lambda (AWS: "Using the Lambda runtime API for custom runtimes"): one invocation at a time, each
/// with its deadline.
struct Runtime {
    address: String,
    events: mpsc::UnboundedSender<(Bytes, Duration)>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

type Events = Arc<Queue<mpsc::UnboundedReceiver<(Bytes, Duration)>>>;

impl Runtime {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, receiver) = mpsc::unbounded_channel();
        let (sender, answers) = mpsc::unbounded_channel();
        let receiver: Events = Arc::new(Queue::new(receiver));
        let invocations = Arc::new(Mutex::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (receiver, sender, invocations) = (receiver.clone(), sender.clone(), invocations.clone());
                let service =
                    service_fn(move |request| handle(request, receiver.clone(), sender.clone(), invocations.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, events, answers }
    }

    fn start(&self, process: &Process, env: &[(&str, &str)]) -> Running {
        let of_lambda = [
            ("AWS_LAMBDA_RUNTIME_API", self.address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "wafsync"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ];
        process.start_with(&[], &[&of_lambda, env].concat())
    }

    /// Invokes the function with a minute left.
    async fn invoke(&mut self, event: Value) -> Answer {
        self.invoke_within(event, Duration::from_mins(1)).await
    }

    async fn invoke_within(&mut self, event: Value, left: Duration) -> Answer {
        self.invoke_with(event.to_string(), left).await
    }

    async fn invoke_with(&mut self, event: impl Into<Bytes>, left: Duration) -> Answer {
        self.events.send((event.into(), left)).unwrap();
        self.answers.recv().await.unwrap()
    }
}

impl Running {
    /// The next line of stdout, parsed as CloudWatch does.
    async fn metrics(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }
}

async fn handle(
    request: Request<Incoming>,
    events: Events,
    answers: mpsc::UnboundedSender<Answer>,
    invocations: Arc<Mutex<u32>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or_default().to_owned();
    if head.method == Method::GET && path == "invocation/next" {
        let Some((event, left)) = events.lock().await.recv().await else { return std::future::pending().await };
        let number = {
            let mut invocations = invocations.lock().unwrap();
            *invocations += 1;
            *invocations
        };
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        let response = Response::builder()
            .header("Lambda-Runtime-Aws-Request-Id", format!("request-{number}"))
            .header("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:111122223333:function:wafsync")
            .header("Content-Type", "application/json")
            .body(Full::new(event))
            .unwrap();
        return Ok(response);
    }
    let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap();
    let answer = if path.ends_with("/response") { Answer::Response(body) } else { Answer::Error(body) };
    answers.send(answer).unwrap();
    Ok(Response::builder().status(202).body(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}"))).unwrap())
}

impl Answer {
    /// The document of a successful invocation.
    fn document(self) -> Value {
        match self {
            Self::Response(document) => document,
            Self::Error(error) => panic!("{error}"),
        }
    }

    /// The type of an error, and the document in its message.
    fn error(self) -> (String, Value) {
        match self {
            Self::Response(document) => panic!("{document}"),
            Self::Error(error) => {
                let text = |key: &str| error[key].as_str().unwrap().to_owned();
                (text("errorType"), serde_json::from_str(&text("errorMessage")).unwrap())
            }
        }
    }
}

#[tokio::test]
async fn each_kind_of_event_starts_a_run() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    let function = runtime.start(&process, &[]);
    let planned = runtime.invoke(json!({"dry_run": true})).await.document();
    assert_eq!((&planned["outcome"], &planned["writes"]["planned"]), (&"planned".into(), &3.into()));
    assert_eq!(process.aws.ip_sets().len(), 0);
    let mut described = documents::described("What Lambda adds");
    described.extend(documents::described("A run"));
    let mut keys = BTreeSet::new();
    documents::keys(&planned, "", &mut keys);
    assert!(keys.is_subset(&described) && keys.contains("totals.held"), "{keys:?}");
    let changed = runtime.invoke(json!({})).await.document();
    assert_eq!((&changed["outcome"], &changed["truncated"]), (&"changed".into(), &false.into()));
    for event in [
        json!({"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT"}]}),
        json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}"}),
        json!(null),
    ] {
        assert_eq!(runtime.invoke(event).await.document()["outcome"], "converged");
    }
    let empty = runtime.invoke_with("", Duration::from_mins(1)).await;
    assert_eq!(empty.document()["outcome"], "converged");
    drop(function);
}

#[tokio::test]
async fn an_unknown_event_fails_and_changes_nothing() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    let mut function = runtime.start(&process, &[]);
    for event in [
        &br#"{"dryrun": true}"#[..],
        br#"{"dry_run": "true"}"#,
        br#"{"approve": 1}"#,
        b"[]",
        br#"{"dry_run": tru"#,
        b"dry_run",
        b"\xff\xfe{\0}\0",
    ] {
        let (kind, document) = runtime.invoke_with(event, Duration::from_mins(1)).await.error();
        assert_eq!((kind.as_str(), &document["outcome"]), ("failed", &"failed".into()));
        assert!(document["error"].as_str().unwrap().starts_with("the event: "), "{document}");
        let metrics = function.metrics().await;
        assert_eq!(
            (&metrics["installation"], &metrics["wafsync_run_outcome_failed"]),
            (&"wafsync".into(), &1.0.into())
        );
    }
    assert_eq!(process.aws.log().len(), 0, "it called AWS");
}

#[tokio::test]
async fn invalid_settings_fail_every_invocation() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    let mut function = runtime.start(&process, &[("WAFSYNC_SEGMENTS", "many"), ("WAFSYNC_NAME", "edge")]);
    for _ in 0..2 {
        let (kind, document) = runtime.invoke(json!({})).await.error();
        let error = "--segments 'many' (from WAFSYNC_SEGMENTS): must be a whole number from 1 to 64";
        assert_eq!((kind.as_str(), document["error"].as_str()), ("failed", Some(error)));
        let metrics = function.metrics().await;
        assert_eq!((&metrics["installation"], &metrics["wafsync_run_outcome_failed"]), (&"edge".into(), &1.0.into()));
    }
}

#[tokio::test]
async fn a_function_without_ca_certificates_reports_a_failed_run() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    let mut function = runtime.start(&process, &[("SSL_CERT_FILE", "/dev/null"), ("WAFSYNC_NAME", "edge")]);
    let (kind, document) = runtime.invoke(json!({})).await.error();
    let error = document["error"].as_str().unwrap();
    assert!(kind == "failed" && error.starts_with("no CA certificates found"), "{document}");
    let metrics = function.metrics().await;
    assert_eq!((&metrics["installation"], &metrics["wafsync_run_outcome_failed"]), (&"edge".into(), &1.0.into()));
}

#[tokio::test]
async fn a_warm_start_reads_no_unchanged_resource() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    let _function = runtime.start(&process, &[]);
    runtime.invoke(json!({})).await.document();
    process.aws.clear_log();
    assert_eq!(runtime.invoke(json!({})).await.document()["outcome"], "converged");
    let mut operations: Vec<String> = process.aws.log().into_iter().map(|attempt| attempt.operation).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["ListIPSets", "ListRuleGroups", "Scan"]);
}

#[tokio::test]
async fn a_held_run_is_an_error_until_its_digest_is_approved() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    process.item("b", &["198.51.100.8/32"]);
    let mut function = runtime.start(&process, &[("WAFSYNC_MAX_REMOVALS", "0")]);
    runtime.invoke(json!({})).await.document();
    process.aws.delete_item(TABLE, "b");
    let (kind, document) = runtime.invoke(json!({})).await.error();
    assert_eq!((kind.as_str(), &document["held"]), ("held", &json!(["198.51.100.8/32"])));
    // A schedule ignores the answer.
    assert_eq!(function.event("held").await["ranges"], "198.51.100.8/32");
    let approve = function.event("to approve exactly this, after reading it").await["approve"].clone();
    let planned = runtime.invoke(json!({"dry_run": true})).await.document();
    assert_eq!((&planned["outcome"], &planned["digest"]), (&"planned".into(), &document["digest"]));
    let approve: Value = serde_json::from_str(approve.as_str().unwrap()).unwrap();
    assert_eq!(approve, json!({"approve": document["digest"]}));
    let approved = runtime.invoke(approve).await.document();
    assert_eq!((&approved["outcome"], &approved["guard"]["verdict"]), (&"changed".into(), &"approved".into()));
    process.aws.delete_item(TABLE, "a");
    process.item("c", &["198.51.100.9/32"]);
    let (kind, _) = runtime.invoke(json!({})).await.error();
    assert_eq!(kind, "held", "an approval does not outlive its invocation");
}

#[tokio::test]
async fn a_plan_that_fails_is_an_error_too() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    let _function = runtime.start(&process, &[]);
    let (times, when, kind) = (1, When::Before, FaultKind::AccessDenied);
    process.aws.fail(Fault { operation: Some("Scan".to_owned()), target: None, skip: 0, times, when, kind });
    let (kind, document) = runtime.invoke(json!({"dry_run": true})).await.error();
    assert_eq!((kind.as_str(), &document["outcome"]), ("failed", &"failed".into()));
}

#[tokio::test]
async fn a_run_stops_before_the_invocation_times_out() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    let _function = runtime.start(&process, &[]);
    let document = runtime.invoke_within(json!({}), Duration::from_secs(1)).await.document();
    assert_eq!((&document["outcome"], process.aws.log().len()), (&"partial".into(), 0));
}

#[tokio::test]
async fn each_run_that_may_write_prints_one_line_of_metrics() {
    let (process, mut runtime) = (Process::new().await, Runtime::new().await);
    process.item("a", &["198.51.100.7/32"]);
    let mut function = runtime.start(&process, &[("WAFSYNC_NAME", "edge")]);
    runtime.invoke(json!({"dry_run": true})).await.document();
    runtime.invoke(json!({})).await.document();
    let metrics = function.metrics().await;
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"], "wafsync");
    assert_eq!((&metrics["installation"], &metrics["wafsync_run_outcome_changed"]), (&"edge".into(), &1.0.into()));
}
