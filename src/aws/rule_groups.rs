//! Lists, reads and writes rule groups, and converts their rule between AWS's form and ours.

use std::collections::BTreeMap;

use aws_sdk_wafv2::types::{
    AllowAction, CountAction, FallbackBehavior, ForwardedIpPosition, IpSetForwardedIpConfig, IpSetReferenceStatement,
    Label, OrStatement, Rule, RuleAction, RuleGroupSummary, Statement, VisibilityConfig,
};
use sha2::{Digest as _, Sha256};

use super::call::Call;
use super::connection::{WafReader, Writer, waf_scope};
use super::error::AwsError;
use super::governor;
use super::pages::{LIST_LIMIT, Next, Pages, distinct};
use super::receipt::Receipt;
use crate::model::current::{GroupRule, LockToken};
use crate::model::naming;
use crate::model::policy::{Action, Forwarded, Position, RulePolicy};
use crate::model::spec::RuleGroupSpec;
use crate::stop::Stop;
use crate::text::hex;

/// A rule group from one read.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) description: String,
    pub(super) capacity: u64,
    pub(super) token: LockToken,
    pub(super) rule: GroupRule,
}

impl WafReader {
    /// Lists the rule groups with our mark: ARN and lock token.
    ///
    /// # Errors
    ///
    /// A call that fails.
    pub async fn list_own_rule_groups(&self, stop: &Stop) -> Result<BTreeMap<String, LockToken>, AwsError> {
        let is_own = |name: &Option<String>, description: &Option<String>| {
            let is_numbered = name.as_ref().and_then(|name| naming::group_number(name, &self.target.name)).is_some();
            let description = description.as_deref().unwrap_or_default();
            is_numbered && naming::group_table(description, &self.target.name).is_some()
        };
        let listed = self.list_rule_groups(stop).await?;
        Ok(tokens(listed.into_iter().filter(|group| is_own(&group.name, &group.description))))
    }

    /// Reads the lock token of a rule group by itself, not from a list.
    ///
    /// # Errors
    ///
    /// A call that fails, and [`Class::NotFound`](super::Class::NotFound) if there is none.
    pub async fn rule_group_token(&self, name: &str, id: &str, stop: &Stop) -> Result<LockToken, AwsError> {
        Ok(self.get_rule_group(name, id, stop).await?.token)
    }

    /// Lists all rule groups of the scope.
    pub(super) async fn list_rule_groups(&self, stop: &Stop) -> Result<Vec<RuleGroupSummary>, AwsError> {
        let mut pages = Pages::default();
        let mut groups = Vec::new();
        while let Some(Next(marker)) = pages.next(governor::Action::ListRuleGroups)? {
            let call =
                Call::begin(&self.caller, governor::Action::ListRuleGroups, "all", &self.target.region, stop).await?;
            let request =
                self.waf.list_rule_groups().scope(waf_scope(self.scope)).limit(LIST_LIMIT).set_next_marker(marker);
            let sent = request.customize().config_override(call.waf()).send().await;
            let answer = call.end(sent)?;
            let page = pages.seen(governor::Action::ListRuleGroups, answer.next_marker, answer.rule_groups)?;
            groups.extend(page);
        }
        Ok(distinct(groups, |group: &RuleGroupSummary| group.arn.as_ref()))
    }

    /// Reads one rule group with its rules.
    pub(super) async fn get_rule_group(&self, name: &str, id: &str, stop: &Stop) -> Result<Group, AwsError> {
        let call = Call::begin(&self.caller, governor::Action::GetRuleGroup, name, &self.target.region, stop).await?;
        let request = self.waf.get_rule_group().scope(waf_scope(self.scope)).name(name).id(id);
        let sent = request.customize().config_override(call.waf()).send().await;
        let answer = call.end(sent)?;
        let unusable = |cause| AwsError::unusable(governor::Action::GetRuleGroup.name(), name, cause, None);
        let (Some(group), Some(token)) = (answer.rule_group, answer.lock_token) else {
            return Err(unusable("the answer lacks the rule group or its lock token"));
        };
        if group.name != name || group.id != id {
            return Err(unusable("the answer is about another rule group"));
        }
        let rule = group_rule(group.rules.as_deref().unwrap_or_default(), &self.target.name, name);
        Ok(Group {
            name: group.name,
            id: group.id,
            arn: group.arn,
            description: group.description.unwrap_or_default(),
            capacity: u64::try_from(group.capacity).unwrap_or_default(),
            token: LockToken(token),
            rule,
        })
    }
}

