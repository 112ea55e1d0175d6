//! Observes every call, without code of wafsync. It looks at the state of the stand-in and at the table, as the world
//! reports it, and records which promises were broken.
//!
//! Overlapping runs are observed as one: "before the run" is before the first of them began.

mod answers;
mod approval;
mod honesty;
mod promise;
mod proof;
mod table;
mod thrift;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use wafsync_test_aws::{Attempt, Aws, Call, FaultKind, IpSetView, Outcome, Phase, RuleGroupView};

pub(crate) use self::answers::{Checked, Explained};
use self::approval::Approval;
pub(crate) use self::promise::Promise;
pub(crate) use self::table::Expiry;
use self::table::Table;
use crate::ranges::Ranges;
use crate::snapshot::{NAME, Snapshot, is_our_group, is_set_name, is_shard};

/// The settings of the installation, as the observer knows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// `--adopt`.
    pub(crate) adopted: BTreeSet<String>,
    /// `--action count`.
    pub(crate) counts: bool,
    /// `--always`.
    pub(crate) always: Vec<String>,
    /// `--max-removals`, always a count.
    pub(crate) max_removals: usize,
    /// `--max-additions`.
    pub(crate) max_additions: Option<Limit>,
    /// `--min-addresses`.
    pub(crate) min_addresses: usize,
    /// `--settle`.
    pub(crate) settle: Duration,
    /// `--on-rejection hold`.
    pub(crate) holds_rejections: bool,
    /// How long reads may still show the previous state.
    pub(crate) read_lag: Duration,
    /// How long a new resource may not be known everywhere.
    pub(crate) propagation: Duration,
    /// The maximum number of addresses in an IP set, and of references in a rule group.
    pub(crate) set_capacity: usize,
    pub(crate) group_references: usize,
    /// `--widest-ipv4` and `--widest-ipv6`.
    pub(crate) widest: [u32; 2],
}

/// The maximum number of additions of a family by one run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Count(usize),
    /// Of the CIDRs in force at the start; no limit for a family that has none.
    Percent(usize),
}

/// The settings of one run, as the observer knows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errand {
    /// `--approve`.
    pub(crate) approve: Option<String>,
    /// `--aggregate`.
    pub(crate) aggregates: bool,
    /// `--web-acl`.
    pub(crate) web_acls: Vec<String>,
    /// `--max-ip-sets`.
    pub(crate) max_ip_sets: usize,
    /// The run has little time, or is stopped by a signal.
    pub(crate) hurried: bool,
}

#[derive(Clone)]
pub(crate) struct Observer(Arc<Mutex<State>>);

struct State {
    terms: Terms,
    table: Table,
    foreign_sets: Vec<IpSetView>,
    foreign_groups: Vec<RuleGroupView>,
    now: Snapshot,
    /// What each set has ever held while a rule referred to it or while it was adopted. An old read can show it.
    ever: BTreeMap<String, Ranges>,
    /// Sets and CIDRs that were added by hand.
    by_hand: BTreeSet<(String, String)>,
    /// The number of the call that was handled last, counted from 1 in the order of arrival.
    attempts: usize,
    /// The highest of these numbers.
    newest: usize,
    /// The number of calls that arrived.
    arrived: usize,
    /// Attempts that arrived but are not handled: slow ones, including those whose caller gave up.
    hanging: BTreeSet<usize>,
    /// The newest call before an outside change of the table and of WAF, and the time of the latter.
    table_changed: usize,
    waf_changed: (usize, Option<Instant>),
    epoch: Option<Epoch>,
    /// For each caller and resource, the token of its newest read or write (empty: unknown), and the time of the read.
    tokens: BTreeMap<(String, String), (String, Duration)>,
    /// What each digest covers, as of the run that printed it.
    issued: BTreeMap<String, Approval>,
    /// The newest call that arrived before each caller's newest run ended.
    ended: BTreeMap<String, usize>,
    /// The recent calls of each operation by each caller.
    pace: BTreeMap<(String, String), Vec<Duration>>,
    runs: BTreeMap<String, Watched>,
    broken: Vec<String>,
    /// The states of the table and of WAF, each with the number of calls before it.
    chronicle: Vec<(usize, String)>,
}

