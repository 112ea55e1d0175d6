//! Web ACLs: read, never written.

use aws_sdk_wafv2::types::{LabelMatchScope, OverrideAction, Rule, RuleAction, RuleGroupReferenceStatement, Statement};

use super::call::Call;
use super::connection::{WafReader, waf_scope};
use super::error::AwsError;
use super::governor::Action;
use super::pages::{LIST_LIMIT, Next, Pages};
use super::rule_groups::each_statement;
use crate::model::policy::Action as RuleDoes;
use crate::model::settings::WafSettings;
use crate::model::web_acl::{Effect, Override, WebAcl};
use crate::preflight::facts::{AclRule, Condition, LabelKey, RuleKind};
use crate::stop::Stop;

impl WafReader {
    /// The web ACLs that were named, by name or ARN.
    pub(super) async fn web_acls(&self, settings: &WafSettings, stop: &Stop) -> Result<Vec<WebAcl>, AwsError> {
        let named = &settings.web_acls;
        let listed = if named.iter().any(|acl| !is_arn(acl)) { self.list_web_acls(stop).await? } else { Vec::new() };
        let mut acls: Vec<WebAcl> = Vec::new();
        for acl in named {
            let arn = self.arn_of(acl, &listed)?;
            if !acls.iter().any(|known| known.arn == *arn) {
                let acl = self.get_web_acl(acl, arn, stop).await?;
                let rules = acl.rules.as_deref().unwrap_or_default();
                let (refers_to, overridden) = references(rules, &self.target.name, settings.policy.action);
                acls.push(WebAcl { name: acl.name, arn: acl.arn, refers_to, overridden });
            }
        }
        Ok(acls)
    }

    /// One web ACL, by name or ARN, as AWS shows it.
    pub(super) async fn whole_web_acl(
        &self,
        named: &str,
        stop: &Stop,
    ) -> Result<aws_sdk_wafv2::types::WebAcl, AwsError> {
        let listed = if is_arn(named) { Vec::new() } else { self.list_web_acls(stop).await? };
        self.get_web_acl(named, self.arn_of(named, &listed)?, stop).await
    }

    fn arn_of<'a>(&self, named: &'a str, listed: &'a [(String, String)]) -> Result<&'a str, AwsError> {
        if is_arn(named) {
            return Ok(named);
        }
        let found = listed.iter().find(|(name, _)| name == named).map(|(_, arn)| arn.as_str());
        found.ok_or_else(|| {
            let cause = format!("there is no web ACL of this name in {} scope", self.target.scope);
            let hint = "check --web-acl, --scope and AWS_REGION";
            AwsError::unusable(Action::ListWebAcls.name(), named, &cause, Some(hint))
        })
    }

    /// Name and ARN of every web ACL of the scope.
    pub(super) async fn list_web_acls(&self, stop: &Stop) -> Result<Vec<(String, String)>, AwsError> {
        let mut pages = Pages::default();
        let mut acls = Vec::new();
        while let Some(Next(marker)) = pages.next(Action::ListWebAcls)? {
            let call = Call::begin(&self.governor, Action::ListWebAcls, "all", &self.target.region, stop).await?;
            let request =
                self.waf.list_web_acls().scope(waf_scope(self.scope)).limit(LIST_LIMIT).set_next_marker(marker);
            let sent = request.customize().config_override(call.waf()).send().await;
            let answer = call.end(sent)?;
            let page = pages.seen(Action::ListWebAcls, answer.next_marker, answer.web_acls)?;
            acls.extend(page.into_iter().filter_map(|summary| Some((summary.name?, summary.arn?))));
        }
        Ok(acls)
    }

