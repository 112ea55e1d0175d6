//! The observation of a run: its scans of the table and its view of WAF.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use tracing::warn;

use crate::aws::{AwsError, Class, Known, ReadCache, Receipt, TableReader, WafReader};
use crate::model::cidr::Cidr;
use crate::model::current::{Current, LockToken, Shard};
use crate::model::desired::Desired;
use crate::model::item::TableView;
use crate::model::naming::Target;
use crate::model::settings::{OnRejection, Settings};
use crate::planning::change::{Change, Write};
use crate::planning::diff::Diff;
use crate::run::effect;
use crate::run::end::{End, Failure, Fault, Why};
use crate::run::record::{Scans, Seen};
use crate::stop::Stop;
use crate::text::number::counted;

/// What a run works with: settings, readers, cache, deadline and signal.
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) target: Target,
    pub(super) table: &'a TableReader,
    pub(super) waf: &'a WafReader,
    pub(super) cache: &'a mut ReadCache,
    pub(super) stop: &'a Stop,
}

/// How an IP set in a list compares with the run's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Unchanged.
    Current,
    /// Written by others since.
    Changed,
    /// As it was before, or missing: the list is stale.
    Old,
}

/// What a run has observed and written so far.
pub(super) struct Observation {
    pub(super) seen: Seen,
    /// What WAF held, and who was let in by it, when the run began and in every read since; `None` until WAF is written or
    /// read again.
    pub(super) at_start: Option<Current>,
    /// What the newest scan has read, for a run that may scan again.
    known: Option<Known>,
    /// When the scan ended from which the settling time counts: the first one, or a later one. However late a page of it came, the
    /// next scan looks at each item that much later.
    pub(super) scanned: Instant,
    /// What WAF held when that later one began and in every read since.
    at_settling: Option<Current>,
    /// Whether WAF has not been read since something was written.
    pub(super) is_unread: bool,
    /// When WAF was first read.
    waf_read: Instant,
    /// When this run last sent a write that may still take effect.
    unsure: Instant,
    /// When this run last wrote what brings something into force, or saw that others had written.
    gained: Instant,
    /// When this run last wrote what brings something into force in place of something else.
    swapped: Instant,
    /// Lock tokens that this run has used up: a read that shows one of them is stale.
    spent: BTreeSet<LockToken>,
    /// ARNs of what this run has written: a read that lacks one of them is stale.
    written: BTreeSet<String>,
    /// Names of the IP sets that this run has created.
    created: BTreeSet<String>,
    /// ARNs of the IP sets that this run has tried to wire, even if that seemed to fail.
    wired: BTreeSet<String>,
}

impl Observation {
    /// Scans the table and reads WAF concurrently. `again`: whether the run may scan again.
    pub(super) async fn take(job: &mut Job<'_>, again: bool) -> Result<Self, End> {
        let (table, settings, stop) = (job.table, &job.settings.table, job.stop);
        job.cache.begin_run();
        let mut known = again.then(Known::default);
        let scan = table.first_scan(settings, stop, known.as_mut());
        let waf = job.waf.read_waf(&job.settings.waf, job.cache, job.stop);
        let ((view, scanned), current) = tokio::try_join!(scan, waf).map_err(|error| unread_at_first(&error))?;
        if view.unnamed > 0 {
            let items = counted(view.unnamed, "item");
            let key = crate::text::line(&job.settings.table.key_attribute);
            warn!("{items} without a key in the attribute {key}: reports cannot name them; hint: set --key-attribute");
        }
        let consumed_capacity = view.consumed_capacity;
        let scans = Scans { newest: job.desired(view), earlier: Vec::new() };
        let seen = Seen { scans, consumed_capacity, current };
        let (spent, written, created, wired) = Default::default();
        let waf_read = Instant::now();
        Ok(Self {
            seen,
            at_start: None,
            known,
            scanned,
            at_settling: None,
            is_unread: false,
            waf_read,
            unsure: waf_read,
            gained: waf_read,
            swapped: waf_read,
            spent,
            written,
            created,
            wired,
        })
    }

