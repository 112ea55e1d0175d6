//! One run, through the library.

use wafsync::aws::{Connection, ReadCache};
use wafsync::model::settings::Settings;
use wafsync::run::reconcile::reconcile;
use wafsync::run::record::{Command, Run};
use wafsync::stop::Stop;

/// Runs a command with the clients of a connection.
pub(crate) async fn run(
    connection: &Connection,
    settings: &Settings,
    command: Command,
    cache: &mut ReadCache,
    stop: &Stop,
) -> Run {
    let writer = connection.writer();
    let writer = (command == Command::Apply).then_some(&writer);
    reconcile(settings, (&connection.table_reader(), &connection.waf_reader()), writer, cache, stop).await
}
