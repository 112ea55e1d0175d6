//! Carries out an approved plan, stage by stage, and records what was written.
//!
//! It does not decide *what* to write: a change is sent as planned, with the lock token of the read that it is based on, or
//! not at all. It never plans again and never repeats a rejected write, except for rule groups that wait until AWS has
//! propagated what they refer to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use futures_util::stream;
use tokio::time::Instant;

use crate::aws::{IN_FLIGHT, Writer};
use crate::defects::{self, Defect};
use crate::model::current::{LockToken, RuleGroup, Shard};
use crate::model::spec::{RuleGroupSpec, WriteKind};
use crate::planning::change::{Change, Stage, Write};
use crate::planning::guard::ApprovedPlan;
use crate::progress::Wait;
use crate::run::applied::Applied;
use crate::run::end::{Fault, Trouble};
use crate::run::observation::{Job, Observation, Sight};
use crate::run::send::{Refusal, send, trouble};

/// The pause between attempts at a rule group whose IP sets are not available yet; other clients wait as long.
const PROPAGATION_POLL: Duration = Duration::from_secs(10);

/// The most attempts at such a rule group before it is left to the next run: about fifteen minutes.
const PROPAGATION_POLLS: usize = 90;

/// The pause between lists that do not show an IP set as it was written: most are stale only for a moment.
const LIST_POLL: Duration = Duration::from_secs(2);

/// The number of such short pauses, after which the pause is [`PROPAGATION_POLL`].
const LIST_POLLS: usize = 5;

/// How long a run must have known the IP sets on which a removal relies: another run may have written them just before,
/// and AWS propagates each set on its own. As long as reads may be stale. Dropping a reference to a foreign IP set waits as long
/// after this run's own last write.
pub(crate) const RELIED_FOR: Duration = Duration::from_mins(1);

/// Carries out `plan`. Returns what was written, and why the rest was not. It ends early only between two calls. `until`:
/// when to stop waiting for propagation.
pub(super) async fn apply(
    plan: &ApprovedPlan,
    writer: &Writer,
    job: &mut Job<'_>,
    observation: &mut Observation,
    until: Option<Instant>,
) -> (Applied, Vec<Trouble>) {
    let (applied, troubles, unwritten) = Default::default();
    let stages = [Stage::Strip, Stage::Add, Stage::Wire, Stage::Unwire, Stage::Remove];
    job.stop.progress().writes_planned(stages.into_iter().map(|stage| plan.stage(stage).len()).sum());
    let mut run = Applying { writer, job, observation, applied, troubles, unwritten, waits_for_list: false };
    run.write_sets(plan.stage(Stage::Strip)).await;
    if defects::has(Defect::RemovesBeforeAdding) {
        run.write_sets(plan.stage(Stage::Remove)).await;
    }
    run.write_sets(plan.stage(Stage::Add)).await;
    let mut waiting = run.wire(plan.stage(Stage::Wire)).await;
    let (edited, dropping) = plan.stage(Stage::Unwire).into_iter().partition(|change| change.replaces_edited());
    let edited = run.without_unwritten(edited);
    waiting.extend(run.wire(edited).await);
    let mut letting_go = letting_go(dropping);
    waiting.extend(run.let_go(&mut letting_go).await);
    run.write_sets(plan.stage(Stage::Remove)).await;
    for poll in 0..PROPAGATION_POLLS {
        let pause = if poll < LIST_POLLS && run.waits_for_list { LIST_POLL } else { PROPAGATION_POLL };
        if waiting.is_empty() || until.is_some_and(|until| Instant::now() + pause > until) {
            break;
        }
        if let Err(reason) = run.job.stop.wait(Wait::Propagation, pause).await {
            run.troubles.push(Trouble::Stopped(reason));
            break;
        }
        run.troubles.retain(|trouble| !matches!(trouble, Trouble::Propagating(_)));
        waiting = run.wire(waiting).await;
        waiting.extend(run.let_go(&mut letting_go).await);
    }
    (run.applied, run.troubles)
}

