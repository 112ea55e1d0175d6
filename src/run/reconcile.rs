//! The story of a run: observe, plan, guard, confirm removals, apply, verify.
//!
//! The one module that sees both the pure core and AWS. It keeps nothing between runs; what a process that lives on may
//! remember comes in as a [`ReadCache`].

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::{AwsError, Class, ReadCache, TableReader, WafReader, Writer};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::item::{ItemRules, TableView};
use crate::model::naming::Target;
use crate::model::settings::{OnRejection, Settings};
use crate::planning::capacity::{self, TooMany};
use crate::planning::diff::{self, Diff};
use crate::planning::guard::{self, Approval, ApprovedPlan, Evidence, Judgement, Verdict};
use crate::planning::plan::{Basis, Change, Plan, Restraint};
use crate::planning::rule_changes;
use crate::run::apply::{self, Applied, Trouble};
use crate::stop::{Stop, StopReason};
use crate::text::number::counted;

/// How often a run plans again after somebody else wrote, before it leaves the rest to the next run.
const ROUNDS: u32 = 5;

/// Before planning again: this, times the round, plus up to as much again by chance, so that two runs that met part.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// Reads after the last write, for reads may lag.
const VERIFY_READS: u32 = 6;

/// Between two of them.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// Everything about one run that somebody may want to know: the report is made from it.
#[derive(Debug)]
pub struct Run {
    /// Where.
    pub target: Target,
    /// The complete scans, the newest last.
    pub scans: Vec<Desired>,
    /// Read capacity units of all scans.
    pub consumed_capacity: f64,
    /// What WAF held when it was read last, and what was written since.
    pub current: Option<Current>,
    /// The last plan and what guards said of it.
    pub decision: Option<Decision>,
    /// What `--approve` takes: for the last plan, or for what a guard holds of it after the rest was carried out.
    pub digest: Option<String>,
    /// What was carried out, a round each.
    pub rounds: Vec<(Plan, Applied)>,
    /// Drift that the rounds set out to remove, whatever became of it.
    pub drift: BTreeSet<Cidr>,
    /// Whether the last round is the last plan; else that plan was made and not carried out.
    pub last_plan_was_carried_out: bool,
    /// How it ended.
    pub end: End,
}

/// A plan, what it was made from, and what guards said of it.
#[derive(Debug)]
pub struct Decision {
    /// The plan.
    pub plan: Plan,
    /// What is unwanted.
    pub diff: Diff,
    /// What guards said.
    pub judgement: Judgement,
}

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// Everything that this run was to do is done.
    Done,
    /// A person has to look; nothing was written.
    Blocked,
    /// The next run goes on.
    Partial(Box<Why>),
    /// The next run will meet it again.
    Failed(Box<Failure>),
}

/// Why the next run has to go on.
#[derive(Debug)]
pub enum Why {
    /// The deadline or a signal.
    Stopped(StopReason),
    /// Removals lack their proof: the confirming scan failed.
    Unconfirmed(AwsError),
    /// The confirming scan would have begun after the deadline.
    NoTimeToConfirm,
    /// AWS has not spread a new IP set yet.
    Propagating(AwsError),
    /// AWS did not answer this time when the table or WAF was to be read.
    Unread(AwsError),
    /// Somebody else kept writing, or AWS kept refusing.
    Outdated(AwsError),
    /// What was written does not show yet.
    NotSeen,
    /// Unwanted addresses stay in force until the next run.
    Deferred,
    /// Something wanted has to wait until something unwanted has gone.
    NoRoomYet,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// AWS said so.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// More CIDRs than fit.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// `--on-rejection abort`.
    #[error("{} in the table could not be used, and --on-rejection is abort", counted(*.0, "value"))]
    Rejections(usize),
}

impl Failure {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::TooMany(_) | Self::Rejections(_) => None,
        }
    }
}

impl End {
    fn partial(why: Why) -> Self {
        Self::Partial(Box::new(why))
    }

    fn failed(failure: impl Into<Failure>) -> Self {
        Self::Failed(Box::new(failure.into()))
    }
}

/// Whether this run may write.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// Look only.
    Plan,
    /// Carry the plan out.
    Apply(&'a Writer),
}

