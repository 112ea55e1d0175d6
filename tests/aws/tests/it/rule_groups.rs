//! Rule groups: statements, priorities, names, capacity, references.

use std::time::Duration;

use aws_sdk_wafv2::operation::create_rule_group::builders::CreateRuleGroupFluentBuilder;
use aws_sdk_wafv2::types::{
    AndStatement, BlockAction, CountAction, GeoMatchStatement, IpAddressVersion, Label, NoneAction, NotStatement,
    OverrideAction, Rule, RuleAction, RuleGroupReferenceStatement, Scope, Statement,
};
use wafsync_test_aws::{Aws, Config};

use crate::support::{allow, any_of, calm, create, forwarded, reference, refusal, rule, visibility, waf, waf_in};

/// An account with the IP sets `set-0` to `set-COUNT`, and their ARNs.
fn account(count: usize) -> (Aws, Vec<String>) {
    let aws = Aws::new(calm());
    let arns = (0..count).map(|n| aws.put_ip_set("REGIONAL", &format!("set-{n}"), "IPV4", &[], None)).collect();
    (aws, arns)
}

fn request(aws: &Aws) -> CreateRuleGroupFluentBuilder {
    let create = waf(aws).create_rule_group().name("group").scope(Scope::Regional).capacity(120);
    create.visibility_config(visibility("group"))
}

/// Creates a group with these rules, and checks that `CheckCapacity` and an update have the same outcome.
async fn try_rules(aws: &Aws, rules: Vec<Rule>) -> String {
    let created = refusal(request(aws).set_rules(Some(rules.clone())).send().await);
    let weighed = waf(aws).check_capacity().scope(Scope::Regional).set_rules(Some(rules.clone())).send().await;
    assert_eq!(refusal(weighed), created);
    aws.put_rule_group("REGIONAL", "other", 120, None, serde_json::json!([]));
    let (id, token) = {
        let read = aws.rule_group("other").unwrap();
        (read.arn.rsplit('/').next().unwrap().to_owned(), read.lock_token)
    };
    let update = waf(aws).update_rule_group().name("other").scope(Scope::Regional).id(id).lock_token(token);
    let updated = update.visibility_config(visibility("other")).set_rules(Some(rules)).send().await;
    assert_eq!(refusal(updated), created);
    created
}

async fn try_statement(make: impl FnOnce(&[String]) -> Statement) -> String {
    let (aws, arns) = account(3);
    try_rules(&aws, vec![rule("rule", 0, make(&arns))]).await
}

#[tokio::test]
async fn a_group_may_hold_no_rule_one_reference_or_an_or_of_several() {
    let (aws, _) = account(0);
    assert_eq!(refusal(request(&aws).send().await), "ok");
    assert_eq!(try_statement(|arns| reference(&arns[0])).await, "ok");
    assert_eq!(try_statement(|arns| any_of(arns.iter().map(|arn| reference(arn)).collect())).await, "ok");
}

#[tokio::test]
async fn or_and_and_need_two_statements() {
    let one = |arns: &[String]| any_of(vec![reference(&arns[0])]);
    assert_eq!(try_statement(one).await, "WAFInvalidParameterException OR_STATEMENT");
    assert_eq!(try_statement(|_| any_of(Vec::new())).await, "WAFInvalidParameterException OR_STATEMENT");
    let and = |arns: &[String]| {
        let and = AndStatement::builder().statements(reference(&arns[0])).build().unwrap();
        Statement::builder().and_statement(and).build()
    };
    assert_eq!(try_statement(and).await, "WAFInvalidParameterException AND_STATEMENT");
}

#[tokio::test]
async fn a_statement_has_exactly_one_member() {
    let refused = "WAFInvalidParameterException STATEMENT";
    assert_eq!(try_statement(|_| Statement::builder().build()).await, refused);
    let two = |arns: &[String]| {
        let geo = GeoMatchStatement::builder().country_codes("DE".into()).build();
        let mut statement = reference(&arns[0]);
        statement.geo_match_statement = Some(geo);
        statement
    };
    assert_eq!(try_statement(two).await, refused);
    let nested = |_: &[String]| {
        let not = NotStatement::builder().statement(Statement::builder().build()).build();
        Statement::builder().not_statement(not).build()
    };
    assert_eq!(try_statement(nested).await, refused);
}