/// The time from the start of the first of several overlapping runs to the end of the last.
struct Epoch {
    /// What may be in force.
    allowed: Ranges,
    /// What the table wanted all the time.
    steady: Ranges,
    /// What must stay in force.
    protected: Ranges,
    /// What each web ACL must keep letting in by our rules; nothing once a run may have read an old web ACL.
    behind: BTreeMap<String, Ranges>,
    /// What came into force because it was wanted at the time, and has been wanted since.
    fresh: Ranges,
    /// The table had a rejection all the time.
    rejected: bool,
    /// The table had no entry all the time, while something was in force.
    emptied: bool,
    /// The table had no entry of a family (IPv4, IPv6) all the time.
    no_family: [bool; 2],
    /// The table had fewer entries of a family than `--min-addresses` all the time.
    too_few: [bool; 2],
    /// Problems of rule groups that needed approval all the time.
    problems: BTreeSet<(String, Promise)>,
    spread: Spread,
}

/// The contents that each wired or adopted set had all the time, so AWS has propagated them.
type Spread = BTreeMap<String, BTreeSet<String>>;

/// A run in progress.
#[derive(Default)]
struct Watched {
    /// The newest call before it: handled ones, and all that arrived.
    began: usize,
    arrived: usize,
    /// The start time.
    began_at: Option<Instant>,
    /// What the given digest covers, if a run has printed it.
    approval: Option<Approval>,
    errand: Errand,
    /// The table has changed since the start.
    table_moved: bool,
    /// The CIDRs in force or in adopted sets at the start, and the problems that needed approval.
    at_start: BTreeSet<String>,
    /// Those in our sets or in adopted ones, and those of them that were not added by hand.
    ours_at_start: BTreeSet<String>,
    by_table_at_start: BTreeSet<String>,
    problems: BTreeSet<(String, Promise)>,
    spread: Spread,
    /// A sufficient number of writes. `None` once others interfere.
    sufficient_writes: Option<usize>,
    /// The number of writes of each resource.
    written: BTreeMap<String, usize>,
    effects: usize,
    /// The number of stale reads.
    stale: usize,
    /// The sets that it created.
    created: BTreeSet<String>,
    /// The attempt with the newest effect, and the one before.
    newest_effect: usize,
    effect_before: usize,
    faults: usize,
    /// The number of calls that failed without a fault, because others share the rates and new sets have to propagate.
    refused: usize,
    /// One of the failures is permanent until fixed.
    lasting: bool,
    /// An attempt took effect although the service returned an error.
    misreported: bool,
    /// The time of the last page of the first scan.
    first_scan: Option<Duration>,
    /// The segments that it began again.
    repeated_segments: usize,
    /// The newest start of each segment of a scan. Each segment has the total number of segments.
    segments: BTreeMap<u64, Segment>,
    newest_list: usize,
    /// The attempt and the time at which the newest list of IP sets and of rule groups began.
    lists: BTreeMap<String, (usize, Instant)>,
    /// The lists that show an old state.
    old_lists: BTreeSet<String>,
    /// The time of the first list of IP sets. It shows what has not been read again since.
    first_set_list: Option<Duration>,
    /// The reads since the newest list of each kind.
    reads: tokens::Reads,
    /// The sets that were wired when it read or wrote the rule groups. Another run may wire one of the others
    /// meanwhile, which does not change the set's token. What this run then strips from it came into force only just
    /// before.
    wired: BTreeSet<String>,
    /// The newest update that removed something from force and added nothing.
    newest_removal: usize,
    /// The sets to which no rule refers and from which it removed something.
    stripped: BTreeSet<String>,
    removed: BTreeSet<String>,
    /// The CIDRs that it added and that allowed addresses that were not in force.
    added: BTreeSet<String>,
}

/// One segment of a scan, from its first page.
struct Segment {
    /// The attempt at which it began.
    began: usize,
    at: Duration,
    /// The total number of segments.
    of: u64,
    /// What the table wanted at any time since.
    seen: Ranges,
}

