//! The lines of `check`: judges the facts and says how to fix what is wrong. Pure.

#[cfg(test)]
mod tests;

use crate::model::current::{Current, GroupRule, RuleGroup};
use crate::model::limits::{GROUP_CAPACITY, GROUP_CAPACITY_ANY};
use crate::model::naming::Target;
use crate::model::policy::Position;
use crate::model::settings::Settings;
use crate::planning::rule_changes::{self, RuleChange};
use crate::text;
use crate::text::number::{counted, grouped};

use super::facts::{Answer, CheckFacts, CheckStage, ReadError, TableSample, TableState};
use super::line::{CheckReport, Line, Severity, failed, failure, ok, shown, unknown, warning};
use super::{quotas, search};

/// The report of a process that could not connect.
#[must_use]
pub fn without_connection(error: &str) -> CheckReport {
    let line = Line { subject: "connection", verdict: Severity::Failure, finding: error.to_owned(), fix: None };
    CheckReport { version: 1, ok: false, lines: vec![line] }
}

/// Judges one stage of the facts.
#[must_use]
pub fn judge_stage(settings: &Settings, stage: CheckStage<'_>) -> Vec<Line> {
    match stage {
        CheckStage::Identity(identity) => vec![credentials(identity)],
        CheckStage::Table(described) => vec![table(described)],
        CheckStage::Sample(sample) => vec![attributes(settings, sample)],
        CheckStage::Ours(ours) => vec![
            quotas::ip_sets(settings, &ours),
            quotas::rule_groups(settings, &ours),
            rule_groups(settings, ours.target, ours.waf),
            rule(settings, ours.waf),
        ],
        CheckStage::WebAcls(web_acls, waf) => search::lines(settings, web_acls, waf.as_ref().ok()),
        CheckStage::All(seen) => vec![permissions(seen)],
    }
}

/// Judges all facts.
#[must_use]
pub fn judge(settings: &Settings, seen: &CheckFacts) -> CheckReport {
    let lines: Vec<Line> = seen.stages().into_iter().flat_map(|stage| judge_stage(settings, stage)).collect();
    CheckReport { version: 1, ok: lines.iter().all(|line| line.verdict != Severity::Failure), lines }
}

fn credentials(identity: &Answer<String>) -> Line {
    const SUBJECT: &str = "credentials";
    match identity {
        Ok(arn) if arn.ends_with(":root") => warning(
            SUBJECT,
            format!("{} is the root user of the account", text::line(arn)),
            "give wafsync its own role: `wafsync iam-policy` prints the policy",
        ),
        Ok(arn) => ok(SUBJECT, text::line(arn)),
        Err(trouble) if trouble.credentials => failed(SUBJECT, trouble),
        Err(trouble) => warning(
            SUBJECT,
            format!("the caller is unknown: {}", trouble.message.as_str()),
            "only this check needs STS; ignore this if the network blocks it",
        ),
    }
}

fn table(table: &Answer<TableState>) -> Line {
    const SUBJECT: &str = "table";
    match table {
        Ok(table) if table.status == "ACTIVE" => {
            ok(SUBJECT, format!("it exists, with {} at the last count", counted(table.items, "item")))
        }
        Ok(table) if table.status == "UPDATING" => {
            warning(SUBJECT, "it is being updated and can be read meanwhile", "wait until it is ACTIVE")
        }
        Ok(table) => {
            let finding = format!("it is {} and cannot be read", text::line(&table.status));
            failure(SUBJECT, finding, "wait until it is ACTIVE, or restore it")
        }
        Err(trouble) if trouble.denied => warning(
            SUBJECT,
            trouble.message.as_str(),
            "only this check needs dynamodb:DescribeTable; `wafsync iam-policy --for check` allows it",
        ),
        Err(trouble) => failed(SUBJECT, trouble),
    }
}

