//! Converts the rules of a web ACL: references to rule groups, their overrides, and other rules that decide requests.

use aws_sdk_wafv2::types::{
    FirewallManagerRuleGroup, LabelMatchScope, OverrideAction, Rule, RuleAction, RuleGroupReferenceStatement,
    Statement, WebAcl as SdkWebAcl,
};

use super::rule_groups::each_statement;
use crate::model::policy::Action as RuleDoes;
use crate::model::web_acl::{Effect, Override, WebAcl};
use crate::preflight::facts::{AclRule, Condition, LabelKey, Phase, Priority, RuleKind};

/// A reference from a web ACL to a rule group of the account, in one of its own rules or by Firewall Manager.
pub(super) struct Reference<'a> {
    pub(super) group: &'a RuleGroupReferenceStatement,
    override_action: Option<&'a OverrideAction>,
}

impl Reference<'_> {
    /// The override of the group's rule.
    fn override_of(&self, rule_name: &str) -> Override {
        override_of(self.override_action, self.group, rule_name)
    }
}

/// All references from a web ACL to rule groups of the account, including those that Firewall Manager attached.
pub(super) fn references_of(acl: &SdkWebAcl) -> impl Iterator<Item = Reference<'_>> {
    let of_firewall_manager =
        [&acl.pre_process_firewall_manager_rule_groups, &acl.post_process_firewall_manager_rule_groups];
    let imposed = of_firewall_manager.into_iter().flatten().flatten().filter_map(|imposed| {
        let group = imposed.firewall_manager_statement.as_ref()?.rule_group_reference_statement.as_ref()?;
        Some(Reference { group, override_action: imposed.override_action.as_ref() })
    });
    let own = acl.rules.iter().flatten().filter_map(|rule| {
        let group = rule.statement.as_ref()?.rule_group_reference_statement.as_ref()?;
        Some(Reference { group, override_action: rule.override_action.as_ref() })
    });
    imposed.chain(own)
}

/// Converts a web ACL: the rule groups that let clients in, and those that an override disables.
pub(super) fn web_acl(acl: &SdkWebAcl, rule_name: &str, action: RuleDoes) -> WebAcl {
    let (mut refers_to, mut overridden) = (Vec::new(), Vec::new());
    for reference in references_of(acl) {
        let lets_in = reference.override_of(rule_name).lets_in(action);
        if lets_in { &mut refers_to } else { &mut overridden }.push(reference.group.arn.clone());
    }
    WebAcl { name: acl.name.clone(), arn: acl.arn.clone(), refers_to, overridden }
}

/// The override of the group's rule `rule_name` in a reference.
fn override_of(action: Option<&OverrideAction>, group: &RuleGroupReferenceStatement, rule_name: &str) -> Override {
    // AWS requires one of the two; a reference with neither is not trusted.
    if action.is_none() || counted(action) {
        return Override::WholeToCount;
    }
    if let Some(over) = group.rule_action_overrides().iter().find(|over| over.name == rule_name) {
        return Override::To(effect(over.action_to_use.as_ref()));
    }
    // The older form of an override to Count.
    let excluded = group.excluded_rules().iter().any(|rule| rule.name == rule_name);
    if excluded { Override::To(Effect::Count) } else { Override::None }
}

/// Whether the whole rule group only counts.
pub(super) fn counted(action: Option<&OverrideAction>) -> bool {
    action.is_some_and(|action| action.count.is_some())
}

fn effect(action: Option<&RuleAction>) -> Effect {
    match action {
        Some(RuleAction { allow: Some(_), .. }) => Effect::Allow,
        Some(RuleAction { block: Some(_), .. }) => Effect::Block,
        Some(RuleAction { count: Some(_), .. }) => Effect::Count,
        Some(RuleAction { captcha: Some(_), .. }) => Effect::Captcha,
        Some(RuleAction { challenge: Some(_), .. }) => Effect::Challenge,
        _ => Effect::Other,
    }
}

/// Converts all rules of a web ACL.
pub(super) fn rules(acl: &SdkWebAcl, rule_name: &str) -> Vec<AclRule> {
    let rule = |rule: &Rule| {
        let statement = rule.statement.as_ref();
        let kind = if let Some(group) = statement.and_then(|s| s.rule_group_reference_statement.as_ref()) {
            RuleKind::Group {
                arn: group.arn.clone(),
                with: override_of(rule.override_action.as_ref(), group, rule_name),
            }
        } else if statement.is_some_and(|s| s.managed_rule_group_statement.is_some()) {
            RuleKind::Managed { counted: counted(rule.override_action.as_ref()) }
        } else {
            let on = statement.map_or(Condition::Other(Vec::new()), condition);
            RuleKind::Plain { effect: effect(rule.action.as_ref()), on }
        };
        AclRule { name: rule.name.clone(), priority: Priority::own(rule.priority), kind }
    };
    let imposed = |phase, groups: &Option<Vec<FirewallManagerRuleGroup>>| {
        let rule = |imposed: &FirewallManagerRuleGroup| {
            let action = imposed.override_action.as_ref();
            let group = imposed.firewall_manager_statement.as_ref();
            let kind = match group.and_then(|statement| statement.rule_group_reference_statement.as_ref()) {
                Some(group) => RuleKind::Group { arn: group.arn.clone(), with: override_of(action, group, rule_name) },
                None => RuleKind::Managed { counted: counted(action) },
            };
            AclRule { name: imposed.name.clone(), priority: Priority { phase, number: imposed.priority }, kind }
        };
        groups.iter().flatten().map(rule).collect::<Vec<_>>()
    };
    let mut rules = imposed(Phase::FirewallManagerFirst, &acl.pre_process_firewall_manager_rule_groups);
    rules.extend(acl.rules.iter().flatten().map(rule));
    rules.extend(imposed(Phase::FirewallManagerLast, &acl.post_process_firewall_manager_rule_groups));
    rules
}