impl Watched {
    /// The attempt and the time at which the newest scan began: the earliest start of its segments.
    fn newest_scan(&self) -> Option<(usize, Duration)> {
        let all = self.segments.values().next().is_some_and(|one| one.of == self.segments.len() as u64);
        self.segments.values().filter(|_| all).map(|segment| (segment.began, segment.at)).min()
    }

    /// What the table wanted at any time since that scan began.
    fn seen(&self) -> Ranges {
        self.segments.values().fold(Ranges::default(), |all, segment| all.or(&segment.seen))
    }
}

impl Observer {
    /// Observes every call from now on.
    pub(crate) fn new(aws: &Aws, terms: Terms) -> Self {
        let observer = Self(Arc::new(Mutex::new(State {
            now: Snapshot::take(aws, terms.counts),
            terms,
            table: Table::default(),
            foreign_sets: Vec::new(),
            foreign_groups: Vec::new(),
            ever: BTreeMap::new(),
            by_hand: BTreeSet::new(),
            attempts: 0,
            newest: 0,
            arrived: 0,
            hanging: BTreeSet::new(),
            table_changed: 0,
            waf_changed: (0, None),
            epoch: None,
            tokens: BTreeMap::new(),
            issued: BTreeMap::new(),
            ended: BTreeMap::new(),
            pace: BTreeMap::new(),
            runs: BTreeMap::new(),
            broken: Vec::new(),
            chronicle: Vec::new(),
        })));
        let watching = observer.clone();
        aws.on_call(move |aws, call| watching.with(|state| state.called(aws, call)));
        observer
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Edits WAF in the console.
    pub(crate) fn by_hand(&self, aws: &Aws, edit: impl FnOnce(&Aws)) {
        edit(aws);
        self.with(|state| {
            let new = Snapshot::take(aws, state.terms.counts);
            state.waf_was_edited(new, true);
        });
    }

    /// Declares the current foreign resources, which must not change. `named_like_ours` have names like ours, but are
    /// foreign.
    pub(crate) fn set_foreign(&self, aws: &Aws, named_like_ours: &[&str]) {
        let ours = |name: &str| name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-'));
        self.with(|state| {
            let adopted = &state.terms.adopted;
            let foreign = |name: &str| named_like_ours.contains(&name) || !ours(name) && !adopted.contains(name);
            state.foreign_sets = aws.ip_sets().into_iter().filter(|set| foreign(&set.name)).collect();
            state.foreign_groups = aws.rule_groups().into_iter().filter(|group| !is_our_group(group)).collect();
        });
    }

    pub(crate) fn begin(&self, aws: &Aws, caller: &str, errand: Errand) {
        self.with(|state| {
            state.advance_clock(aws);
            if state.runs.is_empty() {
                state.now = Snapshot::take(aws, state.terms.counts);
                state.remember();
                state.begin();
            }
            let (began, began_at) = (state.newest, Some(Instant::now()));
            let run = Watched {
                began,
                arrived: state.arrived,
                began_at,
                approval: errand.approve.as_ref().and_then(|digest| state.issued.get(digest).cloned()),
                at_start: state.standing(),
                ours_at_start: state.now.standing_in_ours(&state.terms.adopted),
                by_table_at_start: state.standing_by_table(),
                problems: state.now.problems(&state.terms.adopted),
                sufficient_writes: state.sufficient_writes(&errand),
                spread: state.now.counting(&state.terms.adopted),
                errand,
                ..Watched::default()
            };
            state.runs.insert(caller.to_owned(), run);
        });
    }

    /// Ends a run with its document. `None`: it was killed.
    pub(crate) fn end(&self, caller: &str, said: Option<&Value>) {
        self.with(|state| {
            if let Some(run) = state.runs.remove(caller)
                && let Some(said) = said
            {
                // The outcome of a plan makes no claim that could be false.
                if said.get("outcome").is_some() {
                    state.judge(caller, &run, said);
                }
                if let Some(digest) = said["digest"].as_str() {
                    state.issues_digest(&run, digest, &honesty::texts(said, "held"));
                }
            }
            state.ended.insert(caller.to_owned(), state.arrived);
            if state.runs.is_empty() {
                state.epoch = None;
            }
        });
    }

    /// What is wanted now.
    pub(crate) fn wanted(&self, aws: &Aws) -> Ranges {
        self.with(|state| {
            state.advance_clock(aws);
            state.wanted()
        })
    }

    /// Sets the settings of the installation, while no run is in progress.
    pub(crate) fn set_terms(&self, terms: Terms) {
        self.with(|state| state.terms = terms);
    }

    /// The number of calls that arrived, which is the number of the next one.
    pub(crate) fn arrived(&self) -> usize {
        self.with(|state| state.arrived)
    }

    /// What is in force now.
    pub(crate) fn in_force(&self) -> Ranges {
        self.with(|state| state.now.in_force.clone())
    }

    /// The states of the table and of WAF, each with the number of calls before it.
    pub(crate) fn chronicle(&self) -> Vec<(usize, String)> {
        self.with(|state| state.chronicle.clone())
    }

    /// The promises that were broken so far.
    pub(crate) fn broken(&self, aws: &Aws) -> Vec<String> {
        let mut broken = self.with(|state| state.broken.clone());
        // Violations that the stand-in finds, except for rates, which several callers keep only individually.
        broken.extend(aws.violations().into_iter().filter(|found| !found.starts_with("rate: ")));
        broken
    }
}

impl State {
    fn effective(&self) -> Ranges {
        self.now.with_adopted(&self.terms.adopted)
    }

