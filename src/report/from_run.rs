//! Makes the document of a run from its record.

use std::sync::Arc;

use super::document::{Acl, Document, Guard, IpSet, Names, Table, UnreadAcl, Write, Writes};
use super::holding;
use super::reason::{reason, unfinished};
use crate::model::cidr::{Cidr, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::current::{Current, Shard};
use crate::model::enforcement::{Enforcement, enforcement};
use crate::model::keys::KeyList;
use crate::model::limits::Limits;
use crate::model::merged::Merged;
use crate::model::settings::{RunSettings, Settings};
use crate::model::web_acl::UnreadWebAcl;
use crate::planning::change::{self, Change, Stage};
use crate::run::apply::RELIED_FOR;
use crate::run::decision::{Care, Decision};
use crate::run::end::End;
use crate::run::outcome::Outcome;
use crate::run::record::{Command, Run};

/// CIDRs whose items are looked up in one go: a first plan adds a million, and their keys would take a hundred megabytes.
const KEYS_AT_ONCE: usize = 65_536;

impl Document {
    /// The document of a run.
    #[must_use]
    pub fn new(run: &Run, settings: &Settings) -> Self {
        let limits = settings.waf.limits;
        let changes = changes(run);
        let (done, minimum) = counts(run);
        let error = match &run.end {
            End::Failed(failure) => Some(crate::text::with_hint(&failure.to_string(), failure.hint())),
            End::Done | End::Blocked | End::Partial(_) => None,
        };
        let sets = |current: &Current| ip_sets(current, limits);
        let mut document = Self {
            error,
            digest: run.digest.clone(),
            table: table(run),
            desired: run
                .newest()
                .map_or_else(PerFamily::default, |scan| PerFamily::from_fn(|family| scan.cidrs(family).len())),
            current: run.current().map_or_else(PerFamily::default, distinct),
            ip_sets: run.current().map_or_else(Vec::new, sets),
            writes: Writes { planned: changes.len(), minimum, done },
            changes: changes
                .iter()
                .zip(wanted_by(run, &changes))
                .map(|(change, keys)| write(run, change, keys))
                .collect(),
            web_acls: run.current().map(enforcement).unwrap_or_default().into_iter().map(acl).collect(),
            unread_web_acls: run.current().map(unread).unwrap_or_default(),
            ..Self::empty()
        };
        if let Some(decision) = run.decision() {
            let Decision { plan, diff, judgment } = decision;
            document.held = judgment.held.iter().chain(&judgment.waiting).copied().collect();
            document.held.sort_unstable();
            document.waiting.clone_from(&judgment.waiting);
            document.lockout = holding::lockout(&judgment.reasons);
            document.deferred.clone_from(&plan.deferred);
            document.unplaced.clone_from(&plan.unplaced);
            let is_unwanted = |cidr: &Cidr| run.newest().is_some_and(|scan| !scan.covers_all(*cidr));
            document.leaves_something =
                plan.deferred.iter().any(is_unwanted) || !plan.unplaced.is_empty() || plan.keeps_foreign;
            document.drift = diff.drift().collect();
            document.estimate_seconds = plan.estimate_seconds(settings.run.read_rate, settings.run.write_rate);
            let settled = (decision.care() == Some(Care::Settled)).then_some(settings.table.settle);
            let relied = plan.changes.iter().any(|change| !change.relies_on.is_empty()).then_some(RELIED_FOR);
            // Both count from the first reads, but a foreign reference waits for what is written after the settling time.
            let brings_late = |change: &Change| change.stage == Stage::Add && !change.remove.is_empty();
            let is_last = plan.changes.iter().any(Change::drops_foreign) && plan.changes.iter().any(brings_late);
            let waits = if is_last { settled.map(|settled| settled + RELIED_FOR) } else { settled.max(relied) };
            document.estimate_seconds += waits.unwrap_or_default().as_secs_f64();
            let reasons = judgment.reasons.iter().map(|reason| crate::text::line(&reason.to_string()).into_owned());
            document.guard = Guard { verdict: judgment.verdict, reasons: reasons.collect(), approve: None };
        }
        document.outcome = Outcome::of(run);
        if let Some(current) = run.current() {
            let more = limits.max_ip_sets.saturating_sub(document.ip_sets.len());
            document.room = document.ip_sets.iter().map(|set| set.free).sum::<usize>() + more * limits.set_capacity;
            document.held_in = holding::by_set(current, &document.held);
            for held in &document.held_in {
                if let Some(set) = document.ip_sets.iter_mut().find(|set| set.name == held.ip_set) {
                    set.held = held.cidrs.len();
                }
            }
        }
        document.price_approval(settings, run.command);
        document.unsure = run.writes_unsure();
        document.unfinished = unfinished(run, &document);
        let (headline, sentence) = reason(run, &document);
        document.reason = headline.map_or_else(|| sentence.clone(), |headline| format!("{headline}: {sentence}"));
        document.sentence = sentence;
        document
    }

    /// Estimates the writes and time that an approval adds. A blocked plan is shown as if approved. For any other plan, held
    /// CIDRs cost a write for each IP set that the plan does not write anyway.
    fn price_approval(&mut self, settings: &Settings, command: Command) {
        if !self.is_guarded() {
            return;
        }
        if self.is_blocked() {
            (self.approval_writes, self.approval_seconds) = (self.writes.planned, self.estimate_seconds);
            return;
        }
        let planned = |set: &str| command == Command::Plan && self.changes.iter().any(|change| change.target == set);
        self.approval_writes = self.held_in.iter().filter(|held| !planned(&held.ip_set)).count();
        // Waiting additions share the writes of held removals.
        if self.approval_writes == 0 {
            self.approval_writes = self.waiting.len().div_ceil(settings.waf.limits.set_capacity.max(1));
        }
        let writes = f64::from(u32::try_from(self.approval_writes).unwrap_or(u32::MAX));
        let settle = settings.table.settle.as_secs_f64();
        let RunSettings { read_rate, write_rate, .. } = settings.run;
        self.approval_seconds = writes / write_rate + writes / read_rate + settle;
    }
}

fn unread(current: &Current) -> Vec<UnreadAcl> {
    let why = |acl: &UnreadWebAcl| crate::text::with_hint(&acl.message, acl.hint.as_deref());
    current.unread_web_acls.iter().map(|acl| UnreadAcl { name: acl.name.clone(), why: why(acl) }).collect()
}

fn table(run: &Run) -> Table {
    let Some(seen) = &run.seen else { return Table::default() };
    let view = seen.scans.newest.view();
    Table {
        items: view.items,
        pages: view.pages,
        consumed_capacity: seen.consumed_capacity,
        expired: view.expired,
        empty: view.empty,
        rejections: Arc::clone(&view.rejections),
    }
}

/// The writes of earlier rounds and of the last plan.
fn changes(run: &Run) -> Vec<&Change> {
    let planned = run.decision().into_iter().flat_map(|decision| &decision.plan.changes);
    run.written_before().chain(planned).collect()
}

/// The writes done, and the fewest that would have sufficed.
fn counts(run: &Run) -> (usize, usize) {
    let last = run.decision().map_or(0, |decision| decision.plan.minimum);
    (run.writes_done(), run.written_before().count() + last)
}

/// The contents of IP sets, and the rule group that refers to each.
fn ip_sets(current: &Current, limits: Limits) -> Vec<IpSet> {
    let ip_set = |shard: &Shard| IpSet {
        name: shard.name.clone(),
        family: shard.family,
        addresses: shard.cidrs.len(),
        free: limits.set_capacity.saturating_sub(shard.cidrs.len()),
        held: 0,
        rule_group: shard.group.and_then(|index| current.groups.get(index)).map(|group| group.name.clone()),
    };
    current.shards.iter().map(ip_set).collect()
}

/// For each change, the keys of the items that ask for what it adds; empty lists without a scan.
fn wanted_by(run: &Run, changes: &[&Change]) -> Vec<KeyList> {
    let mut lists = vec![KeyList::default(); changes.len()];
    let Some(scan) = run.newest() else { return lists };
    let mut added = (0..).zip(changes).flat_map(|(at, change)| change.add.iter().map(move |cidr| (at, cidr)));
    loop {
        let (places, cidrs): (Vec<usize>, Vec<Cidr>) = added.by_ref().take(KEYS_AT_ONCE).unzip();
        if cidrs.is_empty() {
            break;
        }
        for (at, key) in places.into_iter().zip(scan.first_wanting_each(&cidrs)) {
            if let Some(list) = lists.get_mut(at) {
                list.push(key.as_deref());
            }
        }
    }
    lists.iter_mut().for_each(KeyList::finish);
    lists
}

fn write(run: &Run, change: &Change, wanted_by: KeyList) -> Write {
    let names = |cidrs: &Cidrs, sets: &[String]| match &change.write {
        change::Write::CreateIpSet(_) | change::Write::UpdateIpSet { .. } => Names::Cidrs(cidrs.clone()),
        change::Write::CreateRuleGroup(_) | change::Write::UpdateRuleGroup { .. } => Names::IpSets(sets.to_vec()),
    };
    Write {
        kind: change.write.kind(),
        target: change.write.target().to_owned(),
        written: run.written().any(|written| std::ptr::eq(written, change)),
        add: names(&change.add, &change.refer),
        wanted_by,
        remove: names(&change.remove, &change.unrefer),
    }
}

/// Distinct CIDRs in all our IP sets.
fn distinct(current: &Current) -> PerFamily<usize> {
    PerFamily::from_fn(|family| {
        let shards = current.shards.iter().filter(|shard| shard.family == family);
        Merged::new(shards.map(|shard| shard.cidrs.as_slice())).count()
    })
}

fn acl(enforcement: Enforcement) -> Acl {
    let Enforcement { web_acl, referred, missing, overridden } = enforcement;
    Acl { name: web_acl, referred, missing, overridden }
}