/// Brings WAF to what the table asks for, or says what that would take.
pub async fn reconcile(
    settings: &Settings,
    (table, waf): (&TableReader, &WafReader),
    mode: Mode<'_>,
    cache: &mut ReadCache,
    now: i64,
    stop: &Stop,
) -> Run {
    let mut run = Reconcile {
        settings,
        table,
        waf,
        cache,
        now,
        stop,
        target: waf.target(),
        scanned_at: Instant::now(),
        scans: Vec::new(),
        consumed_capacity: 0.0,
        current: None,
        at_start: None,
        in_force_at_start: None,
        tried: BTreeSet::new(),
        approval: None,
        rounds: Vec::new(),
        unread: false,
        drift: BTreeSet::new(),
        last_is_done: false,
        last: None,
    };
    let end = match run.observe().await {
        Err(end) => end,
        Ok(()) => match mode {
            Mode::Plan => run.preview(),
            Mode::Apply(writer) => run.converge(writer).await,
        },
    };
    if run.unread
        && let (Some(current), Some((_, applied))) = (&mut run.current, run.rounds.last())
    {
        current.take_over(&applied.ip_sets, &applied.rule_groups);
    }
    let digest = run.digest();
    Run {
        digest,
        target: run.target,
        scans: run.scans,
        consumed_capacity: run.consumed_capacity,
        current: run.current,
        decision: run.last,
        rounds: run.rounds,
        drift: run.drift,
        last_plan_was_carried_out: run.last_is_done,
        end,
    }
}

struct Reconcile<'a> {
    settings: &'a Settings,
    table: &'a TableReader,
    waf: &'a WafReader,
    cache: &'a mut ReadCache,
    now: i64,
    stop: &'a Stop,
    target: Target,
    /// When the first scan was complete: whatever it missed was missed before.
    scanned_at: Instant,
    /// The scans of this run, the newest last.
    scans: Vec<Desired>,
    consumed_capacity: f64,
    current: Option<Current>,
    /// What WAF held when the run began, once it has been read again.
    at_start: Option<Current>,
    in_force_at_start: Option<PerFamily<usize>>,
    /// Counted CIDRs that earlier rounds of this run set out to remove, whatever became of it.
    tried: BTreeSet<Cidr>,
    approval: Option<Approval>,
    rounds: Vec<(Plan, Applied)>,
    /// Whether WAF was not read since the last round wrote to it.
    unread: bool,
    /// Drift that the rounds of this run set out to remove.
    drift: BTreeSet<Cidr>,
    /// Whether `last` was carried out.
    last_is_done: bool,
    last: Option<Decision>,
}

/// Whether what is to be removed has the proof that it needs.
#[derive(Debug)]
enum Proof {
    /// Not yet: a scan has to begin after the newest read of WAF.
    Missing,
    /// A scan that began after the newest read of WAF, with so much care.
    Scanned(Care),
    /// It cannot be had in this run: nothing is removed.
    Unavailable(Why),
}

impl Proof {
    /// Whether no scan is missing, or none can be had, for what takes so much care.
    fn suffices(&self, care: Care) -> bool {
        match self {
            Self::Missing => false,
            Self::Scanned(taken) => *taken >= care,
            Self::Unavailable(_) => true,
        }
    }
}

