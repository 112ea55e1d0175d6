//! An observer of every call, who shares no code with wafsync: it looks at what the stand-in holds, and at the table as
//! the world tells it, and says which promise was broken.
//!
//! While runs overlap they are seen as one: "before the run" is before the first of them began.

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
use crate::snapshot::{NAME, Snapshot, is_our_group, is_set_name};

/// What the observer is told about one installation's settings.
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
    /// `--max-additions`, always a count.
    pub(crate) max_additions: Option<usize>,
    /// `--min-addresses`.
    pub(crate) min_addresses: usize,
    /// `--settle`.
    pub(crate) settle: Duration,
    /// `--on-rejection hold`.
    pub(crate) holds_rejections: bool,
    /// For so long AWS may still show what was before.
    pub(crate) read_lag: Duration,
    /// For so long AWS does not know everywhere what was created.
    pub(crate) propagation: Duration,
    /// Addresses in an IP set, and references in a rule group.
    pub(crate) set_capacity: usize,
    pub(crate) group_references: usize,
    /// `--widest-ipv4` and `--widest-ipv6`.
    pub(crate) widest: [u32; 2],
}

/// What the observer is told about one run's settings.
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
    /// It has little time, or is asked to stop.
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
    /// What each set has ever held while a rule referred to it, or while it was adopted: an old read can show it.
    ever: BTreeMap<String, Ranges>,
    /// What a person put where by hand.
    by_hand: BTreeSet<(String, String)>,
    /// Number of the call that was handled last, from 1: calls are numbered as they come in.
    attempts: usize,
    /// The highest of them.
    newest: usize,
    /// Calls that have come in.
    arrived: usize,
    /// Attempts that have arrived and were not handled: slow ones, also those whose caller has given up.
    hanging: BTreeSet<usize>,
    /// The newest call before the table or WAF was changed by somebody outside, and when WAF was.
    table_changed: usize,
    waf_changed: (usize, Option<Instant>),
    epoch: Option<Epoch>,
    /// The token that each caller was told last of each resource, by a read or a write (empty: not known), and when it
    /// was read.
    tokens: BTreeMap<(String, String), (String, Duration)>,
    /// What each digest was about when a run said it.
    handed_out: BTreeMap<String, Approval>,
    /// The newest call that came in before the end of each caller's newest run.
    ended: BTreeMap<String, usize>,
    /// When each caller called each operation of late.
    pace: BTreeMap<(String, String), Vec<Duration>>,
    runs: BTreeMap<String, Watched>,
    broken: Vec<String>,
    /// What the table and WAF came to be, and after how many calls.
    chronicle: Vec<(usize, String)>,
}

/// From the first of some overlapping runs to the end of the last.
struct Epoch {
    /// What may be in force.
    allowed: Ranges,
    /// What the table has wanted all the time.
    steady: Ranges,
    /// What has to stay in force.
    protected: Ranges,
    /// What came into force because it was wanted just then, and has been wanted since.
    fresh: Ranges,
    /// The table had a rejection all the time.
    rejected: bool,
    /// The table had no entry all the time, while something was in force.
    emptied: bool,
    /// The table had no entry of a family (IPv4, IPv6) all the time.
    no_family: [bool; 2],
    /// It had fewer of a family than removals have to leave.
    too_few: [bool; 2],
    /// What about rule groups needed a person all the time.
    troubles: BTreeSet<(String, Promise)>,
    spread: Spread,
}

/// The contents that each wired or adopted set has had all the time.
type Spread = BTreeMap<String, BTreeSet<String>>;