fn condition(statement: &Statement) -> Condition {
    let negated = || statement.not_statement.as_ref()?.statement.as_deref().and_then(any_label);
    if let Some(keys) = any_label(statement) {
        Condition::Any(keys)
    } else if let Some(keys) = negated() {
        Condition::None(keys)
    } else {
        let mut keys = Vec::new();
        each_statement(statement, &mut |part| keys.extend(label_key(part)));
        Condition::Other(keys)
    }
}

/// The labels of a statement that matches any of them.
fn any_label(statement: &Statement) -> Option<Vec<LabelKey>> {
    match &statement.or_statement {
        Some(any) => any.statements.iter().map(label_key).collect(),
        None => Some(vec![label_key(statement)?]),
    }
}

fn label_key(statement: &Statement) -> Option<LabelKey> {
    let label = statement.label_match_statement.as_ref()?;
    let key = label.key.clone();
    Some(if label.scope == LabelMatchScope::Namespace { LabelKey::Namespace(key) } else { LabelKey::Label(key) })
}

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{
        AllowAction, AndStatement, BlockAction, CaptchaAction, ChallengeAction, CountAction, ExcludedRule,
        FirewallManagerStatement, LabelMatchStatement, ManagedRuleGroupStatement, NoneAction, NotStatement,
        OrStatement, RuleActionOverride, VisibilityConfig,
    };

    use super::*;

    fn rule(count: bool, edit: impl FnOnce(&mut RuleGroupReferenceStatement)) -> Rule {
        let mut group = RuleGroupReferenceStatement::builder().arn("arn:group").build().unwrap();
        edit(&mut group);
        let action = if count {
            OverrideAction::builder().count(CountAction::builder().build())
        } else {
            OverrideAction::builder().none(NoneAction::builder().build())
        };
        let visibility = VisibilityConfig::builder()
            .metric_name("m")
            .sampled_requests_enabled(true)
            .cloud_watch_metrics_enabled(true)
            .build()
            .unwrap();
        Rule::builder()
            .name("r")
            .priority(1)
            .statement(Statement::builder().rule_group_reference_statement(group).build())
            .override_action(action.build())
            .visibility_config(visibility)
            .build()
            .unwrap()
    }

    /// A reference in which the action of this rule of the group is another one.
    fn overriding(name: &str, action: RuleAction) -> Rule {
        let entry = RuleActionOverride::builder().name(name).action_to_use(action).build().unwrap();
        rule(false, |group| group.rule_action_overrides = Some(vec![entry]))
    }

    fn acl_of(rules: Vec<Rule>) -> SdkWebAcl {
        SdkWebAcl::builder().name("front").id("id").arn("arn:acl").set_rules(Some(rules)).build().unwrap()
    }

    /// Whether clients get in by the group, if its rule allows, and if it counts.
    fn lets_in(rule: &Rule) -> [bool; 2] {
        [RuleDoes::Allow, RuleDoes::Count].map(|action| {
            let acl = acl_of(vec![rule.clone()]);
            let WebAcl { refers_to, overridden, .. } = web_acl(&acl, "wafsync", action);
            assert_eq!([refers_to, overridden.clone()].concat(), ["arn:group"], "it is in one of the lists");
            overridden.is_empty()
        })
    }

    #[test]
    fn a_reference_counts_if_no_override_shuts_out_whom_our_rule_matches() {
        let action = RuleAction::builder;
        let count = || action().count(CountAction::builder().build()).build();
        assert_eq!(lets_in(&rule(false, |_| ())), [true, true]);
        assert_eq!(lets_in(&rule(true, |_| ())), [false, false], "the whole group is counted");
        assert_eq!(lets_in(&overriding("another", count())), [true, true], "we have no such rule");
        assert_eq!(lets_in(&overriding("wafsync", count())), [false, true]);
        let excluded = ExcludedRule::builder().name("wafsync").build().unwrap();
        let excluded = rule(false, |group| group.excluded_rules = Some(vec![excluded]));
        assert_eq!(lets_in(&excluded), [false, true], "as an override to Count");
        let allow = action().allow(AllowAction::builder().build()).build();
        assert_eq!(lets_in(&overriding("wafsync", allow)), [true, true]);
        for stops in [
            action().block(BlockAction::builder().build()).build(),
            action().captcha(CaptchaAction::builder().build()).build(),
            action().challenge(ChallengeAction::builder().build()).build(),
            action().build(),
        ] {
            assert_eq!(lets_in(&overriding("wafsync", stops.clone())), [false, false], "{stops:?}");
        }
    }

    #[test]
    fn a_reference_without_a_word_on_overrides_is_not_trusted() {
        let mut unsaid = rule(false, |_| ());
        unsaid.override_action = None;
        assert_eq!(lets_in(&unsaid), [false, false], "AWS wants either None or Count there");
    }

    #[test]
    fn a_rule_group_that_firewall_manager_attached_counts_as_a_reference() {
        let imposed = |arn: &str, count: bool| {
            let rule = rule(count, |group| group.arn = arn.to_owned());
            let reference = rule.statement.and_then(|statement| statement.rule_group_reference_statement).unwrap();
            FirewallManagerRuleGroup::builder()
                .name(arn)
                .priority(0)
                .firewall_manager_statement(
                    FirewallManagerStatement::builder().rule_group_reference_statement(reference).build(),
                )
                .override_action(rule.override_action.unwrap())
                .visibility_config(rule.visibility_config.unwrap())
                .build()
                .unwrap()
        };
        let mut acl = acl_of(Vec::new());
        acl.pre_process_firewall_manager_rule_groups = Some(vec![imposed("arn:first", false)]);
        acl.post_process_firewall_manager_rule_groups = Some(vec![imposed("arn:last", true)]);
        let WebAcl { refers_to, overridden, .. } = web_acl(&acl, "wafsync", RuleDoes::Allow);
        assert_eq!((refers_to, overridden), (vec!["arn:first".to_owned()], vec!["arn:last".to_owned()]));
    }

    fn label(scope: LabelMatchScope, key: &str) -> Statement {
        let label = LabelMatchStatement::builder().scope(scope).key(key).build().unwrap();
        Statement::builder().label_match_statement(label).build()
    }

    fn any(parts: Vec<Statement>) -> Statement {
        Statement::builder().or_statement(OrStatement::builder().set_statements(Some(parts)).build().unwrap()).build()
    }

    fn not(part: Statement) -> Statement {
        Statement::builder().not_statement(NotStatement::builder().statement(part).build()).build()
    }

    #[test]
    fn a_condition_on_labels_is_any_of_them_none_of_them_or_something_else_with_them() {
        let (one, two) = (|| label(LabelMatchScope::Label, "one"), || label(LabelMatchScope::Namespace, "two:"));
        let first = || LabelKey::Label("one".to_owned());
        let both = || vec![first(), LabelKey::Namespace("two:".to_owned())];
        assert_eq!(condition(&one()), Condition::Any(vec![first()]));
        assert_eq!(condition(&any(vec![one(), two()])), Condition::Any(both()));
        assert_eq!(condition(&not(one())), Condition::None(vec![first()]));
        assert_eq!(condition(&not(any(vec![one(), two()]))), Condition::None(both()));
        let and = AndStatement::builder().statements(not(one())).statements(two()).build().unwrap();
        assert_eq!(condition(&Statement::builder().and_statement(and).build()), Condition::Other(both()));
        assert_eq!(condition(&not(not(one()))), Condition::Other(vec![first()]));
        assert_eq!(
            condition(&any(vec![one(), any(vec![two(), one()])])),
            Condition::Other([both(), vec![first()]].concat())
        );
        assert_eq!(condition(&Statement::builder().build()), Condition::Other(Vec::new()));
    }

    #[test]
    fn the_rules_of_a_web_acl_are_references_managed_rule_groups_and_others() {
        let managed = ManagedRuleGroupStatement::builder().vendor_name("AWS").name("Common").build().unwrap();
        let managed = |count| {
            let mut rule = rule(count, |_| ());
            rule.statement = Some(Statement::builder().managed_rule_group_statement(managed.clone()).build());
            rule
        };
        let mut plain = rule(false, |_| ());
        plain.statement = Some(label(LabelMatchScope::Label, "one"));
        (plain.action, plain.override_action) =
            (Some(RuleAction::builder().block(BlockAction::builder().build()).build()), None);
        let mut empty = plain.clone();
        empty.statement = None;
        let rules = vec![rule(false, |_| ()), managed(true), managed(false), plain, empty];
        let kinds: Vec<RuleKind> = super::rules(&acl_of(rules), "wafsync").into_iter().map(|rule| rule.kind).collect();
        let plain = |on| RuleKind::Plain { effect: Effect::Block, on };
        let expected = [
            RuleKind::Group { arn: "arn:group".to_owned(), with: Override::None },
            RuleKind::Managed { counted: true },
            RuleKind::Managed { counted: false },
            plain(Condition::Any(vec![LabelKey::Label("one".to_owned())])),
            plain(Condition::Other(Vec::new())),
        ];
        assert_eq!(kinds, expected);
    }
}
