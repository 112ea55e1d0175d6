//! `watch`: one `apply` after another, with metrics and health over HTTP.

use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::host::approving::approving;
use crate::host::result::{deliver, json_line, leave, not_started, render};
use crate::host::session::{Finished, Session};
use crate::host::watch::watch;
use crate::host::{clock, http};
use crate::metrics::export::Exporter;
use crate::metrics::health::Health;
use crate::metrics::samples;
use crate::model::settings::{MetricsSettings, Output, Settings, ViewSettings};
use crate::report::{Command, Document};
use crate::run::outcome::Outcome;
use crate::stop::Signal;

/// Exits with 0 after a signal, whatever the outcome of the runs.
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
    let mut session = match Session::from_environment(settings.clone(), approving(approve)).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, None, Some(&exporter)).await,
    };
    let approving = session.approving().clone();
    watch(&mut session, every, &signal, &health, clock::now, async |finished: &Finished, next: Duration| {
        let result = match view.output {
            Output::Json => json_line(&finished.document),
            Output::Text | Output::Markdown | Output::Html if found_nothing(&finished.document) => quiet_line(next),
            Output::Text | Output::Markdown | Output::Html => {
                let mut page = render(finished, Command::Apply, view, &approving);
                page.extend_from_slice(format!("Next run in {}.\n", whole_seconds(next)).as_bytes());
                page
            }
        };
        // A closed pipe does not end the daemon.
        deliver(out, &result, 0);
        leave(finished, Command::Apply, &approving);
        exporter.export(&samples(&finished.document, &settings, &finished.facts)).await;
    })
    .await;
    0
}

/// Whether a run had nothing to do and nothing needs attention.
fn found_nothing(document: &Document) -> bool {
    document.outcome == Outcome::Converged && document.table.rejections.is_empty() && document.deferred.is_empty()
}

/// The line for a run that had nothing to do: its time, and the time of the next.
fn quiet_line(next: Duration) -> Vec<u8> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    format!("{now} nothing to do; next run in {}\n", whole_seconds(next)).into_bytes()
}

/// The duration in whole seconds.
fn whole_seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}
