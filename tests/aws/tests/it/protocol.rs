//! The wire protocol: invalid requests and unsupported operations.

use std::process::Stdio;

use aws_sdk_wafv2::types::Scope;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use wafsync_test_aws::Aws;

use crate::support::{calm, create, refusal, waf};

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/wafv2/aws4_request, \
                      SignedHeaders=host;x-amz-date, \
                      Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Posts to a server and returns the whole answer.
async fn post(url: &str, headers: &[(&str, &str)], body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers = headers.iter().fold(String::new(), |text, (name, value)| format!("{text}{name}: {value}\r\n"));
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn an_unsupported_operation_is_rejected_and_recorded() {
    let aws = Aws::new(calm());
    create(&waf(&aws), "one").await;
    let view = aws.ip_set("one").unwrap();
    let delete = waf(&aws).delete_ip_set().name("one").scope(Scope::Regional).id(view.id).lock_token(view.lock_token);
    assert_eq!(refusal(delete.send().await), "UnknownOperationException");
    assert_eq!(aws.violations(), ["unknown operation: wafv2 DeleteIPSet"]);
    assert!(aws.ip_set("one").is_some());
}

#[tokio::test]
async fn a_request_without_a_signature_for_the_service_is_rejected() {
    let server = Aws::new(calm()).serve().await.unwrap();
    let kind = ("content-type", "application/x-amz-json-1.1");
    let target = ("x-amz-target", "AWSWAF_20190729.ListIPSets");
    let body = r#"{"Scope":"REGIONAL"}"#;
    let answer = post(&server.url(), &[kind, target, ("authorization", SIGNED)], body).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/x-amz-json-1.1\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"IPSets":[]}"#), "{answer}");

    let missing = "com.amazon.coral.service#MissingAuthenticationTokenException";
    let without_service = SIGNED.replace("/wafv2/aws4_request", "");
    let short = SIGNED.replace("Signature=0123", "Signature=");
    for authorization in ["", "Bearer x", "AWS4-HMAC-SHA256 ", without_service.as_str(), short.as_str()] {
        let answer = post(&server.url(), &[kind, target, ("authorization", authorization)], body).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains(missing), "{answer}");
    }
    let other = SIGNED.replace("wafv2", "dynamodb");
    let answer = post(&server.url(), &[kind, target, ("authorization", &other)], body).await;
    assert!(answer.contains("InvalidSignatureException"), "{answer}");
}

#[tokio::test]
async fn an_unknown_service_is_rejected_and_recorded() {
    let aws = Aws::new(calm());
    let server = aws.serve().await.unwrap();
    let headers = [("x-amz-target", "AmazonSSM.GetParameter"), ("authorization", SIGNED)];
    let answer = post(&server.url(), &headers, "{}").await;
    assert!(answer.contains("UnknownOperationException"), "{answer}");
    post(&server.url(), &[], "Action=GetCallerIdentity").await;
    assert_eq!(aws.violations(), ["unknown operation: unknown GetParameter", "unknown operation: unknown "]);
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_rejected() {
    let server = Aws::new(calm()).serve().await.unwrap();
    let headers = [("x-amz-target", "AWSWAF_20190729.ListIPSets"), ("authorization", SIGNED)];
    for body in ["", "[]", "{\"Scope\":"] {
        let answer = post(&server.url(), &headers, body).await;
        assert!(answer.contains("SerializationException"), "{answer}");
    }
}

#[tokio::test]
async fn the_program_serves_a_preloaded_table() {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_wafsync-test-aws"))
        .args(["--port", "0", "--items", "25000", "--no-rates", "--preload"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let headers = [("x-amz-target", "AWSWAF_20190729.ListIPSets"), ("authorization", SIGNED)];
    let answer = post(url, &headers, r#"{"Scope":"REGIONAL"}"#).await;
    for (set, entries) in [("000", 10_000), ("001", 10_000), ("002", 5_000)] {
        assert!(answer.contains(&format!("\"Name\":\"wafsync-ipv4-{set}\"")), "{answer}");
        assert!(answer.contains(&format!(" entries:{entries}\"")), "{answer}");
    }
    child.kill().await.unwrap();
}
