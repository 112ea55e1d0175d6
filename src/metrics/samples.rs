//! A run in numbers: a sample of each metric that it can tell.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::{
    CONFLICTS, DEFERRED, DESIRED, DRIFT, DURATION, EMPTY, EXPIRED, FREE, GUARD, HELD, IN_FORCE, IP_SETS,
    IP_SETS_ALLOWED, ITEMS, LAST_CONVERGED, LAST_RUN, LIMIT_USED, METRICS, Metric, OUTCOME, READ_CAPACITY, REJECTIONS,
    THROTTLED, UNREFERENCED, WRITES, WRITES_ABOVE_MINIMUM,
};
use crate::model::cidr::{Family, PerFamily};
use crate::model::limits::Limits;
use crate::model::merged::Merged;
use crate::model::settings::Settings;
use crate::model::spec::WriteKind;
use crate::report::{Document, IpSet};
use crate::run::outcome::Outcome;
use crate::run::record::Run;

/// The value of a metric after a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub metric: &'static Metric,
    /// The value of its label.
    pub label: Option<&'static str>,
    /// In the unit of the metric.
    pub value: f64,
}

/// What is known of a run besides its document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// When it began, in seconds since the epoch.
    pub began: i64,
    /// How long it took.
    pub duration: Duration,
    /// Calls that AWS refused for their pace.
    pub throttled: u64,
    /// Writes that met somebody else's.
    pub conflicts: usize,
    /// Distinct CIDRs in IP sets that are wired; `None`: WAF was not read to the end.
    pub in_force: Option<PerFamily<usize>>,
    /// Writes that AWS confirmed, by kind.
    pub writes: BTreeMap<WriteKind, usize>,
    /// Drift that the run has removed.
    pub drift_removed: usize,
    /// Writes that its plans had beyond the fewest possible.
    pub above_minimum: usize,
}

impl Facts {
    /// What a run says itself, and what was measured around it.
    #[must_use]
    pub fn new(run: &Run, began: i64, duration: Duration, throttled: u64) -> Self {
        let mut facts = Self { began, duration, throttled, ..Self::default() };
        for round in &run.rounds {
            facts.conflicts += round.applied.conflicts;
            for (kind, count) in round.applied.writes() {
                *facts.writes.entry(kind).or_default() += count;
            }
        }
        facts.in_force = run.current().map(|current| {
            PerFamily::from_fn(|family| {
                let wired = current.shards.iter().filter(|shard| shard.family == family && shard.group.is_some());
                Merged::new(wired.map(|shard| shard.cidrs.as_slice())).count(|_| true)
            })
        });
        facts.drift_removed = run.drift_removed();
        facts.above_minimum = above_minimum(run);
        facts
    }
}

/// Each plan by itself: that it is made anew after a conflict is no surplus.
fn above_minimum(run: &Run) -> usize {
    run.plans().map(|plan| plan.writes().saturating_sub(plan.minimum)).sum()
}

/// Everything that a run says, in the order of [`METRICS`].
#[must_use]
pub fn samples(document: &Document, settings: &Settings, facts: &Facts) -> Vec<Sample> {
    let mut samples = Samples::default();
    of_the_run(&mut samples, document, facts);
    samples.put(&IP_SETS_ALLOWED, count(settings.waf.limits.max_ip_sets));
    samples.at(&LIMIT_USED, "deadline", facts.duration.as_secs_f64() / settings.run.deadline.as_secs_f64());
    // A complete scan has at least one page.
    if document.table.pages > 0 {
        of_the_table(&mut samples, document);
    }
    if let Some(in_force) = facts.in_force {
        of_waf(&mut samples, document, settings, in_force);
    }
    // Without a digest it did not come to a plan.
    if document.digest.is_some() {
        samples.put(&HELD, count(document.held.len()));
        samples.put(&DEFERRED, count(document.deferred.len()));
        samples.put(&DRIFT, count(facts.drift_removed));
        samples.one_of(&GUARD, document.guard.verdict.as_str());
    }
    samples.in_order()
}

/// What a run says that could not begin, whatever its settings are. `now` is in seconds since the epoch.
#[must_use]
pub fn not_begun(now: i64) -> Vec<Sample> {
    let mut samples = Samples::default();
    of_the_run(&mut samples, &Document::failed(""), &Facts { began: now, ..Facts::default() });
    samples.at(&LIMIT_USED, "deadline", 0.0);
    samples.in_order()
}

/// What is known of every run, whatever it got to see.
fn of_the_run(samples: &mut Samples, document: &Document, facts: &Facts) {
    let ended = seconds(facts.began) + facts.duration.as_secs_f64();
    samples.one_of(&OUTCOME, &document.outcome.to_string());
    samples.put(&LAST_RUN, ended.floor());
    if matches!(document.outcome, Outcome::Converged | Outcome::Changed) {
        samples.put(&LAST_CONVERGED, ended.floor());
    }
    samples.put(&DURATION, facts.duration.as_secs_f64());
    samples.put(&READ_CAPACITY, document.table.consumed_capacity);
    samples.put(&THROTTLED, count(usize::try_from(facts.throttled).unwrap_or(usize::MAX)));
    samples.put(&CONFLICTS, count(facts.conflicts));
    samples.put_each(&WRITES, |kind| {
        let of_kind = facts.writes.iter().filter(|(written, _)| written.as_str() == kind);
        count(of_kind.map(|(_, count)| count).sum())
    });
    samples.put(&WRITES_ABOVE_MINIMUM, count(facts.above_minimum));
}

