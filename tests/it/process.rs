//! Runs the real binary against the stand-in on a loopback port.

use std::process::{ExitStatus, Stdio};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc;
use wafsync_test_aws::{Aws, Config, Server};

use crate::world::TABLE;

/// An account on a port, without rate limits unless some are given, and an environment that leads only there.
pub(crate) struct Process {
    pub(crate) aws: Aws,
    server: Server,
}

/// A running process.
pub(crate) struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    heard: String,
}

/// A finished process: its unread output, and its whole log.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) async fn new() -> Self {
        Self::with_rates([None; 2]).await
    }

    /// With these rates, in calls per second for each action that reads and for each that writes.
    pub(crate) async fn with_rates([read_rate, write_rate]: [Option<f64>; 2]) -> Self {
        let aws = Aws::new(Config { read_rate, write_rate, ..Config::default() });
        aws.create_table("eu-central-1", TABLE);
        let server = aws.serve().await.unwrap();
        Self { aws, server }
    }

    /// The URL of the stand-in.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// An item as Crossplane writes it.
    pub(crate) fn item(&self, key: &str, ips: &[&str]) {
        self.aws.put_item(TABLE, key, json!({"id": {"S": key}, "ips": {"S": json!(ips).to_string()}}));
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// Starts the program with these additional variables.
    pub(crate) fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Running {
        let mut program = Command::new(env!("CARGO_BIN_EXE_wafsync"));
        program.args(args);
        self.started(program, env)
    }

    /// Starts the program with this much memory, in KiB. Allocations beyond it fail.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_in(&self, memory: u32, args: &[&str]) -> Running {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit -d {memory} && exec \"$@\"");
        shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_wafsync")]).args(args);
        self.started(shell, &[])
    }

    /// The program with its environment, for tests that start it themselves.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_wafsync"));
        program.args(args);
        self.configure(&mut program);
        program
    }

    fn configure(&self, program: &mut Command) {
        program
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "AKID")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("WAFSYNC_TABLE", TABLE)
            .env("WAFSYNC_READ_RATE", "1000")
            .env("WAFSYNC_WRITE_RATE", "1000")
            .env("WAFSYNC_SETTLE", "0s")
            .kill_on_drop(true);
    }

    fn started(&self, mut program: Command, env: &[(&str, &str)]) -> Running {
        self.configure(&mut program);
        let mut child = program
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, stdout, stderr, heard: String::new() }
    }

    /// Sends a GET request and returns status and body.
    pub(crate) async fn get(&self, address: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Running {
    /// The next line of the result.
    pub(crate) async fn line(&mut self) -> String {
        self.stdout.next_line().await.unwrap().expect("a line on stdout")
    }

    /// The address on which metrics are served.
    pub(crate) async fn served_at(&mut self) -> String {
        self.event("metrics and health are served").await["address"].as_str().unwrap().to_owned()
    }

    /// Reads the log up to this message.
    pub(crate) async fn event(&mut self, message: &str) -> Value {
        loop {
            let line = self.stderr.next_line().await.unwrap().unwrap_or_else(|| panic!("{message}: {}", self.heard));
            self.heard.push_str(&line);
            self.heard.push('\n');
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }

    pub(crate) async fn end(mut self) -> Ended {
        let mut out = String::new();
        let out_lines = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                out.push_str(&line);
                out.push('\n');
            }
        };
        let err_lines = async {
            while let Some(line) = self.stderr.next_line().await.unwrap() {
                self.heard.push_str(&line);
                self.heard.push('\n');
            }
        };
        let (status, (), ()) = tokio::join!(self.child.wait(), out_lines, err_lines);
        Ended { code: status.ok().as_ref().and_then(ExitStatus::code), stdout: out, stderr: self.heard }
    }
}

/// A request received by a [`Receiver`].
#[derive(Debug)]
pub(crate) struct Received {
    /// The value of the header `Authorization`.
    pub(crate) authorization: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
}

/// An HTTP server on loopback that answers every request with one status and stores the requests.
pub(crate) struct Receiver {
    pub(crate) url: String,
    requests: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    pub(crate) async fn new(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let sender = sender.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        let authorization = head.headers.get("authorization");
                        let received = Received {
                            authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
                            method: head.method.to_string(),
                            path: head.uri.path().to_owned(),
                            body,
                        };
                        sender.send(received).unwrap();
                        let response = Response::builder().status(status).body(Full::new(Bytes::new())).unwrap();
                        Ok::<_, hyper::Error>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, requests }
    }

    /// Whether no request has arrived.
    pub(crate) fn is_untouched(&self) -> bool {
        self.requests.is_empty()
    }

    /// The next request.
    pub(crate) async fn received(&mut self) -> Received {
        self.requests.recv().await.unwrap()
    }
}
