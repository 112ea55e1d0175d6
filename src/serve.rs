//! Metrics and health over HTTP, for `watch`: `/metrics`, `/healthz`, `/readyz`, and nothing else.
//!
//! It only shows what others put on the [`Board`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// What a scrape of Prometheus is answered with; other collectors understand it too.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// In that format a text that does not end so has been cut off.
const NO_METRICS: &str = "# EOF\n";

/// Connections at once: a scraper and two probes, several times over.
const CONNECTIONS: usize = 32;

/// A connection that has not sent its request by then is closed, also one that is kept open between two requests.
const PATIENCE: Duration = Duration::from_mins(1);

/// After a failed accept, which may mean that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How much later than promised a sign of life may come: writing out a large result and pushing metrics take a while.
const GRACE: Duration = Duration::from_mins(2);

/// What is to be shown; clones share it.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    metrics: String,
    alive_until: Instant,
    ready: bool,
}

impl Default for Board {
    /// Alive, not ready, without metrics.
    fn default() -> Self {
        let shown = Shown { metrics: NO_METRICS.to_owned(), alive_until: Instant::now() + GRACE, ready: false };
        Self(Arc::new(Mutex::new(shown)))
    }
}

impl Board {
    /// Puts up the metrics of the last run, in the format of OpenMetrics.
    pub fn set_metrics(&self, text: String) {
        self.shown().metrics = text;
    }

    /// Ready: the last run has not failed.
    pub fn set_ready(&self, ready: bool) {
        self.shown().ready = ready;
    }

    /// A sign of life; the next one comes within this time, and some grace.
    pub fn expect_life_within(&self, time: Duration) {
        self.shown().alive_until = Instant::now() + time + GRACE;
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Status, content type and text for a request.
    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        let shown = self.shown();
        let health = |well: bool, word: &str, why: &str| {
            let (status, text) = if well { (StatusCode::OK, word) } else { (StatusCode::SERVICE_UNAVAILABLE, why) };
            (status, TEXT, format!("{text}\n"))
        };
        if *method != Method::GET && *method != Method::HEAD {
            return (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        }
        match path {
            "/metrics" => (StatusCode::OK, OPEN_METRICS, shown.metrics.clone()),
            "/healthz" => health(Instant::now() <= shown.alive_until, "alive", "a run should have ended long ago"),
            "/readyz" => health(shown.ready, "ready", "no run yet that did not fail, or the last one failed"),
            _ => (StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz and /readyz\n".to_owned()),
        }
    }
}

/// Where it will listen.
///
/// # Errors
///
/// If the address cannot be had.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "metrics and health are served");
    Ok(listener)
}

/// Answers requests for as long as it is polled.
pub async fn serve(listener: TcpListener, board: Board) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("a connection for metrics or health could not be taken: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let board = board.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<_>| {
                let response = respond(&board, request.method(), request.uri().path());
                async { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                debug!("a connection for metrics or health broke: {error}");
            }
            drop(permit);
        });
    }
}

fn respond(board: &Board, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let (status, content_type, text) = board.answer(method, path);
    // For HEAD, hyper leaves the body out itself.
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

    fn get(board: &Board, path: &str) -> (u16, String) {
        let (status, _, text) = board.answer(&Method::GET, path);
        (status.as_u16(), text)
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_does_not_end_is_not_healthy() {
        let board = Board::default();
        assert_eq!(get(&board, "/healthz"), (200, "alive\n".to_owned()));
        board.expect_life_within(Duration::from_mins(30));
        tokio::time::advance(Duration::from_mins(30) + GRACE).await;
        assert_eq!(get(&board, "/healthz").0, 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(&board, "/healthz"), (503, "a run should have ended long ago\n".to_owned()));
        board.expect_life_within(Duration::from_secs(1));
        assert_eq!(get(&board, "/healthz").0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_after_a_run_that_did_not_fail() {
        let board = Board::default();
        assert_eq!(get(&board, "/readyz").0, 503);
        board.set_ready(true);
        assert_eq!(get(&board, "/readyz"), (200, "ready\n".to_owned()));
        board.set_ready(false);
        assert_eq!(get(&board, "/readyz").0, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_nothing_else() {
        let board = Board::default();
        assert_eq!(board.answer(&Method::GET, "/metrics"), (StatusCode::OK, OPEN_METRICS, "# EOF\n".to_owned()));
        board.set_metrics("x 1\n# EOF\n".to_owned());
        assert_eq!(board.answer(&Method::HEAD, "/metrics"), (StatusCode::OK, OPEN_METRICS, "x 1\n# EOF\n".to_owned()));
        assert_eq!(get(&board, "/").0, 404);
        let posted = respond(&board, &Method::POST, "/metrics");
        assert_eq!((posted.status().as_u16(), posted.headers()[ALLOW].to_str().unwrap()), (405, "GET, HEAD"));
    }
}