#[tokio::test]
async fn a_rule_group_cannot_refer_to_a_rule_group() {
    let statement = |_: &[String]| {
        let arn = "arn:aws:wafv2:eu-central-1:111122223333:regional/rulegroup/x/00000000-0000-0000-0000-000000000000";
        let group = RuleGroupReferenceStatement::builder().arn(arn).build().unwrap();
        Statement::builder().rule_group_reference_statement(group).build()
    };
    assert_eq!(try_statement(statement).await, "WAFInvalidParameterException RULE_GROUP_REFERENCE_STATEMENT");
}

#[tokio::test]
async fn priorities_and_names_of_rules_are_distinct() {
    let (aws, arns) = account(1);
    let rules = vec![rule("a", 0, reference(&arns[0])), rule("b", 0, reference(&arns[0]))];
    assert_eq!(try_rules(&aws, rules).await, "WAFInvalidParameterException RULE");
    let (aws, arns) = account(1);
    let rules = vec![rule("a", 0, reference(&arns[0])), rule("a", 1, reference(&arns[0]))];
    assert_eq!(try_rules(&aws, rules).await, "WAFInvalidParameterException RULE");
    let (aws, arns) = account(1);
    let rules = vec![rule("a", 0, reference(&arns[0])), rule("b", 1, reference(&arns[0]))];
    assert_eq!(try_rules(&aws, rules).await, "ok");
}

#[tokio::test]
async fn names_and_metrics_of_rules_are_well_formed() {
    let try_rule = async |change: fn(&mut Rule)| {
        let (aws, arns) = account(1);
        let mut rule = rule("rule", 0, reference(&arns[0]));
        change(&mut rule);
        try_rules(&aws, vec![rule]).await
    };
    assert_eq!(try_rule(|rule| rule.name = "a b".to_owned()).await, "ValidationException");
    assert_eq!(try_rule(|rule| rule.name = "a".repeat(129)).await, "ValidationException");
    assert_eq!(try_rule(|rule| rule.visibility_config = Some(visibility("a b"))).await, "ValidationException");
    assert_eq!(try_rule(|rule| rule.visibility_config = None).await, "ValidationException");
    assert_eq!(try_rule(|rule| rule.priority = -1).await, "ValidationException");
    let reserved = "WAFInvalidParameterException METRIC_NAME";
    assert_eq!(try_rule(|rule| rule.visibility_config = Some(visibility("All"))).await, reserved);
    assert_eq!(try_rule(|rule| rule.visibility_config = Some(visibility("Default_Action"))).await, reserved);
}

#[tokio::test]
async fn a_rule_has_exactly_one_action_and_no_override() {
    let try_actions = async |action: Option<RuleAction>, over: Option<OverrideAction>| {
        let (aws, arns) = account(1);
        let mut rule = rule("rule", 0, reference(&arns[0]));
        (rule.action, rule.override_action) = (action, over);
        try_rules(&aws, vec![rule]).await
    };
    let none = || OverrideAction::builder().none(NoneAction::builder().build()).build();
    let refused = "WAFInvalidParameterException RULE_ACTION";
    assert_eq!(try_actions(Some(allow()), None).await, "ok");
    assert_eq!(try_actions(None, None).await, refused);
    assert_eq!(try_actions(Some(allow()), Some(none())).await, refused);
    assert_eq!(try_actions(None, Some(none())).await, "WAFInvalidParameterException OVERRIDE_ACTION");
    let mut both = allow();
    both.block = Some(BlockAction::builder().build());
    assert_eq!(try_actions(Some(both), None).await, refused);
}

#[tokio::test]
async fn labels_are_well_formed_and_avoid_reserved_words() {
    let try_label = async |label: &str| {
        let (aws, arns) = account(1);
        let mut rule = rule("rule", 0, reference(&arns[0]));
        rule.action = Some(RuleAction::builder().count(CountAction::builder().build()).build());
        rule.rule_labels = Some(vec![Label::builder().name(label).build().unwrap()]);
        try_rules(&aws, vec![rule]).await
    };
    assert_eq!(try_label("wafsync").await, "ok");
    assert_eq!(try_label("team:wafsync-2_x").await, "ok");
    assert_eq!(try_label("a b").await, "ValidationException");
    assert_eq!(try_label("").await, "ValidationException");
    for word in ["awswaf", "aws", "waf", "rulegroup", "webacl", "regexpatternset", "ipset", "managed"] {
        assert_eq!(try_label(&format!("a:{word}")).await, "WAFInvalidParameterException LABEL_MATCH_STATEMENT");
    }
}