    fn note(&mut self, what: String) {
        self.chronicle.push((self.arrived, what));
    }

    /// Records the new state of WAF.
    fn note_waf(&mut self, who: &str, old: &Snapshot) {
        for line in self.now.unlike(old) {
            self.note(format!("{who}: {line}"));
        }
    }

    fn says(&mut self, promise: Promise, what: impl std::fmt::Display) {
        self.broken.push(format!("{}: {what}", promise.words()));
    }

    fn begin(&mut self) {
        let (effective, wanted) = (self.effective(), self.wanted());
        self.epoch = Some(Epoch {
            allowed: effective.or(&wanted),
            protected: effective.and(&wanted),
            behind: self.now.behind().into_iter().map(|(acl, lets_in)| (acl, lets_in.and(&wanted))).collect(),
            fresh: Ranges::default(),
            steady: wanted,
            rejected: self.table.has_rejection(),
            emptied: self.table.is_empty() && self.holds_something(),
            no_family: [false, true].map(|ipv6| self.family_is_empty(ipv6)),
            too_few: [false, true].map(|ipv6| self.family_is_small(ipv6)),
            problems: self.now.problems(&self.terms.adopted),
            spread: self.now.counting(&self.terms.adopted),
        });
    }

    /// Records the contents that count now, because later reads can show them.
    fn remember(&mut self) {
        for (name, cidrs) in self.now.counting(&self.terms.adopted) {
            let ever = self.ever.entry(name).or_default();
            *ever = ever.or(&Ranges::of(cidrs));
        }
    }

    /// Whether something is in force that is not in `--always`.
    fn holds_something(&self) -> bool {
        let ours = |set: &&String| is_set_name(set) || self.terms.adopted.contains(*set);
        let shards = self.now.wired.iter().filter(ours);
        shards.flat_map(|set| &self.now.sets[set]).any(|cidr| !self.terms.always.contains(cidr))
    }

