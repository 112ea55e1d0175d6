//! The samples of a run: one for each metric value that it knows.

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

/// A sample of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// The value of its label, if it has one.
    pub label: Option<&'static str>,
    /// The value, in the unit of the metric.
    pub value: f64,
}

/// Facts about a run besides its document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// When it began, in seconds since the epoch.
    pub began: i64,
    /// How long it took.
    pub duration: Duration,
    /// The number of throttled calls.
    pub throttled: u64,
    /// The number of write conflicts.
    pub conflicts: usize,
    /// The number of distinct CIDRs in wired IP sets; `None` if WAF was not read completely.
    pub in_force: Option<PerFamily<usize>>,
    /// Writes that AWS confirmed, by kind.
    pub writes: BTreeMap<WriteKind, usize>,
    /// The number of CIDRs of drift that the run removed.
    pub drift_removed: usize,
    /// The number of planned writes beyond the fewest possible.
    pub above_minimum: usize,
}

impl Facts {
    /// Collects the facts of a run.
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
                Merged::new(wired.map(|shard| shard.cidrs.as_slice())).count()
            })
        });
        facts.drift_removed = run.drift_removed();
        facts.above_minimum = above_minimum(run);
        facts
    }
}

/// Each plan counts by itself: planning again after a conflict is not a surplus.
fn above_minimum(run: &Run) -> usize {
    run.plans().map(|plan| plan.writes().saturating_sub(plan.minimum)).sum()
}

/// The samples of a run, in the order of [`METRICS`].
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
    // Without a digest, no plan was made.
    if document.digest.is_some() {
        samples.put(&HELD, count(document.held.len()));
        samples.put(&DEFERRED, count(document.deferred.len()));
        samples.put(&DRIFT, count(facts.drift_removed));
        samples.one_of(&GUARD, document.guard.verdict.as_str());
    }
    samples.in_order()
}

/// The samples of a run that could not start. `now` is in seconds since the epoch.
#[must_use]
pub fn not_begun(now: i64) -> Vec<Sample> {
    let mut samples = Samples::default();
    of_the_run(&mut samples, &Document::failed(""), &Facts { began: now, ..Facts::default() });
    samples.at(&LIMIT_USED, "deadline", 0.0);
    samples.in_order()
}

/// The samples that every run has.
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

/// The used share of the capacity: of each family, which can use its own IP sets and all that may be created, and of both
/// together; the highest of the three.
///
/// Unwanted CIDRs that are still there count, and so do wanted CIDRs without room.
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

/// The number of references in the rule group with the most.
fn fullest_group(sets: &[IpSet]) -> usize {
    let mut references: BTreeMap<&str, usize> = BTreeMap::new();
    for group in sets.iter().filter_map(|set| set.rule_group.as_deref()) {
        *references.entry(group).or_default() += 1;
    }
    references.values().copied().max().unwrap_or_default()
}

/// Exact up to four billion, far beyond anything that is counted here.
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

    /// One sample per value of the label.
    fn put_each(&mut self, metric: &'static Metric, value: impl Fn(&str) -> f64) {
        for label in metric.label.iter().flat_map(|(_, labels)| *labels) {
            self.at(metric, label, value(label));
        }
    }

    /// 1 where the label has this value, 0 elsewhere.
    fn one_of(&mut self, metric: &'static Metric, this: &str) {
        self.put_each(metric, |label| f64::from(u8::from(label == this)));
    }

    fn put_family(&mut self, metric: &'static Metric, counts: PerFamily<usize>) {
        self.at(metric, "ipv4", count(counts.ipv4));
        self.at(metric, "ipv6", count(counts.ipv6));
    }
}