/// One run under way.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
struct Watched {
    /// The newest call before it, of those that were handled and of all.
    began: usize,
    arrived: usize,
    /// When.
    began_at: Option<Instant>,
    /// What the digest that it was given covers, if a run has printed it.
    approval: Option<Approval>,
    errand: Errand,
    /// The table was changed since it began.
    table_moved: bool,
    /// What was in force or in adopted sets when it began, and what needed approval.
    stood: BTreeSet<String>,
    troubles: BTreeSet<(String, Promise)>,
    spread: Spread,
    /// The number of writes that suffice; unknown once others interfere.
    writes_that_do: Option<usize>,
    /// How often each resource was written.
    written: BTreeMap<String, usize>,
    effects: usize,
    /// The number of stale reads.
    stale: usize,
    /// The sets that it has created.
    created: BTreeSet<String>,
    /// At which attempt the newest effect was, and the one before.
    newest_effect: usize,
    effect_before: usize,
    faults: usize,
    /// The number of calls that failed without a fault: others share the rates, and new sets have to propagate.
    refused: usize,
    /// One of them was such that the next run will meet it again.
    lasting: bool,
    /// An attempt took effect although the service returned an error.
    lied_to: bool,
    first_scan: Option<Duration>,
    /// The newest start of each segment of a scan; how many segments there are is said by each.
    segments: BTreeMap<u64, Segment>,
    newest_list: usize,
    /// At which attempt the newest list of IP sets and that of rule groups began, and when.
    lists: BTreeMap<String, (usize, Instant)>,
    /// Which of them shows what is no longer so.
    old_lists: BTreeSet<String>,
    /// When the first list of IP sets was: it shows what has not been read anew since.
    first_set_list: Option<Duration>,
    /// What was read since the newest list of its kind.
    reads: tokens::Reads,
    /// The sets that were wired when it read or wrote the rule groups. Another run may wire one of the others meanwhile, which
    /// does not change the token of the set: what this one then strips from it came into force only just now.
    wired: BTreeSet<String>,
    /// The newest update that took something from force and added nothing.
    newest_removal: usize,
    /// It took something from a set to which no rule refers.
    stripped: bool,
    removed: BTreeSet<String>,
    /// What it added that let in what was not in force.
    added: BTreeSet<String>,
}

/// One segment of a scan, from its first page on.
struct Segment {
    /// At which attempt it began.
    began: usize,
    at: Duration,
    /// How many there are.
    of: u64,
    /// What the table has wanted at some time since.
    seen: Ranges,
}

impl Watched {
    /// At which attempt the newest scan began, and when: the earliest start of its segments.
    fn newest_scan(&self) -> Option<(usize, Duration)> {
        let all = self.segments.values().next().is_some_and(|one| one.of == self.segments.len() as u64);
        self.segments.values().filter(|_| all).map(|segment| (segment.began, segment.at)).min()
    }

    /// What the table has wanted at some time since that scan began.
    fn seen(&self) -> Ranges {
        self.segments.values().fold(Ranges::default(), |all, segment| all.or(&segment.seen))
    }
}

impl Observer {
    /// Watches every call from now on.
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
            handed_out: BTreeMap::new(),
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

    /// WAF is edited in the console.
    pub(crate) fn by_hand(&self, aws: &Aws, edit: impl FnOnce(&Aws)) {
        edit(aws);
        self.with(|state| {
            let new = Snapshot::take(aws, state.terms.counts);
            state.waf_was_edited(new, true);
        });
    }

    /// What is there now and is not ours has to stay as it is. `strangers` are named like ours, but are not ours.
    pub(crate) fn foreign_stays(&self, aws: &Aws, strangers: &[&str]) {
        let ours = |name: &str| name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-'));
        self.with(|state| {
            let adopted = &state.terms.adopted;
            let foreign = |name: &str| strangers.contains(&name) || !ours(name) && !adopted.contains(name);
            state.foreign_sets = aws.ip_sets().into_iter().filter(|set| foreign(&set.name)).collect();
            state.foreign_groups = aws.rule_groups().into_iter().filter(|group| !is_our_group(group)).collect();
        });
    }