impl Reconcile<'_> {
    /// Scans the table and reads WAF, at the same time.
    async fn observe(&mut self) -> Result<(), End> {
        let rules = self.item_rules();
        let scan = async {
            let view = self.table.scan(&self.settings.table, &rules, self.stop).await?;
            Ok((view, Instant::now()))
        };
        let waf = self.waf.read_waf(&self.settings.waf, self.cache, self.stop);
        let ((view, scanned_at), current) = tokio::try_join!(scan, waf).map_err(ended)?;
        self.scanned_at = scanned_at;
        self.scanned(view);
        self.current = Some(current);
        match (self.settings.guards.on_rejection, self.rejections()) {
            (OnRejection::Abort, rejections) if rejections > 0 => Err(End::failed(Failure::Rejections(rejections))),
            _ => Ok(()),
        }
    }

    fn scanned(&mut self, view: TableView) {
        self.consumed_capacity += view.consumed_capacity;
        let table = &self.settings.table;
        if view.unnamed > 0 && self.scans.is_empty() {
            let items = counted(view.unnamed, "item");
            let key = crate::text::line(&table.key_attribute);
            warn!("{items} without a key in the attribute {key}: reports cannot name them; hint: set --key-attribute");
        }
        self.scans.push(Desired::new(view, &table.always, table.aggregate, table.widest));
    }

    fn item_rules(&self) -> ItemRules {
        ItemRules::new(&self.settings.table, self.now)
    }

    /// Rejections that count, of whichever scan had more of them.
    fn rejections(&self) -> usize {
        self.scans.iter().map(|scan| scan.view().rejections_that_hold()).max().unwrap_or_default()
    }

    /// What the table, the newest scan first in rank, makes of what WAF holds.
    fn decide(&mut self, proven: bool) -> Result<&Decision, End> {
        let (Some((desired, earlier)), Some(current)) = (self.scans.split_last(), &self.current) else {
            return Err(End::Done);
        };
        let waf = &self.settings.waf;
        let diff = Diff::new(desired, earlier, &self.settings.table.always, current);
        let in_force_at_start = *self.in_force_at_start.get_or_insert(diff.in_force);
        let changes = rule_changes::guarded_changes(current, &waf.policy, &self.target);
        // What WAF no longer holds is gone, also if the answer to its removal was lost.
        let gone = |cidr: &&Cidr| !current.holds_in_force(**cidr);
        let removed = self.tried.iter().filter(gone).copied().collect();
        let judgement = guard::judge(&Evidence {
            settings: &self.settings.guards,
            target: &self.target,
            diff: &diff,
            current,
            entries: desired.view().entry_count(),
            wanted: desired.from_table(),
            rejections: self.rejections(),
            rules: &changes,
            in_force_at_start,
            removed: &removed,
            approval: self.approval.as_ref(),
        });
        self.approval.clone_from(&judgement.approval);
        let (held, closed) = (judgement.held.as_slice(), judgement.closed.as_slice());
        let basis = Basis {
            desired,
            current,
            at_start: self.at_start.as_ref(),
            diff: &diff,
            target: &self.target,
            policy: &waf.policy,
            limits: waf.limits,
        };
        // A blocked plan is shown as it would be without the guards.
        let restraint = match judgement.verdict {
            Verdict::Blocked => Restraint { held: &[], closed: &[], proven },
            _ => Restraint { held, closed, proven },
        };
        let plan = Plan::new(basis, restraint);
        if !plan.unplaced.is_empty() {
            capacity::check(desired, current, waf.limits, self.settings.table.widest).map_err(End::failed)?;
        }
        self.last_is_done = false;
        Ok(self.last.insert(Decision { plan, diff, judgement }))
    }

    /// What `apply` would do, as far as one scan can tell.
    fn preview(&mut self) -> End {
        match self.decide(true) {
            Ok(_) => End::Done,
            Err(end) => end,
        }
    }

    /// Plans and writes until there is nothing left to write, or somebody has to look, or the run has to end.
    async fn converge(&mut self, writer: &Writer) -> End {
        let mut proof = Proof::Missing;
        for round in 0..ROUNDS {
            let approved = match self.prepare(round, &mut proof).await {
                Ok(approved) => approved,
                Err(end) => return self.cut_short(end),
            };
            let removing: BTreeSet<Cidr> = approved.removals().collect();
            let counted = self.last.iter().flat_map(|last| last.diff.withdrawn());
            self.tried.extend(counted.filter(|cidr| removing.contains(cidr)));
            let drift = self.last.iter().flat_map(|last| last.diff.drift());
            self.drift.extend(drift.filter(|cidr| removing.contains(cidr)));
            let mut applied = apply::apply(&approved, writer, self.stop).await;
            let outdated = applied.outdated();
            for (_, earlier) in &mut self.rounds {
                applied.settle_with(earlier);
            }
            self.rounds.push((approved.into_inner(), applied));
            self.unread = true;
            self.last_is_done = true;
            if !outdated {
                break;
            }
            if !matches!(proof, Proof::Unavailable(_)) {
                proof = Proof::Missing;
            }
        }
        self.conclude(proof).await
    }

    /// The plan of a round; for any round but the first WAF is read again.
    async fn prepare(&mut self, round: u32, proof: &mut Proof) -> Result<ApprovedPlan, End> {
        if round > 0 {
            self.observe_again(round).await?;
        }
        self.approve(proof).await
    }

    /// How the run ends if no further round can follow: what failed in the last one counts for more.
    fn cut_short(&mut self, end: End) -> End {
        let troubles = self.rounds.last_mut().map(|(_, applied)| std::mem::take(&mut applied.troubles));
        let mut ends = troubles.unwrap_or_default().into_iter().map(unfinished);
        ends.find(|end| matches!(end, End::Failed(_))).unwrap_or(end)
    }

    /// A plan that may be carried out: guarded, and confirmed by a second scan where it removes something.
    async fn approve(&mut self, proof: &mut Proof) -> Result<ApprovedPlan, End> {
        let mut decision = self.decide(!matches!(proof, Proof::Unavailable(_)))?;
        // A look at once can show that a guard need hold no more what has to wait for the table to settle.
        while decision.judgement.verdict != Verdict::Blocked
            && let Some(care) = decision.care()
            && !proof.suffices(care)
        {
            *proof = self.confirm(care).await;
            let rejections = self.rejections();
            if self.settings.guards.on_rejection == OnRejection::Abort && rejections > 0 {
                return Err(End::failed(Failure::Rejections(rejections)));
            }
            decision = self.decide(!matches!(proof, Proof::Unavailable(_)))?;
        }
        let Some(decision) = &self.last else { return Err(End::Done) };
        ApprovedPlan::new(decision.plan.clone(), &decision.judgement).ok_or(End::Blocked)
    }

    /// Scans again, late enough for the answer to mean something.
    async fn confirm(&mut self, care: Care) -> Proof {
        let settle = match care {
            Care::Settled => self.settings.table.settle,
            Care::Glance => Duration::ZERO,
        };
        let wait = (self.scanned_at + settle).saturating_duration_since(Instant::now());
        info!(?wait, "something would be removed: scanning the table again");
        match self.stop.sleep(wait).await {
            Ok(()) => {}
            Err(StopReason::Deadline) => return Proof::Unavailable(Why::NoTimeToConfirm),
            Err(reason @ StopReason::Signal) => return Proof::Unavailable(Why::Stopped(reason)),
        }
        match self.table.scan(&self.settings.table, &self.item_rules(), self.stop).await {
            Ok(view) => {
                self.scanned(view);
                Proof::Scanned(care)
            }
            Err(error) => {
                if let Class::Stopped(reason) = error.class() {
                    return Proof::Unavailable(Why::Stopped(reason));
                }
                warn!(error = %error.with_hint(), "the second scan failed: nothing is removed in this run");
                Proof::Unavailable(Why::Unconfirmed(error))
            }
        }
    }

    /// Reads WAF again after somebody else wrote to it.
    async fn observe_again(&mut self, round: u32) -> Result<(), End> {
        let pause = ROUND_PAUSE * round;
        let stopped = |reason| End::partial(Why::Stopped(reason));
        self.stop.sleep(pause + pause.mul_f64(fastrand::f64())).await.map_err(stopped)?;
        let current = self.waf.read_waf(&self.settings.waf, self.cache, self.stop).await;
        self.read(current.map_err(ended_later)?);
        Ok(())
    }

    /// What WAF holds now, which also says what became of writes whose answers were lost.
    fn read(&mut self, current: Current) {
        for (_, applied) in &mut self.rounds {
            applied.acknowledge(&current);
        }
        self.unread = false;
        let before = self.current.replace(current);
        self.at_start = self.at_start.take().or(before);
    }

    /// What a person would approve now.
    fn digest(&self) -> Option<String> {
        let Decision { judgement, .. } = self.last.as_ref()?;
        let written = self.rounds.iter().any(|(_, applied)| applied.done() > 0);
        match (&self.current, self.scans.split_last()) {
            (Some(current), Some((desired, earlier)))
                if judgement.verdict == Verdict::Held && written && !self.unread =>
            {
                let diff = Diff::new(desired, earlier, &self.settings.table.always, current);
                let changes = rule_changes::guarded_changes(current, &self.settings.waf.policy, &self.target);
                Some(guard::digest_of_the_rest(&self.target, &diff, &changes))
            }
            _ => Some(judgement.digest.clone()),
        }
    }

    /// Checks what was written and says how the run ended.
    async fn conclude(&mut self, proof: Proof) -> End {
        let seen = self.verify().await;
        let Some((_, applied)) = self.rounds.last_mut() else { return End::Done };
        let mut ends: Vec<End> = std::mem::take(&mut applied.troubles).into_iter().map(unfinished).collect();
        if let Proof::Unavailable(why) = proof {
            ends.push(match why {
                Why::Unconfirmed(error) if error.class() == Class::Final => End::failed(error),
                why => End::partial(why),
            });
        }
        ends.extend(seen.err());
        if let (Some(decision), Some(newest)) = (&self.last, self.scans.last()) {
            if decision.plan.deferred.iter().any(|cidr| !newest.covers_all(*cidr)) {
                ends.push(End::partial(Why::Deferred));
            }
            if !decision.plan.unplaced.is_empty() {
                ends.push(End::partial(Why::NoRoomYet));
            }
        }
        let failed = ends.iter().position(|end| matches!(end, End::Failed(_)));
        match failed.or_else(|| (!ends.is_empty()).then_some(0)) {
            Some(first) => ends.swap_remove(first),
            None => End::Done,
        }
    }

    /// Reads what was written until it shows, a few times, for reads may lag.
    async fn verify(&mut self) -> Result<(), End> {
        if self.rounds.iter().all(|(_, applied)| applied.done() == 0 && applied.unsure.is_empty()) {
            return Ok(());
        }
        for read in 0..VERIFY_READS {
            if read > 0 {
                self.stop.sleep(VERIFY_PAUSE).await.map_err(|_| End::partial(Why::NotSeen))?;
            }
            let current = self.waf.read_waf(&self.settings.waf, self.cache, self.stop).await.map_err(ended_later)?;
            self.read(current);
            let last = self.rounds.last().zip(self.current.as_ref());
            let shows = last.is_none_or(|((_, applied), current)| applied.shows_in(current));
            if shows {
                return Ok(());
            }
        }
        warn!("what was written does not show in WAF yet");
        Err(End::partial(Why::NotSeen))
    }
}

