//! A run as one document: the JSON that `plan` and `apply` print, and the one source of text and Markdown.
//!
//! The keys are a contract with whoever reads them; adding one is fine, changing one needs a new [`VERSION`].

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::current::{Current, Shard};
use crate::model::desired::Desired;
use crate::model::enforcement::{Enforcement, enforcement};
use crate::model::limits::Limits;
use crate::model::merged::Merged;
use crate::model::settings::Settings;
use crate::model::spec::WriteKind;
use crate::planning::guard::Verdict;
use crate::planning::plan::{self, Change};
use crate::run::decision::{Care, Decision};
use crate::run::end::{End, Why};
use crate::run::outcome::Outcome;
use crate::run::record::{Command, Run};
use crate::stop::StopReason;
use crate::text::number::counted;

/// The version of the document's schema.
pub const VERSION: u32 = 1;

/// A run as one document.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// [`VERSION`]
    pub version: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// What went wrong; present when the outcome is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What `--approve` takes; null if it did not come to a plan.
    pub digest: Option<String>,
    /// What the newest complete scan showed.
    pub table: Table,
    /// Distinct CIDRs that are wanted.
    pub desired: PerFamily<usize>,
    /// Distinct CIDRs that our IP sets hold: before the run for `plan`, after it for `apply`.
    pub current: PerFamily<usize>,
    /// Our IP sets, at the same moment.
    pub ip_sets: Vec<IpSet>,
    /// The writes, in their order.
    pub changes: Vec<Write>,
    /// CIDRs that a guard holds: they are not removed, or not added, before a person approves.
    pub held: Vec<Cidr>,
    /// Those of `held` that would be added.
    #[serde(skip)]
    pub waiting: Vec<Cidr>,
    /// CIDRs that go in a later run.
    pub deferred: Vec<Cidr>,
    /// Wanted CIDRs for which there is no room in this run: they are not in force.
    pub unplaced: Vec<Cidr>,
    /// CIDRs that somebody put into our IP sets by hand: no guard holds them, and they go without a wait.
    pub drift: Vec<Cidr>,
    /// How many API writes.
    pub writes: Writes,
    /// Seconds that carrying the plan out takes at least: the writes, and the wait for a second scan where one is due.
    pub estimate_seconds: f64,
    /// What the guards said.
    pub guard: Guard,
    /// The web ACLs that were named.
    pub web_acls: Vec<Acl>,
}

/// What a scan showed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Items.
    pub items: u64,
    /// Pages.
    pub pages: u64,
    /// Read capacity units of all scans of the run.
    pub consumed_capacity: f64,
    /// Items past their expiry.
    pub expired: u64,
    /// Items that ask for nothing.
    pub empty: u64,
    /// What could not be used.
    pub rejections: Vec<Rejected>,
}

/// Something in the table that could not be used.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// The key of its item.
    #[serde(serialize_with = "shared_text")]
    pub key: Arc<str>,
    /// The value, cut to 128 characters.
    pub value: String,
    /// Why.
    pub reason: String,
    /// `--ignore-item` names its item, so it holds nothing back.
    pub ignored: bool,
}

/// One of our IP sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpSet {
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: Family,
    /// CIDRs in it.
    pub addresses: usize,
    /// CIDRs for which it has room.
    pub free: usize,
    /// The rule group that refers to it.
    pub rule_group: Option<String>,
}

/// One API write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// `create_ip_set`, `update_ip_set`, `create_rule_group` or `update_rule_group`.
    pub kind: WriteKind,
    /// What is written.
    pub target: String,
    /// CIDRs, or names of IP sets for a rule group.
    pub add: Names,
    /// For each CIDR of `add` the key of an item that asks for it; null if only `--always` does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted_by: Vec<Option<String>>,
    /// CIDRs, or names of IP sets (ARNs of foreign ones) for a rule group.
    pub remove: Names,
}

/// CIDRs of an IP set or IP sets of a rule group; one list of strings in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Names {
    /// CIDRs.
    Cidrs(Vec<Cidr>),
    /// IP sets.
    IpSets(Vec<String>),
}

