//! What people do with the AWS CLI, and wafsync never does: tables, items and web ACLs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput,
    ReturnConsumedCapacity, ReturnValue, ScalarAttributeType, TableStatus,
};
use aws_sdk_wafv2::types::{
    BlockAction, CountAction, DefaultAction, NoneAction, OverrideAction, Rule, RuleGroupReferenceStatement, Scope,
    Statement,
};
use wafsync_test_aws::{Aws, Config};

use crate::support::{REGION, allow, calm, create, dynamo, dynamo_in, reference, refusal, rule, visibility, waf};

const TABLE: &str = "clusters";

fn account() -> Aws {
    Aws::new(Config { for_people: true, ..calm() })
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn definition(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// `CreateTable` as in the README.
fn create_table(
    aws: &Aws,
    attribute: &str,
) -> aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder {
    dynamo(aws)
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(definition(attribute, ScalarAttributeType::S))
        .key_schema(key(attribute, KeyType::Hash))
}

#[tokio::test]
async fn a_table_is_created_once_and_keyed_by_its_partition_key() {
    let aws = account();
    let created = create_table(&aws, "cluster").send().await.unwrap().table_description.unwrap();
    assert_eq!((created.table_name(), created.table_status()), (Some(TABLE), Some(&TableStatus::Creating)));
    assert_eq!(refusal(create_table(&aws, "cluster").send().await), "ResourceInUseException");
    let described = dynamo(&aws).describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    assert_eq!((described.key_schema(), described.table_status()), (created.key_schema(), Some(&TableStatus::Active)));
    assert_eq!(described.key_schema(), [key("cluster", KeyType::Hash)]);

    for name in ["a", "b"] {
        dynamo(&aws).put_item().table_name(TABLE).item("cluster", text(name)).send().await.unwrap();
    }
    let page = dynamo(&aws).scan().table_name(TABLE).limit(1).send().await.unwrap();
    assert!(page.last_evaluated_key().unwrap().contains_key("cluster"));
    let rest = dynamo(&aws).scan().table_name(TABLE).set_exclusive_start_key(page.last_evaluated_key().cloned());
    assert_eq!(rest.send().await.unwrap().items().len(), 1);
    let elsewhere = dynamo_in(&aws, "us-east-1").describe_table().table_name(TABLE).send().await;
    assert_eq!(refusal(elsewhere), "ResourceNotFoundException");
    assert_eq!(aws.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_table_that_makes_no_sense_or_is_not_supported_is_refused() {
    let aws = account();
    let client = dynamo(&aws);
    let table = || client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    let (string, number) = (|name| definition(name, ScalarAttributeType::S), ScalarAttributeType::N);
    let hash = || key("id", KeyType::Hash);
    let throughput =
        || ProvisionedThroughput::builder().read_capacity_units(1).write_capacity_units(1).build().unwrap();
    for (what, request) in [
        ("key not defined", table().attribute_definitions(string("other")).key_schema(hash())),
        ("attribute not in the key", {
            table().attribute_definitions(string("id")).attribute_definitions(string("ips")).key_schema(hash())
        }),
        ("a number as key", table().attribute_definitions(definition("id", number)).key_schema(hash())),
        ("a sort key", {
            let both = table().attribute_definitions(string("id")).attribute_definitions(string("ips"));
            both.key_schema(hash()).key_schema(key("ips", KeyType::Range))
        }),
        ("no key", table()),
        ("capacity on demand", {
            table().attribute_definitions(string("id")).key_schema(hash()).provisioned_throughput(throughput())
        }),
        ("no capacity", {
            let provisioned = client.create_table().table_name(TABLE).billing_mode(BillingMode::Provisioned);
            provisioned.attribute_definitions(string("id")).key_schema(hash())
        }),
        ("an unknown mode", {
            let odd = client.create_table().table_name(TABLE).billing_mode(BillingMode::from("FREE"));
            odd.attribute_definitions(string("id")).key_schema(hash())
        }),
        ("a name of two letters", create_table(&aws, "id").table_name("ab")),
        ("an unsupported member", create_table(&aws, "id").deletion_protection_enabled(true)),
    ] {
        assert_eq!(refusal(request.send().await), "ValidationException", "{what}");
    }
    let provisioned = client.create_table().table_name(TABLE).provisioned_throughput(throughput());
    provisioned.attribute_definitions(string("id")).key_schema(hash()).send().await.unwrap();
}

#[tokio::test]
async fn an_item_is_put_read_replaced_and_deleted() {
    let aws = account();
    aws.create_table(REGION, TABLE);
    let client = dynamo(&aws);
    let edge = || HashMap::from([("id".to_owned(), text("edge"))]);
    let get = async || client.get_item().table_name(TABLE).set_key(Some(edge())).send().await.unwrap().item;
    assert_eq!(get().await, None);
    let put = |ips: &str| client.put_item().table_name(TABLE).item("id", text("edge")).item("ips", text(ips));
    let first = put("[]").return_values(ReturnValue::AllOld).send().await.unwrap();
    assert_eq!(first.attributes(), None);
    let capacity = put("x").return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(capacity.consumed_capacity().unwrap().capacity_units(), Some(1.0));
    assert_eq!(get().await.unwrap()["ips"], text("x"));
    let named = client.get_item().table_name(TABLE).set_key(Some(edge())).projection_expression("ips");
    assert_eq!(named.send().await.unwrap().item.unwrap().len(), 1);
    let delete = || client.delete_item().table_name(TABLE).set_key(Some(edge())).return_values(ReturnValue::AllOld);
    assert_eq!(delete().send().await.unwrap().attributes.unwrap()["ips"], text("x"));
    assert_eq!(delete().send().await.unwrap().attributes, None, "it is gone, which is no error");
    assert_eq!(aws.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn items_and_keys_that_are_not_valid_are_refused() {
    let aws = account();
    aws.create_table(REGION, TABLE);
    let client = dynamo(&aws);
    let number = |digits: &str| AttributeValue::N(digits.to_owned());
    let strings = |list: &[&str]| AttributeValue::Ss(list.iter().map(ToString::to_string).collect());
    let put = |ips: AttributeValue| client.put_item().table_name(TABLE).item("id", text("edge")).item("ips", ips);
    for (what, request) in [
        ("without its key", client.put_item().table_name(TABLE).item("ips", text("[]"))),
        ("a key of another type", client.put_item().table_name(TABLE).item("id", number("1"))),
        ("an empty key", client.put_item().table_name(TABLE).item("id", text(""))),
        ("a long key", client.put_item().table_name(TABLE).item("id", text(&"x".repeat(2_049)))),
        ("an empty set", put(strings(&[]))),
        ("a set with a duplicate", put(strings(&["a", "a"]))),
        ("a number that is none", put(number("ten"))),
        ("nested in a list", put(AttributeValue::L(vec![text("a"), number("ten")]))),
        ("nested in a map", put(AttributeValue::M(HashMap::from([("a".to_owned(), strings(&[]))])))),
        ("above 400 KiB", put(text(&"x".repeat(400 * 1_024)))),
        ("with a condition", put(text("[]")).condition_expression("attribute_not_exists(id)")),
        ("with values that it cannot return", put(text("[]")).return_values(ReturnValue::AllNew)),
    ] {
        assert_eq!(refusal(request.send().await), "ValidationException", "{what}");
    }
    let twice = HashMap::from([("id".to_owned(), text("edge")), ("ips".to_owned(), text("[]"))]);
    let delete = client.delete_item().table_name(TABLE).set_key(Some(twice)).send().await;
    assert_eq!(refusal(delete), "ValidationException");
    let get = client.get_item().table_name(TABLE).key("ips", text("edge")).send().await;
    assert_eq!(refusal(get), "ValidationException");
    let missing = client.put_item().table_name("missing").item("id", text("edge")).send().await;
    assert_eq!(refusal(missing), "ResourceNotFoundException");
    for ips in [strings(&["a", "b"]), AttributeValue::Bool(true), AttributeValue::Null(true), number("-1.5e3")] {
        put(ips).send().await.unwrap();
    }
    let sets = AttributeValue::L(vec![AttributeValue::Ns(vec!["1".to_owned(), "2".to_owned()])]);
    put(AttributeValue::M(HashMap::from([("a".to_owned(), sets)]))).send().await.unwrap();
}

/// A rule of a web ACL that refers to this rule group.
fn group_rule(arn: &str, priority: i32) -> Rule {
    let reference = RuleGroupReferenceStatement::builder().arn(arn).build().unwrap();
    Rule::builder()
        .name(format!("group-{priority}"))
        .priority(priority)
        .statement(Statement::builder().rule_group_reference_statement(reference).build())
        .override_action(OverrideAction::builder().none(NoneAction::builder().build()).build())
        .visibility_config(visibility("group"))
        .build()
        .unwrap()
}

fn block() -> DefaultAction {
    DefaultAction::builder().block(BlockAction::builder().build()).build()
}

#[tokio::test]
async fn a_web_acl_refers_to_rule_groups_and_protects_one_resource_at_a_time() {
    let aws = account();
    let client = waf(&aws);
    let set = create(&client, "set").await;
    let group = aws.put_rule_group("REGIONAL", "group", 100, None, serde_json::json!([]));
    let large = aws.put_rule_group("REGIONAL", "large", 4_950, None, serde_json::json!([]));
    let acl = |name: &str| {
        let request = client.create_web_acl().name(name).scope(Scope::Regional).default_action(block());
        request.visibility_config(visibility(name))
    };
    let front = acl("front").rules(group_rule(&group, 0)).rules(rule("plain", 1, reference(&set)));
    let front = front.send().await.unwrap().summary.unwrap();
    let read = client.get_web_acl().name("front").scope(Scope::Regional).id(front.id().unwrap()).send().await.unwrap();
    assert_eq!(read.web_acl().unwrap().rules().len(), 2);
    assert_eq!(read.lock_token(), front.lock_token());
    let back = acl("back").send().await.unwrap().summary.unwrap();

    let balancer = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/rancher/1";
    let associate =
        |arn: &str, resource: &str| client.associate_web_acl().web_acl_arn(arn).resource_arn(resource).send();
    let protects = async |arn: &str| {
        let list = client.list_resources_for_web_acl().web_acl_arn(arn).send().await.unwrap();
        list.resource_arns().len()
    };
    let (front, back) = (front.arn().unwrap(), back.arn().unwrap());
    associate(front, balancer).await.unwrap();
    associate(front, balancer).await.unwrap();
    assert_eq!((protects(front).await, protects(back).await), (1, 0));
    associate(back, balancer).await.unwrap();
    assert_eq!((protects(front).await, protects(back).await), (0, 1));
    let other = "WAFInvalidParameterException RESOURCE_ARN";
    assert_eq!(refusal(associate(front, "arn:aws:s3:::bucket-of-logs").await), other);
    let unknown = format!("{front}0");
    assert_eq!(refusal(associate(&unknown, balancer).await), "WAFNonexistentItemException");

    let count = OverrideAction::builder().count(CountAction::builder().build()).build();
    let plain =
        |action| Rule::builder().set_action(action).name("odd").priority(9).visibility_config(visibility("odd"));
    let odd = |rule: aws_sdk_wafv2::types::builders::RuleBuilder| acl("odd").rules(rule.build().unwrap());
    let to_group = || group_rule(&group, 0).statement.unwrap();
    for (what, request, expected) in [
        ("taken", acl("front"), "WAFDuplicateItemException"),
        (
            "too large",
            acl("odd").rules(group_rule(&group, 0)).rules(group_rule(&large, 1)),
            "WAFLimitsExceededException",
        ),
        ("no such group", acl("odd").rules(group_rule(&format!("{group}0"), 0)), "WAFNonexistentItemException"),
        ("no such set", acl("odd").rules(rule("a", 0, reference(&format!("{set}0")))), "WAFNonexistentItemException"),
        ("action", odd(plain(Some(allow())).statement(to_group())), "WAFInvalidParameterException RULE_ACTION"),
        ("no override", odd(plain(None).statement(to_group())), "WAFInvalidParameterException OVERRIDE_ACTION"),
        (
            "override",
            { odd(plain(None).override_action(count).statement(reference(&set))) },
            "WAFInvalidParameterException OVERRIDE_ACTION",
        ),
        (
            "no default",
            { acl("odd").default_action(DefaultAction::builder().build()) },
            "WAFInvalidParameterException DEFAULT_ACTION",
        ),
        (
            "twice",
            { acl("odd").rules(group_rule(&group, 0)).rules(group_rule(&group, 0)) },
            "WAFInvalidParameterException RULE",
        ),
    ] {
        assert_eq!(refusal(request.send().await), expected, "{what}");
    }
    assert_eq!((aws.web_acls().len(), aws.violations()), (2, Vec::new()));
}

#[tokio::test]
async fn unless_it_is_there_for_people_their_operations_are_unknown() {
    let aws = Aws::new(calm());
    aws.create_table(REGION, TABLE);
    let unknown = "UnknownOperationException";
    assert_eq!(refusal(create_table(&aws, "id").send().await), unknown);
    let (client, key) = (dynamo(&aws), || text("edge"));
    assert_eq!(refusal(client.put_item().table_name(TABLE).item("id", key()).send().await), unknown);
    assert_eq!(refusal(client.get_item().table_name(TABLE).key("id", key()).send().await), unknown);
    assert_eq!(refusal(client.delete_item().table_name(TABLE).key("id", key()).send().await), unknown);
    let acl = waf(&aws).create_web_acl().name("front").scope(Scope::Regional).default_action(block());
    assert_eq!(refusal(acl.visibility_config(visibility("front")).send().await), unknown);
    let associate = waf(&aws).associate_web_acl().web_acl_arn("x".repeat(20)).resource_arn("x".repeat(20)).send().await;
    assert_eq!(refusal(associate), unknown);
    assert_eq!(aws.violations().len(), 6);
}