#[tokio::test]
async fn a_forwarded_header_is_well_formed_and_has_a_fallback() {
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "X-Forwarded-For", "FIRST", "NO_MATCH")).await, "ok");
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "X-Forwarded-For", "ANY", "MATCH")).await, "ok");
    let invalid = "ValidationException";
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "X_Forwarded", "FIRST", "MATCH")).await, invalid);
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "", "FIRST", "MATCH")).await, invalid);
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "X-Real-IP", "FIRST", "PASS")).await, invalid);
    assert_eq!(try_statement(|arns| forwarded(&arns[0], "X-Real-IP", "SECOND", "MATCH")).await, invalid);
}

#[tokio::test]
async fn a_reference_weighs_two_six_in_position_any_and_five_labels_weigh_one() {
    let (aws, arns) = account(50);
    let capacity = async |rule: Rule| {
        let weighed = waf(&aws).check_capacity().scope(Scope::Regional).rules(rule).send().await.unwrap();
        weighed.capacity()
    };
    let plain = arns.iter().map(|arn| reference(arn)).collect();
    assert_eq!(capacity(rule("rule", 0, any_of(plain))).await, 100);
    let any = arns.iter().map(|arn| forwarded(arn, "X-Forwarded-For", "ANY", "NO_MATCH")).collect();
    assert_eq!(capacity(rule("rule", 0, any_of(any))).await, 300);
    for (labels, weight) in [(1, 1), (5, 1), (6, 2)] {
        let mut rule = rule("rule", 0, reference(&arns[0]));
        let label = |n| Label::builder().name(format!("label-{n}")).build().unwrap();
        rule.rule_labels = Some((0..labels).map(label).collect());
        assert_eq!(capacity(rule).await, 2 + weight);
    }
}

#[tokio::test]
async fn a_group_cannot_weigh_more_than_its_capacity_which_never_changes() {
    let (aws, arns) = account(3);
    let refused = "WAFInvalidParameterException RULE_GROUP";
    let or = |count: usize| vec![rule("rule", 0, any_of(arns[..count].iter().map(|arn| reference(arn)).collect()))];
    assert_eq!(refusal(request(&aws).capacity(3).set_rules(Some(or(2))).send().await), refused);
    assert_eq!(refusal(request(&aws).capacity(4).set_rules(Some(or(2))).send().await), "ok");
    let view = aws.rule_group("group").unwrap();
    let id = view.arn.rsplit('/').next().unwrap();
    let update = waf(&aws).update_rule_group().name("group").scope(Scope::Regional).id(id);
    let update = update.lock_token(&view.lock_token).visibility_config(visibility("group"));
    assert_eq!(refusal(update.clone().set_rules(Some(or(3))).send().await), refused);
    assert_eq!(aws.rule_group("group").unwrap(), view, "the rejected update changed nothing");
    assert_eq!(refusal(update.set_rules(Some(or(2))).send().await), "ok");
    assert_eq!(aws.rule_group("group").unwrap().capacity, 4);
    assert_eq!(refusal(request(&aws).name("none").capacity(0).send().await), "ValidationException");
    assert_eq!(refusal(request(&aws).name("much").capacity(5_001).send().await), "WAFLimitsExceededException");
}

#[tokio::test]
async fn a_group_holds_at_most_fifty_references() {
    let (aws, arns) = account(51);
    let or = |count: usize| any_of(arns[..count].iter().map(|arn| reference(arn)).collect());
    assert_eq!(try_rules(&aws, vec![rule("rule", 0, or(51))]).await, "WAFLimitsExceededException");
    let (aws, arns) = account(50);
    let all = any_of(arns.iter().map(|arn| reference(arn)).collect());
    assert_eq!(try_rules(&aws, vec![rule("rule", 0, all)]).await, "ok");
}

#[tokio::test]
async fn a_referenced_ip_set_exists_in_the_same_region_and_scope() {
    let gone = |arns: &[String]| reference(&arns[0].replace("set-0", "set-9"));
    assert_eq!(try_statement(gone).await, "WAFNonexistentItemException");
    assert_eq!(try_statement(|_| reference("short")).await, "ValidationException");
    let (aws, _) = account(0);
    let global = aws.put_ip_set("CLOUDFRONT", "global", "IPV4", &[], None);
    assert_eq!(try_rules(&aws, vec![rule("rule", 0, reference(&global))]).await, "WAFNonexistentItemException");
    let (aws, _) = account(0);
    let elsewhere = create(&waf_in(&aws, "eu-west-1"), "elsewhere").await;
    assert_eq!(try_rules(&aws, vec![rule("rule", 0, reference(&elsewhere))]).await, "WAFNonexistentItemException");
}

