//! `watch`: one `apply` after another, with metrics and health over HTTP.

use std::io::Write;
use std::time::Duration;

use crate::host::result::{deliver, json_line, leave, not_started, render};
use crate::host::session::{Finished, Session};
use crate::host::watch::watch;
use crate::host::{clock, http};
use crate::metrics::export::Exporter;
use crate::metrics::health::Health;
use crate::metrics::samples;
use crate::model::settings::{MetricsSettings, Output, Settings, ViewSettings};
use crate::report::Command;
use crate::stop::Signal;

/// Exits with 0 when it was asked to stop, whatever the outcome of the runs.
pub(in crate::host) async fn run(
    settings: Settings,
    every: Duration,
    view: &ViewSettings,
    metrics: MetricsSettings,
    approve: Option<String>,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let (health, listen) = (Health::default(), metrics.listen);
    let exporter = Exporter::new(metrics, &settings.waf.name, health.clone());
    if let Some(address) = listen {
        match http::bind(address).await {
            Ok(listener) => drop(tokio::spawn(http::serve(listener, health.clone()))),
            Err(error) => {
                let error = format!("--metrics-listen {address}: {error}");
                return not_started(out, &error, None, Some(&exporter)).await;
            }
        }
    }
    let mut session = match Session::from_environment(settings.clone(), approve.clone()).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, None, Some(&exporter)).await,
    };
    watch(&mut session, every, &signal, &health, clock::now, async |finished: &Finished| {
        let result = match view.output {
            Output::Json => json_line(&finished.document),
            Output::Text | Output::Markdown | Output::Html => {
                render(finished, Command::Apply, view, approve.as_deref())
            }
        };
        // A reader that has gone away does not end the daemon.
        deliver(out, &result, 0);
        leave(finished, Command::Apply, approve.as_deref());
        exporter.export(&samples(&finished.document, &settings, &finished.facts)).await;
    })
    .await;
    0
}
