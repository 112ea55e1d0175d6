//! Exports the metrics of a run. A failure is logged as a warning and never changes the outcome.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use tracing::{debug, warn};

use super::health::Health;
use super::prometheus::{Exposition, INSTALLATION};
use super::samples::Sample;
use crate::model::settings::MetricsSettings;

/// The time limit of a push: the job has to end.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest file of an earlier run that is read; ours are some ten kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// The largest file with a header's value; servers reject longer headers.
const MAX_AUTH: u64 = 1 << 14;

/// Exports the metrics of an installation after each run.
#[derive(Debug)]
pub struct Exporter {
    exposition: Exposition,
    settings: MetricsSettings,
    push_url: Option<String>,
    health: Health,
}

impl Exporter {
    /// Starts from the file of an earlier process, so that its values survive a failed run.
    #[must_use]
    pub fn new(settings: MetricsSettings, installation: &str, health: Health) -> Self {
        let exposition = Exposition::new(installation);
        if let Some(file) = &settings.file {
            match read(file) {
                Ok(text) => exposition.take_over(&text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => warn!("could not read the metrics of the last run: {}: {error}", file.display()),
            }
        }
        let push_url =
            settings.push.as_ref().map(|url| format!("{url}/metrics/job/wafsync/{INSTALLATION}/{installation}"));
        health.set_metrics(exposition.text());
        Self { exposition, settings, push_url, health }
    }

    /// Exports the metrics of a run.
    pub async fn export(&self, samples: &[Sample]) {
        self.exposition.set(samples);
        let text = self.exposition.text();
        if let Some(file) = &self.settings.file
            && let Err(error) = write(file, &text)
        {
            warn!("could not write metrics: {}: {error}", file.display());
        }
        if let Some(url) = &self.push_url {
            let push = push(url, &text, self.settings.push_auth.as_deref());
            match tokio::time::timeout(PUSH_TIMEOUT, push).await {
                Ok(Ok(())) => debug!("metrics pushed"),
                Ok(Err(error)) => warn!("could not push metrics: {url}: {error}"),
                Err(_) => warn!("could not push metrics: {url}: no answer in time"),
            }
        }
        self.health.set_metrics(text);
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a temporary file and renames it, so that readers never see a partial one.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let mut out = File::create(&beside)?;
    out.write_all(text.as_bytes())?;
    drop(out);
    std::fs::rename(&beside, file)
}

/// Reads the value of the `Authorization` header from this file, without surrounding blanks.
///
/// No error quotes the content.
fn authorization(file: &Path) -> Result<String, String> {
    let unreadable = |problem: &dyn std::fmt::Display| format!("--metrics-push-auth {}: {problem}", file.display());
    let mut value = String::new();
    File::open(file)
        .and_then(|file| file.take(MAX_AUTH).read_to_string(&mut value))
        .map_err(|error| unreadable(&error))?;
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(unreadable(&"must hold one line of printable ASCII, such as: Bearer TOKEN"));
    }
    Ok(value.to_owned())
}

/// Pushes with POST. A PUT would delete the metrics that this run does not know.
async fn push(url: &str, text: &str, auth: Option<&Path>) -> Result<(), String> {
    let mut request = HttpRequest::new(SdkBody::from(text));
    request.set_method("POST").map_err(|error| error.to_string())?;
    request.set_uri(url.to_owned()).map_err(|error| error.to_string())?;
    request.headers_mut().insert("content-type", "text/plain; version=0.0.4; charset=utf-8");
    request.headers_mut().insert("content-length", text.len().to_string());
    if let Some(file) = auth {
        request.headers_mut().insert("authorization", authorization(file)?);
    }
    // Without any native root, the connector panics.
    let roots = url.starts_with("https:") && !rustls_native_certs::load_native_certs().certs.is_empty();
    let trusted = TrustStore::empty().with_native_roots(roots);
    let tls = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| error.to_string())?;
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build();
    let response = connector.call(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("HTTP {}", status.as_u16())) }
}
