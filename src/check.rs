//! The preflight for people: what was seen of AWS becomes one line each, with how to mend it. A pure judgement.

mod labels;
mod quotas;
mod references;
mod search;
#[cfg(test)]
mod tests;
mod web_acls;

use std::fmt::{Display, Write as _};

use serde::Serialize;

use crate::current::{Current, GroupRule, RuleGroup};
use crate::item::TableView;
use crate::number::{counted, grouped};
use crate::plan::{GROUP_CAPACITY, GROUP_CAPACITY_ANY};
use crate::report::text::broken;
use crate::settings::{Position, Settings};
use crate::text;

pub use self::labels::{Condition, LabelKey};
pub use self::search::{Search, WebAcls};
pub use self::web_acls::{AclRule, AclState, RuleKind};

/// AWS's quota of IP sets and of rule groups in an account, Region and scope, unless it was raised (AWS WAF quotas).
const QUOTA: usize = 100;

/// So many of a list are shown in a line.
const SHOWN: usize = 3;

/// What stands under verdict and subject.
const INDENT: &str = "                           ";

/// What could not be asked, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What AWS said, with a hint.
    pub text: String,
    /// It was refused for want of a permission.
    pub denied: bool,
    /// There are no credentials, or they are not valid.
    pub credentials: bool,
}

impl Trouble {
    /// What AWS said, for a line that says itself what to do.
    fn words(&self) -> &str {
        self.text.rsplit_once("; hint: ").map_or(self.text.as_str(), |(words, _)| words)
    }
}

/// What AWS answered.
pub type Answer<T> = Result<T, Trouble>;

/// Everything that was looked at.
#[derive(Debug)]
pub struct Seen {
    /// Who is calling: an ARN.
    pub identity: Answer<String>,
    /// The table.
    pub table: Answer<TableState>,
    /// Some of its items.
    pub sample: Answer<Sample>,
    /// Our IP sets and rule groups.
    pub waf: Answer<Current>,
    /// What was said to reads of what is not there yet, other than that it is not there.
    pub probes: Vec<Trouble>,
    /// Everybody's.
    pub totals: Answer<Totals>,
    /// Web ACLs.
    pub web_acls: WebAcls,
}

/// Some items of the table.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What they ask for.
    pub view: TableView,
    /// There are no others.
    pub whole: bool,
}

/// What DynamoDB says of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    /// `ACTIVE` or what it is on the way to.
    pub status: String,
    /// Items, as counted some hours ago.
    pub items: u64,
}

/// What there is in the account, Region and scope, other people's included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// IP sets.
    pub ip_sets: usize,
    /// Rule groups.
    pub rule_groups: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A person should look.
    Warning,
    /// It will not work.
    Failure,
}

/// One line of the preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at; the same words at every run.
    pub subject: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// The preflight as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this document.
    pub version: u32,
    /// Whether nothing failed.
    pub ok: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

fn ok(subject: &'static str, finding: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Ok, finding: finding.into(), mend: None }
}

fn warning(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Warning, finding: finding.into(), mend: Some(mend.into()) }
}

fn failure(subject: &'static str, finding: impl Into<String>, mend: impl Into<String>) -> Line {
    Line { subject, verdict: Verdict::Failure, finding: finding.into(), mend: Some(mend.into()) }
}

/// The trouble has its own hint.
fn failed(subject: &'static str, trouble: &Trouble) -> Line {
    Line { subject, verdict: Verdict::Failure, finding: trouble.text.clone(), mend: None }
}

/// For want of what is ours in WAF, which another line gives the reason for.
fn unknown(subject: &'static str, trouble: &Trouble) -> Line {
    let mend = if trouble.denied { "see permissions" } else { "see rule groups" };
    failure(subject, "what there is of ours in WAF is not known", mend)
}

/// The preflight of a process that could not even begin to look.
#[must_use]
pub fn without_connection(error: &str) -> Report {
    let line = Line { subject: "connection", verdict: Verdict::Failure, finding: error.to_owned(), mend: None };
    Report { version: 1, ok: false, lines: vec![line] }
}

