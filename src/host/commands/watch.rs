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
use crate::preflight::iam_policy::Access;
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
    let mut session = match Session::from_environment(settings.clone(), Access::Apply, approving(approve)).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, None, Some(&exporter)).await,
    };
    let approving = session.approving().clone();
    let mut pages = Pages::default();
    watch(&mut session, every, &signal, &health, clock::now, async |finished: &Finished, next: Duration| {
        let result = match view.output {
            Output::Json => json_line(&finished.document),
            Output::Text | Output::Markdown | Output::Html => {
                pages.next(&finished.document, render(finished, Command::Apply, view, &approving), next)
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

/// The results for people: one line for a run that has nothing new to tell.
#[derive(Debug, Default)]
struct Pages {
    last: Vec<u8>,
}

impl Pages {
    /// The result of a run, and when the next one begins.
    fn next(&mut self, document: &Document, page: Vec<u8>, next: Duration) -> Vec<u8> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let next = format!("next run in {}", whole_seconds(next));
        let is_repeated = page == self.last && document.writes.done == 0;
        self.last = page;
        if found_nothing(document) {
            format!("{now} nothing to do; {next}\n").into_bytes()
        } else if is_repeated {
            format!("{now} {}, as after the previous run; {next}\n", document.outcome).into_bytes()
        } else {
            [&self.last[..], format!("{now} {next}\n").as_bytes()].concat()
        }
    }
}

/// The duration in whole seconds.
fn whole_seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_is_the_same_again_is_one_line() {
        let minutes = Duration::from_millis(300_400);
        let (mut document, mut pages) = (Document::failed("no such table"), Pages::default());
        let mut next = |document: &Document, page: &str| {
            let told = String::from_utf8(pages.next(document, page.as_bytes().to_vec(), minutes)).unwrap();
            // Without the times of day.
            told.lines().map(|line| line.rsplit_once("Z ").map_or(line, |(_, line)| line)).collect::<Vec<_>>().join("|")
        };
        assert_eq!(next(&document, "HELD: 3\n"), "HELD: 3|next run in 5m");
        assert_eq!(next(&document, "HELD: 3\n"), "failed, as after the previous run; next run in 5m");
        assert_eq!(next(&document, "HELD: 4\n"), "HELD: 4|next run in 5m");
        document.writes.done = 1;
        assert_eq!(next(&document, "HELD: 4\n"), "HELD: 4|next run in 5m", "something was written");
        document.outcome = Outcome::Converged;
        assert_eq!(next(&document, "CONVERGED\n"), "nothing to do; next run in 5m");
    }
}
