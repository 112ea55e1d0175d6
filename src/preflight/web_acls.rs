//! Judges a web ACL: its default action, the order of its rules, and what it protects.

use super::facts::{AclRule, AclState, RuleKind};
use super::labels::{after_ours, decision, label};
use super::line::{Line, failed, failure, ok, shown, warning};
use super::references::references;
use super::view::{Ours, View, is_ours};
use crate::model::current::RuleGroup;
use crate::model::policy::Action;
use crate::model::settings::Settings;
use crate::model::web_acl::{Effect, Override};
use crate::text;

/// Judges a web ACL.
pub(super) fn lines(acl: &AclState, settings: &Settings, groups: Option<&[RuleGroup]>) -> Vec<Line> {
    let action = settings.waf.policy.action;
    let ours = |group| Ours {
        group,
        label: label(group, &settings.waf.name),
        place: acl
            .rules
            .iter()
            .filter_map(|rule| match &rule.kind {
                RuleKind::Group { arn, with } if *arn == group.arn => Some((rule.priority, *with)),
                _ => None,
            })
            .min_by_key(|(priority, with)| (!with.lets_in(action), *priority)),
    };
    let ours = groups.map(|groups| groups.iter().map(ours).collect());
    let view = View { acl, name: format!("web ACL {}", text::line(&acl.name)), action, ours };
    [Some(references(&view)), Some(default_action(&view)), order(&view), Some(association(&view))]
        .into_iter()
        .flatten()
        .collect()
}

fn default_action(view: &View<'_>) -> Line {
    const SUBJECT: &str = "default action";
    let name = &view.name;
    match (view.action, view.acl.blocks, &view.ours) {
        (Action::Allow, true, _) => ok(SUBJECT, format!("{name} blocks what no rule lets in")),
        (Action::Allow, false, _) => failure(
            SUBJECT,
            format!("{name} lets in what no rule blocks: the allow-list protects nothing"),
            "set its default action to Block, once the rule groups are in force",
        ),
        (Action::Count, _, None) => {
            warning(SUBJECT, format!("{name}: the labels of our rule groups are unknown"), "see above")
        }
        (Action::Count, _, Some(ours)) => decision(SUBJECT, view, ours),
    }
}

/// Judges the order of rules; `None` if no reference to our rule groups is effective.
fn order(view: &View<'_>) -> Option<Line> {
    let ours = view.ours.as_ref()?;
    ours.iter().find_map(|our| our.priority(view.action))?;
    match view.action {
        Action::Allow => Some(before_ours(view, ours)),
        Action::Count => after_ours(view, ours),
    }
}

/// Judges the rules before our rule groups, which may block clients that those let in.
fn before_ours(view: &View<'_>, ours: &[Ours<'_>]) -> Line {
    const SUBJECT: &str = "order";
    let (name, acl) = (&view.name, view.acl);
    let last = ours.iter().filter_map(|our| our.priority(view.action)).max();
    let may_block = |rule: &&AclRule| match &rule.kind {
        RuleKind::Plain { effect, .. } => !matches!(effect, Effect::Allow | Effect::Count),
        RuleKind::Managed { counted } => !counted,
        RuleKind::Group { arn, with } => *with != Override::WholeToCount && !is_ours(arn, ours),
    };
    let mut early: Vec<&AclRule> =
        acl.rules.iter().filter(|rule| Some(rule.priority) < last).filter(may_block).collect();
    early.sort_by_key(|rule| rule.priority);
    let early = early.iter().map(|rule| format!("{} ({})", text::line(&rule.name), rule.priority));
    let early: Vec<String> = early.collect();
    if early.is_empty() {
        return ok(SUBJECT, format!("{name} asks our rule groups before every rule that may block"));
    }
    let finding =
        format!("{name} asks {} first, which may block clients that our rule groups let in", shown(", ", early));
    warning(SUBJECT, finding, "give the references lower priorities, unless this is intended")
}

fn association(view: &View<'_>) -> Line {
    const SUBJECT: &str = "association";
    let name = &view.name;
    match &view.acl.resources {
        None => {
            let finding = format!("{name}: WAF does not list the distributions of a web ACL for CloudFront");
            warning(SUBJECT, finding, "check that the distribution's WebACLId is this web ACL")
        }
        Some(Ok(resources)) if resources.is_empty() => {
            let fix = "once every other line is ok, associate it with the load balancer";
            warning(SUBJECT, format!("{name} protects nothing"), fix)
        }
        Some(Ok(resources)) => {
            ok(SUBJECT, format!("{name} protects {}", shown(", ", resources.iter().map(|arn| text::line(arn)))))
        }
        Some(Err(trouble)) if trouble.denied => warning(
            SUBJECT,
            trouble.message.as_str(),
            "only this check needs wafv2:ListResourcesForWebACL; `wafsync iam-policy --for check` allows it",
        ),
        Some(Err(trouble)) => failed(SUBJECT, trouble),
    }
}