impl Writer {
    /// Creates a rule group with its rule.
    ///
    /// # Errors
    ///
    /// Any error of AWS. After one of [`Class::Again`](super::Class) it may exist.
    pub async fn create_rule_group(&self, spec: &RuleGroupSpec, stop: &Stop) -> Result<Receipt, AwsError> {
        let call = Call::begin(&self.caller, governor::Action::CreateRuleGroup, &spec.name, &self.region, stop).await?;
        let request = self
            .waf
            .create_rule_group()
            .scope(waf_scope(self.scope))
            .name(&spec.name)
            .description(spec.description.to_string())
            .capacity(i64::try_from(spec.capacity).unwrap_or(i64::MAX))
            .set_rules(Some(rules(spec)?))
            .visibility_config(visibility(&spec.name)?)
            .set_tags(Some(self.tags()));
        let sent = request.customize().config_override(call.waf()).send().await;
        let created = call.end(sent)?.summary.unwrap_or_else(|| RuleGroupSummary::builder().build());
        let action = governor::Action::CreateRuleGroup;
        Receipt::of_creation(action, &spec.name, created.id, created.arn, created.lock_token)
    }

    /// Replaces the rule and the description of a rule group, if its lock token is still this one. Returns the next token.
    ///
    /// # Errors
    ///
    /// Any error of AWS. After one of [`Class::Again`](super::Class) or [`Class::Conflict`](super::Class) it may have taken
    /// effect.
    pub async fn update_rule_group(
        &self,
        id: &str,
        token: &LockToken,
        spec: &RuleGroupSpec,
        stop: &Stop,
    ) -> Result<LockToken, AwsError> {
        let call = Call::begin(&self.caller, governor::Action::UpdateRuleGroup, &spec.name, &self.region, stop).await?;
        let request = self
            .waf
            .update_rule_group()
            .scope(waf_scope(self.scope))
            .name(&spec.name)
            .id(id)
            .lock_token(&token.0)
            .description(spec.description.to_string())
            .set_rules(Some(rules(spec)?))
            .visibility_config(visibility(&spec.name)?);
        let sent = request.customize().config_override(call.waf()).send().await;
        Receipt::of_update(governor::Action::UpdateRuleGroup, &spec.name, call.end(sent)?.next_lock_token)
    }
}

/// The rules of a group: none or one.
fn rules(spec: &RuleGroupSpec) -> Result<Vec<Rule>, AwsError> {
    let mut statements = Vec::new();
    for reference in &spec.references {
        let arn = reference.arn.as_deref().ok_or_else(|| incomplete(&spec.name, &"a reference lacks its ARN"))?;
        statements.push(reference_to(arn, &spec.policy).map_err(|error| incomplete(&spec.name, &error))?);
    }
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    // AWS refuses an OR of one.
    let statement = if let [only] = statements.as_slice() {
        only.clone()
    } else {
        let any = OrStatement::builder().set_statements(Some(statements)).build();
        Statement::builder().or_statement(any.map_err(|error| incomplete(&spec.name, &error))?).build()
    };
    let (action, labels) = match spec.policy.action {
        Action::Allow => (RuleAction::builder().allow(AllowAction::builder().build()).build(), None),
        Action::Count => {
            let label =
                Label::builder().name(&spec.rule_name).build().map_err(|error| incomplete(&spec.name, &error))?;
            (RuleAction::builder().count(CountAction::builder().build()).build(), Some(vec![label]))
        }
    };
    let rule = Rule::builder()
        .name(&spec.rule_name)
        .priority(0)
        .statement(statement)
        .action(action)
        .set_rule_labels(labels)
        .visibility_config(visibility(&spec.name)?)
        .build()
        .map_err(|error| incomplete(&spec.name, &error))?;
    Ok(vec![rule])
}

fn reference_to(arn: &str, policy: &RulePolicy) -> Result<Statement, aws_sdk_wafv2::error::BuildError> {
    let forwarded = policy.forwarded.as_ref().map(|forwarded| {
        IpSetForwardedIpConfig::builder()
            .header_name(&forwarded.header)
            // A request without the header must not match.
            .fallback_behavior(FallbackBehavior::NoMatch)
            .position(match forwarded.position {
                Position::First => ForwardedIpPosition::First,
                Position::Last => ForwardedIpPosition::Last,
                Position::Any => ForwardedIpPosition::Any,
            })
            .build()
    });
    let reference =
        IpSetReferenceStatement::builder().arn(arn).set_ip_set_forwarded_ip_config(forwarded.transpose()?).build()?;
    Ok(Statement::builder().ip_set_reference_statement(reference).build())
}