/// Judges what was seen.
#[must_use]
pub fn judge(settings: &Settings, seen: &Seen) -> Report {
    let mut lines = vec![
        credentials(&seen.identity),
        table(&seen.table),
        attributes(settings, &seen.sample),
        permissions(seen),
        quotas::ip_sets(settings, seen),
        quotas::rule_groups(settings, seen),
        rule_groups(settings, seen),
        rule(settings, seen),
    ];
    lines.extend(search::lines(settings, &seen.web_acls, seen.waf.as_ref().ok()));
    Report { version: 1, ok: lines.iter().all(|line| line.verdict != Verdict::Failure), lines }
}

fn credentials(identity: &Answer<String>) -> Line {
    const SUBJECT: &str = "credentials";
    match identity {
        Ok(arn) if arn.ends_with(":root") => warning(
            SUBJECT,
            format!("{} is the root user of the account", text::line(arn)),
            "give wafsync a role of its own: `wafsync iam-policy` prints its policy",
        ),
        Ok(arn) => ok(SUBJECT, text::line(arn)),
        Err(trouble) if trouble.credentials => failed(SUBJECT, trouble),
        Err(trouble) => warning(
            SUBJECT,
            format!("it is not known who they are: {}", trouble.words()),
            "nothing but this check needs STS; if the network does not lead there, this does not matter",
        ),
    }
}

fn table(table: &Answer<TableState>) -> Line {
    const SUBJECT: &str = "table";
    match table {
        Ok(table) if table.status == "ACTIVE" => {
            ok(SUBJECT, format!("it is there, with {} at the last count", counted(table.items, "item")))
        }
        Ok(table) if table.status == "UPDATING" => {
            warning(SUBJECT, "it is being changed and can be read meanwhile", "wait until it is ACTIVE")
        }
        Ok(table) => {
            let finding = format!("it is {} and cannot be read", text::line(&table.status));
            failure(SUBJECT, finding, "wait until it is ACTIVE, or restore it")
        }
        Err(trouble) if trouble.denied => warning(
            SUBJECT,
            trouble.words(),
            "nothing but this check needs dynamodb:DescribeTable; `wafsync iam-policy --for check` allows it",
        ),
        Err(trouble) => failed(SUBJECT, trouble),
    }
}

fn attributes(settings: &Settings, sample: &Answer<Sample>) -> Line {
    const SUBJECT: &str = "attributes";
    let view = match sample {
        Ok(sample) => &sample.view,
        Err(trouble) => return failed(SUBJECT, trouble),
    };
    let (key, cidrs) = (text::line(&settings.table.key_attribute), text::line(&settings.table.cidr_attribute));
    let mend = format!("check --cidr-attribute ({cidrs}) and --key-attribute ({key}), or correct the items");
    if view.items == 0 {
        let mend = "fill the table before the first apply; an empty one is blocked once addresses are in force";
        return warning(SUBJECT, "there is no item to look at", mend);
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
    if view.entries().is_empty() { failure(SUBJECT, finding, mend) } else { warning(SUBJECT, finding, mend) }
}

/// What every run calls must be allowed; what only this check calls should be.
fn permissions(seen: &Seen) -> Line {
    const SUBJECT: &str = "permissions";
    const MEND: &str = "`wafsync iam-policy` prints what the role has to allow, with --for plan, apply or check; a service \
                        control policy can forbid it too";
    let needed =
        [seen.sample.as_ref().err(), seen.waf.as_ref().err(), seen.totals.as_ref().err()].into_iter().flatten();
    let needed = needed.chain(&seen.probes).chain(seen.web_acls.named().iter().filter_map(|acl| acl.as_ref().err()));
    let resources = seen.web_acls.read().filter_map(|acl| acl.resources.as_ref()?.as_ref().err());
    let further = seen.table.as_ref().err().into_iter().chain(seen.web_acls.trouble()).chain(resources);
    let refused = denied(needed);
    if !refused.is_empty() {
        return failure(SUBJECT, refused.join("; "), MEND);
    }
    let refused = denied(further);
    if !refused.is_empty() {
        let finding = format!("enough for plan, but not for all of this check: {}", refused.join("; "));
        return warning(SUBJECT, finding, MEND);
    }
    if seen.sample.is_err() || seen.waf.is_err() || seen.totals.is_err() || !seen.probes.is_empty() {
        return warning(SUBJECT, "not everything that plan reads has answered", "mend the other lines first");
    }
    ok(
        SUBJECT,
        "all that plan reads may be read; what apply writes was not tried: CreateIPSet, UpdateIPSet, CreateRuleGroup, \
         UpdateRuleGroup, TagResource",
    )
}

/// What AWS said of each permission that is missing, each once.
fn denied<'a>(troubles: impl Iterator<Item = &'a Trouble>) -> Vec<&'a str> {
    let mut said = Vec::new();
    for trouble in troubles.filter(|trouble| trouble.denied) {
        if !said.contains(&trouble.words()) {
            said.push(trouble.words());
        }
    }
    said
}

