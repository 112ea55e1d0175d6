//! Web ACLs: read, never written.

use aws_sdk_wafv2::types::{Rule, RuleAction, RuleGroupReferenceStatement};

use super::call::Call;
use super::error::AwsError;
use super::governor::Action;
use super::ip_sets::{LIST_LIMIT, Next, Pages};
use super::{Reader, waf_scope};
use crate::current::{Effect, Override, WebAcl};
use crate::settings::{Action as RuleDoes, WafSettings};
use crate::stop::Stop;

impl Reader {
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
    async fn list_web_acls(&self, stop: &Stop) -> Result<Vec<(String, String)>, AwsError> {
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

    async fn get_web_acl(&self, named: &str, arn: &str, stop: &Stop) -> Result<aws_sdk_wafv2::types::WebAcl, AwsError> {
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
pub(super) fn override_of(rule: &Rule, group: &RuleGroupReferenceStatement, rule_name: &str) -> Override {
    if rule.override_action.as_ref().is_none_or(|action| action.count.is_some()) {
        return Override::WholeToCount;
    }
    if let Some(over) = group.rule_action_overrides().iter().find(|over| over.name == rule_name) {
        return Override::To(effect(over.action_to_use.as_ref()));
    }
    // The older way to say the same of Count.
    let excluded = group.excluded_rules().iter().any(|rule| rule.name == rule_name);
    if excluded { Override::To(Effect::Count) } else { Override::None }
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

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{
        AllowAction, BlockAction, CaptchaAction, ChallengeAction, CountAction, ExcludedRule, NoneAction,
        OverrideAction, RuleActionOverride, Statement, VisibilityConfig,
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
}