#[tokio::test(start_paused = true)]
async fn a_new_ip_set_is_unavailable_until_it_is_propagated() {
    let aws = Aws::new(Config { propagation: Duration::from_secs(90), ..calm() });
    let arn = create(&waf(&aws), "new").await;
    let attempt = || request(&aws).rules(rule("rule", 0, reference(&arn))).send();
    assert_eq!(refusal(attempt().await), "WAFUnavailableEntityException");
    tokio::time::advance(Duration::from_millis(89_999)).await;
    assert_eq!(refusal(attempt().await), "WAFUnavailableEntityException");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(refusal(attempt().await), "ok");
}

#[tokio::test]
async fn a_group_has_the_constraints_of_all_entities() {
    let (aws, _) = account(0);
    assert_eq!(refusal(request(&aws).name("a b").send().await), "ValidationException");
    assert_eq!(refusal(request(&aws).description("").send().await), "ValidationException");
    assert_eq!(refusal(request(&aws).set_visibility_config(None).send().await), "ValidationException");
    assert_eq!(refusal(request(&aws).send().await), "ok");
    assert_eq!(refusal(request(&aws).send().await), "WAFDuplicateItemException");
    let view = aws.rule_group("group").unwrap();
    let id = view.arn.rsplit('/').next().unwrap();
    let update = waf(&aws).update_rule_group().name("group").scope(Scope::Regional).id(id);
    let update = update.visibility_config(visibility("group"));
    assert_eq!(refusal(update.clone().send().await), "ValidationException");
    assert_eq!(refusal(update.clone().lock_token(&view.lock_token).send().await), "ok");
    assert_eq!(refusal(update.lock_token(&view.lock_token).send().await), "WAFOptimisticLockException");
    let full = Aws::new(Config { max_rule_groups: 0, ..calm() });
    assert_eq!(refusal(request(&full).send().await), "WAFLimitsExceededException");
}

#[tokio::test]
async fn a_group_can_be_read_by_arn_and_an_update_drops_what_it_omits() {
    let (aws, arns) = account(1);
    let rules = vec![rule("rule", 0, reference(&arns[0]))];
    request(&aws).description("wafsync x table:00").set_rules(Some(rules.clone())).send().await.unwrap();
    let view = aws.rule_group("group").unwrap();
    let client = waf(&aws);
    let read = client.get_rule_group().arn(&view.arn).send().await.unwrap();
    let group = read.rule_group().unwrap();
    assert_eq!(group.rules(), rules);
    assert_eq!(group.label_namespace(), Some("awswaf:111122223333:rulegroup:group:"));
    assert_eq!((group.capacity(), group.description()), (120, Some("wafsync x table:00")));
    let update = client.update_rule_group().name("group").scope(Scope::Regional).id(group.id());
    update.lock_token(read.lock_token().unwrap()).visibility_config(visibility("group")).send().await.unwrap();
    let after = aws.rule_group("group").unwrap();
    assert_eq!((after.description, after.rules), (None, serde_json::json!([])));
    let elsewhere = waf_in(&aws, "eu-west-1").get_rule_group().arn(&view.arn).send().await;
    assert_eq!(refusal(elsewhere), "WAFNonexistentItemException");
}

#[tokio::test]
async fn a_reference_to_a_removed_ip_set_is_rejected() {
    let (aws, arns) = account(1);
    let rules = vec![rule("rule", 0, reference(&arns[0]))];
    request(&aws).set_rules(Some(rules.clone())).send().await.unwrap();
    aws.edit_rule_group("group", |rules| *rules = serde_json::json!([]));
    aws.remove_ip_set("set-0");
    let again = request(&aws).name("again").set_rules(Some(rules)).send().await;
    assert_eq!(refusal(again), "WAFNonexistentItemException");
    let version = IpAddressVersion::Ipv4;
    let create = waf(&aws).create_ip_set().name("set-0").scope(Scope::Regional).ip_address_version(version);
    create.set_addresses(Some(Vec::new())).send().await.unwrap();
    assert_ne!(aws.ip_set("set-0").unwrap().arn, arns[0], "the same name is another IP set");
}

#[tokio::test]
#[should_panic(expected = "group refers to set-0")]
async fn a_referenced_ip_set_cannot_be_removed() {
    let (aws, arns) = account(1);
    request(&aws).set_rules(Some(vec![rule("rule", 0, reference(&arns[0]))])).send().await.unwrap();
    aws.remove_ip_set("set-0");
}