fn rule_groups(settings: &Settings, seen: &Seen) -> Line {
    const SUBJECT: &str = "rule groups";
    let current = match &seen.waf {
        Ok(current) => current,
        Err(trouble) if trouble.denied => return unknown(SUBJECT, trouble),
        Err(trouble) => return failed(SUBJECT, trouble),
    };
    let any = settings.waf.policy.forwarded.as_ref().is_some_and(|forwarded| forwarded.position == Position::Any);
    let capacity = if any { GROUP_CAPACITY_ANY } else { GROUP_CAPACITY };
    let small: Vec<&RuleGroup> = current.groups.iter().filter(|group| group.capacity < capacity).collect();
    if !small.is_empty() {
        let list: Vec<String> = small.iter().map(|group| format!("{} ({} WCU)", group.name, group.capacity)).collect();
        let finding = format!("too small for {capacity} WCU, which can never be changed: {}", list.join(", "));
        let mend = "choose another --name, attach its rule groups, and delete the old ones";
        return failure(SUBJECT, finding, mend);
    }
    let there = |number: &usize| current.groups.iter().any(|group| group.number == *number);
    let needed = 1..=settings.waf.limits.rule_groups();
    let missing: Vec<String> =
        needed.filter(|number| !there(number)).map(|number| format!("{}-{number}", settings.waf.name)).collect();
    if missing.is_empty() {
        ok(SUBJECT, format!("all are there, of {capacity} WCU or more"))
    } else {
        warning(SUBJECT, format!("not there yet: {}", missing.join(", ")), "the first apply creates them")
    }
}

/// What the rules look at, and whether a client can forge it.
fn rule(settings: &Settings, seen: &Seen) -> Line {
    const SUBJECT: &str = "match";
    let policy = &settings.waf.policy;
    let current = match &seen.waf {
        Ok(current) => current,
        Err(trouble) => return unknown(SUBJECT, trouble),
    };
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
    match &policy.forwarded {
        Some(forwarded) if forwarded.position != Position::Last => warning(
            SUBJECT,
            format!("\"{policy}\": a client can forge that address and let itself in"),
            "use --forwarded-ip-position last if every request passes a proxy that appends to the header",
        ),
        Some(_) => ok(SUBJECT, format!("\"{policy}\"; every request has to pass a proxy that appends to the header")),
        None => ok(SUBJECT, format!("\"{policy}\" by the address of the connection")),
    }
}

/// The first of a list, and how many there are besides.
fn shown(separator: &str, list: impl IntoIterator<Item: Display>) -> String {
    let mut list = list.into_iter();
    let mut items: Vec<String> = list.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    match list.count() {
        0 => {}
        more => items.push(format!("and {more} more")),
    }
    items.join(separator)
}

impl Report {
    /// For a person at a terminal: an entry each, and how to mend it below.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let verdict = match line.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failure => "failure",
            };
            let finding = format!("{verdict:7}  {:16}  {}", line.subject, line.finding);
            let _ = writeln!(out, "{}", broken(INDENT, &finding));
            if let Some(mend) = &line.mend {
                let _ = writeln!(out, "{}", broken(&format!("{INDENT}   "), &format!("{INDENT}-> {mend}")));
            }
        }
        out
    }

    /// 0, or 1 if something failed.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }
}
