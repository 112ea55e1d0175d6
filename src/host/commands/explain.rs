//! `explain`: whether addresses are wanted and in force, once or until they are.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::aws::{AwsError, Class, Connection, ReadCache, TableReader, WafReader};
use crate::cli::Question;
use crate::host::result::{deliver, json};
use crate::host::session::connect;
use crate::host::{progress, screen};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::item::TableView;
use crate::model::settings::{Output, Settings, TableSettings, ViewSettings, WafSettings};
use crate::preflight::explain::{Acls, Answers, Lookup};
use crate::preflight::iam_policy::Access;
use crate::progress::Wait;
use crate::run::outcome::Outcome;
use crate::stop::{Signal, Stop, StopReason};
use crate::text::with_hint;

/// The pause between two looks of `--wait`. A look costs at least two calls of AWS's five per second.
const PAUSE: Duration = Duration::from_secs(10);

pub(in crate::host) async fn run(
    settings: Settings,
    question: Question,
    view: &ViewSettings,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let report = match connect(&settings, Access::Check).await {
        Ok(connection) => {
            let explainer = Explainer::new(&settings, &connection);
            explainer.answer(&question, &signal).await.map_err(|error| error.text)
        }
        Err(error) => Err(error),
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            error!("{error}");
            return Outcome::Failed.exit_code();
        }
    };
    let result = match (view.output, report.single()) {
        (Output::Json, Some(answer)) => json(answer),
        (Output::Json, None) => json(&report),
        (Output::Text | Output::Markdown | Output::Html, _) => colored(&report.to_text(), &report, view).into_bytes(),
    };
    deliver(out, &result, report.exit_code())
}

/// The text with a colored verdict, where there is one for all of it.
fn colored(text: &str, report: &Answers, view: &ViewSettings) -> String {
    let paint = screen::paint(view.color);
    match (report.single(), text.split_once('\n')) {
        (Some(answer), Some((verdict, rest))) if answer.exit_code() == 0 => format!("{}\n{rest}", paint.good(verdict)),
        (Some(_), Some((verdict, rest))) => format!("{}\n{rest}", paint.warning(verdict)),
        _ => text.to_owned(),
    }
}

/// The error without an answer.
struct Obstacle {
    /// The message with its hint.
    text: String,
    /// Whether another look may succeed.
    again: bool,
}

impl From<AwsError> for Obstacle {
    fn from(error: AwsError) -> Self {
        Self { text: error.with_hint(), again: error.class() == Class::Again }
    }
}

/// Reads the table and WAF repeatedly, and only what can have changed.
struct Explainer<'a> {
    settings: &'a Settings,
    table: TableReader,
    waf: WafReader,
    cache: ReadCache,
    desired: Option<Desired>,
    /// Whether items are read by key; unknown before the first look.
    by_key: Option<bool>,
    /// The web ACLs that the search has found to refer to our rule groups.
    found: Vec<String>,
}

impl<'a> Explainer<'a> {
    fn new(settings: &'a Settings, connection: &Connection) -> Self {
        let (table, waf) = (connection.table_reader(), connection.waf_reader());
        Self { settings, table, waf, cache: ReadCache::default(), desired: None, by_key: None, found: Vec::new() }
    }

