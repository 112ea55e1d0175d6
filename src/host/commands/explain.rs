//! `explain`: whether addresses are wanted and in force, once or until they are.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use self::table::TableSight;
use crate::aws::{AwsError, Class, Connection, ReadCache, WafReader};
use crate::cli::Question;
use crate::host::result::{deliver, json};
use crate::host::session::connect;
use crate::host::{progress, screen};
use crate::model::current::Current;
use crate::model::settings::{Output, Settings, ViewSettings, WafSettings};
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

/// The text with a colored verdict: the total below several answers, or the first line of one.
fn colored(text: &str, report: &Answers, view: &ViewSettings) -> String {
    let paint = screen::paint(view.color);
    let painted = |verdict: &str| {
        let paint = |line| if report.exit_code() == 0 { paint.good(line) } else { paint.warning(line) };
        verdict.lines().map(paint).collect::<Vec<_>>().join("\n")
    };
    let total = report.total();
    let before = total.as_ref().and_then(|total| text.trim_end().strip_suffix(total.as_str()));
    match (text.split_once('\n'), before.zip(total.as_ref())) {
        (_, Some((answers, total))) => format!("{answers}{}\n", painted(total)),
        (Some((verdict, rest)), None) => format!("{}\n{rest}", painted(verdict)),
        (None, None) => text.to_owned(),
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

/// An answer that may not be the last one.
struct Look {
    report: Answers,
    /// When the whole table was scanned for it; `None` if only items were read.
    scanned: Option<Instant>,
}

impl Look {
    /// The answer, after a line that says that a signal ended the wait, and how old it is.
    fn interrupted(self, began: Instant) -> Answers {
        let age = self.scanned.map(|scanned| format!("; the table was scanned {} ago", passed(scanned)));
        warn!("interrupted after {}: this is the answer of the last look{}", passed(began), age.unwrap_or_default());
        self.report
    }
}

/// The time since then, in whole seconds.
fn passed(since: Instant) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(since.elapsed().as_secs()))
}

/// Reads the table and WAF repeatedly, and only what can have changed.
struct Explainer<'a> {
    settings: &'a Settings,
    table: TableSight,
    waf: WafReader,
    cache: ReadCache,
    /// The web ACLs that a complete search has found to refer to our rule groups.
    found: Vec<String>,
}

impl<'a> Explainer<'a> {
    fn new(settings: &'a Settings, connection: &Connection) -> Self {
        let (table, waf) = (TableSight::new(connection.table_reader()), connection.waf_reader());
        Self { settings, table, waf, cache: ReadCache::default(), found: Vec::new() }
    }

    /// The answer now. With `--wait`, the first in which all of it is wanted and in force, or the last before the time is up or
    /// a signal.
    async fn answer(mut self, question: &Question, signal: &Signal) -> Result<Answers, Obstacle> {
        let began = Instant::now();
        let limit = began + question.wait.unwrap_or_default();
        let mut said = None;
        let mut last: Option<Look> = None;
        loop {
            let kept = self.table.is_kept();
            let line = progress::Line::start(self.settings.run.read_rate);
            let stop = signal.stop_within(self.settings.run.deadline).telling(line.progress());
            let report = self.look(question, &stop).await;
            drop(line);
            let report = match report {
                Ok(report) => report,
                Err(error) => {
                    if error.again && Instant::now() + PAUSE < limit {
                        warn!("{}", error.text);
                        if self.pause(signal.stop(Some(limit))).await.is_ok() {
                            continue;
                        }
                    }
                    let is_signalled = signal.stop(None).reason() == Some(StopReason::Signal);
                    return last.filter(|_| is_signalled).map(|look| look.interrupted(began)).ok_or(error);
                }
            };
            // An answer is of a table that was just read. What was read earlier only tells what to wait for.
            let is_last = Instant::now() + PAUSE >= limit;
            if kept && (report.in_force || is_last) {
                self.table.forget();
                continue;
            }
            if report.exit_code() == 0 || is_last {
                if let Some(wait) = question.wait.filter(|_| report.exit_code() != 0) {
                    let wait = humantime::format_duration(wait);
                    warn!("the time is up: after {wait}, not all of it is wanted and in force");
                }
                return Ok(report);
            }
            let progress = report.progress();
            if said.as_ref() != Some(&progress) {
                let left = Duration::from_secs(limit.saturating_duration_since(Instant::now()).as_secs());
                info!("waiting: {progress}; up to {} left", humantime::format_duration(left));
                said = Some(progress);
            }
            // A whole scan is kept while WAF alone, or an item that is read by its key, can tell that something has changed.
            let look = Look { scanned: self.table.scanned(), report };
            let waits_for_items = !question.items.is_empty() && !self.table.reads_by_key();
            if !look.report.wanted && (look.report.in_force || waits_for_items) {
                self.table.forget();
            }
            if self.pause(signal.stop(None)).await.is_err() {
                return Ok(look.interrupted(began));
            }
            last = Some(look);
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
        let scan = self.table.read(table, question, stop);
        let read = self.waf.read_waf(&named, &mut self.cache, stop);
        let ((), mut current) = tokio::try_join!(scan, read)?;
        let acls = self.acls(&mut current, question.wait.is_some(), stop).await?;
        let seen =
            |desired| Lookup { desired, current: &current, acls: &acls, policy: &waf.policy, installation: &waf.name };
        let (desired, newer) = self.table.seen();
        Ok(Answers::new(&question.addresses, &question.items, &seen(desired), &seen(newer)))
    }

    /// The named web ACLs; if none is named, those that refer to a rule group of ours. If it waits, an answer without the web
    /// ACLs is none while they may be read later.
    async fn acls(&mut self, current: &mut Current, waits: bool, stop: &Stop) -> Result<Acls, Obstacle> {
        let settings = &self.settings.waf;
        let (read, unread) = (current.web_acls.take(), std::mem::take(&mut current.unread_web_acls));
        match (read, unread.first()) {
            (Some(read), None) if settings.web_acls.is_empty() => return Ok(Acls::Found(read, None)),
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
            Err(error) if matches!(error.class(), Class::Stopped(_)) => return Err(error.into()),
            Err(error) if waits && error.class() == Class::Again => return Err(error.into()),
            Err(error) => return Ok(Acls::NotLooked(Some(error.with_hint()))),
        };
        let unread = match referring.unread.first() {
            Some(unread) if waits && !unread.lasting => {
                return Err(Obstacle { text: with_hint(&unread.message, unread.hint.as_deref()), again: true });
            }
            Some(unread) => Some(with_hint(&unread.message, unread.hint.as_deref())),
            None => (!referring.complete).then(|| "there are too many to read".to_owned()),
        };
        if unread.is_none() {
            self.found = referring.web_acls.iter().map(|acl| acl.arn.clone()).collect();
        }
        Ok(match unread {
            unread if !referring.web_acls.is_empty() => Acls::Found(referring.web_acls, unread),
            None if referring.listed > 0 => Acls::NoneRefers(referring.listed),
            unread => Acls::NotLooked(unread),
        })
    }
}

mod table;
#[cfg(test)]
mod tests;
