//! What `explain` has seen of the table: all of it, or the items in question by their keys.

use tokio::time::Instant;
use tracing::info;

use crate::aws::{AwsError, TableReader};
use crate::cli::Question;
use crate::model::desired::Desired;
use crate::model::item::TableView;
use crate::model::settings::TableSettings;
use crate::stop::Stop;

/// What the looks have seen of the table.
pub(super) struct TableSight {
    reader: TableReader,
    /// Whether items are read by key; unknown before the first look that could.
    by_key: Option<bool>,
    /// The whole table, or the items alone if nothing else is in question.
    table: Option<Desired>,
    /// The items in question, newer than `table`.
    items: Option<Desired>,
    /// When the whole table was scanned; `None` if `table` is the items alone.
    scanned: Option<Instant>,
}

impl TableSight {
    pub(super) fn new(reader: TableReader) -> Self {
        Self { reader, by_key: None, table: None, items: None, scanned: None }
    }

    /// Whether the next look keeps a scan of an earlier one.
    pub(super) fn is_kept(&self) -> bool {
        self.scanned.is_some()
    }

    /// When the scan began that the next look would keep.
    pub(super) fn scanned(&self) -> Option<Instant> {
        self.scanned
    }

    pub(super) fn reads_by_key(&self) -> bool {
        self.by_key == Some(true)
    }

    /// Makes the next look scan the table, unless items alone are in question and read by their keys.
    pub(super) fn forget(&mut self) {
        (self.table, self.items, self.scanned) = (None, None, None);
    }

    /// What was seen: for addresses, and for items.
    pub(super) fn seen(&mut self) -> (&Desired, &Desired) {
        let table: &Desired = self.table.get_or_insert_default();
        (table, self.items.as_ref().unwrap_or(table))
    }

    /// Reads what can have changed. With `--wait`, items are read by their keys if the table's key allows it: alone, or
    /// beside a scan that is kept.
    pub(super) async fn read(
        &mut self,
        settings: &TableSettings,
        question: &Question,
        stop: &Stop,
    ) -> Result<(), AwsError> {
        let desired = |view| Desired::new(view, &settings.always, settings.aggregate, settings.widest);
        let alone = question.addresses.is_empty();
        if question.wait.is_some()
            && !question.items.is_empty()
            && let Some(view) = self.items(settings, question, alone || self.is_kept(), stop).await?
        {
            *(if alone { &mut self.table } else { &mut self.items }) = Some(desired(view));
            return Ok(());
        }
        if !self.is_kept() {
            let began = Instant::now();
            let view = self.reader.scan(settings, stop).await?;
            (self.table, self.items, self.scanned) = (Some(desired(view)), None, Some(began));
        }
        Ok(())
    }

    /// The items, read by their keys if that is `wanted`. `None` if it is not, or not possible.
    async fn items(
        &mut self,
        settings: &TableSettings,
        question: &Question,
        wanted: bool,
        stop: &Stop,
    ) -> Result<Option<TableView>, AwsError> {
        let read = async {
            let by_key = match self.by_key {
                Some(by_key) => by_key,
                None => self.reader.reads_by_key(settings, stop).await?,
            };
            let view =
                if by_key && wanted { Some(self.reader.items(settings, &question.items, stop).await?) } else { None };
            Ok((by_key, view))
        };
        let (by_key, view) = match read.await {
            Ok(read) => read,
            Err(error) if AwsError::is_denied(&error) => {
                info!("each look scans the whole table: {error}; `wafsync iam-policy --for check` allows less");
                self.forget();
                (false, None)
            }
            Err(error) => return Err(error),
        };
        self.by_key = Some(by_key);
        Ok(view)
    }
}