fn visibility(group: &str) -> Result<VisibilityConfig, AwsError> {
    VisibilityConfig::builder()
        .metric_name(group)
        .sampled_requests_enabled(true)
        .cloud_watch_metrics_enabled(true)
        .build()
        .map_err(|error| incomplete(group, &error))
}

fn incomplete(group: &str, problem: &dyn std::fmt::Display) -> AwsError {
    AwsError::unusable("UpdateRuleGroup", group, &format!("the rule could not be made: {problem}"), None)
}

/// Converts these rules to our form.
fn group_rule(rules: &[Rule], installation: &str, group: &str) -> GroupRule {
    if rules.is_empty() {
        return GroupRule::Empty;
    }
    let standard = match rules {
        [rule] => standard(rule, installation, group),
        _ => None,
    };
    standard.unwrap_or_else(|| {
        let mut references = Vec::new();
        let mut collect = |statement: &Statement| {
            references.extend(statement.ip_set_reference_statement.as_ref().map(|reference| reference.arn.clone()));
        };
        rules.iter().filter_map(|rule| rule.statement.as_ref()).for_each(|s| each_statement(s, &mut collect));
        // A fingerprint: it only has to differ where the rules do.
        let seen = hex(&Sha256::digest(format!("{rules:?}")));
        GroupRule::Edited { references, seen }
    })
}

/// Converts a rule if it has the form that wafsync writes.
fn standard(rule: &Rule, installation: &str, group: &str) -> Option<GroupRule> {
    let action = match rule.action.as_ref()? {
        RuleAction { allow: Some(allow), block: None, count: None, captcha: None, challenge: None, .. }
            if allow.custom_request_handling.is_none() =>
        {
            Action::Allow
        }
        RuleAction { count: Some(count), allow: None, block: None, captcha: None, challenge: None, .. }
            if count.custom_request_handling.is_none() =>
        {
            Action::Count
        }
        _ => return None,
    };
    let statement = rule.statement.as_ref()?;
    let (mut forwarded, mut references) = (Vec::new(), Vec::new());
    let parts = match &statement.or_statement {
        Some(any) => any.statements.as_slice(),
        None => std::slice::from_ref(statement),
    };
    for part in parts {
        let reference = only_reference(part)?;
        references.push(reference.arn.clone());
        forwarded.push(match &reference.ip_set_forwarded_ip_config {
            Some(config) => Some(forwarded_of(config)?),
            None => None,
        });
    }
    let forwarded_ = forwarded.first().cloned().flatten();
    if forwarded.iter().any(|other| *other != forwarded_) || rule.override_action.is_some() {
        return None;
    }
    let labels = rule.rule_labels().iter().map(|label| label.name().to_owned()).collect();
    let metric = rule.visibility_config.as_ref().is_some_and(|visibility| {
        visibility.metric_name == group && visibility.sampled_requests_enabled && visibility.cloud_watch_metrics_enabled
    });
    let tidy = rule.name == installation && rule.priority == 0 && metric;
    Some(GroupRule::Standard { policy: RulePolicy { action, forwarded: forwarded_ }, labels, references, tidy })
}

/// The reference to an IP set, if the statement is nothing else.
fn only_reference(statement: &Statement) -> Option<&IpSetReferenceStatement> {
    let reference = statement.ip_set_reference_statement.as_ref()?;
    let alone = Statement::builder().ip_set_reference_statement(reference.clone()).build();
    (*statement == alone).then_some(reference)
}

fn forwarded_of(config: &IpSetForwardedIpConfig) -> Option<Forwarded> {
    let position = match config.position {
        ForwardedIpPosition::First => Position::First,
        ForwardedIpPosition::Last => Position::Last,
        ForwardedIpPosition::Any => Position::Any,
        _ => return None,
    };
    // With MATCH a request without the header would get in.
    (config.fallback_behavior == FallbackBehavior::NoMatch)
        .then(|| Forwarded { header: config.header_name.clone(), position })
}

