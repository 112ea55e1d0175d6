//! Credentials, proxies and certificates of the environment, against servers on the loopback interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::process::Process;

/// A server that answers everything with this status and body, and counts its connections.
async fn server(status: &'static str, body: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, asked)
}

const KEYS: &str = r#"{"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token",
                       "Expiration": "2100-01-01T00:00:00Z"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn neither_credentials_nor_calls_to_this_machine_go_over_a_proxy() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let (proxy, of_proxy) = server("502 Bad Gateway", String::new()).await;
    let (agent, of_agent) = server("200 OK", KEYS.to_owned()).await;
    let (proxy, agent) = (format!("http://{proxy}"), format!("http://{agent}/v1/credentials"));
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        let env =
            [(variable, proxy.as_str()), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent), ("AWS_ACCESS_KEY_ID", "")];
        let ended = process.start_with(&["plan"], &env).end().await;
        assert_eq!(ended.code, Some(0), "{variable}: {}", ended.stderr);
    }
    assert_eq!((of_proxy.load(Ordering::Relaxed), of_agent.load(Ordering::Relaxed)), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_break_in_a_key_is_named_in_one_line() {
    let process = Process::new().await;
    let (agent, _) = server("200 OK", KEYS.replace("AKID", r"secret-AKID\n")).await;
    let agent = format!("http://{agent}/v1/credentials");
    for (variable, value, said) in [
        ("AWS_ACCESS_KEY_ID", "secret-AKID\n", "AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "secret-AKID\n", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SESSION_TOKEN", "secret-AKID\n", "AWS_SESSION_TOKEN"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent, "the access key id (AWS_ACCESS_KEY_ID) holds a line break"),
    ] {
        let env = [("AWS_ACCESS_KEY_ID", if value == agent { "" } else { "AKID" }), (variable, value)];
        let ended = process.start_with(&["plan"], &env).end().await;
        let errors = ended.stderr.lines().filter(|line| line.contains("\"ERROR\"")).count();
        assert_eq!((ended.code, errors), (Some(1), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(said) && !ended.stderr.contains("secret-AKID"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_from_the_bundle_that_aws_tools_read() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let ended = process.start_with(&["plan"], &[("AWS_CA_BUNDLE", "/nowhere/ca.pem")]).end().await;
    let line = "AWS_CA_BUNDLE /nowhere/ca.pem: No such file or directory (os error 2); hint: name a file of CA \
                certificates in PEM format, or unset it";
    assert!(ended.code == Some(1) && ended.stderr.contains(line), "{}", ended.stderr);
    let ended = process.start_with(&["plan"], &[("AWS_CA_BUNDLE", "/dev/null")]).end().await;
    assert!(ended.code == Some(1) && ended.stderr.contains("not a list of certificates"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_throttled_are_partial_and_a_refusal_is_failed() {
    let process = Process::new().await;
    let sts = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>said so</Message></Error></ErrorResponse>"
        )
    };
    let token = std::env::temp_dir().join(format!("wafsync-token-{}", std::process::id()));
    std::fs::write(&token, "token").unwrap();
    for (status, code, exit) in [
        ("400 Bad Request", "Throttling", 4),
        ("400 Bad Request", "IDPCommunicationError", 4),
        ("503 Service Unavailable", "ServiceUnavailable", 4),
        ("403 Forbidden", "AccessDenied", 1),
        ("400 Bad Request", "InvalidIdentityToken", 1),
    ] {
        let (address, _) = server(status, sts(code)).await;
        let env = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_ENDPOINT_URL_STS", &format!("http://{address}")),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/wafsync"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ];
        let ended = process.start_with(&["plan", "--output=json"], &env).end().await;
        let all = ended.stdout + &ended.stderr;
        assert_eq!(ended.code, Some(exit), "{code}: {all}");
        assert!(all.contains(&format!("AWS STS answered {code}: said so")), "{all}");
        assert_eq!(all.contains("trust policy"), exit == 1, "{all}");
    }
    std::fs::remove_file(&token).unwrap();
    let (address, _) = server("503 Service Unavailable", String::new()).await;
    let agent = format!("http://{address}/v1/credentials");
    let env = [("AWS_ACCESS_KEY_ID", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent)];
    let ended = process.start_with(&["plan", "--output=json"], &env).end().await;
    let all = ended.stdout + &ended.stderr;
    let said = format!("the credential agent at http://{address} answered HTTP 503");
    assert!(ended.code == Some(4) && all.contains(&said), "{all}");
}
