//! Scans the whole table: every page of every segment, or an error.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument as _, warn};

use super::call::Call;
use super::caller::Caller;
use super::connection::TableReader;
use super::error::AwsError;
use super::governor::Action;
use super::hints::BAD_ANSWER;
use super::interceptors::AwsClock;
use super::known::Known;
use super::lift::{Lift, Lifted};
use super::page;
use super::read_budget::{Budget, MOST_ITEMS};
use crate::model::item::{ItemRules, TableView};
use crate::model::settings::TableSettings;
use crate::preflight::facts::TableSample;
use crate::stop::Stop;

/// The size of a sample, in items: a handful of read units, and enough to see their shape.
const SAMPLE: i32 = 100;

/// The placeholder of the key attribute.
pub(super) const KEY: &str = "#a0";

/// The most pages of one scan segment: a hundred million items.
pub(super) const MAX_PAGES: usize = 100_000;

pub(super) type Row = HashMap<String, AttributeValue>;

/// What all pages of one scan share.
#[derive(Debug)]
struct Request {
    dynamodb: aws_sdk_dynamodb::Client,
    caller: Arc<Caller>,
    region: String,
    table: String,
    names: HashMap<String, String>,
    projection: String,
    segments: i32,
    budget: Option<Arc<Budget>>,
    /// For a sample, the number of items of its only page.
    sample: Option<i32>,
}

/// The position of one segment.
#[derive(Debug)]
struct Cursor {
    segment: i32,
    key: Option<Row>,
    pages: usize,
}

/// The items of one page, of a scan or of a query.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) action: Action,
    pub(super) items: Lifted,
    /// The number of items that the page claims to hold.
    pub(super) count: usize,
    pub(super) consumed: f64,
    /// AWS's time at the answer, in seconds since the epoch.
    pub(super) time: Option<i64>,
}

impl TableReader {
    /// Scans the whole table, parsing each page while the next are in flight.
    ///
    /// # Errors
    ///
    /// Any page that cannot be read: there are no incomplete views.
    pub async fn scan(&self, settings: &TableSettings, stop: &Stop) -> Result<TableView, AwsError> {
        self.pages(settings, stop, TableView::default(), None).await.map(|(view, _)| view)
    }

    /// The first scan of a run. Also returns the time at which its last page arrived. `known` learns what was read.
    ///
    /// # Errors
    ///
    /// Any page that cannot be read.
    pub async fn first_scan(
        &self,
        settings: &TableSettings,
        stop: &Stop,
        known: Option<&mut Known>,
    ) -> Result<(TableView, Instant), AwsError> {
        self.pages(settings, stop, TableView::default(), known).await
    }

    /// A further scan of a run. It reads all pages, but does not parse those items again that are still as `earlier`, the newest
    /// scan that `known` knows, has them.
    ///
    /// # Errors
    ///
    /// Any page that cannot be read. Then `known` is of no use.
    pub async fn scan_again(
        &self,
        settings: &TableSettings,
        stop: &Stop,
        earlier: &TableView,
        known: &mut Known,
    ) -> Result<TableView, AwsError> {
        known.begin();
        let (mut view, _) = self.pages(settings, stop, TableView::after(earlier), Some(known)).await?;
        view.complete(earlier);
        Ok(view)
    }

    /// Reads all pages into `view`.
    ///
    /// Items expire by AWS's clock in the first answer, not by this machine's. Without it nothing expires: access that ends
    /// late does less harm than access that ends early.
    async fn pages(
        &self,
        settings: &TableSettings,
        stop: &Stop,
        mut view: TableView,
        mut known: Option<&mut Known>,
    ) -> Result<(TableView, Instant), AwsError> {
        let request = Arc::new(self.request(settings, None));
        let segments = request.segments;
        let mut pages = JoinSet::new();
        let fetch = |cursor: Cursor| {
            let (request, stop) = (Arc::clone(&request), stop.clone());
            // A new task is outside the span and would log without the run's id.
            async move { request.page(cursor, &stop).await }.in_current_span()
        };
        for segment in 0..segments {
            pages.spawn(fetch(Cursor { segment, key: None, pages: 0 }));
        }
        let (mut rules, mut arrived) = (None, Instant::now());
        let lost = |_| AwsError::lost_task(Action::Scan.name(), settings.name());
        while let Some(page) = pages.join_next().await {
            let (page, next) = page.map_err(lost)??;
            arrived = Instant::now();
            if let Some(cursor) = next {
                pages.spawn(fetch(cursor));
            }
            stop.progress().page(page.count);
            if rules.is_none() && page.time.is_none() && settings.expiry_attribute.is_some() {
                warn!("DynamoDB answers without a date: no item counts as expired");
            }
            let rules = rules.get_or_insert_with(|| ItemRules::new(settings, page.time));
            page.read(settings, rules, &mut view, known.as_deref_mut())?;
        }
        Ok((view, arrived))
    }

    /// Reads a sample of the table's items.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub(super) async fn sample(&self, settings: &TableSettings, stop: &Stop) -> Result<TableSample, AwsError> {
        let request = self.request(settings, Some(SAMPLE));
        let (page, next) = request.page(Cursor { segment: 0, key: None, pages: 0 }, stop).await?;
        let mut view = TableView::default();
        page.read(settings, &ItemRules::new(settings, page.time), &mut view, None)?;
        Ok(TableSample { view, whole: next.is_none() })
    }

    fn request(&self, settings: &TableSettings, sample: Option<i32>) -> Request {
        let (names, projection) = projection(settings);
        let segments = if sample.is_some() { 1 } else { i32::try_from(settings.segments).unwrap_or(1) };
        Request {
            dynamodb: self.dynamodb.clone(),
            caller: Arc::clone(&self.caller),
            region: self.region.clone(),
            table: settings.table.clone(),
            names,
            projection,
            segments,
            budget: self.budget.clone(),
            sample,
        }
    }
}