/// The ARN and lock token of each.
fn tokens(listed: impl IntoIterator<Item = RuleGroupSummary>) -> BTreeMap<String, LockToken> {
    listed.into_iter().filter_map(|group| Some((group.arn?, LockToken(group.lock_token?)))).collect()
}

/// Visits a statement and all nested ones.
pub(super) fn each_statement<'a>(statement: &'a Statement, visit: &mut dyn FnMut(&'a Statement)) {
    visit(statement);
    let of_and = statement.and_statement.iter().flat_map(|and| &and.statements);
    let of_or = statement.or_statement.iter().flat_map(|or| &or.statements);
    of_and.chain(of_or).for_each(|inner| each_statement(inner, visit));
    let others = [
        statement.not_statement.as_ref().and_then(|not| not.statement.as_deref()),
        statement.rate_based_statement.as_ref().and_then(|rate| rate.scope_down_statement.as_deref()),
        statement.managed_rule_group_statement.as_ref().and_then(|managed| managed.scope_down_statement.as_deref()),
    ];
    others.into_iter().flatten().for_each(|inner| each_statement(inner, visit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Reference;
    use crate::planning::rule_changes::tests::{ACCOUNT, target};

    fn spec(references: &[&str], policy: RulePolicy) -> RuleGroupSpec {
        let reference = |arn: &&str| Reference { name: (*arn).to_owned(), arn: Some((*arn).to_owned()) };
        RuleGroupSpec {
            name: "wafsync-1".into(),
            rule_name: "wafsync".into(),
            description: target().group_description(Some(ACCOUNT)),
            capacity: 120,
            policy,
            references: references.iter().map(reference).collect(),
        }
    }

    fn policy(action: Action, position: Option<Position>) -> RulePolicy {
        let forwarded = position.map(|position| Forwarded { header: "X-Forwarded-For".into(), position });
        RulePolicy { action, forwarded }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for action in [Action::Allow, Action::Count] {
            for position in [None, Some(Position::First), Some(Position::Last), Some(Position::Any)] {
                for references in [&[][..], &["arn:a"], &["arn:b", "arn:a"], &["arn:c", "arn:a", "arn:b"]] {
                    let policy = policy(action, position);
                    let rules = rules(&spec(references, policy.clone())).unwrap();
                    let found = group_rule(&rules, "wafsync", "wafsync-1");
                    assert_eq!(found.references(), references);
                    match found {
                        GroupRule::Empty => assert!(references.is_empty()),
                        GroupRule::Standard { policy: found, labels, tidy, .. } => {
                            assert!(tidy && found == policy && labels == policy.labels("wafsync"));
                        }
                        GroupRule::Edited { .. } => panic!("not recognised"),
                    }
                }
            }
        }
    }

    /// What an edit of our rule makes of it.
    fn edited(edit: impl FnOnce(&mut Rule)) -> GroupRule {
        let mut rules = rules(&spec(&["arn:a", "arn:b"], policy(Action::Allow, None))).unwrap();
        edit(&mut rules[0]);
        group_rule(&rules, "wafsync", "wafsync-1")
    }

    #[test]
    fn an_edit_that_changes_nothing_but_names_is_untidy() {
        for rule in [edited(|rule| rule.name = "other".into()), edited(|rule| rule.priority = 3)] {
            assert!(matches!(rule, GroupRule::Standard { tidy: false, .. }));
        }
    }

    #[test]
    fn an_edit_that_changes_the_meaning_is_foreign_and_its_references_are_still_seen() {
        let negated = |rule: &mut Rule| {
            let inner = rule.statement.take().unwrap();
            let not = aws_sdk_wafv2::types::NotStatement::builder().statement(inner).build();
            rule.statement = Some(Statement::builder().not_statement(not).build());
        };
        let match_without_header = |rule: &mut Rule| {
            let config = IpSetForwardedIpConfig::builder()
                .header_name("X-Forwarded-For")
                .fallback_behavior(FallbackBehavior::Match)
                .position(ForwardedIpPosition::Last)
                .build()
                .unwrap();
            for part in &mut rule.statement.as_mut().unwrap().or_statement.as_mut().unwrap().statements {
                part.ip_set_reference_statement.as_mut().unwrap().ip_set_forwarded_ip_config = Some(config.clone());
            }
        };
        for rule in [edited(negated), edited(match_without_header)] {
            assert!(matches!(rule, GroupRule::Edited { .. }), "{rule:?}");
            assert_eq!(rule.references(), ["arn:a", "arn:b"]);
        }
    }
}
