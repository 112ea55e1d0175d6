//! Metrics and health over HTTP, for `watch`: `/metrics`, `/healthz`, and `/readyz`.
//!
//! It only serves the [`Health`] of the process.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::metrics::health::Health;

/// The format of metrics, which Prometheus and other collectors understand.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The most concurrent connections: a scraper and two probes, several times over.
const CONNECTIONS: usize = 32;

/// The time limit for receiving a request, also the next one on a connection that is kept open.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pause after a failed accept: the process may have run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The status, content type and text for a request.
fn answer(shown: &Health, method: &Method, path: &str) -> (StatusCode, &'static str, String) {
    const TEXT: &str = "text/plain; charset=utf-8";
    let health = |well: bool, word: &str, why: &str| {
        let (status, text) = if well { (StatusCode::OK, word) } else { (StatusCode::SERVICE_UNAVAILABLE, why) };
        (status, TEXT, format!("{text}\n"))
    };
    if *method != Method::GET && *method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
    }
    match path {
        "/metrics" => (StatusCode::OK, OPEN_METRICS, shown.metrics()),
        "/healthz" => health(shown.is_alive(), "alive", "a run exceeded its deadline"),
        "/readyz" => health(shown.is_ready(), "ready", "no run has succeeded yet, or the last one failed"),
        _ => (StatusCode::NOT_FOUND, TEXT, "try /metrics, /healthz, or /readyz\n".to_owned()),
    }
}

/// Starts listening.
///
/// # Errors
///
/// If the address is not available.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "metrics and health are served");
    Ok(listener)
}

/// Answers requests until it is dropped.
pub async fn serve(listener: TcpListener, health: Health) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("could not accept a connection for metrics or health: {error}");
                // Without a pause, an error that lasts (no file descriptors left) would keep a core busy.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let health = health.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<_>| {
                let response = respond(&health, request.method(), request.uri().path());
                async { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                debug!("lost a connection for metrics or health: {error}");
            }
            drop(permit);
        });
    }
}

fn respond(health: &Health, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (status, content_type, text) = answer(health, method, path);
    // For HEAD, hyper omits the body.
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::health::GRACE;

    fn get(health: &Health, path: &str) -> (u16, String) {
        let (status, _, text) = answer(health, &Method::GET, path);
        (status.as_u16(), text)
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_does_not_end_is_not_healthy() {
        let health = Health::default();
        assert_eq!(get(&health, "/healthz"), (200, "alive\n".to_owned()));
        health.expect_life_within(Duration::from_mins(30));
        tokio::time::advance(Duration::from_mins(30) + GRACE).await;
        assert_eq!(get(&health, "/healthz").0, 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(&health, "/healthz"), (503, "a run exceeded its deadline\n".to_owned()));
        health.expect_life_within(Duration::from_secs(1));
        assert_eq!(get(&health, "/healthz").0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_after_a_run_that_did_not_fail() {
        let health = Health::default();
        assert_eq!(get(&health, "/readyz").0, 503);
        health.set_ready(true);
        assert_eq!(get(&health, "/readyz"), (200, "ready\n".to_owned()));
        health.set_ready(false);
        assert_eq!(get(&health, "/readyz").0, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_nothing_else() {
        let health = Health::default();
        assert_eq!(answer(&health, &Method::GET, "/metrics"), (StatusCode::OK, OPEN_METRICS, "# EOF\n".to_owned()));
        health.set_metrics("x 1\n# EOF\n".to_owned());
        assert_eq!(
            answer(&health, &Method::HEAD, "/metrics"),
            (StatusCode::OK, OPEN_METRICS, "x 1\n# EOF\n".to_owned())
        );
        assert_eq!(get(&health, "/").0, 404);
        let posted = respond(&health, &Method::POST, "/metrics");
        assert_eq!((posted.status().as_u16(), posted.headers()[ALLOW].to_str().unwrap()), (405, "GET, HEAD"));
    }
}
