//! Quotas: whether AWS's quotas leave room for what the table needs.
//!
//! A raised quota is not visible here; more resources than the default quota show that it was raised.

use super::facts::{Ours, TableSample, TableState};
use super::line::{Line, failed, failure, ok, unknown, warning};
use crate::model::cidr::{Family, PerFamily};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::limits::QUOTA;
use crate::model::settings::Settings;
use crate::text::number::{counted, grouped};

/// The numbers of a resource: ours and those of others.
#[derive(Clone, Copy)]
struct Standing {
    ours: usize,
    others: usize,
}

impl Standing {
    fn new(ours: usize, all: usize) -> Self {
        Self { ours, others: all.saturating_sub(ours) }
    }

    const fn all(self) -> usize {
        self.ours + self.others
    }

    /// How many more the default quota allows; `None` if it is exceeded and so was raised.
    const fn room(self) -> Option<usize> {
        QUOTA.checked_sub(self.all())
    }
}

/// How precisely the table's number of CIDRs is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Exactly: the sample has all items.
    Exactly,
    /// Roughly: from the sample and the table's item count.
    About,
    /// A lower bound: from the sample alone.
    AtLeast,
}

pub(super) fn ip_sets(settings: &Settings, seen: &Ours<'_>) -> Line {
    const SUBJECT: &str = "IP sets";
    const RAISE: &str = "raise AWS WAF's quota of IP sets for this account and Region, or lower --max-ip-sets";
    let (current, totals) = match (seen.waf, seen.totals) {
        (Ok(current), Ok(totals)) => (current, totals),
        (Err(trouble), _) => return unknown(SUBJECT, trouble),
        (_, Err(trouble)) => return failed(SUBJECT, trouble),
    };
    let standing = Standing::new(current.shards.len(), totals.ip_sets);
    let Standing { ours, others } = standing;
    let Ok(sample) = seen.sample else {
        let finding = format!("{ours} there, {others} of others; the number that the table needs is unknown");
        return warning(SUBJECT, finding, "see above");
    };
    let (cidrs, known) = wanted(settings, sample, seen.table.as_ref().ok());
    let (missing, allowed) = (missing(settings, current, cidrs), settings.waf.limits.max_ip_sets);
    let finding = finding(standing, missing, cidrs, known);
    if missing > 0 && ours.saturating_add(missing) > allowed {
        let fix = "raise --max-ip-sets, and AWS's quota if necessary, or merge CIDRs with --aggregate";
        return failure(SUBJECT, format!("{finding}; --max-ip-sets allows {allowed}"), fix);
    }
    match standing.room() {
        None if missing > 0 => beyond(SUBJECT, &finding, missing),
        None => ok(SUBJECT, format!("{finding}; so the usual quota of {QUOTA} was raised")),
        // Settings above the default quota imply that it was raised.
        Some(room) if room < missing && allowed <= QUOTA => too_full(SUBJECT, &finding, room, RAISE),
        Some(0) if others > 0 && allowed <= QUOTA => {
            warning(SUBJECT, format!("{finding}; the usual quota of {QUOTA} leaves no room to grow"), RAISE)
        }
        // The default setting equals the default quota. It does not ask for that many, so resources of others are no reason
        // to warn.
        Some(_) if allowed != QUOTA && allowed + others > QUOTA => {
            let left = QUOTA - others;
            let finding = format!(
                "{finding}; --max-ip-sets allows {allowed}, the usual quota of {QUOTA} leaves {left}: it is unknown \
                 whether it was raised"
            );
            warning(SUBJECT, finding, RAISE)
        }
        Some(room) if others > 0 => {
            ok(SUBJECT, format!("{finding}; the usual quota of {QUOTA} leaves room for {room} more"))
        }
        Some(_) => ok(SUBJECT, finding),
    }
}

