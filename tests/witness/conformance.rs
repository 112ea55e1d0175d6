//! Sends the same requests to the stand-in and to the witnesses. Every difference is listed with the fact about AWS
//! that justifies it. A listed difference that no longer exists is an error too.

mod lists;

use std::fmt::Debug;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_wafv2::types::{
    AllowAction, IpAddressVersion, IpSetReferenceStatement, OrStatement, Rule, RuleAction, Scope, Statement,
    VisibilityConfig,
};
use wafsync_test_aws::{Aws, Config};

/// The number of compared steps.
pub(crate) struct Steps {
    pub(crate) waf: usize,
    pub(crate) table: usize,
}

/// A step, the stand-in's answer, the witness's answer, and the fact that justifies the stand-in.
type Difference = (&'static str, &'static str, &'static str, &'static str);

const WAF_DIFFERENCES: [Difference; 12] = [
    (
        "create it again",
        "WAFDuplicateItemException",
        "ok",
        "WAFDuplicateItemException is one of CreateIPSet's modeled errors",
    ),
    (
        "create one with host bits set",
        "WAFInvalidParameterException",
        "ok",
        "the whole call fails on an IPv4 CIDR with host bits (field IP_ADDRESS)",
    ),
    (
        "create one with /0",
        "WAFInvalidParameterException",
        "ok",
        "all CIDRs but /0 are supported (API reference of CreateIPSet)",
    ),
    ("create one with a bare address", "WAFInvalidParameterException", "ok", "addresses must be in CIDR notation"),
    (
        "create one of the other family",
        "WAFInvalidParameterException",
        "ok",
        "a set holds one family, fixed when it is created",
    ),
    (
        "create one with 10,001 addresses",
        "WAFLimitsExceededException",
        "ok",
        "10,000 addresses in a set, a fixed quota",
    ),
    (
        "its description after an update without one",
        "\"\"",
        "\"made for conformance\"",
        "an update replaces everything mutable: what is left out is gone",
    ),
    (
        "update it with an empty description",
        "ValidationException",
        "ok",
        "a description has 3 to 256 characters of the model's pattern",
    ),
    (
        "create that rule group again",
        "WAFDuplicateItemException",
        "WafV2DuplicateItem",
        "the model's name of the error",
    ),
    (
        "create a rule group with an OR of one",
        "WAFInvalidParameterException",
        "ok",
        "an OR needs two statements (field OR_STATEMENT)",
    ),
    (
        "create a rule group over its capacity",
        "WAFInvalidParameterException",
        "ok",
        "overflow is an invalid parameter (field RULE_GROUP)",
    ),
    (
        "create a rule group that refers to an unknown IP set",
        "WAFNonexistentItemException",
        "ok",
        "WAFNonexistentItemException is one of CreateRuleGroup's modeled errors",
    ),
];

const TABLE_DIFFERENCES: [Difference; 2] = [
    ("scan with its cost", "1 units", "0.5 units", "a consistent read costs twice as much: 1 unit for up to 4 KB"),
    (
        "name a segment without their number",
        "ValidationException",
        "ok",
        "a request with a segment must also have their number (API reference of Scan)",
    ),
];