impl Names {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Cidrs(cidrs) => cidrs.len(),
            Self::IpSets(names) => names.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Numbers of API writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// What the run set out to do, after all its planning anew.
    pub planned: usize,
    /// What any plan would need at least.
    pub minimum: usize,
    /// What AWS confirmed.
    pub done: usize,
}

/// What the guards said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// `pass`, `held`, `blocked` or `approved`.
    pub verdict: Verdict,
    /// Why it is not a pass: what stands in the way, or what would have without the approval.
    pub reasons: Vec<String>,
    /// What lets exactly this through, for whoever has read it: a command line, or the event of the Lambda function. Null
    /// if nothing waits, or if there is no host to say how.
    pub approve: Option<String>,
}

/// A web ACL that was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// Its name.
    pub name: String,
    /// Our rule groups that have IP sets and that it refers to, without an override that switches them off.
    pub referred: Vec<String>,
    /// Our other rule groups that have IP sets.
    pub missing: Vec<String>,
    /// Those of `missing` to which it refers, with an override that switches them off.
    pub overridden: Vec<String>,
}

impl Document {
    /// The document of a run.
    #[must_use]
    pub fn new(run: &Run, settings: &Settings) -> Self {
        let limits = settings.waf.limits;
        let changes = changes(run);
        let (done, minimum) = counts(run);
        let error = match &run.end {
            End::Failed(failure) => Some(crate::text::with_hint(&failure.to_string(), failure.hint())),
            _ => None,
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
            changes: changes.into_iter().map(|change| write(change, run.newest())).collect(),
            web_acls: run.current().map(enforcement).unwrap_or_default().into_iter().map(acl).collect(),
            ..Self::empty()
        };
        if let Some(decision) = run.decision() {
            let Decision { plan, diff, judgement } = decision;
            document.held = judgement.held.iter().chain(&judgement.waiting).copied().collect();
            document.held.sort_unstable();
            document.waiting.clone_from(&judgement.waiting);
            document.deferred.clone_from(&plan.deferred);
            document.unplaced.clone_from(&plan.unplaced);
            document.drift = diff.drift().collect();
            document.estimate_seconds = plan.estimate_seconds(settings.run.read_rate, settings.run.write_rate);
            if decision.care() == Some(Care::Settled) {
                document.estimate_seconds += settings.table.settle.as_secs_f64();
            }
            let reasons = judgement.reasons.iter().map(|reason| crate::text::line(&reason.to_string()).into_owned());
            document.guard = Guard { verdict: judgement.verdict, reasons: reasons.collect(), approve: None };
        }
        document.outcome = Outcome::of(run);
        document.reason = reason(run, &document);
        document
    }

    /// The document of a run that could not begin.
    #[must_use]
    pub fn failed(error: &str) -> Self {
        Self { reason: format!("failed: {error}"), error: Some(error.to_owned()), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            version: VERSION,
            outcome: Outcome::Failed,
            reason: String::new(),
            error: None,
            digest: None,
            table: Table::default(),
            desired: PerFamily::default(),
            current: PerFamily::default(),
            ip_sets: Vec::new(),
            changes: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            deferred: Vec::new(),
            unplaced: Vec::new(),
            drift: Vec::new(),
            writes: Writes::default(),
            estimate_seconds: 0.0,
            guard: Guard { verdict: Verdict::Pass, reasons: Vec::new(), approve: None },
            web_acls: Vec::new(),
        }
    }

    /// Whether a guard stands in the way of something.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        matches!(self.guard.verdict, Verdict::Held | Verdict::Blocked)
    }

    /// Whether there is a digest that lets something through.
    #[must_use]
    pub fn can_be_approved(&self) -> bool {
        self.is_guarded() && self.outcome != Outcome::Failed && self.digest.is_some()
    }

    /// Whether anything is pending.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.changes.is_empty() || self.is_guarded() || !self.deferred.is_empty()
    }
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn table(run: &Run) -> Table {
    let Some(seen) = &run.seen else { return Table::default() };
    let view = seen.scans.newest.view();
    let rejected = |rejection: &crate::model::item::Rejection| Rejected {
        key: Arc::clone(&rejection.key),
        value: rejection.value.clone(),
        reason: rejection.reason.to_string(),
        ignored: rejection.ignored,
    };
    Table {
        items: view.items,
        pages: view.pages,
        consumed_capacity: seen.consumed_capacity,
        expired: view.expired,
        empty: view.empty,
        rejections: view.rejections.iter().map(rejected).collect(),
    }
}