    /// Scans the table again.
    pub(super) async fn scan_again(&mut self, job: &Job<'_>) -> Result<(), AwsError> {
        let (table, settings, stop) = (job.table, &job.settings.table, job.stop);
        let view = match self.known.take() {
            Some(mut known) => {
                let earlier = self.seen.scans.newest.view();
                let view = table.scan_again(settings, stop, earlier, &mut known).await?;
                self.known = Some(known);
                view
            }
            None => table.scan(settings, stop).await?,
        };
        self.seen.consumed_capacity += view.consumed_capacity;
        let scans = &mut self.seen.scans;
        let before = std::mem::replace(&mut scans.newest, job.desired(view));
        scans.earlier.push(before.without_items());
        Ok(())
    }

    /// Reads WAF again. `None` if the read is stale: it lacks something that this run has written.
    pub(super) async fn read_again(&mut self, job: &mut Job<'_>) -> Result<Option<&Current>, AwsError> {
        let mut current = job.waf.read_waf(&job.settings.waf, job.cache, job.stop).await?;
        if self.is_old(&current) {
            return Ok(None);
        }
        for shard in &mut current.shards {
            // What it was asked to wire may be in force, whatever the read shows.
            shard.created = self.created.contains(&shard.name) && !self.wired.contains(&shard.arn);
        }
        let before = std::mem::replace(&mut self.seen.current, current);
        if tokens(&self.seen.current).any(|now| tokens(&before).all(|then| then != now)) {
            self.gained = Instant::now();
        }
        let at_start = self.at_start.get_or_insert(before);
        effect::keep_what_stays(at_start, &self.seen.current);
        if let Some(at_settling) = &mut self.at_settling {
            effect::keep_what_stays(at_settling, &self.seen.current);
        }
        self.is_unread = false;
        Ok(Some(&self.seen.current))
    }

    /// The CIDRs that are no longer asked for and came to WAF after the settling time began: no scan before says anything about
    /// them.
    pub(super) fn withdrawn_since_settling(&self, diff: &Diff) -> BTreeSet<Cidr> {
        let then = self.at_settling.as_ref().or(self.at_start.as_ref());
        then.map(|then| diff.withdrawn_since(then, &self.seen.current)).unwrap_or_default()
    }

    /// Lets the settling time count from now: the newest scan began after the newest read of WAF.
    pub(super) fn settle_from_here(&mut self) {
        self.scanned = Instant::now();
        self.at_settling = Some(self.seen.current.clone());
    }

    /// Records a confirmed write.
    pub(super) fn wrote(&mut self, job: &mut Job<'_>, write: &Write, receipt: &Receipt) {
        self.at_start.get_or_insert_with(|| self.seen.current.clone());
        match write {
            Write::CreateIpSet(spec) => {
                self.created.insert(spec.name.clone());
            }
            Write::UpdateIpSet { token, .. } | Write::UpdateRuleGroup { token, .. } => {
                self.spent.insert(token.clone());
            }
            Write::CreateRuleGroup(_) => {}
        }
        self.written.insert(receipt.arn.clone());
        effect::take_over(&mut self.seen.current, write, receipt, &job.target.name);
        // What this write has removed is new if another run brings it back.
        for then in [&mut self.at_start, &mut self.at_settling].into_iter().flatten() {
            effect::keep_what_stays(then, &self.seen.current);
        }
        effect::remember(job.cache, &self.seen.current, write, receipt);
    }

    /// Records an answer to a write, of which AWS may still propagate the effect.
    pub(super) fn answered(&mut self, change: &Change) {
        match (change.unrefer.is_empty(), change.refer.is_empty()) {
            (true, _) => self.gained = Instant::now(),
            (false, false) => self.swapped = Instant::now(),
            // It brings nothing into force.
            (false, true) => {}
        }
    }

    /// Records a write that may still take effect, whatever reads show until then.
    pub(super) fn left_unsure(&mut self) {
        self.unsure = Instant::now();
    }