    /// `by_hand`: otherwise by a write that was delayed until its run ended.
    fn waf_was_edited(&mut self, new: Snapshot, by_hand: bool) {
        self.waf_changed = (self.newest, Some(Instant::now()));
        self.runs.values_mut().for_each(|run| run.sufficient_writes = None);
        let before = self.effective();
        let old = std::mem::replace(&mut self.now, new);
        let (then, now) = (old.behind(), self.now.behind());
        self.note_waf(if by_hand { "by hand" } else { "late" }, &old);
        let mut edited = Ranges::default();
        for (name, cidrs) in &self.now.sets {
            let fresh: Vec<&String> =
                cidrs.iter().filter(|cidr| !old.sets.get(name).is_some_and(|before| before.contains(*cidr))).collect();
            // An edit of a set right before it is wired cannot be prevented.
            edited = edited.or(&Ranges::of(&fresh));
            if by_hand {
                self.by_hand.extend(fresh.into_iter().map(|cidr| (name.clone(), cidr.clone())));
            }
        }
        // A run that has not called yet finds this at its start.
        let (found, by_table) = (self.now.standing_in_ours(&self.terms.adopted), self.standing_by_table());
        for run in self.runs.values_mut().filter(|run| run.began >= self.newest) {
            run.ours_at_start.clone_from(&found);
            run.by_table_at_start.clone_from(&by_table);
        }
        let (effective, holds) = (self.effective(), self.holds_something());
        self.remember();
        self.keeps_spread();
        self.keeps_problems();
        if let Some(epoch) = &mut self.epoch {
            epoch.emptied &= holds;
            epoch.allowed = epoch.allowed.or(&edited).or(&effective);
            epoch.protected = epoch.protected.without(&before.without(&effective));
            for (acl, lets_in) in &mut epoch.behind {
                let (then, now) = (then.get(acl).cloned(), now.get(acl).cloned());
                *lets_in = lets_in.without(&then.unwrap_or_default().without(&now.unwrap_or_default()));
            }
            epoch.fresh = epoch.fresh.and(&effective);
        }
    }

    fn called(&mut self, aws: &Aws, call: &Call) {
        self.advance_clock(aws);
        if call.phase == Phase::Before {
            self.hanging.insert(call.index);
            self.arrived = self.arrived.max(call.index + 1);
            return;
        }
        self.hanging.remove(&call.index);
        let Some(attempt) = aws.last_attempt() else { return };
        if attempt.stale && attempt.operation.ends_with("IPSets") | attempt.operation.ends_with("GetIPSet") {
            self.may_read_old_state();
        }
        if let Some(epoch) = self.epoch.as_mut().filter(|_| attempt.stale && !attempt.operation.contains("IPSet")) {
            epoch.behind.clear();
        }
        self.attempts = call.index + 1;
        self.newest = self.newest.max(self.attempts);
        if self.is_after_its_run(&attempt.caller, self.attempts) {
            if attempt.effect {
                self.waf_was_edited(Snapshot::take(aws, self.terms.counts), false);
            }
            return;
        }
        self.keeps_foreign(aws, &attempt);
        self.keeps_pace(&attempt);
        let reads = ["Get", "List", "Scan", "Describe"].iter().any(|verb| call.operation.starts_with(verb));
        let writes = ["CreateIPSet", "UpdateIPSet", "CreateRuleGroup", "UpdateRuleGroup"];
        if !reads && !writes.contains(&call.operation.as_str()) {
            self.says(Promise::NeverCalled, format!("call {}: {}", call.index, call.operation));
        }
        // A call without an effect changes nothing.
        let old = attempt.effect.then(|| std::mem::replace(&mut self.now, Snapshot::take(aws, self.terms.counts)));
        self.follows(&attempt);
        if let Some(old) = old {
            self.note_waf(&attempt.caller, &old);
            self.waf_changed_for_others(&attempt.caller);
            self.keeps_order(&attempt, &old);
            self.leaves_no_gap(&attempt, &old);
            self.has_proof(&attempt, &old);
            self.adds_within_the_limit(&attempt, &old);
            self.needs_no_approval(&attempt, &old);
            self.changes_something(&attempt, &old);
            self.remember();
            self.keeps_spread();
            self.keeps_problems();
            self.keeps_invariants(&attempt, &old);
            // From now on its description accounts for all of its contents.
            self.by_hand.retain(|(set, _)| *set != attempt.target);
        }
    }

    /// Whether a call belongs to a run that ended or was killed before the call was handled.
    fn is_after_its_run(&self, caller: &str, call: usize) -> bool {
        let ended = self.ended.get(caller).is_some_and(|newest| call <= *newest);
        ended && self.runs.get(caller).is_none_or(|run| call <= run.arrived)
    }

    /// Whether a call that arrived since this run began is not handled yet.
    fn hangs_since(&self, run: &Watched) -> bool {
        self.hanging.range(run.arrived..).next().is_some()
    }

