//! Labels of `--action count`: whether a web ACL lets in exactly the clients that our rule groups label.

use super::facts::{AclRule, AclState, Condition, LabelKey, RuleKind};
use super::line::{Line, failure, ok, shown, warning};
use super::view::{Ours, View, is_ours, names};
use crate::model::current::RuleGroup;
use crate::model::web_acl::{Effect, Override};
use crate::text;

impl LabelKey {
    /// Whether it matches the label that one of our rule groups adds.
    ///
    /// It needs the whole prefix of the rule group: without it, AWS assumes that of the web ACL with the rule (AWS WAF
    /// Developer Guide, "Label match examples").
    fn asks_for(&self, label: &str) -> bool {
        self.parts(label).is_some_and(|(key, part)| key == part)
    }

    /// Whether it is the label without its prefix.
    fn is_short_for(&self, label: &str) -> bool {
        let rest = self.parts(label).and_then(|(key, part)| part.strip_suffix(key));
        rest.is_some_and(|rest| rest.ends_with(':'))
    }

    /// The key, and the part of the label to compare it with.
    fn parts<'a>(&'a self, label: &'a str) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Label(key) => Some((key, label)),
            Self::Namespace(key) => Some((key.trim_end_matches(':'), label.rsplit_once(':')?.0)),
        }
    }
}

/// The label that a rule group adds: `awswaf:ACCOUNT:rulegroup:NAME-1:NAME`.
pub(super) fn label(group: &RuleGroup, installation: &str) -> String {
    let account = group.arn.split(':').nth(4).unwrap_or_default();
    format!("awswaf:{account}:rulegroup:{}:{installation}", group.name)
}

/// The rules that tell by our labels who gets in, of the two shapes that can be judged: under the default action Allow
/// one that blocks clients without any of the labels, under Block one that lets in clients with any.
fn deciding<'a>(acl: &'a AclState, ours: &[Ours<'_>]) -> Vec<(&'a AclRule, &'a [LabelKey])> {
    let keys = |rule: &'a AclRule| match &rule.kind {
        RuleKind::Plain { effect: Effect::Block, on: Condition::None(keys) } if !acl.blocks => Some(keys.as_slice()),
        RuleKind::Plain { effect: Effect::Allow, on: Condition::Any(keys) } if acl.blocks => Some(keys.as_slice()),
        _ => None,
    };
    let rules = acl.rules.iter().filter_map(|rule| Some((rule, keys(rule)?)));
    rules.filter(|(_, keys)| mentions(keys, ours)).collect()
}

