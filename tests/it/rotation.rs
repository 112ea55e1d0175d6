//! Credentials that are rotated while the process runs: AWS rejects the old ones, and new ones are available.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wafsync::host::session::Session;
use wafsync::host::watch::watch;
use wafsync::metrics::health::Health;
use wafsync::run::outcome::Outcome;
use wafsync::stop::Signal;
use wafsync_test_aws::{Aws, Phase};

use crate::process::Process;
use crate::world::{NOW, World};

/// AWS's error codes for rotated keys: temporary keys expire, others are deleted.
const CODES: [&str; 4] =
    ["ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId"];

/// Runs this once, after the first page of a scan.
fn after_the_scan(aws: &Aws, act: impl FnOnce(&Aws) + Send + 'static) {
    let mut act = Some(act);
    aws.on_call(move |aws, call| {
        if call.operation == "Scan"
            && call.phase == Phase::After
            && let Some(act) = act.take()
        {
            act(aws);
        }
    });
}

fn callers(aws: &Aws) -> Vec<String> {
    let mut callers: Vec<String> = aws.log().into_iter().map(|attempt| attempt.caller).collect();
    callers.sort();
    callers.dedup();
    callers
}

fn profile(key: &str) -> String {
    format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_keys_in_a_file_are_read_again() {
    for code in CODES {
        let process = Process::new().await;
        process.item("a", &["198.51.100.7/32"]);
        let file = std::env::temp_dir().join(format!("wafsync-rotated-{code}-{}", std::process::id()));
        std::fs::write(&file, profile("AKIDOLD")).unwrap();
        let rotated = file.clone();
        after_the_scan(&process.aws, move |aws| {
            aws.reject_key("AKIDOLD", code);
            std::fs::write(rotated, profile("AKIDNEW")).unwrap();
        });
        let env = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())];
        let ended = process.start_with(&["apply"], &env).end().await;
        std::fs::remove_file(&file).unwrap();
        assert_eq!(ended.code, Some(0), "{code}: {}", ended.stderr);
        assert_eq!(callers(&process.aws), ["AKIDNEW", "AKIDOLD"], "{code}");
    }
}

/// A credential agent as in ECS and EKS. It hands out the current key and counts the requests.
async fn agent(key: &Arc<Mutex<&'static str>>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
    let (key, asked) = (Arc::clone(key), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let body = format!(
                r#"{{"AccessKeyId": "{}", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2100-01-01T00:00:00Z"}}"#,
                key.lock().unwrap()
            );
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
            let answer = format!("{head} {}\r\n\r\n{body}", body.len());
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_asked_once_more_when_its_keys_are_rejected() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let key = Arc::new(Mutex::new("AKIDOLD"));
    let (url, asked) = agent(&key).await;
    after_the_scan(&process.aws, move |aws| {
        aws.reject_key("AKIDOLD", "ExpiredTokenException");
        *key.lock().unwrap() = "AKIDNEW";
    });
    let env = [("AWS_ACCESS_KEY_ID", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
    let ended = process.start_with(&["apply"], &env).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!((callers(&process.aws), asked.load(Ordering::Relaxed)), (vec!["AKIDNEW".into(), "AKIDOLD".into()], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_stay_rejected_end_the_run_after_one_retry() {
    let process = Process::new().await;
    process.aws.reject_key("AKID", "ExpiredTokenException");
    let ended = process.start(&["plan", "--output=json"]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("have expired or are not valid"), "{}", ended.stderr);
    let log = process.aws.log();
    for operation in ["Scan", "ListIPSets", "ListRuleGroups"] {
        let attempts = log.iter().filter(|attempt| attempt.operation == operation).count();
        assert!(attempts <= 2, "{operation}: {attempts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_its_identity_with_the_new_keys() {
    let process = Process::new().await;
    let key = Arc::new(Mutex::new("AKIDOLD"));
    let (url, _) = agent(&key).await;
    process.aws.reject_key("AKIDOLD", "ExpiredToken");
    process.aws.on_call(move |_, _| *key.lock().unwrap() = "AKIDNEW");
    let env = [("AWS_ACCESS_KEY_ID", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
    let ended = process.start_with(&["check"], &env).end().await;
    assert!(ended.stdout.contains("credentials") && !ended.stdout.contains("ExpiredToken"), "{}", ended.stdout);
}

/// Provides the current key.
#[derive(Clone, Debug)]
struct Rotating(Arc<Mutex<&'static str>>);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = *self.0.lock().unwrap();
        future::ProvideCredentials::ready(Ok(Credentials::new(key, "secret", None, None, "test")))
    }
}

#[tokio::test(start_paused = true)]
async fn watch_continues_after_every_rotation() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    let key = Arc::new(Mutex::new("AKID1"));
    let provider = SharedCredentialsProvider::new(Rotating(Arc::clone(&key)));
    let sdk: SdkConfig = world.sdk().into_builder().credentials_provider(provider).build();
    let mut session = Session::new(sdk, world.settings.clone()).unwrap();
    let (signal, board, mut outcomes) = (Signal::default(), Health::default(), Vec::new());
    watch(
        &mut session,
        Duration::from_mins(5),
        &signal,
        &board,
        || NOW,
        async |finished, _| {
            outcomes.push(finished.document.outcome);
            let keys = ["AKID1", "AKID2", "AKID3"];
            world.aws.reject_key(keys[outcomes.len() - 1], "ExpiredTokenException");
            match keys.get(outcomes.len()) {
                Some(next) => *key.lock().unwrap() = next,
                None => signal.raise(),
            }
        },
    )
    .await;
    assert_eq!(outcomes, [Outcome::Changed, Outcome::Converged, Outcome::Converged]);
    assert_eq!(callers(&world.aws), ["AKID1", "AKID2", "AKID3"]);
}