    pub(crate) fn begin(&self, aws: &Aws, caller: &str, errand: Errand) {
        self.with(|state| {
            state.reads_the_clock(aws);
            if state.runs.is_empty() {
                state.now = Snapshot::take(aws, state.terms.counts);
                state.remembers();
                state.begin();
            }
            let (began, began_at) = (state.newest, Some(Instant::now()));
            let run = Watched {
                began,
                arrived: state.arrived,
                began_at,
                approval: errand.approve.as_ref().and_then(|digest| state.handed_out.get(digest).cloned()),
                stood: state.standing(),
                troubles: state.now.troubles(&state.terms.adopted),
                writes_that_do: state.writes_that_do(&errand),
                spread: state.now.counting(&state.terms.adopted),
                errand,
                ..Watched::default()
            };
            state.runs.insert(caller.to_owned(), run);
        });
    }

    /// A run ended and says this of itself; `None`: it was killed.
    pub(crate) fn end(&self, caller: &str, said: Option<&Value>) {
        self.with(|state| {
            if let Some(run) = state.runs.remove(caller)
                && let Some(said) = said
            {
                // A plan has no outcome that could be true or not.
                if said.get("outcome").is_some() {
                    state.judge(caller, &run, said);
                }
                if let Some(digest) = said["digest"].as_str() {
                    state.hands_out(&run, digest, &honesty::texts(said, "held"));
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
            state.reads_the_clock(aws);
            state.wanted()
        })
    }

    /// The installation gets other settings: no run is under way.
    pub(crate) fn is_told(&self, terms: Terms) {
        self.with(|state| state.terms = terms);
    }

    /// How many calls have come in: the number of the next one.
    pub(crate) fn arrived(&self) -> usize {
        self.with(|state| state.arrived)
    }

    /// What is in force now.
    pub(crate) fn in_force(&self) -> Ranges {
        self.with(|state| state.now.in_force.clone())
    }

    /// What the table and WAF came to be, and after how many calls.
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

    fn notes(&mut self, what: String) {
        self.chronicle.push((self.arrived, what));
    }

    /// Notes what has become of WAF.
    fn notes_waf(&mut self, who: &str, old: &Snapshot) {
        for line in self.now.unlike(old) {
            self.notes(format!("{who}: {line}"));
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
            fresh: Ranges::default(),
            steady: wanted,
            rejected: self.table.has_rejection(),
            emptied: self.table.is_empty() && self.holds_something(),
            no_family: [false, true].map(|ipv6| self.family_is_empty(ipv6)),
            too_few: [false, true].map(|ipv6| self.family_is_small(ipv6)),
            troubles: self.now.troubles(&self.terms.adopted),
            spread: self.now.counting(&self.terms.adopted),
        });
    }

    /// What counts now can be shown from now on.
    fn remembers(&mut self) {
        for (name, cidrs) in self.now.counting(&self.terms.adopted) {
            let ever = self.ever.entry(name).or_default();
            *ever = ever.or(&Ranges::of(cidrs));
        }
    }

    /// Whether something is in force that is not always wanted.
    fn holds_something(&self) -> bool {
        let ours = |set: &&String| is_set_name(set) || self.terms.adopted.contains(*set);
        let shards = self.now.wired.iter().filter(ours);
        shards.flat_map(|set| &self.now.sets[set]).any(|cidr| !self.terms.always.contains(cidr))
    }

    /// `by_hand`: else by a write that lay around until its caller was gone.
    fn waf_was_edited(&mut self, new: Snapshot, by_hand: bool) {
        self.waf_changed = (self.newest, Some(Instant::now()));
        self.runs.values_mut().for_each(|run| run.writes_that_do = None);
        let before = self.effective();
        let old = std::mem::replace(&mut self.now, new);
        self.notes_waf(if by_hand { "by hand" } else { "late" }, &old);
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
        let (effective, holds) = (self.effective(), self.holds_something());
        self.remembers();
        self.keeps_spread();
        self.keeps_troubles();
        if let Some(epoch) = &mut self.epoch {
            epoch.emptied &= holds;
            epoch.allowed = epoch.allowed.or(&edited).or(&effective);
            epoch.protected = epoch.protected.without(&before.without(&effective));
            epoch.fresh = epoch.fresh.and(&effective);
        }
    }

    fn called(&mut self, aws: &Aws, call: &Call) {
        self.reads_the_clock(aws);
        if call.phase == Phase::Before {
            self.hanging.insert(call.index);
            self.arrived = self.arrived.max(call.index + 1);
            return;
        }
        self.hanging.remove(&call.index);
        let Some(attempt) = aws.last_attempt() else { return };
        if attempt.stale && attempt.operation.ends_with("IPSets") | attempt.operation.ends_with("GetIPSet") {
            self.may_be_misled();
        }
        self.attempts = call.index + 1;
        self.newest = self.newest.max(self.attempts);
        if self.is_of_the_past(&attempt.caller, self.attempts) {
            if attempt.effect {
                self.waf_was_edited(Snapshot::take(aws, self.terms.counts), false);
            }
            return;
        }
        self.leaves_alone(aws, &attempt);
        self.keeps_pace(&attempt);
        let reads = ["Get", "List", "Scan", "Describe"].iter().any(|verb| call.operation.starts_with(verb));
        let writes = ["CreateIPSet", "UpdateIPSet", "CreateRuleGroup", "UpdateRuleGroup"];
        if !reads && !writes.contains(&call.operation.as_str()) {
            self.says(Promise::NeverCalled, format!("call {}: {}", call.index, call.operation));
        }
        // What had no effect leaves everything as it was looked at before.
        let old = attempt.effect.then(|| std::mem::replace(&mut self.now, Snapshot::take(aws, self.terms.counts)));
        self.follows(&attempt);
        if let Some(old) = old {
            self.notes_waf(&attempt.caller, &old);
            self.waf_changed_for_others(&attempt.caller);
            self.keeps_order(&attempt, &old);
            self.leaves_no_gap(&attempt, &old);
            self.has_proof(&attempt, &old);
            self.adds_within_the_limit(&attempt, &old);
            self.needs_nobody(&attempt, &old);
            self.changes_something(&attempt, &old);
            self.remembers();
            self.keeps_spread();
            self.keeps_troubles();
            self.keeps_invariants(&attempt, &old);
            // Its description answers for all that is in it from now on.
            self.by_hand.retain(|(set, _)| *set != attempt.target);
        }
    }

    /// Whether a call is one of a run that has ended, or was killed, before it was handled.
    fn is_of_the_past(&self, caller: &str, call: usize) -> bool {
        let ended = self.ended.get(caller).is_some_and(|newest| call <= *newest);
        ended && self.runs.get(caller).is_none_or(|run| call <= run.arrived)
    }

    /// Whether a call hangs that came in since this run began.
    fn hangs_since(&self, run: &Watched) -> bool {
        self.hanging.range(run.arrived..).next().is_some()
    }

    /// Another run's writes are as foreign as a hand edit.
    fn waf_changed_for_others(&mut self, caller: &str) {
        if self.runs.len() > 1 || !self.runs.contains_key(caller) {
            self.waf_changed = (self.newest, Some(Instant::now()));
        }
    }

    /// A read of IP sets shows what was: what is in a set by now can come into force with it, no matter who put it there.
    fn may_be_misled(&mut self) {
        let shards = self.now.sets.iter().filter(|(name, _)| is_set_name(name) || self.terms.adopted.contains(*name));
        let there = Ranges::of(shards.flat_map(|(_, cidrs)| cidrs));
        if let Some(epoch) = &mut self.epoch {
            epoch.allowed = epoch.allowed.or(&there);
        }
    }

    /// Whether all that others did to WAF was done before this run, and shows in what it read.
    fn is_undisturbed(&self, run: &Watched) -> bool {
        let (call, at) = self.waf_changed;
        let shows = at.zip(run.began_at).is_none_or(|(at, began)| at + self.terms.read_lag <= began);
        call <= run.began && shows && run.stale == 0
    }

    /// Whether the newest lists of a run, each begun at such an attempt, came after all that others did to WAF.
    fn looked_after_all(&self, run: &Watched) -> bool {
        let (call, at) = self.waf_changed;
        let Some((listed, when)) = run.lists.values().min().copied().filter(|_| run.lists.len() == 2) else {
            return false;
        };
        call < listed && at.is_none_or(|at| at + self.terms.read_lag <= when) && run.stale == 0
    }

    /// Never more than AWS's rate in any second.
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

    /// Where tokens come from and scans begin.
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
            run.lied_to |= late || matches!(&attempt.outcome, Outcome::Error { status: 400, .. });
            *run.written.entry(target.clone()).or_default() += 1;
        }
        if ok && operation == "Scan" && attempt.request.get("ExclusiveStartKey").is_none() {
            let number = |member| attempt.request.get(member).and_then(Value::as_u64);
            let of = number("TotalSegments").unwrap_or(1);
            run.first_scan.get_or_insert(*at);
            let segment = Segment { began: index, at: *at, of, seen: wanted };
            run.segments.insert(number("Segment").unwrap_or_default(), segment);
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
        // Its own writes it knows without reading them. A further page takes back nothing of what an old one hides.
        let lists = operation == "ListRuleGroups" && attempt.request.get("NextMarker").is_none();
        if ok && (lists || attempt.effect && operation.ends_with("RuleGroup")) {
            run.wired.clone_from(&self.now.wired);
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
            // A write shows nothing of what was there before.
            let read = if gets { *at } else { self.tokens.get(&key).map_or(*at, |(_, at)| *at) };
            // Whether its caller still waited for an answer that was held up is not known here.
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
        let trusted = self.trusted_in_vain(attempt, old);
        let Some(epoch) = &mut self.epoch else { return };
        epoch.protected = epoch.protected.without(&trusted);
        epoch.fresh = epoch.fresh.without(&trusted);
        let what =
            format!("after call {}, {} {} by {}", self.attempts - 1, attempt.operation, attempt.target, attempt.caller);
        let mut found = vec![
            (Promise::NoLockOut, epoch.protected.without(&effective)),
            (Promise::NoLeak, self.now.in_force.without(&epoch.allowed)),
        ];
        // Whoever reads WAF from here on scans the table after that. But what one run read as not wired, and strips,
        // another may have wired meanwhile: what only the newer scan wants is then out until the next run.
        let strips = self.runs.get(&attempt.caller).is_none_or(|run| !run.wired.contains(&attempt.target));
        if !strips {
            found.push((Promise::NoLockOut, epoch.fresh.without(&effective)));
        }
        epoch.fresh = epoch.fresh.and(&effective).or(&effective.without(&before).and(&wanted));
        // What has come into force and is wanted all the time stays in force as well.
        epoch.protected = epoch.protected.or(&effective.and(&epoch.steady));
        for (promise, ranges) in found.into_iter().filter(|(_, ranges)| !ranges.is_empty()) {
            self.says(promise, format!("{what}: {ranges:?}"));
        }
    }

    /// What a write has taken from a set that had no room for what would replace it there: other sets had it in force as
    /// lists right before the write showed, and one of these was old. AWS has nothing that would tell; the same run puts it
    /// right. What no other set has ever had is no such thing.
    fn trusted_in_vain(&self, attempt: &Attempt, old: &Snapshot) -> Ranges {
        let none = Ranges::default();
        let was_misled = |run: &&Watched| {
            let right_before = run.lists.values().filter(|(list, _)| *list > run.effect_before).count() == 2;
            right_before && !run.old_lists.is_empty()
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

    fn leaves_alone(&mut self, aws: &Aws, attempt: &Attempt) {
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