/// The answers of one side to each step.
#[derive(Default)]
struct Transcript(Vec<(&'static str, String)>);

impl Transcript {
    fn note<T, E: ProvideErrorMetadata + Debug>(
        &mut self,
        step: &'static str,
        answer: Result<T, E>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let said = match &answer {
            Ok(value) => show(value),
            Err(error) => error.code().map_or_else(|| format!("{error:?}"), ToOwned::to_owned),
        };
        self.0.push((step, said));
        answer.ok()
    }
}

/// Runs the requests against both sides and compares the answers.
pub(crate) async fn run_all() -> Steps {
    let stand_in = stand_in("eu-central-1");
    stand_in.create_table("eu-central-1", "conformance");
    let ours = sdk(&stand_in, "eu-central-1");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let theirs = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;

    let waf = compare(
        "moto",
        &about_waf(&aws_sdk_wafv2::Client::new(&ours)).await,
        &about_waf(&aws_sdk_wafv2::Client::new(&theirs)).await,
        &WAF_DIFFERENCES,
    ) + lists::compare_all(&theirs).await;
    for n in 0..5 {
        let row =
            serde_json::json!({"id": {"S": format!("c{n}")}, "name": {"S": "x"}, "ips": {"SS": ["198.51.100.7"]}});
        stand_in.put_item("conformance", &format!("c{n}"), row);
    }
    let client = aws_sdk_dynamodb::Client::new(&theirs);
    create_table(&client).await;
    let table = compare(
        "dynalite",
        &about_the_table(&aws_sdk_dynamodb::Client::new(&ours)).await,
        &about_the_table(&client).await,
        &TABLE_DIFFERENCES,
    );
    Steps { waf, table }
}

/// A separate account without rate limits.
fn stand_in(region: &str) -> Aws {
    Aws::new(Config { region: region.to_owned(), read_rate: None, write_rate: None, ..Config::default() })
}

fn sdk(stand_in: &Aws, region: &'static str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")))
        .http_client(stand_in.http_client())
        .build()
}

fn compare(witness: &str, ours: &Transcript, theirs: &Transcript, known: &[Difference]) -> usize {
    let mut wrong = Vec::new();
    assert_eq!(ours.0.len(), theirs.0.len(), "both sides have the same steps");
    for ((step, ours), (_, theirs)) in ours.0.iter().zip(&theirs.0) {
        match known.iter().find(|(name, ..)| name == step) {
            Some((_, expected, other, fact)) if expected == ours && other == theirs => {
                println!("{witness} differs at \"{step}\": {theirs} instead of {ours}. AWS: {fact}");
            }
            None if ours == theirs => {}
            _ => wrong.push(format!("{step}: the stand-in says {ours}, {witness} says {theirs}")),
        }
    }
    for (name, ..) in known {
        if !ours.0.iter().any(|(step, _)| step == name) {
            wrong.push(format!("{name}: no such step"));
        }
    }
    assert!(wrong.is_empty(), "unlisted differences:\n{}", wrong.join("\n"));
    ours.0.len()
}

fn rule(statement: Statement) -> Rule {
    Rule::builder()
        .name("conformance")
        .priority(0)
        .statement(statement)
        .action(RuleAction::builder().allow(AllowAction::builder().build()).build())
        .visibility_config(visibility())
        .build()
        .unwrap()
}

fn visibility() -> VisibilityConfig {
    let config = VisibilityConfig::builder().metric_name("conformance").sampled_requests_enabled(true);
    config.cloud_watch_metrics_enabled(true).build().unwrap()
}

fn reference(arn: &str) -> Statement {
    let reference = IpSetReferenceStatement::builder().arn(arn).build().unwrap();
    Statement::builder().ip_set_reference_statement(reference).build()
}

fn any_of(arns: &[&str]) -> Statement {
    let statements = arns.iter().map(|arn| reference(arn)).collect();
    Statement::builder().or_statement(OrStatement::builder().set_statements(Some(statements)).build().unwrap()).build()
}

fn sorted(addresses: &[String]) -> String {
    let mut addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    addresses.sort_unstable();
    addresses.join(" ")
}

async fn about_waf(client: &aws_sdk_wafv2::Client) -> Transcript {
    let mut said = Transcript::default();
    let create = |name: &str, addresses: &[&str]| {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let create = client.create_ip_set().scope(Scope::Regional).name(name).description("made for conformance");
        create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(Some(addresses))
    };
    let ok = |_: &aws_sdk_wafv2::operation::create_ip_set::CreateIpSetOutput| "ok".to_owned();

    let made = said.note("create an IP set", create("conformance-a", &["192.0.2.1/32"]).send().await, |_| "ok".into());
    let summary = made.and_then(|made| made.summary).unwrap();
    let (id, arn) = (summary.id.unwrap(), summary.arn.unwrap());
    said.note("create it again", create("conformance-a", &["192.0.2.1/32"]).send().await, ok);
    said.note("create one with host bits set", create("conformance-b", &["192.0.2.1/24"]).send().await, ok);
    said.note("create one with /0", create("conformance-c", &["0.0.0.0/0"]).send().await, ok);
    said.note("create one with a bare address", create("conformance-d", &["192.0.2.1"]).send().await, ok);
    said.note("create one of the other family", create("conformance-e", &["2001:db8::/48"]).send().await, ok);
    let many: Vec<String> = (0..10_001).map(|n| format!("10.0.{}.{}/32", n / 256, n % 256)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    said.note("create one with 10,001 addresses", create("conformance-f", &many).send().await, ok);
    said.note("create one without addresses", create("conformance-empty", &[]).send().await, ok);

    let get = || client.get_ip_set().scope(Scope::Regional).name("conformance-a").id(&id);
    let read = said.note("read it", get().send().await, |read| sorted(&read.ip_set().unwrap().addresses));
    let token = read.and_then(|read| read.lock_token).unwrap();
    let unknown = client.get_ip_set().scope(Scope::Regional).name("conformance-a");
    said.note("read an unknown id", unknown.id("00000000-0000-0000-0000-000000000000").send().await, |_| "ok".into());

    let update = |token: &str, addresses: &[&str]| {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let update = client.update_ip_set().scope(Scope::Regional).name("conformance-a").id(&id);
        update.lock_token(token).set_addresses(Some(addresses))
    };
    said.note("update it without a description", update(&token, &["192.0.2.2/32"]).send().await, |_| "ok".into());
    said.note("update it with the old token", update(&token, &["192.0.2.3/32"]).send().await, |_| "ok".into());
    let read = said.note("read it again", get().send().await, |read| sorted(&read.ip_set().unwrap().addresses));
    let read = read.unwrap();
    let description = read.ip_set().unwrap().description().unwrap_or_default().to_owned();
    said.0.push(("its description after an update without one", format!("{description:?}")));
    let again = update(read.lock_token().unwrap(), &["192.0.2.2/32"]).description("");
    said.note("update it with an empty description", again.send().await, |_| "ok".into());

    let page = client.list_ip_sets().scope(Scope::Regional).limit(1).send().await;
    said.note("list one to a page", page, |page| {
        format!("{} and {}", page.ip_sets().len(), if page.next_marker().is_some() { "a marker" } else { "no marker" })
    });

    let group = |name: &str, capacity: i64, rules: Vec<Rule>| {
        let create = client.create_rule_group().scope(Scope::Regional).name(name).capacity(capacity);
        create.set_rules(Some(rules)).visibility_config(visibility())
    };
    let made = group("conformance-1", 120, vec![]).send().await;
    let made = said.note("create a rule group without rules", made, |_| "ok".into()).unwrap();
    let group_id = made.summary().unwrap().id().unwrap().to_owned();
    let again = group("conformance-1", 120, vec![]).send().await;
    said.note("create that rule group again", again, |_| "ok".into());
    let or_of_one = group("conformance-2", 120, vec![rule(any_of(&[&arn]))]).send().await;
    said.note("create a rule group with an OR of one", or_of_one, |_| "ok".into());
    let over = group("conformance-3", 1, vec![rule(any_of(&[&arn, &arn]))]).send().await;
    said.note("create a rule group over its capacity", over, |_| "ok".into());
    let nowhere = arn.replace(&id, "00000000-0000-0000-0000-000000000000");
    let unknown = group("conformance-4", 120, vec![rule(reference(&nowhere))]).send().await;
    said.note("create a rule group that refers to an unknown IP set", unknown, |_| "ok".into());

    let get = || client.get_rule_group().scope(Scope::Regional).name("conformance-1").id(&group_id);
    let read = said.note("read the rule group", get().send().await, |read| {
        let group = read.rule_group().unwrap();
        format!("{} rules, {} WCU", group.rules().len(), group.capacity())
    });
    let token = read.and_then(|read| read.lock_token).unwrap();
    let update = |token: &str| {
        let update = client.update_rule_group().scope(Scope::Regional).name("conformance-1").id(&group_id);
        update.lock_token(token).rules(rule(reference(&arn))).visibility_config(visibility())
    };
    said.note("give the rule group a rule", update(&token).send().await, |_| "ok".into());
    said.note("update the rule group with the old token", update(&token).send().await, |_| "ok".into());
    said.note("read the rule group again", get().send().await, |read| {
        let group = read.rule_group().unwrap();
        format!("{} rules, {} WCU", group.rules().len(), group.capacity())
    });
    said
}

async fn create_table(client: &aws_sdk_dynamodb::Client) {
    use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let definition = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let create = client.create_table().table_name("conformance").billing_mode(BillingMode::PayPerRequest);
    create.key_schema(key).attribute_definitions(definition.build().unwrap()).send().await.unwrap();
    while client.scan().table_name("conformance").send().await.is_err() {
        tokio::task::yield_now().await;
    }
    for n in 0..5 {
        let put = client.put_item().table_name("conformance").item("id", AttributeValue::S(format!("c{n}")));
        let put = put.item("name", AttributeValue::S("x".into()));
        put.item("ips", AttributeValue::Ss(vec!["198.51.100.7".into()])).send().await.unwrap();
    }
}

async fn about_the_table(client: &aws_sdk_dynamodb::Client) -> Transcript {
    let mut said = Transcript::default();
    let scan = || client.scan().table_name("conformance").consistent_read(true);
    said.note("scan an unknown table", client.scan().table_name("nowhere").send().await, |_| "ok".into());
    said.note("scan everything", scan().send().await, |page| {
        format!("{} items, {}", page.count(), if page.last_evaluated_key().is_some() { "more" } else { "the end" })
    });
    said.note(
        "scan with its cost",
        scan().return_consumed_capacity(ReturnConsumedCapacity::Total).send().await,
        |page| {
            let cost = page.consumed_capacity().and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
            format!("{cost} units")
        },
    );
    let projected = scan().projection_expression("#a, #b").expression_attribute_names("#a", "id");
    said.note("scan with a projection", projected.expression_attribute_names("#b", "ips").send().await, |page| {
        let mut names: Vec<&String> = page.items().iter().flat_map(|item| item.keys()).collect();
        names.sort_unstable();
        names.dedup();
        format!("{names:?}")
    });
    said.note("project a reserved word", scan().projection_expression("name").send().await, |_| "ok".into());
    let twice = scan().projection_expression("#a, #b").expression_attribute_names("#a", "id");
    let twice = twice.expression_attribute_names("#b", "id").send().await;
    said.note("project one attribute twice", twice, |_| "ok".into());
    said.note("name a segment without their number", scan().segment(0).send().await, |_| "ok".into());
    said.note("name a segment that is too high", scan().segment(2).total_segments(2).send().await, |_| "ok".into());

    let (mut pages, mut items, mut start) = (0, 0, None);
    loop {
        let page = scan().limit(2).set_exclusive_start_key(start).send().await.unwrap();
        pages += 1;
        items += page.count();
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    said.0.push(("scan two to a page", format!("{items} items on {pages} pages")));
    let mut items = 0;
    for segment in 0..3 {
        items += scan().segment(segment).total_segments(3).send().await.unwrap().count();
    }
    said.0.push(("scan in three segments", format!("{items} items")));
    said
}