fn mentions(keys: &[LabelKey], ours: &[Ours<'_>]) -> bool {
    ours.iter().any(|our| keys.iter().any(|key| key.asks_for(&our.label) || key.is_short_for(&our.label)))
}

fn asks_for(keys: &[LabelKey], our: &Ours<'_>) -> bool {
    keys.iter().any(|key| key.asks_for(&our.label))
}

/// Judges whether the web ACL lets in exactly the clients that our rule groups label.
pub(super) fn decision(subject: &'static str, view: &View<'_>, ours: &[Ours<'_>]) -> Line {
    let (name, acl) = (&view.name, view.acl);
    let default = if acl.blocks { "blocks what no rule lets in" } else { "lets in what no rule blocks" };
    if ours.is_empty() {
        let finding = format!("{name} {default}, and no rule group of ours exists yet whose labels it could match");
        return warning(subject, finding, "apply, then attach the rule groups");
    }
    let rules = deciding(acl, ours);
    if rules.is_empty() {
        return without_decision(subject, view, ours, default);
    }
    // A rule that blocks has to match every label; of rules that let in, one match is enough.
    let lacks = |our: &&Ours<'_>| {
        let mut asked = rules.iter().map(|(_, keys)| asks_for(keys, our));
        !(if acl.blocks { asked.any(|asked| asked) } else { asked.all(|asked| asked) })
    };
    let lacking: Vec<&Ours<'_>> = ours.iter().filter(lacks).collect();
    let found = names(rules.iter().map(|(rule, _)| *rule));
    if lacking.is_empty() {
        let rest = if acl.blocks { "lets in clients with one" } else { "blocks clients without any" };
        return ok(subject, format!("{name} {default}, and {found} {rest} of our labels"));
    }
    let groups: Vec<&str> = lacking.iter().map(|our| our.group.name.as_str()).collect();
    let labels: Vec<&str> = lacking.iter().map(|our| our.label.as_str()).collect();
    let groups = groups.join(", ");
    let finding = format!(
        "{name} {default}; clients that {groups} labels are blocked, because {found} does not match that label"
    );
    let short =
        rules.iter().flat_map(|(_, keys)| *keys).any(|key| lacking.iter().any(|our| key.is_short_for(&our.label)));
    let whole = if short { ", in full: without that prefix it is a label of the web ACL itself" } else { "" };
    let fix = format!("make it match {} too{whole}", shown(", ", labels));
    let used = lacking.iter().any(|our| our.is_used());
    if used { failure(subject, finding, fix) } else { warning(subject, finding, fix) }
}

/// The line if no rule has a form that can be judged; other rules may still decide.
fn without_decision(subject: &'static str, view: &View<'_>, ours: &[Ours<'_>], default: &str) -> Line {
    let (name, acl) = (&view.name, view.acl);
    let may_decide = |rule: &&AclRule| match &rule.kind {
        RuleKind::Plain { on, .. } => mentions(on.keys(), ours),
        RuleKind::Group { arn, with } => *with != Override::WholeToCount && !is_ours(arn, ours),
        RuleKind::Managed { .. } => false,
    };
    let others: Vec<&AclRule> = acl.rules.iter().filter(may_decide).collect();
    if !others.is_empty() {
        let others = names(others.into_iter());
        let finding = format!("{name} {default}; the effect of {others} on our labels is unknown");
        return warning(subject, finding, "make sure that only clients with one of our labels get in");
    }
    if acl.blocks {
        let finding = format!("{name} {default}, and no rule lets in clients with one of our labels: no one gets in");
        failure(
            subject,
            finding,
            "set its default action to Allow and block clients without any of our labels, or use --action allow",
        )
    } else {
        let finding =
            format!("{name} {default}, and no rule blocks clients without any of our labels: it protects nothing");
        failure(subject, finding, "add such a rule after the rule groups; see docs/web-acl.md")
    }
}

/// A rule that matches a label before it is added does not see it.
pub(super) fn after_ours(view: &View<'_>, ours: &[Ours<'_>]) -> Option<Line> {
    const SUBJECT: &str = "order";
    let (name, acl) = (&view.name, view.acl);
    let rules = deciding(acl, ours);
    if rules.is_empty() {
        return None;
    }
    let mut too_early: Vec<&AclRule> = Vec::new();
    for our in ours {
        let Some(priority) = our.priority(view.action) else { continue };
        let asking = rules.iter().filter(|(_, keys)| !acl.blocks || asks_for(keys, our)).map(|(rule, _)| *rule);
        let (early, late): (Vec<_>, Vec<_>) = asking.partition(|rule| rule.priority < priority);
        if !acl.blocks || late.is_empty() {
            too_early.extend(early);
        }
    }
    too_early.sort_by_key(|rule| rule.priority);
    too_early.dedup();
    if !too_early.is_empty() {
        let finding = format!(
            "{name} matches our labels in {} before all rule groups have added them",
            names(too_early.into_iter())
        );
        return Some(failure(SUBJECT, finding, "give it a higher priority number than the references have"));
    }
    let found = names(rules.iter().map(|(rule, _)| *rule));
    let finding = format!("{name} matches our labels in {found}, after the rule groups");
    let later = later_blocks(view, ours, &rules);
    if later.is_empty() {
        return Some(ok(SUBJECT, finding));
    }
    let later = shown(", ", later.into_iter().map(|rule| format!("{} ({})", text::line(&rule.name), rule.priority)));
    Some(warning(
        SUBJECT,
        format!("{finding}; clients with one may still be blocked by {later}"),
        "unless intended, exempt requests with one of our labels from these rules",
    ))
}

/// The rules after our rule groups that may block a client with one of our labels.
fn later_blocks<'a>(view: &View<'a>, ours: &[Ours<'_>], deciding: &[(&AclRule, &[LabelKey])]) -> Vec<&'a AclRule> {
    let acl = view.acl;
    let first = ours.iter().filter_map(|our| our.priority(view.action)).min();
    // Under the default action Block, the rule that lets labeled clients in ends the evaluation.
    let last = deciding.iter().map(|(rule, _)| rule.priority).max().filter(|_| acl.blocks);
    let exempts = |keys: &[LabelKey]| ours.iter().all(|our| asks_for(keys, our));
    let may_block = |rule: &&AclRule| match &rule.kind {
        RuleKind::Plain { effect: Effect::Allow | Effect::Count, .. } => false,
        RuleKind::Plain { on: Condition::None(keys), .. } => !exempts(keys),
        RuleKind::Plain { .. } => true,
        RuleKind::Managed { counted } => !counted,
        RuleKind::Group { arn, with } => *with != Override::WholeToCount && !is_ours(arn, ours),
    };
    let decides = |rule: &AclRule| deciding.iter().any(|(other, _)| std::ptr::eq(*other, rule));
    let may_block = |rule: &&AclRule| !decides(rule) && may_block(rule);
    let after = |rule: &&AclRule| Some(rule.priority) > first && last.is_none_or(|last| rule.priority < last);
    let mut later: Vec<&AclRule> = acl.rules.iter().filter(after).filter(may_block).collect();
    later.sort_by_key(|rule| rule.priority);
    later
}