pub(super) fn rule_groups(settings: &Settings, seen: &Ours<'_>) -> Line {
    const SUBJECT: &str = "rule group quota";
    const RAISE: &str =
        "raise AWS WAF's quota of rule groups for this account and Region, or delete some of the others";
    let (current, totals) = match (seen.waf, seen.totals) {
        (Ok(current), Ok(totals)) => (current, totals),
        (Err(trouble), _) => return unknown(SUBJECT, trouble),
        (_, Err(trouble)) => return failed(SUBJECT, trouble),
    };
    let standing = Standing::new(current.groups.len(), totals.rule_groups);
    let needed = settings.waf.limits.rule_groups();
    let there = current.groups.iter().filter(|group| group.number <= needed).count();
    let missing = needed.saturating_sub(there);
    let finding = format!("{needed} needed, {} there, {} of others", standing.ours, standing.others);
    match standing.room() {
        None if missing > 0 => beyond(SUBJECT, &finding, missing),
        Some(room) if room < missing => too_full(SUBJECT, &finding, room, RAISE),
        _ => ok(SUBJECT, finding),
    }
}

/// The line if more are needed and it is unknown whether they fit.
fn beyond(subject: &'static str, finding: &str, missing: usize) -> Line {
    let finding = format!("{finding}; the usual quota of {QUOTA} was raised, to an unknown number");
    warning(subject, finding, format!("make sure that it leaves room for {missing} more"))
}

fn too_full(subject: &'static str, finding: &str, room: usize, fix: &str) -> Line {
    failure(
        subject,
        format!("{finding}; the usual quota of {QUOTA}, if it was not raised, leaves room for {room} more"),
        fix,
    )
}

/// A finding such as `2 there, 1 more needed for 25,000 CIDRs; 30 of others`.
fn finding(standing: Standing, missing: usize, cidrs: PerFamily<usize>, known: Known) -> String {
    let need = match missing {
        0 => "enough".to_owned(),
        missing => format!("{} more needed", grouped(missing)),
    };
    let cidrs = counted(cidrs.ipv4.saturating_add(cidrs.ipv6), "CIDR");
    let cidrs = match known {
        Known::Exactly => cidrs,
        Known::About => format!("about {cidrs} by a sample and the last count"),
        Known::AtLeast => format!("at least {cidrs}"),
    };
    format!("{} there, {need} for {cidrs}; {} of others", standing.ours, standing.others)
}

/// The number of CIDRs that WAF should hold, extrapolated from the sample for a larger table.
fn wanted(settings: &Settings, sample: &TableSample, table: Option<&TableState>) -> (PerFamily<usize>, Known) {
    let rules = &settings.table;
    let desired = |always| Desired::new(sample.view.clone(), always, rules.aggregate, rules.widest);
    let count = |desired: &Desired| PerFamily::from_fn(|family| desired.cidrs(family).len());
    let (seen, of_table) = (count(&desired(&rules.always)), count(&desired(&[])));
    let read = usize::try_from(sample.view.items).unwrap_or(usize::MAX);
    let items = table.and_then(|table| usize::try_from(table.items).ok());
    match items.map(|items| items.saturating_sub(read)) {
        _ if sample.whole => (seen, Known::Exactly),
        Some(unread) if unread > 0 && read > 0 => {
            let more = |family: Family| of_table.get(family).saturating_mul(unread).div_ceil(read);
            (PerFamily::from_fn(|family| seen.get(family).saturating_add(more(family))), Known::About)
        }
        _ => (seen, Known::AtLeast),
    }
}

/// The number of IP sets to create: each holds one family.
fn missing(settings: &Settings, current: &Current, cidrs: PerFamily<usize>) -> usize {
    let capacity = settings.waf.limits.set_capacity;
    let missing = |family| {
        let there = current.shards.iter().filter(|shard| shard.family == family).count();
        cidrs.get(family).saturating_sub(there * capacity).div_ceil(capacity)
    };
    Family::ALL.into_iter().map(missing).sum()
}