fn attributes(settings: &Settings, sample: &Answer<TableSample>) -> Line {
    const SUBJECT: &str = "attributes";
    let view = match sample {
        Ok(sample) => &sample.view,
        Err(trouble) => return failed(SUBJECT, trouble),
    };
    let (key, cidrs) = (text::line(&settings.table.key_attribute), text::line(&settings.table.cidr_attribute));
    let fix = format!("check --cidr-attribute ({cidrs}) and --key-attribute ({key}), or correct the items");
    if view.items == 0 {
        let fix = "fill the table before the first apply; an empty one is blocked once addresses are in force";
        return warning(SUBJECT, "the table has no items", fix);
    }
    let sampled = format!("of a sample of {}", counted(view.items, "item"));
    if view.rejections.is_empty() && view.unnamed > 0 {
        let finding = format!("{sampled}, {} without a key in {key}: reports cannot name them", grouped(view.unnamed));
        return warning(SUBJECT, finding, "name the table's key with --key-attribute");
    }
    if view.rejections.is_empty() {
        return ok(SUBJECT, format!("{sampled}, all can be used"));
    }
    let rejections = view
        .rejections
        .iter()
        .map(|rejection| format!("{}: {}", text::key(&rejection.key), text::line(&rejection.reason.to_string())));
    let finding =
        format!("{sampled}, {} cannot be used: {}", counted(view.rejections.len(), "value"), shown("; ", rejections));
    if view.entry_count() == 0 { failure(SUBJECT, finding, fix) } else { warning(SUBJECT, finding, fix) }
}

/// Calls of every run must be allowed; calls of this check should be.
fn permissions(seen: &CheckFacts) -> Line {
    const SUBJECT: &str = "permissions";
    let needed =
        [seen.sample.as_ref().err(), seen.waf.as_ref().err(), seen.totals.as_ref().err()].into_iter().flatten();
    let needed = needed.chain(&seen.probes).chain(seen.web_acls.named().iter().filter_map(|acl| acl.as_ref().err()));
    let resources = seen.web_acls.read().filter_map(|acl| acl.resources.as_ref()?.as_ref().err());
    let further = seen.table.as_ref().err().into_iter().chain(seen.web_acls.trouble()).chain(resources);
    if let Some(denied) = Denied::of(needed) {
        return failure(SUBJECT, denied.said.join("; "), denied.fix);
    }
    if let Some(denied) = Denied::of(further) {
        let finding = format!("enough for plan, but not for all of this check: {}", denied.said.join("; "));
        return warning(SUBJECT, finding, denied.fix);
    }
    if seen.sample.is_err() || seen.waf.is_err() || seen.totals.is_err() || !seen.probes.is_empty() {
        return warning(SUBJECT, "some reads failed", "fix those first");
    }
    ok(
        SUBJECT,
        "every read of plan is allowed; the writes of apply were not tried: CreateIPSet, UpdateIPSet, CreateRuleGroup, \
         UpdateRuleGroup, TagResource",
    )
}

/// Missing permissions.
struct Denied<'a> {
    /// The distinct messages.
    said: Vec<&'a str>,
    /// How to fix all of them.
    fix: &'a str,
}

impl<'a> Denied<'a> {
    /// Collects them; `None` if there is none.
    fn of(troubles: impl Iterator<Item = &'a ReadError>) -> Option<Self> {
        const FIX: &str = "`wafsync iam-policy` prints the policy that the role needs, with --for plan, apply or check; a \
                            service control policy can deny it too";
        let mut said = Vec::new();
        let mut hint = None;
        for trouble in troubles.filter(|trouble| trouble.denied) {
            if !said.contains(&trouble.message.as_str()) {
                said.push(trouble.message.as_str());
            }
            hint = hint.or(trouble.hint.as_deref());
        }
        (!said.is_empty()).then(|| Self { said, fix: hint.unwrap_or(FIX) })
    }
}

