//! Web ACLs: read, never written.

use aws_sdk_wafv2::types::{Rule, RuleGroupReferenceStatement};

use super::call::Call;
use super::error::AwsError;
use super::governor::Action;
use super::ip_sets::{LIST_LIMIT, Next, Pages};
use super::{Reader, waf_scope};
use crate::current::WebAcl;
use crate::stop::Stop;

impl Reader {
    /// The web ACLs that were named, by name or ARN.
    pub(super) async fn web_acls(&self, named: &[String], stop: &Stop) -> Result<Vec<WebAcl>, AwsError> {
        let listed = if named.iter().any(|acl| !is_arn(acl)) { self.list_web_acls(stop).await? } else { Vec::new() };
        let mut acls: Vec<WebAcl> = Vec::new();
        for acl in named {
            let arn = self.arn_of(acl, &listed)?;
            if !acls.iter().any(|known| known.arn == *arn) {
                let acl = self.get_web_acl(acl, arn, stop).await?;
                let (refers_to, overridden) = references(acl.rules.as_deref().unwrap_or_default(), &self.target.name);
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

/// The rule groups that the rules refer to, and those whose rule `rule_name` an override switches off.
fn references(rules: &[Rule], rule_name: &str) -> (Vec<String>, Vec<String>) {
    let (mut refers_to, mut overridden) = (Vec::new(), Vec::new());
    for rule in rules {
        let Some(group) = rule.statement.as_ref().and_then(|s| s.rule_group_reference_statement.as_ref()) else {
            continue;
        };
        let as_it_is = rule.override_action.as_ref().is_some_and(|action| action.count.is_none());
        if as_it_is && !switches_off(group, rule_name) {
            refers_to.push(group.arn.clone());
        } else {
            overridden.push(group.arn.clone());
        }
    }
    (refers_to, overridden)
}

pub(super) fn switches_off(group: &RuleGroupReferenceStatement, rule_name: &str) -> bool {
    group.excluded_rules().iter().any(|rule| rule.name == rule_name)
        || group.rule_action_overrides().iter().any(|rule| rule.name == rule_name)
}

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{
        CountAction, ExcludedRule, NoneAction, OverrideAction, RuleAction, RuleActionOverride, Statement,
        VisibilityConfig,
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

    #[test]
    fn only_a_reference_that_nothing_overrides_counts() {
        let arn = vec!["arn:group".to_owned()];
        assert_eq!(references(&[rule(false, |_| ())], "wafsync"), (arn.clone(), vec![]));
        assert_eq!(references(&[rule(true, |_| ())], "wafsync"), (vec![], arn.clone()));
        let count = || RuleAction::builder().count(CountAction::builder().build()).build();
        let overrides = |name: &str| {
            let name = name.to_owned();
            let entry = RuleActionOverride::builder().name(name).action_to_use(count()).build().unwrap();
            rule(false, |group| group.rule_action_overrides = Some(vec![entry]))
        };
        assert_eq!(references(&[overrides("wafsync")], "wafsync"), (vec![], arn.clone()));
        assert_eq!(references(&[overrides("another")], "wafsync"), (arn.clone(), vec![]));
        let excluded = ExcludedRule::builder().name("wafsync").build().unwrap();
        let excluded = rule(false, |group| group.excluded_rules = Some(vec![excluded]));
        assert_eq!(references(&[excluded], "wafsync"), (vec![], arn));
    }
}