    /// Treats another run's writes like a manual edit.
    fn waf_changed_for_others(&mut self, caller: &str) {
        if self.runs.len() > 1 || !self.runs.contains_key(caller) {
            self.waf_changed = (self.newest, Some(Instant::now()));
        }
    }

    /// Reads of IP sets may be old: what is in a set now can come into force with it, no matter who added it.
    fn may_read_old_state(&mut self) {
        let shards = self.now.sets.iter().filter(|(name, _)| is_set_name(name) || self.terms.adopted.contains(*name));
        let there = Ranges::of(shards.flat_map(|(_, cidrs)| cidrs));
        if let Some(epoch) = &mut self.epoch {
            epoch.allowed = epoch.allowed.or(&there);
        }
    }

    /// Whether all outside changes of WAF happened before this run and are visible in what it read.
    fn is_undisturbed(&self, run: &Watched) -> bool {
        let (call, at) = self.waf_changed;
        let shows = at.zip(run.began_at).is_none_or(|(at, began)| at + self.terms.read_lag <= began);
        call <= run.began && shows && run.stale == 0
    }

    /// The CIDRs in force in our sets, without those added by hand.
    fn standing_by_table(&self) -> BTreeSet<String> {
        let by_hand: BTreeSet<&String> = self.by_hand.iter().map(|(_, cidr)| cidr).collect();
        let standing = self.now.standing_in_ours(&self.terms.adopted);
        standing.into_iter().filter(|cidr| !by_hand.contains(cidr)).collect()
    }

    /// Whether the newest lists of a run, with these attempts, began after all outside changes of WAF.
    fn listed_after_all(&self, run: &Watched) -> bool {
        let (call, at) = self.waf_changed;
        let Some((listed, when)) = run.lists.values().min().copied().filter(|_| run.lists.len() == 2) else {
            return false;
        };
        call < listed && at.is_none_or(|at| at + self.terms.read_lag <= when) && run.stale == 0
    }

    /// Checks that no action exceeds AWS's rate in any second.
    fn keeps_pace(&mut self, attempt: &Attempt) {
        let limit = match attempt.operation.as_str() {
            // DynamoDB has no such rate.
            "Scan" | "DescribeTable" => return,
            name if name.starts_with("Get") || name.starts_with("List") => 5,
            _ => 1,
        };
        let past = self.pace.entry((attempt.caller.clone(), attempt.operation.clone())).or_default();
        past.push(attempt.at);
        // A delayed call is handled after calls that arrived later.
        let second = Duration::from_secs(1);
        let calls = past.iter().filter(|then| **then <= attempt.at && **then + second > attempt.at).count();
        if calls > limit {
            self.says(Promise::Pace, format!("{calls} {} by {}", attempt.operation, attempt.caller));
        }
    }

