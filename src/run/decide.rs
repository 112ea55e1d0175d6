//! Makes a decision from the scans and from what WAF holds. It calls nothing.

use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Slice;
use crate::model::current::{Current, GroupRule, Shard};
use crate::planning::capacity;
use crate::planning::diff::Diff;
use crate::planning::guard::{self, Evidence, Judgment, Verdict};
use crate::planning::plan::{Basis, Plan, Restraint};
use crate::planning::rule_changes::{self, RuleChange};
use crate::run::decision::Decision;
use crate::run::end::End;
use crate::run::record::{Scans, Seen};
use crate::run::state::State;

/// Decides what to write: plans for what the newest scan wants, within what the guards let through.
pub(super) fn decide(state: &mut State<'_>) -> Result<Decision, End> {
    let State { job, observation, history, proof } = state;
    observation.abort_on_rejections(job.settings)?;
    let Seen { scans, current, .. } = &observation.seen;
    let (settings, waf) = (job.settings, &job.settings.waf);
    let diff = Diff::new(&scans.newest, &scans.earlier, &settings.table.always, current);
    let rules = rule_changes::guarded_changes(current, &waf.policy, &job.target);
    let (removed, added) = (history.removed(current), history.added());
    let in_force_at_start = history.in_force_at_start().unwrap_or(diff.in_force_by_table);
    let evidence = Evidence {
        settings: &settings.guards,
        target: &job.target,
        desired: &scans.newest,
        diff: &diff,
        current,
        always: &settings.table.always,
        rejections: observation.rejections(),
        rules: &rules,
        in_force_at_start,
        removed: &removed,
        added: &added,
    };
    let judgment = guard::judge(&evidence, history.approval.as_ref());
    history.approval.clone_from(&judgment.approval);
    let basis = Basis {
        desired: &scans.newest,
        current,
        at_start: observation.at_start.as_ref(),
        diff: &diff,
        target: &job.target,
        policy: &waf.policy,
        limits: waf.limits,
    };
    let proven = proof.can_be_had();
    let keeps_foreign = rules.iter().any(RuleChange::drops_foreign)
        && asks_for_more(scans, current, |rule| rule.lets_in(&waf.policy, &job.target.name));
    // A blocked plan is shown as it would be without the guards.
    let restraint = match judgment.verdict {
        Verdict::Blocked => Restraint { held: &[], waiting: &[], closed: &[], proven, keeps_foreign },
        Verdict::Pass | Verdict::Held | Verdict::Approved => {
            let Judgment { held, waiting, closed, .. } = &judgment;
            Restraint { held, waiting, closed, proven, keeps_foreign }
        }
    };
    let plan = Plan::new(basis, restraint);
    if !plan.unplaced.is_empty() {
        capacity::check(&scans.newest, current, waf.limits, settings.table.widest).map_err(End::failed)?;
    }
    Ok(Decision { plan, diff, judgment })
}

/// Whether an earlier scan asks for a CIDR that the newest one omits and that none of our rules surely lets in: then it may be
/// in force by a foreign IP set.
fn asks_for_more(scans: &Scans, current: &Current, lets_in: impl Fn(&GroupRule) -> bool) -> bool {
    let is_ours =
        |shard: &&Shard| shard.group.and_then(|at| current.groups.get(at)).is_some_and(|at| lets_in(&at.rule));
    let ours: Vec<&Shard> = current.shards.iter().filter(is_ours).collect();
    let wanted = scans.earlier.iter().flat_map(|scan| Family::ALL.map(|family| scan.cidrs(family)));
    let is_lost = |cidr: Cidr| !scans.newest.covers_all(cidr) && !ours.iter().any(|shard| shard.cidrs.contains(cidr));
    wanted.flat_map(Slice::iter).any(is_lost)
}

/// What `--approve` takes to let the rest of this run past the guards; `None` if nothing was decided.
pub(super) fn digest(state: &State<'_>) -> Option<String> {
    let State { job, observation, history, .. } = state;
    let last = history.rounds.last().map(|round| &round.decision);
    let judgment = &history.pending.as_ref().or(last)?.judgment;
    if judgment.verdict != Verdict::Held || !history.has_written() {
        return Some(judgment.digest.clone());
    }
    let Seen { scans, current, .. } = &observation.seen;
    let diff = Diff::new(&scans.newest, &scans.earlier, &job.settings.table.always, current);
    let rules = rule_changes::guarded_changes(current, &job.settings.waf.policy, &job.target);
    Some(guard::digest_of_the_rest(&Evidence {
        settings: &job.settings.guards,
        target: &job.target,
        desired: &scans.newest,
        diff: &diff,
        current,
        always: &job.settings.table.always,
        rejections: observation.rejections(),
        rules: &rules,
        in_force_at_start: history.in_force_at_start().unwrap_or_default(),
        removed: &history.removed(current),
        added: &history.added(),
    }))
}