    /// Since when AWS has had the time to propagate what a change relies on. What a foreign IP set lets in may have been brought
    /// into ours during this run. Where several rule groups both refer to more and drop something, no one waits for another: what
    /// one drops may be in force by the other alone.
    pub(super) fn known_since(&self, change: &Change) -> Instant {
        match (change.drops_foreign(), change.refer.is_empty()) {
            (false, _) => self.waf_read.max(self.unsure),
            (true, false) => self.gained,
            (true, true) => self.gained.max(self.swapped),
        }
    }

    /// Records an attempt to wire these IP sets.
    pub(super) fn sent_to_be_wired<'a>(&mut self, arns: impl Iterator<Item = &'a String>) {
        self.wired.extend(arns.cloned());
        for shard in &mut self.seen.current.shards {
            shard.created &= !self.wired.contains(&shard.arn);
        }
    }

    /// Whether this run has created an IP set of this name.
    pub(super) fn has_created(&self, name: &str) -> bool {
        self.created.contains(name)
    }

    /// Whether a list shows no rule group of ours as this run does not know it: it may refer to an IP set that loses something, for
    /// another web ACL. What this run has written takes a while to propagate.
    pub(super) fn knows_all(&self, groups: &BTreeMap<String, LockToken>) -> bool {
        let is_known = |(arn, token): (&String, &LockToken)| {
            let known = self.seen.current.groups.iter().find(|group| group.arn == *arn);
            known.is_some_and(|known| known.token == *token || self.spent.contains(token))
        };
        groups.iter().all(is_known)
    }

    /// Compares an IP set with its lock token in a list.
    pub(super) fn compare(&self, shard: &Shard, listed: Option<&LockToken>) -> Sight {
        match listed {
            Some(token) if *token == shard.token => Sight::Current,
            Some(token) if !self.spent.contains(token) => Sight::Changed,
            // What this run has written or created takes a while to propagate.
            Some(_) | None => Sight::Old,
        }
    }

    /// Whether a read is older than this run's writes.
    fn is_old(&self, read: &Current) -> bool {
        let sets = || read.shards.iter().map(|shard| (&shard.arn, &shard.token));
        let groups = || read.groups.iter().map(|group| (&group.arn, &group.token));
        let is_there = |arn: &String| sets().chain(groups()).any(|(there, _)| there == arn);
        sets().chain(groups()).any(|(_, token)| self.spent.contains(token)) || !self.written.iter().all(is_there)
    }

    /// The number of rejections that count, in the scan that had the most.
    pub(super) fn rejections(&self) -> usize {
        self.seen.scans.all().map(|scan| scan.view().rejections_that_hold()).max().unwrap_or_default()
    }

    /// Fails under `--on-rejection abort` if there are rejections.
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

/// The lock tokens of everything that is ours.
fn tokens(current: &Current) -> impl Iterator<Item = &LockToken> {
    let groups = current.groups.iter().map(|group| &group.token);
    current.shards.iter().map(|shard| &shard.token).chain(groups)
}

/// How a run ends after an error of the first reads.
fn unread_at_first(error: &AwsError) -> End {
    let fault = || Fault::from(error);
    match error.class() {
        Class::Stopped(reason) => End::partial(Why::Stopped(reason)),
        Class::Again if !error.looks_lasting() => End::partial(Why::Unread(fault())),
        Class::Again | Class::Unavailable | Class::Conflict | Class::Duplicate | Class::NotFound | Class::Final => {
            End::failed(fault())
        }
    }
}

/// How a run ends after an error of a later read, when AWS has answered before: transient errors leave it to the next run.
pub(super) fn unread_later(error: &AwsError) -> End {
    match error.class() {
        Class::Again => End::partial(Why::Unread(Fault::from(error))),
        Class::Stopped(_)
        | Class::Unavailable
        | Class::Conflict
        | Class::Duplicate
        | Class::NotFound
        | Class::Final => unread_at_first(error),
    }
}