/// What earlier rounds have written, and what the last plan is to write.
fn changes(run: &Run) -> Vec<&Change> {
    let planned = run.decision().into_iter().flat_map(|decision| &decision.plan.changes);
    run.written_before().chain(planned).collect()
}

/// Writes done, and the fewest that would have done.
fn counts(run: &Run) -> (usize, usize) {
    let last = run.decision().map_or(0, |decision| decision.plan.minimum);
    (run.writes_done(), run.written_before().count() + last)
}

/// What IP sets hold, and which rule group refers to them.
fn ip_sets(current: &Current, limits: Limits) -> Vec<IpSet> {
    let ip_set = |shard: &Shard| IpSet {
        name: shard.name.clone(),
        family: shard.family,
        addresses: shard.cidrs.len(),
        free: limits.set_capacity.saturating_sub(shard.cidrs.len()),
        rule_group: shard.group.and_then(|index| current.groups.get(index)).map(|group| group.name.clone()),
    };
    current.shards.iter().map(ip_set).collect()
}

fn write(change: &Change, scan: Option<&Desired>) -> Write {
    let names = |cidrs: &[Cidr], sets: &[String]| match &change.write {
        plan::Write::CreateIpSet(_) | plan::Write::UpdateIpSet { .. } => Names::Cidrs(cidrs.to_vec()),
        _ => Names::IpSets(sets.to_vec()),
    };
    Write {
        kind: change.write.kind(),
        target: change.write.target().to_owned(),
        add: names(&change.add, &change.refer),
        wanted_by: scan.map_or_else(Vec::new, |scan| {
            change.add.iter().map(|cidr| scan.first_wanting(*cidr).map(|(key, _)| key)).collect()
        }),
        remove: names(&change.remove, &change.unrefer),
    }
}

/// Distinct CIDRs in all our IP sets.
fn distinct(current: &Current) -> PerFamily<usize> {
    PerFamily::from_fn(|family| {
        let shards = current.shards.iter().filter(|shard| shard.family == family);
        Merged::new(shards.map(|shard| shard.cidrs.as_slice())).count(|_| true)
    })
}

fn acl(enforcement: Enforcement) -> Acl {
    let Enforcement { web_acl, referred, missing, overridden } = enforcement;
    Acl { name: web_acl, referred, missing, overridden }
}