    /// Follows the sources of tokens and the starts of scans.
    fn follows(&mut self, attempt: &Attempt) {
        let Attempt { at, operation, target, caller, .. } = attempt;
        let ok = attempt.outcome == Outcome::Ok;
        let (index, wanted) = (self.attempts, self.wanted());
        let Some(run) = self.runs.get_mut(caller) else {
            self.says(Promise::KnownCaller, format!("{operation} by {caller}"));
            return;
        };
        run.effects += usize::from(attempt.effect);
        let late = matches!(attempt.fault, Some((_, FaultKind::Late(_))));
        if let Some((_, kind)) = &attempt.fault {
            run.faults += 1;
            run.lasting |= honesty::lasts(kind, operation);
        }
        run.refused += usize::from(attempt.fault.is_none() && !ok);
        run.stale += usize::from(attempt.stale);
        if attempt.effect && operation == "CreateIPSet" {
            run.created.insert(target.clone());
        }
        if attempt.effect {
            run.effect_before = std::mem::replace(&mut run.newest_effect, index);
            run.misreported |= late || matches!(&attempt.outcome, Outcome::Error { status: 400, .. });
            *run.written.entry(target.clone()).or_default() += 1;
        }
        if ok && operation == "Scan" {
            let number = |member| attempt.request.get(member).and_then(Value::as_u64);
            let of = number("TotalSegments").unwrap_or(1);
            let segment = Segment { began: index, at: *at, of, seen: wanted };
            if attempt.request.get("ExclusiveStartKey").is_none() {
                let before = run.segments.insert(number("Segment").unwrap_or_default(), segment);
                run.repeated_segments += usize::from(before.is_some());
            }
            if run.repeated_segments == 0 {
                run.first_scan = Some(*at);
            }
        }
        if ok && operation.starts_with("List") {
            run.newest_list = index;
            let ours = ["ListIPSets", "ListRuleGroups"].contains(&operation.as_str());
            if ours && attempt.request.get("NextMarker").is_none() {
                run.lists.insert(operation.clone(), (index, Instant::now()));
                run.old_lists.remove(operation);
            }
            if ours && attempt.stale {
                run.old_lists.insert(operation.clone());
            }
        }
        if ok && operation == "ListIPSets" {
            run.first_set_list.get_or_insert(*at);
        }
        let apart = run.reads.follow(attempt);
        // A run knows its own writes without reading them. A further page does not show what an old first page hid.
        let lists = operation == "ListRuleGroups" && attempt.request.get("NextMarker").is_none();
        if ok && lists {
            run.wired.clone_from(&self.now.wired);
        } else if ok && attempt.effect && operation.ends_with("RuleGroup") {
            let written = self.now.groups.iter().filter(|group| group.name == *target);
            run.wired.extend(written.flat_map(|group| group.references.iter().cloned()));
        }
        // An old read can hide any reference.
        if ok && attempt.stale && operation.contains("RuleGroup") {
            run.wired.clear();
        }
        let key = (caller.clone(), target.clone());
        if operation.starts_with("Update") {
            let sent = attempt.request.get("LockToken").and_then(Value::as_str).unwrap_or_default();
            let newest = self.tokens.get(&key).is_some_and(|(shown, _)| shown == sent || shown.is_empty());
            if !newest && !late {
                self.says(Promise::TokenOfItsRead, format!("{operation} {target} by {caller}"));
            }
        }
        if let Some(token) = attempt.shown_token.as_ref().filter(|_| ok) {
            let gets = operation.starts_with("Get");
            // A write does not show the previous contents.
            let read = if gets { *at } else { self.tokens.get(&key).map_or(*at, |(_, at)| *at) };
            // Whether the caller still waited for a delayed answer is unknown here.
            let told = if gets || attempt.fault.is_none() { token.clone() } else { String::new() };
            self.tokens.insert(key, (told, read));
        }
        if apart {
            self.says(Promise::TokenOfItsRound, format!("{operation} {target} by {caller}"));
        }
    }

    fn keeps_invariants(&mut self, attempt: &Attempt, old: &Snapshot) {
        let (effective, wanted) = (self.effective(), self.wanted());
        let before = old.with_adopted(&self.terms.adopted);
        let trusted = self.trusted_old_list(attempt, old);
        let named = self.runs.get(&attempt.caller).map(|run| run.errand.web_acls.clone()).unwrap_or_default();
        let (now, given_up) = (self.now.behind(), self.given_up(&attempt.target, old));
        let run = self.runs.get(&attempt.caller);
        let edited_since = run.is_some_and(|run| run.lists.values().any(|(list, _)| *list <= self.waf_changed.0));
        let Some(epoch) = &mut self.epoch else { return };
        epoch.protected = epoch.protected.without(&trusted);
        if edited_since {
            epoch.protected = epoch.protected.without(&given_up);
        }
        let mut lost = Vec::new();
        for (acl, lets_in) in &mut epoch.behind {
            *lets_in = lets_in.without(&trusted).without(&given_up);
            let now = now.get(acl).cloned().unwrap_or_default();
            let gone = lets_in.without(&now);
            if !gone.is_empty() && named.contains(acl) {
                lost.push((acl.clone(), gone));
            }
            *lets_in = lets_in.and(&now).or(&now.and(&epoch.steady));
        }
        epoch.fresh = epoch.fresh.without(&trusted);
        let what =
            format!("after call {}, {} {} by {}", self.attempts - 1, attempt.operation, attempt.target, attempt.caller);
        let mut found = vec![
            (Promise::NoLockOut, epoch.protected.without(&effective)),
            (Promise::NoLeak, self.now.in_force.without(&epoch.allowed)),
        ];
        // A run that reads WAF from now on scans the table later. But a set that one run read as not wired, and strips,
        // may have been wired by another meanwhile. What only the newer scan wants is then out of force until the next
        // run.
        let strips = self.runs.get(&attempt.caller).is_none_or(|run| !run.wired.contains(&attempt.target));
        if !strips {
            found.push((Promise::NoLockOut, epoch.fresh.without(&effective)));
        }
        epoch.fresh = epoch.fresh.and(&effective).or(&effective.without(&before).and(&wanted));
        // What came into force and is wanted all the time stays in force, too.
        epoch.protected = epoch.protected.or(&effective.and(&epoch.steady));
        for (promise, ranges) in found.into_iter().filter(|(_, ranges)| !ranges.is_empty()) {
            self.says(promise, format!("{what}: {ranges:?}"));
        }
        for (acl, ranges) in lost {
            self.says(Promise::NoLockOut, format!("{what}, behind {acl}: {ranges:?}"));
        }
    }