/// The projection of a read: a name for each placeholder, and the placeholders. That of the key attribute is [`KEY`].
pub(super) fn projection(settings: &TableSettings) -> (HashMap<String, String>, String) {
    let attributes =
        [Some(&settings.key_attribute), Some(&settings.cidr_attribute), settings.expiry_attribute.as_ref()];
    let mut names: HashMap<String, String> = HashMap::new();
    let mut projection: Vec<String> = Vec::new();
    // Placeholders, because a name can be a reserved word; each name once, because DynamoDB rejects duplicates.
    for attribute in attributes.into_iter().flatten() {
        if !names.values().any(|known| known == attribute) {
            let placeholder = format!("#a{}", projection.len());
            names.insert(placeholder.clone(), attribute.clone());
            projection.push(placeholder);
        }
    }
    (names, projection.join(", "))
}

impl Request {
    /// The most items of the next page.
    fn items(&self) -> i32 {
        self.sample.or_else(|| self.budget.as_ref().map(|budget| budget.items())).unwrap_or(MOST_ITEMS)
    }

    async fn page(&self, cursor: Cursor, stop: &Stop) -> Result<(Page, Option<Cursor>), AwsError> {
        let action = Action::Scan;
        let resource = format!("table {}", self.table);
        if cursor.pages >= MAX_PAGES {
            return Err(AwsError::unusable(action.name(), &resource, "the scan does not end", None));
        }
        let _turn = match &self.budget {
            Some(budget) => {
                let stopped = |reason| AwsError::stopped(action.name(), &resource, reason);
                Some(budget.turn(stop).await.map_err(stopped)?)
            }
            None => None,
        };
        let call = Call::begin(&self.caller, action, &resource, &self.region, stop).await?;
        let (clock, lift) = (AwsClock::default(), Lift::new(&["Items"]));
        let parallel = (self.segments > 1).then_some((cursor.segment, self.segments));
        let sent = self
            .dynamodb
            .scan()
            .table_name(&self.table)
            // An eventually consistent read can miss an item that was written long before the scan, and so can a second scan:
            // an address would be removed although the table asks for it.
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_expression_attribute_names(Some(self.names.clone()))
            .projection_expression(&self.projection)
            .limit(self.items())
            .set_segment(parallel.map(|(segment, _)| segment))
            .set_total_segments(parallel.map(|(_, segments)| segments))
            .set_exclusive_start_key(cursor.key.clone())
            .customize()
            .config_override(call.dynamodb().interceptor(clock.clone()).interceptor(lift.clone()))
            .send()
            .await;
        let answer = call.end(sent)?;
        let consumed = answer.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default();
        let unusable = |cause: &str| AwsError::unusable(action.name(), &resource, cause, Some(BAD_ANSWER));
        let items = lift.take().ok_or_else(|| unusable("the answer has no items"))?;
        let count = usize::try_from(answer.count).unwrap_or_default();
        if let Some(budget) = &self.budget {
            budget.spent(consumed, answer.scanned_count);
        }
        // Only an absent key marks the end; an empty page does not.
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        if next.is_some() && next == cursor.key {
            return Err(unusable("the scan makes no progress: two pages end at the same key"));
        }
        let next = next.map(|key| Cursor { segment: cursor.segment, key: Some(key), pages: cursor.pages + 1 });
        Ok((Page { action, items, count, consumed, time: clock.time() }, next))
    }
}

impl Page {
    /// Reads the page into `view`, without what is `known`.
    ///
    /// # Errors
    ///
    /// If it is not a valid answer of `DynamoDB`; `view` may then have a part of it.
    pub(super) fn read(
        &self,
        settings: &TableSettings,
        rules: &ItemRules,
        view: &mut TableView,
        known: Option<&mut Known>,
    ) -> Result<(), AwsError> {
        view.pages += 1;
        view.consumed_capacity += self.consumed;
        let (operation, resource) = (self.action.name(), format!("table {}", settings.table));
        let items = page::read(self.items.json(), settings, rules, view, known)
            .map_err(|error| AwsError::senseless(operation, &resource, &error.to_string()))?;
        if u64::try_from(self.count).is_ok_and(|count| count > items) {
            let cause = format!("a page says that it holds {} items, and holds {items}", self.count);
            return Err(AwsError::unusable(operation, &resource, &cause, Some(BAD_ANSWER)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_scan_without_an_end_is_an_error() {
        let args = ["wafsync", "plan", "--table=clusters"].map(std::ffi::OsString::from);
        let crate::cli::Invocation::Plan { settings, .. } = crate::cli::parse(args, []).unwrap().invocation else {
            panic!("not a plan");
        };
        let sdk = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-central-1"))
            .build();
        let reader = crate::aws::Connection::new(sdk, &settings).unwrap().table_reader();
        let cursor = |pages| Cursor { segment: 0, key: None, pages };
        let request = reader.request(&settings.table, None);
        let error = request.page(cursor(MAX_PAGES), &crate::stop::Signal::default().stop(None)).await.unwrap_err();
        assert_eq!(error.to_string(), "Scan table clusters: the scan does not end");
    }
}