/// Why a run ended as it did: one sentence, without a full stop.
fn reason(run: &Run, document: &Document) -> String {
    let pending = document.changes.len();
    match document.outcome {
        Outcome::Failed => format!("failed: {}", document.error.as_deref().unwrap_or("no further word")),
        Outcome::Planned if document.guard.verdict == Verdict::Blocked => {
            "blocked: nothing would be written before a person has looked".to_owned()
        }
        Outcome::Planned if !document.held.is_empty() => {
            format!(
                "held: {} would wait for a person; {} would be made",
                held(document).0,
                if pending == 0 { "no write".to_owned() } else { counted(pending, "write") },
            ) + &without_room(document)
        }
        Outcome::Planned => {
            let unenforced = unenforced(document).map(|acls| format!("; but {acls}")).unwrap_or_default();
            match pending {
                0 => nothing_to_do(document) + &unenforced,
                _ => format!("{} would bring WAF in step with the table{unenforced}", counted(pending, "write")),
            }
        }
        Outcome::Blocked => "blocked: nothing was written, a person has to look first".to_owned(),
        Outcome::Held if matches!(run.end, End::Blocked) => format!(
            "held: after {} WAF was edited by somebody else, and what is left to do needs a person",
            counted(document.writes.done, "write")
        ),
        Outcome::Held => format!(
            "held: {} for a person; {} made{}",
            match held(document) {
                (what, 1) => format!("{what} waits"),
                (what, _) => format!("{what} wait"),
            },
            were(document.writes.done),
            without_room(document)
        ),
        Outcome::Unenforced => {
            let acls = unenforced(document).unwrap_or_default();
            format!("unenforced: {acls}; {} made", were(document.writes.done))
        }
        Outcome::Partial => match &run.end {
            End::Partial(why) => {
                let unknown = run.writes_unsure();
                let left = pending.saturating_sub(document.writes.done + unknown);
                let unknown = match unknown {
                    0 => String::new(),
                    unknown => format!(", what became of {unknown} is not known"),
                };
                let made = match (run.command, left) {
                    (Command::Plan, _) => String::new(),
                    (Command::Apply, 0) => format!("; {} made{unknown}", were(document.writes.done)),
                    (Command::Apply, left) => {
                        format!("; {} made{unknown}, {left} left to the next run", were(document.writes.done))
                    }
                };
                format!("partial: {}{made}", why_partial(why))
            }
            _ => "partial".to_owned(),
        },
        Outcome::Changed => {
            format!("changed: {} made; every wanted address is in force and no other", were(document.writes.done))
        }
        Outcome::Converged => nothing_to_do(document),
    }
}

/// What guards hold, in words, and how many that is.
fn held(document: &Document) -> (String, usize) {
    let (all, additions) = (document.held.len(), document.waiting.len());
    let removals = counted(all - additions, "removal");
    let words = match (all - additions, additions) {
        (_, 0) => removals,
        (0, _) => counted(additions, "addition"),
        _ => format!("{removals} and {}", counted(additions, "addition")),
    };
    (words, all)
}

/// What is shut out until the removals that wait are approved.
fn without_room(document: &Document) -> String {
    match document.unplaced.len() {
        0 => String::new(),
        unplaced => format!("; there is no room for {} until then", counted(unplaced, "wanted CIDR")),
    }
}

/// Which web ACLs let nobody in by which of our rule groups.
fn unenforced(document: &Document) -> Option<String> {
    let acls = document.web_acls.iter().filter(|acl| !acl.missing.is_empty());
    let acls: Vec<String> = acls
        .map(|acl| format!("web ACL {} does not enforce {}", crate::text::line(&acl.name), acl.missing.join(", ")))
        .collect();
    (!acls.is_empty()).then(|| acls.join("; "))
}

fn nothing_to_do(document: &Document) -> String {
    if document.deferred.is_empty() {
        "nothing to do: WAF holds exactly what the table asks for".to_owned()
    } else {
        "nothing to do in this run: what is deferred goes in a later one".to_owned()
    }
}

fn were(writes: usize) -> String {
    match writes {
        0 => "no write was".to_owned(),
        1 => "1 write was".to_owned(),
        many => format!("{} were", counted(many, "write")),
    }
}

fn why_partial(why: &Why) -> String {
    match why {
        Why::Stopped(StopReason::Deadline) => "the deadline was near".to_owned(),
        Why::Stopped(StopReason::Signal) => "asked to stop".to_owned(),
        Why::Unconfirmed(error) => {
            format!("removals wait, for the scan that has to confirm them failed: {}", error.with_hint())
        }
        Why::NoTimeToConfirm => {
            "removals wait, for the scan that has to confirm them would begin after the deadline".to_owned()
        }
        Why::Propagating(error) => format!("AWS has not spread a new IP set yet: {}", error.with_hint()),
        Why::Unread(error) => format!("not everything could be read this time: {}", error.with_hint()),
        Why::Outdated(error) => format!("somebody else kept writing, or AWS kept refusing: {}", error.with_hint()),
        Why::NotSeen => "what was written does not show in WAF yet".to_owned(),
        Why::Deferred => "unwanted addresses that cannot go safely yet stay in force until a later run".to_owned(),
        Why::NoRoomYet => "wanted addresses wait for the room that others leave".to_owned(),
    }
}