struct Applying<'a, 'j> {
    writer: &'a Writer,
    job: &'a mut Job<'j>,
    observation: &'a mut Observation,
    applied: Applied,
    /// Why the rest was not written.
    troubles: Vec<Trouble>,
    /// IP sets that were not written and may hold unwanted CIDRs: no rule may newly refer to them.
    unwritten: BTreeSet<String>,
    /// Whether a rule group waits for a list that shows its IP sets as they were written.
    waits_for_list: bool,
}

impl Applying<'_, '_> {
    /// Sends these changes concurrently. Returns those that wait for propagation.
    async fn send_all<'c>(&mut self, changes: Vec<&'c Change>) -> Vec<&'c Change> {
        let mut waiting = Vec::new();
        // After an error that concerns the whole action, its other calls would fail too.
        let mut closed: BTreeSet<WriteKind> = BTreeSet::new();
        // Each action has its own rate: calls that wait for one must not keep those of another from starting.
        let mut queues: BTreeMap<WriteKind, VecDeque<&Change>> = BTreeMap::new();
        for change in changes {
            queues.entry(change.write.kind()).or_default().push_back(change);
        }
        let mut under_way: BTreeMap<WriteKind, usize> = BTreeMap::new();
        let mut calls = stream::FuturesUnordered::new();
        let (writer, stop) = (self.writer, self.job.stop);
        loop {
            for (kind, queue) in &mut queues {
                let under_way = under_way.entry(*kind).or_default();
                // A stage has two kinds at most.
                while *under_way < IN_FLIGHT / 2
                    && let Some(change) = queue.pop_front()
                {
                    if closed.contains(kind) {
                        self.not_written(change);
                        continue;
                    }
                    let write = match self.with_arns(change) {
                        Ok(Some(write)) => write,
                        Ok(None) => continue,
                        Err(trouble) => {
                            self.not_written(change);
                            self.troubles.push(trouble);
                            continue;
                        }
                    };
                    let arn = self.arn_of(&write);
                    let fresh = change.refer.iter().any(|name| self.observation.has_created(name));
                    // Whatever AWS answers, it may refer to them from here on.
                    self.sent_to_be_wired(&write);
                    *under_way += 1;
                    calls.push(async move { (change, send(writer, stop, change, &write, arn, fresh).await, write) });
                }
            }
            let Some((change, answer, write)) = calls.next().await else { return waiting };
            if let Some(under_way) = under_way.get_mut(&write.kind()) {
                *under_way -= 1;
            }
            let is_pending = matches!(&answer, Err(Refusal { trouble: Trouble::Propagating(_), .. }));
            if !is_pending {
                self.observation.answered(change);
            }
            match answer {
                Ok(receipt) => {
                    stop.progress().written();
                    self.observation.wrote(self.job, &write, &receipt);
                    self.applied.confirm(write);
                }
                Err(Refusal { trouble, unsure, conflict, concerns_action }) => {
                    self.not_written(change);
                    self.applied.conflicts += usize::from(conflict);
                    if unsure {
                        self.observation.left_unsure();
                        self.applied.unsure.push(write);
                    }
                    if concerns_action {
                        closed.insert(change.write.kind());
                    }
                    if matches!(trouble, Trouble::Propagating(_)) {
                        waiting.push(change);
                    }
                    self.troubles.push(trouble);
                }
            }
        }
    }

    /// Sends creations and updates of IP sets. Those that rely on other IP sets are sent last and one by one, each right after
    /// a list that shows those with the known lock tokens, some time after they were read first, and only if nothing has
    /// failed so far. What leaves an IP set that this run created does so only after a list that shows no rule group changed.
    async fn write_sets(&mut self, changes: Vec<&Change>) {
        let (relying, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| !change.relies_on.is_empty());
        let (own, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|change| self.strips_own(change));
        if !own.is_empty() {
            match self.check_unwired().await {
                Ok(()) => {
                    self.send_all(own).await;
                }
                Err(trouble) => {
                    for change in own {
                        self.not_written(change);
                    }
                    self.troubles.push(trouble);
                }
            }
        }
        self.send_all(others).await;
        for change in relying {
            if self.may_rely(change).await {
                self.send_all(vec![change]).await;
            } else {
                self.not_written(change);
            }
        }
    }

    /// Whether a change may be sent that relies on other IP sets, or on other references to them: nothing has failed so far, the
    /// run has known them for some time, and lists still show them.
    async fn may_rely(&mut self, change: &Change) -> bool {
        let wait = (self.observation.known_since(change) + RELIED_FOR).saturating_duration_since(Instant::now());
        if self.troubles.is_empty()
            && !wait.is_zero()
            && let Err(reason) = self.job.stop.wait(Wait::Reliance, wait).await
        {
            self.troubles.push(Trouble::Stopped(reason));
        }
        if self.troubles.is_empty()
            && let Err(trouble) = self.check_relied(change).await
        {
            self.troubles.push(trouble);
        }
        self.troubles.is_empty()
    }

    /// Whether a change removes something from an IP set that this run created and no rule was seen to refer to: without a
    /// confirming scan.
    fn strips_own(&self, change: &Change) -> bool {
        let is_own = |shard: &Shard| shard.name == change.write.target() && !shard.is_in_force();
        !change.remove.is_empty() && self.observation.seen.current.shards.iter().any(is_own)
    }

    /// Checks that a list shows the rule groups with the known lock tokens, and no other: an overlapping run may have let one
    /// refer to an IP set of this run.
    async fn check_unwired(&self) -> Result<(), Trouble> {
        let listed = self.job.waf.list_own_rule_groups(self.job.stop).await.map_err(|error| trouble(&error, false))?;
        let known = self.observation.seen.current.groups.iter().map(|group| (group.arn.clone(), group.token.clone()));
        if listed == known.collect() {
            return Ok(());
        }
        let text = format!("{}: rule groups have changed, and may refer to new IP sets", self.job.target.name);
        Err(Trouble::Outdated(Fault { text, hint: None }))
    }

    /// Checks that lists show the IP sets that a change relies on, and all rule groups that refer to them, with the known lock
    /// tokens, no rule group of ours that is new or changed, and that the web ACLs are as before. Where a rule group drops a
    /// reference, whole IP sets are at stake: the others are read by themselves, too.
    async fn check_relied(&self, change: &Change) -> Result<(), Trouble> {
        let (waf, stop) = (self.job.waf, self.job.stop);
        let current = &self.observation.seen.current;
        let shard = |name: &String| current.shards.iter().find(|shard| shard.name == *name);
        let referring = |shard: &Shard| {
            let arn = shard.arn.clone();
            current.groups.iter().filter(move |group| group.rule.references().contains(&arn))
        };
        let at_stake = change.relies_on.iter().filter(|_| !change.write.kind().is_of_ip_set()).filter_map(shard);
        let others: BTreeMap<&String, &RuleGroup> = at_stake
            .flat_map(referring)
            .filter(|group| group.name != change.write.target())
            .map(|group| (&group.name, group))
            .collect();
        // The lists come last: other runs write IP sets and rule groups, but no web ACL.
        let read = waf.read_web_acls(&self.job.settings.waf, stop).await;
        let (web_acls, unread) = read.map_err(|error| trouble(&error, false))?;
        let listed = tokio::try_join!(
            waf.list_lock_tokens(stop),
            waf.list_own_rule_groups(stop),
            try_join_all(others.values().map(|group| waf.rule_group_token(&group.name, &group.id, stop))),
        );
        let (sets, groups, tokens) = listed.map_err(|error| trouble(&error, false))?;
        let is_known = |name: &&String| {
            let Some(shard) = shard(name) else { return false };
            sets.get(&shard.arn) == Some(&shard.token)
                && referring(shard).all(|group| groups.get(&group.arn) == Some(&group.token))
        };
        let is_same = self.observation.knows_all(&groups)
            && current.web_acls.as_ref().is_none_or(|acls| *acls == web_acls)
            && current.unread_web_acls.len() == unread.len()
            && others.values().zip(&tokens).all(|(group, token)| group.token == *token);
        let changed = match change.relies_on.iter().find(|name| !is_known(name)) {
            Some(set) => {
                format!("the lists do not show {set} and the rule groups that refer to it as this run knows them")
            }
            None if is_same => return Ok(()),
            None => "a web ACL or a rule group is no longer as this run knows it".to_owned(),
        };
        let target = change.write.target();
        let text = if change.write.kind().is_of_ip_set() {
            format!("nothing was removed from {target}: {changed}, and its removals rely on them")
        } else {
            format!("{target} was not written: {changed}, and the references that it drops rely on them")
        };
        Err(Trouble::Outdated(Fault { text, hint: None }))
    }

    /// Sends rule groups, those with new references only after a list that shows the IP sets to be wired with the lock
    /// tokens that this run knows: no one else has changed them since. Returns those that wait.
    async fn wire<'c>(&mut self, changes: Vec<&'c Change>) -> Vec<&'c Change> {
        self.waits_for_list = false;
        let mut waiting = Vec::new();
        let mut ready = Vec::new();
        let mut listed = None;
        for change in changes {
            if !change.relies_on.is_empty() && !self.may_rely(change).await {
                // After anything else that failed, the next plan decides.
                if self.troubles.iter().all(|trouble| matches!(trouble, Trouble::Propagating(_))) {
                    waiting.push(change);
                }
                continue;
            }
            let refers: Vec<&Shard> = self.to_be_wired(change).collect();
            if refers.is_empty() {
                ready.push(change);
                continue;
            }
            let tokens = match listed.take() {
                Some(tokens) => tokens,
                None => match self.job.waf.list_lock_tokens(self.job.stop).await {
                    Ok(tokens) => tokens,
                    Err(error) => {
                        self.troubles.push(trouble(&error, false));
                        break;
                    }
                },
            };
            let tokens: &BTreeMap<String, LockToken> = listed.insert(tokens);
            match unlike(&refers, self.observation, tokens) {
                None => ready.push(change),
                Some((Sight::Old, set)) => {
                    let text = format!(
                        "{} waits for {set}, which the list of IP sets does not show as it was written",
                        change.write.target()
                    );
                    self.troubles.push(Trouble::Propagating(Fault { text, hint: None }));
                    self.waits_for_list = true;
                    waiting.push(change);
                }
                Some((Sight::Current | Sight::Changed, set)) => {
                    let text = format!("{}: someone else has written {set}", change.write.target());
                    self.troubles.push(Trouble::Outdated(Fault { text, hint: None }));
                }
            }
        }
        waiting.extend(self.send_all(ready).await);
        waiting
    }

    /// Those of these rule groups of which all IP sets were written. What a hand's rule lets in may have no other place yet; but an
    /// error that concerns others must not keep a rule that lets in no one.
    fn without_unwritten<'c>(&self, changes: Vec<&'c Change>) -> Vec<&'c Change> {
        let is_complete = |change: &&Change| !change.refer.iter().any(|name| self.unwritten.contains(name));
        changes.into_iter().filter(is_complete).collect()
    }

    /// Sends rule groups that drop references, one by one until something fails: what could not be wired may be in force
    /// through these references, and then the next plan decides. Returns those that wait.
    async fn let_go<'c>(&mut self, changes: &mut VecDeque<&'c Change>) -> Vec<&'c Change> {
        let mut waiting = Vec::new();
        while self.troubles.is_empty()
            && let Some(change) = changes.pop_front()
        {
            waiting.extend(self.wire(vec![change]).await);
        }
        waiting
    }

    /// The IP sets that a rule group newly refers to, without those that were not written.
    fn to_be_wired(&self, change: &Change) -> impl Iterator<Item = &Shard> {
        let names = change.refer.iter().filter(|name| !self.unwritten.contains(*name));
        names.filter_map(|name| self.observation.seen.current.shards.iter().find(|shard| shard.name == *name))
    }

    /// The write with the ARNs of IP sets that this run created, without new references to IP sets that were not written.
    /// `None` if that leaves nothing to write. Fails if a reference has no ARN for any other reason.
    fn with_arns(&self, change: &Change) -> Result<Option<Write>, Trouble> {
        // References to sets that are wired already stay, even if writing the set failed.
        let refused = |name: &String| self.unwritten.contains(name) && change.refer.contains(name);
        let arn = |name: &str| {
            let shards = &self.observation.seen.current.shards;
            shards.iter().find(|shard| shard.name == name).map(|shard| shard.arn.clone())
        };
        let resolve = |spec: &RuleGroupSpec| {
            let mut spec = spec.clone();
            for reference in &mut spec.references {
                if reference.arn.is_none() {
                    reference.arn = arn(&reference.name);
                }
            }
            spec.references.retain(|reference| !refused(&reference.name));
            if let Some(lost) = spec.references.iter().find(|reference| reference.arn.is_none()) {
                let text = format!("{}: internal error: the ARN of {} is unknown", change.write.target(), lost.name);
                return Err(Trouble::Failed(Fault { text, hint: None }));
            }
            if let Some(shard) = self.observation.seen.current.shards.first() {
                spec.description.learn_account(&shard.arn);
            }
            Ok(spec)
        };
        Ok(match &change.write {
            Write::CreateRuleGroup(spec) => Some(Write::CreateRuleGroup(resolve(spec)?)),
            Write::UpdateRuleGroup { rewrite: false, .. } if change.refer.iter().all(refused) => None,
            Write::UpdateRuleGroup { id, token, spec, rewrite } => {
                let (id, token, rewrite) = (id.clone(), token.clone(), *rewrite);
                Some(Write::UpdateRuleGroup { id, token, spec: resolve(spec)?, rewrite })
            }
            Write::CreateIpSet(_) | Write::UpdateIpSet { .. } => Some(change.write.clone()),
        })
    }

    /// The ARN of the updated resource; empty for a creation.
    fn arn_of(&self, write: &Write) -> String {
        let current = &self.observation.seen.current;
        let arn = match write {
            Write::UpdateIpSet { id, .. } => {
                current.shards.iter().find(|shard| shard.id == *id).map(|shard| &shard.arn)
            }
            Write::UpdateRuleGroup { id, .. } => {
                current.groups.iter().find(|group| group.id == *id).map(|group| &group.arn)
            }
            Write::CreateIpSet(_) | Write::CreateRuleGroup(_) => None,
        };
        arn.cloned().unwrap_or_default()
    }

    fn sent_to_be_wired(&mut self, write: &Write) {
        if let Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } = write {
            self.observation.sent_to_be_wired(spec.references.iter().filter_map(|reference| reference.arn.as_ref()));
        }
    }

    fn not_written(&mut self, change: &Change) {
        if change.write.kind().is_of_ip_set() {
            self.unwritten.insert(change.write.target().to_owned());
        }
    }
}

/// The order in which rule groups drop references, each right after lists that show what it relies on. Those that also refer to
/// further IP sets come first, because what others drop may be in force through these afterwards.
fn letting_go(changes: Vec<&Change>) -> VecDeque<&Change> {
    let (wiring, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| !change.refer.is_empty());
    wiring.into_iter().chain(others).collect()
}

/// An IP set that the list does not show with the known lock token, preferring one that was changed.
fn unlike<'s>(
    shards: &[&'s Shard],
    observation: &Observation,
    listed: &BTreeMap<String, LockToken>,
) -> Option<(Sight, &'s str)> {
    let seen = shards.iter().map(|shard| (observation.compare(shard, listed.get(&shard.arn)), shard.name.as_str()));
    seen.filter(|(sight, _)| *sight != Sight::Current).max_by_key(|(sight, _)| *sight == Sight::Changed)
}
