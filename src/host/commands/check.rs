//! `check`: the preflight.

use std::io::Write;

use crate::aws;
use crate::host::result::{deliver, json};
use crate::host::session::connect;
use crate::model::settings::{Output, Settings, ViewSettings};
use crate::preflight::check;
use crate::stop::Signal;

pub(in crate::host) async fn run(settings: Settings, view: &ViewSettings, signal: Signal, out: &mut impl Write) -> u8 {
    let stop = signal.stop_within(settings.run.deadline);
    let report = match connect(&settings).await {
        Ok(connection) => check::judge(&settings, &aws::look(&connection, &settings, &stop).await),
        Err(error) => check::without_connection(&error),
    };
    let result = match view.output {
        Output::Json => json(&report),
        Output::Text | Output::Markdown | Output::Html => report.to_text().into_bytes(),
    };
    deliver(out, &result, report.exit_code())
}