    /// The answer now. With `--wait`, the first in which all of it is wanted and in force, or the last before the time is up or
    /// a signal.
    async fn answer(mut self, question: &Question, signal: &Signal) -> Result<Answers, Obstacle> {
        let limit = Instant::now() + question.wait.unwrap_or_default();
        let mut said = None;
        loop {
            let kept = self.desired.is_some();
            let line = progress::Line::start(self.settings.run.read_rate);
            let stop = signal.stop_within(self.settings.run.deadline).telling(line.progress());
            let report = self.look(question, &stop).await;
            drop(line);
            let report = match report {
                Ok(report) => report,
                Err(error) if error.again && Instant::now() + PAUSE < limit => {
                    warn!("{}", error.text);
                    self.pause(signal.stop(Some(limit))).await.map_err(|_| error)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // An answer is of a table that was just read. What was read earlier only tells what to wait for.
            let is_last = Instant::now() + PAUSE >= limit;
            if kept && (report.in_force || is_last) {
                self.desired = None;
                continue;
            }
            if report.exit_code() == 0 || is_last {
                return Ok(report);
            }
            let progress = report.progress();
            if said.as_ref() != Some(&progress) {
                let left = Duration::from_secs(limit.saturating_duration_since(Instant::now()).as_secs());
                info!("waiting: {progress}; up to {} left", humantime::format_duration(left));
                said = Some(progress);
            }
            // A whole scan is kept while WAF alone can tell that something has changed; a single item costs one read.
            let waits_for_table = !report.wanted && (report.in_force || !question.items.is_empty());
            if waits_for_table || self.by_key == Some(true) {
                self.desired = None;
            }
            if self.pause(signal.stop(None)).await.is_err() {
                return Ok(report);
            }
        }
    }

    async fn pause(&self, stop: Stop) -> Result<(), StopReason> {
        let line = progress::Line::start(self.settings.run.read_rate);
        stop.telling(line.progress()).wait(Wait::NextLook, PAUSE).await
    }

    async fn look(&mut self, question: &Question, stop: &Stop) -> Result<Answers, Obstacle> {
        let Settings { table, waf, .. } = self.settings;
        // After a search, only the web ACLs that it found are read again.
        let web_acls = if waf.web_acls.is_empty() { self.found.clone() } else { waf.web_acls.clone() };
        let named = WafSettings { web_acls, ..waf.clone() };
        let scan = async {
            if self.desired.is_none() {
                let view = view(&self.table, table, question, &mut self.by_key, stop).await?;
                self.desired = Some(Desired::new(view, &table.always, table.aggregate, table.widest));
            }
            Ok::<_, AwsError>(())
        };
        let read = self.waf.read_waf(&named, &mut self.cache, stop);
        let ((), mut current) = tokio::try_join!(scan, read)?;
        let acls = self.acls(&mut current, stop).await?;
        let desired: &Desired = self.desired.get_or_insert_default();
        let seen = Lookup { desired, current: &current, acls: &acls, policy: &waf.policy, installation: &waf.name };
        Ok(Answers::new(&question.addresses, &question.items, &seen))
    }

    /// The named web ACLs; if none is named, those that refer to a rule group of ours.
    async fn acls(&mut self, current: &mut Current, stop: &Stop) -> Result<Acls, Obstacle> {
        let settings = &self.settings.waf;
        let (read, unread) = (current.web_acls.take(), std::mem::take(&mut current.unread_web_acls));
        match (read, unread.first()) {
            (Some(read), None) if settings.web_acls.is_empty() => return Ok(Acls::Found(read)),
            (Some(read), None) => return Ok(Acls::Named(read)),
            (_, Some(unread)) if !settings.web_acls.is_empty() => {
                let text = format!("web ACL {}: {}", crate::text::line(&unread.name), unread.message);
                return Err(Obstacle { text: with_hint(&text, unread.hint.as_deref()), again: !unread.lasting });
            }
            _ => {}
        }
        if current.groups.is_empty() {
            return Ok(Acls::NotLooked(Some("our rule groups do not exist yet".to_owned())));
        }
        let referring = match self.waf.referring_web_acls(&current.groups, settings, stop).await {
            Ok(referring) => referring,
            Err(error) => return Ok(Acls::NotLooked(Some(error.with_hint()))),
        };
        self.found = referring.web_acls.iter().map(|acl| acl.arn.clone()).collect();
        Ok(match referring.unread.first() {
            _ if !referring.web_acls.is_empty() => Acls::Found(referring.web_acls),
            Some(unread) => Acls::NotLooked(Some(with_hint(&unread.message, unread.hint.as_deref()))),
            None if referring.listed == 0 => Acls::NotLooked(None),
            None if referring.complete => Acls::NoneRefers(referring.listed),
            None => Acls::NotLooked(Some("there are too many to read".to_owned())),
        })
    }
}

/// Reads what the table asks for: only the items in question, with `--wait` and if the table's key allows it; otherwise the
/// whole table.
async fn view(
    reader: &TableReader,
    settings: &TableSettings,
    question: &Question,
    by_key: &mut Option<bool>,
    stop: &Stop,
) -> Result<TableView, AwsError> {
    let items_alone = question.wait.is_some() && question.addresses.is_empty();
    let read = match *by_key {
        Some(true) => reader.items(settings, &question.items, stop).await.map(Some),
        None if items_alone => match reader.reads_by_key(settings, stop).await {
            Ok(true) => reader.items(settings, &question.items, stop).await.map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        },
        Some(false) | None => Ok(None),
    };
    let view = match read {
        Ok(view) => view,
        Err(error) if error.is_denied() => {
            info!("each look scans the whole table: {error}; `wafsync iam-policy --for check` allows less");
            None
        }
        Err(error) => return Err(error),
    };
    *by_key = Some(view.is_some());
    match view {
        Some(view) => Ok(view),
        None => reader.scan(settings, stop).await,
    }
}

#[cfg(test)]
mod tests;