fn rule_groups(settings: &Settings, target: &Target, waf: &Answer<Current>) -> Line {
    const SUBJECT: &str = "rule groups";
    let current = match waf {
        Ok(current) => current,
        Err(trouble) if trouble.denied => return unknown(SUBJECT, trouble),
        Err(trouble) => return failed(SUBJECT, trouble),
    };
    let any = settings.waf.policy.forwarded.as_ref().is_some_and(|forwarded| forwarded.position == Position::Any);
    let capacity = if any { GROUP_CAPACITY_ANY } else { GROUP_CAPACITY };
    let small: Vec<&RuleGroup> = current.groups.iter().filter(|group| group.capacity < capacity).collect();
    if !small.is_empty() {
        let list: Vec<String> = small.iter().map(|group| format!("{} ({} WCU)", group.name, group.capacity)).collect();
        let finding = format!("their capacity is below {capacity} WCU and can never be changed: {}", list.join(", "));
        let fix = "choose another --name, attach its rule groups, and delete the old ones";
        return failure(SUBJECT, finding, fix);
    }
    let needs_approval =
        |change: &RuleChange| matches!(change, RuleChange::OtherTable { .. } | RuleChange::DroppedReference { .. });
    let changes = rule_changes::guarded_changes(current, &settings.waf.policy, target);
    let changes = changes.iter().filter(|change| needs_approval(change)).map(ToString::to_string);
    let changes: Vec<String> = changes.map(|change| text::line(&change).into_owned()).collect();
    if !changes.is_empty() {
        let fix = "apply is blocked: correct --table, --adopt or the rule group, or approve the plan";
        return failure(SUBJECT, shown("; ", changes), fix);
    }
    let there = |number: &usize| current.groups.iter().any(|group| group.number == *number);
    let needed = 1..=settings.waf.limits.rule_groups();
    let missing: Vec<String> =
        needed.filter(|number| !there(number)).map(|number| format!("{}-{number}", settings.waf.name)).collect();
    if missing.is_empty() {
        ok(SUBJECT, format!("all exist, with {capacity} WCU or more"))
    } else {
        warning(SUBJECT, format!("missing: {}", missing.join(", ")), "the first apply creates them")
    }
}

/// What the rules match, and whether a client can forge it.
fn rule(settings: &Settings, waf: &Answer<Current>) -> Line {
    const SUBJECT: &str = "match";
    let policy = &settings.waf.policy;
    let current = match waf {
        Ok(current) => current,
        Err(trouble) => return unknown(SUBJECT, trouble),
    };
    let edited = |refers: bool| -> Vec<&str> {
        let is_edited =
            |rule: &GroupRule| matches!(rule, GroupRule::Edited { references, .. } if references.is_empty() != refers);
        current.groups.iter().filter(|group| is_edited(&group.rule)).map(|group| group.name.as_str()).collect()
    };
    let (edited, emptied) = (edited(true), edited(false));
    if !edited.is_empty() {
        return failure(
            SUBJECT,
            format!("the rule of {} was edited by hand and may not let clients in", edited.join(", ")),
            "undo the change in the rule group, or approve the plan that restores the rule: apply is blocked until then",
        );
    }
    let other = current.groups.iter().find_map(|group| match &group.rule {
        GroupRule::Standard { policy: now, .. } if now != policy => Some((group, now)),
        _ => None,
    });
    if let Some((group, now)) = other {
        let finding = format!("rule group {} does \"{now}\", the settings say \"{policy}\"", group.name);
        return failure(
            SUBJECT,
            finding,
            "apply is blocked: correct --action and --forwarded-ip-…, or approve the plan",
        );
    }
    let expected = policy.labels(&settings.waf.name);
    let labelled = current.groups.iter().find_map(|group| match &group.rule {
        GroupRule::Standard { labels, .. } if *labels != expected => Some((group, labels)),
        _ => None,
    });
    if let Some((group, now)) = labelled {
        let (now, expected) = (rule_changes::labels(now), rule_changes::labels(&expected));
        return failure(
            SUBJECT,
            format!("rule group {} adds {now}, the settings say {expected}", group.name),
            "undo the change in the rule group, or approve the plan that restores the rule: apply is blocked until then",
        );
    }
    if !emptied.is_empty() {
        let finding = format!("the rule of {} was edited by hand and refers to no IP set", emptied.join(", "));
        return warning(SUBJECT, finding, "the next apply restores it");
    }
    match &policy.forwarded {
        Some(forwarded) if forwarded.position != Position::Last => warning(
            SUBJECT,
            format!("\"{policy}\": a client can forge that address and let itself in"),
            "use --forwarded-ip-position last if every request passes a proxy that appends to the header",
        ),
        Some(_) => ok(SUBJECT, format!("\"{policy}\"; every request must pass a proxy that appends to the header")),
        None => ok(SUBJECT, format!("\"{policy}\" by the address of the connection")),
    }
}
