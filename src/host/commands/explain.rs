//! `explain`: who wants an address, and where it is in force.

use std::collections::BTreeSet;
use std::io::Write;

use tracing::error;

use crate::aws::{AwsError, Connection, ReadCache};
use crate::cli::Question;
use crate::host::result::{deliver, json};
use crate::host::session::connect;
use crate::model::cidr::Cidr;
use crate::model::desired::Desired;
use crate::model::settings::{Output, Settings, ViewSettings};
use crate::preflight::explain::{Explanation, explain};
use crate::run::outcome::Outcome;
use crate::stop::{Signal, Stop};

pub(in crate::host) async fn run(
    settings: Settings,
    question: Question,
    view: &ViewSettings,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let stop = signal.stop_within(settings.run.deadline);
    let explanation = match connect(&settings).await {
        Ok(connection) => look_up(&settings, &connection, &question, &stop).await.map_err(|error| error.with_hint()),
        Err(error) => Err(error),
    };
    match explanation {
        Ok(explanations) => {
            let result = match (view.output, explanations.as_slice()) {
                (Output::Json, [explanation]) => json(explanation),
                (Output::Json, several) => json(&several),
                (Output::Text | Output::Markdown | Output::Html, several) => {
                    several.iter().map(Explanation::to_text).collect::<Vec<_>>().join("\n").into_bytes()
                }
            };
            let code = explanations.iter().map(Explanation::exit_code).max().unwrap_or_default();
            deliver(out, &result, code)
        }
        Err(error) => {
            error!("{error}");
            Outcome::Failed.exit_code()
        }
    }
}

async fn look_up(
    settings: &Settings,
    connection: &Connection,
    question: &Question,
    stop: &Stop,
) -> Result<Vec<Explanation>, AwsError> {
    let (table, waf) = (connection.table_reader(), connection.waf_reader());
    let mut cache = ReadCache::default();
    let scan = table.scan(&settings.table, stop);
    let (view, current) = tokio::try_join!(scan, waf.read_waf(&settings.waf, &mut cache, stop))?;
    let desired = Desired::new(view, &settings.table.always, settings.table.aggregate, settings.table.widest);
    let of_items = question.items.iter().flat_map(|key| desired.of_item(key));
    let addresses: BTreeSet<Cidr> = question.addresses.iter().copied().chain(of_items).collect();
    Ok(addresses.into_iter().map(|address| explain(address, &desired, &current)).collect())
}
