//! `apply`: one run that writes.

use std::io::Write;

use crate::host::clock;
use crate::host::result::{deliver, leave, not_started, render};
use crate::host::session::Session;
use crate::metrics::export::Exporter;
use crate::metrics::health::Health;
use crate::metrics::samples;
use crate::model::settings::{MetricsSettings, Settings, ViewSettings};
use crate::report::Command;
use crate::stop::Signal;

pub(in crate::host) async fn run(
    settings: Settings,
    view: &ViewSettings,
    _yes: bool,
    metrics: MetricsSettings,
    approve: Option<String>,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let exporter = Exporter::new(metrics, &settings.waf.name, Health::default());
    let stop = signal.stop_within(settings.run.deadline);
    let mut session = match Session::from_environment(settings, approve.clone()).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, Some(view), Some(&exporter)).await,
    };
    let finished = session.run(Command::Apply, clock::now(), &stop).await;
    exporter.export(&samples(&finished.document, session.settings(), &finished.facts)).await;
    leave(&finished, Command::Apply, approve.as_deref());
    let result = render(&finished, Command::Apply, view, approve.as_deref());
    deliver(out, &result, finished.document.outcome.exit_code())
}