    pub(super) async fn get_web_acl(
        &self,
        named: &str,
        arn: &str,
        stop: &Stop,
    ) -> Result<aws_sdk_wafv2::types::WebAcl, AwsError> {
        let call = Call::begin(&self.governor, Action::GetWebAcl, named, &self.target.region, stop).await?;
        let sent = self.waf.get_web_acl().arn(arn).customize().config_override(call.waf()).send().await;
        let answer = call.end(sent)?;
        let unusable = || AwsError::unusable(Action::GetWebAcl.name(), named, "the answer lacks the web ACL", None);
        answer.web_acl.ok_or_else(unusable)
    }
}

fn is_arn(acl: &str) -> bool {
    acl.starts_with("arn:")
}

/// The rule groups that the rules refer to and by which clients get in, and those by which an override lets nobody in.
fn references(rules: &[Rule], rule_name: &str, action: RuleDoes) -> (Vec<String>, Vec<String>) {
    let (mut refers_to, mut overridden) = (Vec::new(), Vec::new());
    for rule in rules {
        let Some(group) = rule.statement.as_ref().and_then(|s| s.rule_group_reference_statement.as_ref()) else {
            continue;
        };
        let list = if override_of(rule, group, rule_name).lets_in(action) { &mut refers_to } else { &mut overridden };
        list.push(group.arn.clone());
    }
    (refers_to, overridden)
}

/// What the rule, which refers to the group, makes of the group's rule `rule_name`.
fn override_of(rule: &Rule, group: &RuleGroupReferenceStatement, rule_name: &str) -> Override {
    // AWS wants one or the other; what says neither is not trusted.
    if rule.override_action.is_none() || counted(rule.override_action.as_ref()) {
        return Override::WholeToCount;
    }
    if let Some(over) = group.rule_action_overrides().iter().find(|over| over.name == rule_name) {
        return Override::To(effect(over.action_to_use.as_ref()));
    }
    // The older way to say the same of Count.
    let excluded = group.excluded_rules().iter().any(|rule| rule.name == rule_name);
    if excluded { Override::To(Effect::Count) } else { Override::None }
}

/// Whether what comes of a rule group is only counted.
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

/// The rules of a web ACL as values.
pub(super) fn rules(acl: &aws_sdk_wafv2::types::WebAcl, rule_name: &str) -> Vec<AclRule> {
    let rule = |rule: &Rule| {
        let statement = rule.statement.as_ref();
        let kind = if let Some(group) = statement.and_then(|s| s.rule_group_reference_statement.as_ref()) {
            RuleKind::Group { arn: group.arn.clone(), with: override_of(rule, group, rule_name) }
        } else if statement.is_some_and(|s| s.managed_rule_group_statement.is_some()) {
            RuleKind::Managed { counted: counted(rule.override_action.as_ref()) }
        } else {
            let on = statement.map_or(Condition::Other(Vec::new()), condition);
            RuleKind::Plain { effect: effect(rule.action.as_ref()), on }
        };
        AclRule { name: rule.name.clone(), priority: rule.priority, kind }
    };
    acl.rules.iter().flatten().map(rule).collect()
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

/// The labels of a statement that matches if there is any of them.
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
        LabelMatchStatement, ManagedRuleGroupStatement, NoneAction, NotStatement, OrStatement, RuleActionOverride,
        VisibilityConfig, WebAcl,
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

    /// Whether clients get in by the group, if its rule allows, and if it counts.
    fn lets_in(rule: &Rule) -> [bool; 2] {
        [RuleDoes::Allow, RuleDoes::Count].map(|action| {
            let (refers_to, overridden) = references(std::slice::from_ref(rule), "wafsync", action);
            assert_eq!([refers_to, overridden].concat(), ["arn:group"], "it is in one of the lists");
            references(std::slice::from_ref(rule), "wafsync", action).1.is_empty()
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
        let acl = WebAcl::builder().name("front").id("id").arn("arn:acl").set_rules(Some(rules)).build().unwrap();
        let kinds: Vec<RuleKind> = super::rules(&acl, "wafsync").into_iter().map(|rule| rule.kind).collect();
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