    /// What the foreign sets hold to which a rule group no longer refers. A person has approved that, and what a web ACL lets
    /// in by that group alone may be in force by another one, to which it does not refer.
    fn given_up(&self, group: &str, old: &Snapshot) -> Ranges {
        let references = |snapshot: &Snapshot| {
            let group = snapshot.groups.iter().find(|one| one.name == group);
            group.map(|group| group.references.clone()).unwrap_or_default()
        };
        let kept = references(&self.now);
        let gone = references(old).into_iter().filter(|set| !kept.contains(set) && !is_shard(set, &self.terms.adopted));
        Ranges::of(gone.filter_map(|set| old.sets.get(&set)).flatten())
    }

    /// What a write removed from a set without room for the replacement, because lists right before the write showed it
    /// in force in other sets, and one of these lists was old or someone edited WAF since. AWS gives no way to notice. The same run repairs it. What
    /// no other set has ever had does not count.
    fn trusted_old_list(&self, attempt: &Attempt, old: &Snapshot) -> Ranges {
        let none = Ranges::default();
        let was_misled = |run: &&Watched| {
            let right_before = run.lists.values().filter(|(list, _)| *list > run.effect_before).count() == 2;
            let edited_since = run.lists.values().any(|(list, _)| *list <= self.waf_changed.0);
            right_before && (!run.old_lists.is_empty() || edited_since)
        };
        let Some(run) = self.runs.get(&attempt.caller).filter(was_misled) else { return none };
        let (Some(before), Some(after)) = (old.sets.get(&attempt.target), self.now.sets.get(&attempt.target)) else {
            return none;
        };
        let elsewhere = self.ever.iter().filter(|(name, _)| **name != attempt.target);
        let elsewhere = elsewhere.fold(none.clone(), |all, (_, held)| all.or(held));
        let gone = Ranges::of(before.difference(after)).without(&Ranges::of(after)).and(&self.wanted()).and(&elsewhere);
        let needed =
            self.wanted_cidrs(run.errand.aggregates).into_iter().filter(|wanted| gone.touches(*wanted)).count();
        if after.len() + needed > self.terms.set_capacity { gone } else { none }
    }

    fn keeps_foreign(&mut self, aws: &Aws, attempt: &Attempt) {
        let sets = self.foreign_sets.iter().filter(|set| aws.ip_set(&set.name).as_ref() != Some(*set));
        let groups = self.foreign_groups.iter().filter(|group| aws.rule_group(&group.name).as_ref() != Some(*group));
        let found = aws.web_acls();
        let acls = self.now.web_acls.iter().filter(|acl| !found.contains(acl)).map(|acl| &acl.name);
        let touched = sets.map(|set| &set.name).chain(groups.map(|group| &group.name)).chain(acls);
        let touched: Vec<&String> = touched.collect();
        if !touched.is_empty() {
            let text = format!("{} {}: {touched:?}", attempt.operation, attempt.target);
            self.says(Promise::Foreign, text);
        }
    }
}
