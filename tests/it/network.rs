//! Credentials, proxies and certificates from the environment, against servers on the loopback interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::process::Process;

/// A server that answers every request with this status and body, and counts its connections.
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
async fn credentials_and_local_calls_bypass_the_proxy() {
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
async fn certificates_come_from_aws_ca_bundle() {
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
async fn throttled_credentials_are_partial_and_denied_ones_are_failed() {
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

/// The error of `plan` with these additional variables.
async fn failure(process: &Process, env: &[(&str, &str)]) -> String {
    let ended = process.start_with(&["plan", "--output=json"], env).end().await;
    assert_eq!(ended.code, Some(1), "{env:?}: {}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let error = document["error"].as_str().unwrap().to_owned();
    assert!(!error.contains(" { ") && !error.contains("Error("), "{error}");
    error
}

/// A local port on which nothing listens.
fn closed() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_named_with_its_port() {
    let process = Process::new().await;
    let token = std::env::temp_dir().join(format!("wafsync-token-refused-{}", std::process::id()));
    std::fs::write(&token, "token").unwrap();
    let endpoint = closed();
    let url = format!("http://{endpoint}");
    for (env, said) in [
        (vec![("AWS_ENDPOINT_URL", url.as_str())], format!(": no connection to {endpoint}: ")),
        (
            vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)],
            format!(": no credentials: the source of credentials: no connection to {endpoint}: "),
        ),
        (
            vec![
                ("AWS_ACCESS_KEY_ID", ""),
                ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/wafsync"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
                ("AWS_ENDPOINT_URL_STS", &url),
            ],
            format!(": no credentials: AWS STS: no connection to {endpoint}: "),
        ),
    ] {
        let error = failure(&process, &env).await;
        assert!(error.contains(&said) && error.contains("refused"), "{error}");
        assert!(error.contains("; hint: check the network"), "{error}");
    }
    std::fs::remove_file(&token).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_named_with_the_variable_that_sets_it() {
    let process = Process::new().await;
    // The domain `invalid` is reserved and never resolves. The hint depends on the second label.
    for (host, hint) in [
        ("wafv2.eu-central-1.invalid", "check the network, the Region (eu-central-1)"),
        ("111122223333.ddb.eu-central-1.invalid", "AWS_ACCOUNT_ID_ENDPOINT_MODE"),
        ("wafv2-fips.eu-central-1.invalid", "AWS_USE_FIPS_ENDPOINT"),
        ("wafv2.eu-central-1.api.aws.invalid", "AWS_USE_DUALSTACK_ENDPOINT"),
    ] {
        let error = failure(&process, &[("AWS_ENDPOINT_URL", &format!("https://{host}"))]).await;
        let shown = host.replace("111122223333", "************");
        assert!(error.contains(&format!("no connection to {shown}:443: ")) && error.contains(hint), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_named_without_its_password() {
    let process = Process::new().await;
    let (refusing, asked) = server("403 Forbidden", String::new()).await;
    let closed = closed();
    for (variable, address) in [("HTTPS_PROXY", &refusing), ("https_proxy", &closed), ("ALL_PROXY", &closed)] {
        let proxy = format!("http://user:secret@{address}");
        let env = [("AWS_ENDPOINT_URL", "https://wafv2.invalid"), (variable, proxy.as_str())];
        let error = failure(&process, &env).await;
        let said = format!("no connection to wafv2.invalid:443 over the proxy http://{address} ({variable}): ");
        assert!(error.contains(&said) && error.contains("NO_PROXY"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(asked.load(Ordering::Relaxed) > 0);
    let ended = process.start_with(&["plan"], &[("HTTPS_PROXY", "socks5://user:secret@192.0.2.1")]).end().await;
    let said = "HTTPS_PROXY names a SOCKS proxy, and only HTTP proxies are supported; hint: set it to a URL";
    assert!(ended.code == Some(1) && ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_in_no_proxy_bypass_the_proxy() {
    let process = Process::new().await;
    let (proxy, asked) = server("502 Bad Gateway", String::new()).await;
    let proxy = format!("http://{proxy}");
    for (variable, list) in [
        ("NO_PROXY", "*"),
        ("no_proxy", "wafv2.invalid"),
        ("NO_PROXY", "example.com, .invalid"),
        ("NO_PROXY", "*.invalid"),
        ("NO_PROXY", "wafv2.invalid:443"),
    ] {
        let env = [("AWS_ENDPOINT_URL", "https://wafv2.invalid"), ("HTTPS_PROXY", proxy.as_str()), (variable, list)];
        let error = failure(&process, &env).await;
        assert!(error.contains("no connection to wafv2.invalid:443: dns error"), "{variable}={list}: {error}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_profile_or_token_file_is_named() {
    let process = Process::new().await;
    let error = failure(&process, &[("AWS_ACCESS_KEY_ID", ""), ("AWS_PROFILE", "nowhere")]).await;
    assert!(error.contains("no credentials were found, and the profile nowhere has none; hint: "), "{error}");
    let env = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/wafsync"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"),
    ];
    let error = failure(&process, &env).await;
    let said = "no credentials: AWS_WEB_IDENTITY_TOKEN_FILE /nowhere/token: No such file or directory";
    assert!(error.contains(said), "{error}");
    let agent = [("AWS_ACCESS_KEY_ID", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/v1")];
    let error = failure(&process, &agent).await;
    assert!(error.contains("hint: AWS_CONTAINER_CREDENTIALS_FULL_URI has to be https"), "{error}");
    let file = std::env::temp_dir().join(format!("wafsync-profiles-{}", std::process::id()));
    let profiles = [("AWS_ACCESS_KEY_ID", ""), ("AWS_PROFILE", "a"), ("AWS_CONFIG_FILE", file.to_str().unwrap())];
    for (text, said) in [
        (
            "[profile a]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = base\n",
            "the profile base has none",
        ),
        ("[profile a]\ncredential_process = exit 7\n", "hint: check credential_process of the profile"),
        ("[profile a\n", "hint: correct the files of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = failure(&process, &profiles).await;
        assert!(error.contains(said), "{text}: {error}");
    }
    std::fs::remove_file(&file).unwrap();
    let env = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/token"),
    ];
    let error = failure(&process, &env).await;
    assert!(error.contains("/nowhere/token"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicting_variables_are_named() {
    let process = Process::new().await;
    for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        let error = failure(&process, &[(variable, "true")]).await;
        assert!(
            error.contains(&format!("hint: unset {variable} (")) && error.ends_with("or AWS_ENDPOINT_URL"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_denied_shows_the_command_that_prints_the_policy() {
    let process = Process::new().await;
    for (command, access) in [("plan", "plan"), ("apply", "apply")] {
        process.aws.fail(wafsync_test_aws::Fault {
            operation: Some("Scan".to_owned()),
            target: None,
            skip: 0,
            times: 3,
            when: wafsync_test_aws::When::Before,
            kind: wafsync_test_aws::FaultKind::AccessDenied,
        });
        let args = [command, "--output=json", "--web-acl=front", "--table-region=eu-central-1"];
        let ended = process.start_with(&args, &[]).end().await;
        let hint = format!(
            "hint: `AWS_REGION=eu-central-1 wafsync iam-policy --for={access} --table=clusters \
             --table-region=eu-central-1 --web-acl=front` prints the policy that the role needs"
        );
        assert!(ended.code == Some(1) && ended.stdout.contains(&hint), "{}{}", ended.stdout, ended.stderr);
        process.aws.clear_faults();
    }
}

/// A TLS server in front of the stand-in at this address, with a certificate signed by the test authority.
async fn tls(stand_in: &str) -> String {
    let pem = include_bytes!("certificates/server.pem");
    let certificate = CertificateDer::from_pem_slice(pem).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let stand_in = stand_in.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, stand_in) = (acceptor.clone(), stand_in.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate closes the connection.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = tokio::net::TcpStream::connect(stand_in).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_only_with_its_certificate_authority() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let url = tls(&process.url()).await;
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/certificates/authority.pem");
    let error = failure(&process, &[("AWS_ENDPOINT_URL", &url)]).await;
    assert!(error.contains("invalid peer certificate: UnknownIssuer; hint: "), "{error}");
    assert!(error.contains("AWS_CA_BUNDLE or SSL_CERT_FILE"), "{error}");
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let env = [("AWS_ENDPOINT_URL", url.as_str()), (variable, authority)];
        let ended = process.start_with(&["plan"], &env).end().await;
        assert_eq!(ended.code, Some(0), "{variable}: {}", ended.stderr);
    }
}

/// A proxy that requires a password and connects every tunnel to this address.
async fn tunnel(to: &str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, passed) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let (count, to) = (Arc::clone(&passed), to.to_owned());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, to) = (Arc::clone(&count), to.clone());
            tokio::spawn(async move {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    head.push(char::from(stream.read_u8().await.unwrap()));
                }
                let asked = head.starts_with("CONNECT waf.example.com:443 ");
                if asked && head.to_lowercase().contains("proxy-authorization: basic dxnlcjpzzwnyzxq=") {
                    count.fetch_add(1, Ordering::Relaxed);
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let mut behind = tokio::net::TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                }
            });
        }
    });
    (address, passed)
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_reached_through_a_proxy_with_a_password_and_a_private_authority() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let url = tls(&process.url()).await;
    let (proxy, passed) = tunnel(url.trim_start_matches("https://")).await;
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/certificates/authority.pem");
    for (variable, scheme) in [("HTTPS_PROXY", "http://"), ("https_proxy", ""), ("ALL_PROXY", "http://")] {
        let before = passed.load(Ordering::Relaxed);
        let proxy = format!("{scheme}user:secret@{proxy}");
        let env =
            [("AWS_ENDPOINT_URL", "https://waf.example.com"), ("AWS_CA_BUNDLE", authority), (variable, proxy.as_str())];
        let ended = process.start_with(&["plan"], &env).end().await;
        assert_eq!(ended.code, Some(0), "{variable}: {}", ended.stderr);
        assert!(passed.load(Ordering::Relaxed) > before, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_certificate_is_reported() {
    let process = Process::new().await;
    let file = std::env::temp_dir().join(format!("wafsync-bundle-{}.pem", std::process::id()));
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let ended = process.start_with(&["plan"], &[("AWS_CA_BUNDLE", file.to_str().unwrap())]).end().await;
    std::fs::remove_file(&file).unwrap();
    let said = ": certificate 1 in it cannot be used: ";
    assert!(ended.code == Some(1) && ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!ended.stderr.contains("internal error"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_dependency_is_one_line_with_the_cause() {
    let process = Process::new().await;
    // The client of Lambda's runtime API panics without the name of the function.
    let ended = process.start_with(&[], &[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")]).end().await;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(1), "", 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("internal error: Missing AWS_LAMBDA_FUNCTION_NAME"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_task_is_one_line_that_names_the_cause_and_the_run_fails() {
    let process = Process::new().await;
    // The SDK signs by the clock of the last answer, and panics at a year with five digits. A page is read in a task, and
    // one of a few hundred kilobytes takes longer than the millisecond that is left of the year 9999.
    let item = r#"{"id": {"S": "a"}, "ips": {"S": "198.51.100.7"}}"#;
    let items = vec![item; 10_000].join(",");
    let page = format!(r#"{{"Items": [{items}], "Count": 10000, "LastEvaluatedKey": {{"id": {{"S": "a"}}}}}}"#);
    let (dynamodb, asked) = server("200 OK\r\nDate: Fri, 31 Dec 9999 23:59:59.999 GMT", page).await;
    let url = format!("http://{dynamodb}");
    let ended = process.start_with(&["apply"], &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]).end().await;
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    let [cause, end] = errors[..] else { panic!("{}", ended.stderr) };
    assert!(cause.contains("\"internal error: overflow adding duration to date at time-"), "{cause}");
    assert!(
        end.contains("\"Scan clusters: the task that read the answer ended without a result; hint: the line"),
        "{end}"
    );
    assert_eq!((ended.code, asked.load(Ordering::Relaxed)), (Some(1), 1), "{}", ended.stderr);
    let written =
        process.aws.log().iter().any(|call| ["Create", "Update"].iter().any(|verb| call.operation.starts_with(verb)));
    assert!(!written, "an incomplete view adds nothing either");
}
