//! The loopback server, for programs in another process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming as RequestBody;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::Aws;
use crate::body::{self, Payload};
use crate::wire::Incoming;

/// A running server. Dropping it stops it and breaks its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(aws: Aws, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let aws = aws.clone();
                        connections.spawn(async move {
                            let service = service_fn(move |request| handle(aws.clone(), request));
                            let connection = hyper::server::conn::http1::Builder::new();
                            // Tests break connections on purpose. The log of attempts shows it.
                            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, accepting })
    }

    /// Its URL: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn handle(aws: Aws, request: http::Request<RequestBody>) -> io::Result<http::Response<Payload>> {
    let (head, body) = request.into_parts();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let body: Bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let incoming = Incoming {
        target: header("x-amz-target"),
        authorization: header("authorization"),
        content_type: header("content-type"),
        body,
        served: true,
    };
    let answer = aws.answer(incoming).await;
    body::response(answer, &aws).await.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
}
