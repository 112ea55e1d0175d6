//! What scans of the table and reads of WAF have shown: both, once there is an observation at all.

use tokio::time::Instant;
use tracing::warn;

use crate::aws::{AwsError, Class, ReadCache, TableReader, WafReader};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::item::TableView;
use crate::model::naming::Target;
use crate::model::settings::{OnRejection, Settings};
use crate::run::end::{End, Failure, Fault, Why};
use crate::run::record::{Round, Scans, Seen};
use crate::stop::Stop;
use crate::text::number::counted;

/// What a run works with: settings, what it reads with, and its limits.
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) target: Target,
    pub(super) table: &'a TableReader,
    pub(super) waf: &'a WafReader,
    pub(super) cache: &'a mut ReadCache,
    pub(super) stop: &'a Stop,
}

/// What was seen so far.
pub(super) struct Observation {
    pub(super) seen: Seen,
    /// What WAF held when the run began, once it has been read again.
    pub(super) at_start: Option<Current>,
    /// When the first scan was complete: whatever it missed was missed before.
    pub(super) scanned_at: Instant,
    /// The run has written to WAF since it was read.
    pub(super) is_behind: bool,
}

impl Observation {
    /// Scans the table and reads WAF, at the same time.
    pub(super) async fn take(job: &mut Job<'_>) -> Result<Self, End> {
        let (table, settings, stop) = (job.table, &job.settings.table, job.stop);
        let scan = async {
            let view = table.scan(settings, stop).await?;
            Ok((view, Instant::now()))
        };
        let waf = job.waf.read_waf(&job.settings.waf, job.cache, job.stop);
        let ((view, scanned_at), current) =
            tokio::try_join!(scan, waf).map_err(|error: AwsError| unread_at_first(&error))?;
        if view.unnamed > 0 {
            let items = counted(view.unnamed, "item");
            let key = crate::text::line(&job.settings.table.key_attribute);
            warn!("{items} without a key in the attribute {key}: reports cannot name them; hint: set --key-attribute");
        }
        let consumed_capacity = view.consumed_capacity;
        let scans = Scans { newest: job.desired(view), earlier: Vec::new() };
        let seen = Seen { scans, consumed_capacity, current };
        Ok(Self { seen, at_start: None, scanned_at, is_behind: false })
    }

    /// Scans the table once more.
    pub(super) async fn scan_again(&mut self, job: &Job<'_>) -> Result<(), AwsError> {
        let view = job.table.scan(&job.settings.table, job.stop).await?;
        self.seen.consumed_capacity += view.consumed_capacity;
        let scans = &mut self.seen.scans;
        scans.earlier.push(std::mem::replace(&mut scans.newest, job.desired(view)));
        Ok(())
    }

    /// Reads WAF once more.
    pub(super) async fn read_again(&mut self, job: &mut Job<'_>) -> Result<(), End> {
        let read = job.waf.read_waf(&job.settings.waf, job.cache, job.stop).await;
        let current = read.map_err(|error| unread_later(&error))?;
        let before = std::mem::replace(&mut self.seen.current, current);
        self.at_start.get_or_insert(before);
        self.is_behind = false;
        Ok(())
    }

    /// What is left of it when the run ends: with what the last round wrote, if WAF was not read since.
    pub(super) fn into_seen(mut self, last: Option<&Round>) -> Seen {
        if let (true, Some(Round { applied, .. })) = (self.is_behind, last) {
            self.seen.current.take_over(&applied.ip_sets, &applied.rule_groups);
        }
        self.seen
    }

    /// Rejections that count, of whichever scan had more of them.
    pub(super) fn rejections(&self) -> usize {
        self.seen.scans.all().map(|scan| scan.view().rejections_that_hold()).max().unwrap_or_default()
    }

    /// Ends the run if `--on-rejection abort` says so.
    pub(super) fn abort_on_rejections(&self, settings: &Settings) -> Result<(), End> {
        match (settings.guards.on_rejection, self.rejections()) {
            (OnRejection::Abort, rejections) if rejections > 0 => Err(End::failed(Failure::Rejections(rejections))),
            _ => Ok(()),
        }
    }
}

impl Job<'_> {
    fn desired(&self, view: TableView) -> Desired {
        let table = &self.settings.table;
        Desired::new(view, &table.always, table.aggregate, table.widest)
    }
}

impl From<&AwsError> for Fault {
    fn from(error: &AwsError) -> Self {
        Self { text: error.to_string(), hint: error.hint().map(ToOwned::to_owned) }
    }
}

/// What an error at the first reads means for the run.
fn unread_at_first(error: &AwsError) -> End {
    let fault = || Fault::from(error);
    match error.class() {
        Class::Stopped(reason) => End::partial(Why::Stopped(reason)),
        Class::Again if !error.looks_lasting() => End::partial(Why::Unread(fault())),
        _ if error.vanished() => End::partial(Why::Outdated(fault())),
        _ => End::failed(fault()),
    }
}

/// What an error at reading again means, when AWS has answered before: what may pass is left to the next run.
fn unread_later(error: &AwsError) -> End {
    match error.class() {
        Class::Again => End::partial(Why::Unread(Fault::from(error))),
        _ => unread_at_first(error),
    }
}