fn of_the_table(samples: &mut Samples, document: &Document) {
    let table = &document.table;
    samples.put(&ITEMS, count(usize::try_from(table.items).unwrap_or(usize::MAX)));
    samples.put(&EXPIRED, count(usize::try_from(table.expired).unwrap_or(usize::MAX)));
    samples.put(&EMPTY, count(usize::try_from(table.empty).unwrap_or(usize::MAX)));
    samples.put(&REJECTIONS, count(table.rejections.iter().filter(|rejection| !rejection.ignored).count()));
    samples.put_family(&DESIRED, document.desired);
}

fn of_waf(samples: &mut Samples, document: &Document, settings: &Settings, in_force: PerFamily<usize>) {
    let limits = settings.waf.limits;
    let sets = document.ip_sets.len();
    let to_be_created = limits.max_ip_sets.saturating_sub(sets) * limits.set_capacity;
    let free = |family: Family| -> usize {
        document.ip_sets.iter().filter(|set| set.family == family).map(|set| set.free).sum()
    };
    samples.put_family(&IN_FORCE, in_force);
    samples.put_family(&FREE, PerFamily::from_fn(|family| free(family) + to_be_created));
    samples.put(&IP_SETS, count(sets));
    samples.at(&LIMIT_USED, "addresses", addresses_used(document, limits));
    samples.at(&LIMIT_USED, "ip_sets", share(sets, limits.max_ip_sets));
    samples.at(&LIMIT_USED, "references", share(fullest_group(&document.ip_sets), limits.group_references));
    samples.put(&UNREFERENCED, count(document.web_acls.iter().map(|acl| acl.missing.len()).sum()));
}

/// The share that is used of the room that a family can get, in its own IP sets and in all those that may still be
/// created; of the two families and both together, which share what is to be created, whichever has used most.
///
/// What is unwanted and still there takes room, and what is wanted counts also if there is none left for it.
fn addresses_used(document: &Document, limits: Limits) -> f64 {
    let sets = |family: Family| document.ip_sets.iter().filter(move |set| set.family == family);
    let used = PerFamily::from_fn(|family| {
        let there: usize = sets(family).map(|set| set.addresses).sum();
        there.max(*document.desired.get(family))
    });
    let to_be_created = limits.max_ip_sets.saturating_sub(document.ip_sets.len());
    let room = |sets: usize| (sets + to_be_created) * limits.set_capacity;
    let of_both = share(used.ipv4 + used.ipv6, room(document.ip_sets.len()));
    let of_each = Family::ALL.map(|family| share(*used.get(family), room(sets(family).count())));
    of_each.into_iter().fold(of_both, f64::max)
}

/// References of the rule group that has most of them.
fn fullest_group(sets: &[IpSet]) -> usize {
    let mut references: BTreeMap<&str, usize> = BTreeMap::new();
    for group in sets.iter().filter_map(|set| set.rule_group.as_deref()) {
        *references.entry(group).or_default() += 1;
    }
    references.values().copied().max().unwrap_or_default()
}

/// Exact up to four thousand million, which is far beyond anything that is counted here.
fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn seconds(epoch: i64) -> f64 {
    f64::from(u32::try_from(epoch).unwrap_or_default())
}

fn share(used: usize, of: usize) -> f64 {
    count(used) / count(of).max(1.0)
}

#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn in_order(mut self) -> Vec<Sample> {
        self.0.sort_by_key(|sample| METRICS.iter().position(|metric| std::ptr::eq(*metric, sample.metric)));
        self.0
    }

    fn put(&mut self, metric: &'static Metric, value: f64) {
        self.0.push(Sample { metric, label: None, value });
    }

    fn at(&mut self, metric: &'static Metric, label: &'static str, value: f64) {
        self.0.push(Sample { metric, label: Some(label), value });
    }

    /// A value for each value of the label.
    fn put_each(&mut self, metric: &'static Metric, value: impl Fn(&str) -> f64) {
        for label in metric.label.iter().flat_map(|(_, labels)| *labels) {
            self.at(metric, label, value(label));
        }
    }

    /// 1 where the label is this, else 0.
    fn one_of(&mut self, metric: &'static Metric, this: &str) {
        self.put_each(metric, |label| f64::from(u8::from(label == this)));
    }

    fn put_family(&mut self, metric: &'static Metric, counts: PerFamily<usize>) {
        self.at(metric, "ipv4", count(counts.ipv4));
        self.at(metric, "ipv6", count(counts.ipv6));
    }
}