/// What an error at reading means for the run.
fn ended(error: AwsError) -> End {
    match error.class() {
        Class::Stopped(reason) => End::partial(Why::Stopped(reason)),
        Class::Again if !error.looks_lasting() => End::partial(Why::Unread(error)),
        _ if error.vanished() => End::partial(Why::Outdated(error)),
        _ => End::failed(error),
    }
}

/// What an error at reading again means, when AWS has answered before: what may pass is left to the next run.
fn ended_later(error: AwsError) -> End {
    match error.class() {
        Class::Again => End::partial(Why::Unread(error)),
        _ => ended(error),
    }
}

/// What something that was not written means for the run.
fn unfinished(trouble: Trouble) -> End {
    match trouble {
        Trouble::Failed(error) => End::failed(error),
        Trouble::Stopped(reason) => End::partial(Why::Stopped(reason)),
        Trouble::Outdated(error) => End::partial(Why::Outdated(error)),
        Trouble::Propagating(error) => End::partial(Why::Propagating(error)),
    }
}

/// How sure a run has to be before it removes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// Somebody put it there by hand, yet the table may ask for it by now and the scan have missed it: a second scan,
    /// at once.
    Glance,
    /// The table gave it: a second scan when things have settled.
    Settled,
}

impl Decision {
    /// What it takes before this plan may remove what it removes from force; `None` if it removes nothing.
    #[must_use]
    pub fn care(&self) -> Option<Care> {
        let removes = |cidrs: &[Cidr]| {
            let removed = |change: &Change| change.remove.iter().any(|cidr| cidrs.binary_search(cidr).is_ok());
            self.plan.changes.iter().any(removed)
        };
        if removes(&self.diff.unproven()) {
            Some(Care::Settled)
        } else if Family::ALL.iter().any(|family| removes(&self.diff.distinct(*family, diff::Class::Drift))) {
            Some(Care::Glance)
        } else {
            None
        }
    }
}
