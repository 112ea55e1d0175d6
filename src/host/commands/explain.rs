//! `explain`: who wants an address, and where it is in force.

use std::io::Write;

use tracing::error;

use crate::aws::{AwsError, Connection, ReadCache};
use crate::host::clock;
use crate::host::result::{deliver, json};
use crate::host::session::connect;
use crate::model::cidr::Cidr;
use crate::model::desired::Desired;
use crate::model::item::ItemRules;
use crate::model::settings::{Output, Settings};
use crate::preflight::explain::{Explanation, explain};
use crate::run::outcome::Outcome;
use crate::stop::{Signal, Stop};

pub(in crate::host) async fn run(
    settings: Settings,
    address: Cidr,
    output: Output,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let stop = signal.stop_within(settings.run.deadline);
    let explanation = match connect(&settings).await {
        Ok(connection) => look_up(&settings, &connection, address, &stop).await.map_err(|error| error.with_hint()),
        Err(error) => Err(error),
    };
    match explanation {
        Ok(explanation) => {
            let result = match output {
                Output::Json => json(&explanation),
                Output::Text | Output::Markdown => explanation.to_text().into_bytes(),
            };
            deliver(out, &result, explanation.exit_code())
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
    address: Cidr,
    stop: &Stop,
) -> Result<Explanation, AwsError> {
    let (table, waf) = (connection.table_reader(), connection.waf_reader());
    let rules = ItemRules::new(&settings.table, clock::now());
    let mut cache = ReadCache::default();
    let scan = table.scan(&settings.table, &rules, stop);
    let (view, current) = tokio::try_join!(scan, waf.read_waf(&settings.waf, &mut cache, stop))?;
    let desired = Desired::new(view, &settings.table.always, settings.table.aggregate, settings.table.widest);
    Ok(explain(address, &desired, &current))
}
