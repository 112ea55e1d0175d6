//! `explain`: one address in the table and in WAF.

use serde_json::{Value, json};
use wafsync::aws::ReadCache;
use wafsync::model::cidr::Cidr;
use wafsync::model::desired::Desired;
use wafsync::preflight::explain::{Acls, Answers, Explanation, Link, Lookup, explain};
use wafsync_test_aws::Config;

use crate::world::{World, ip, reference_to};

impl World {
    pub(crate) async fn explain(&self, address: &str) -> Explanation {
        self.ask(|seen| explain(Cidr::parse(address).unwrap(), seen)).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(&Lookup<'_>) -> T) -> T {
        let (connection, stop) = (self.connection(), self.signal.stop(None));
        let table = &self.settings.table;
        let view = connection.table_reader().scan(table, &stop).await.unwrap();
        let current =
            connection.waf_reader().read_waf(&self.settings.waf, &mut ReadCache::default(), &stop).await.unwrap();
        let desired = Desired::new(view, &table.always, table.aggregate, table.widest);
        let acls = current.web_acls.clone().map_or(Acls::NotLooked(None), Acls::Named);
        let (policy, installation) = (&self.settings.waf.policy, &self.settings.waf.name);
        ask(&Lookup { desired: &desired, current: &current, acls: &acls, policy, installation })
    }
}

#[tokio::test(start_paused = true)]
async fn explain_has_four_answers() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=3);
    world.item("wide", &["203.0.113.0/28"]);
    world.apply().await;
    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arn, 0)]));
    world.aws.put_web_acl("REGIONAL", "back", "Block", json!([]));
    world.set(&["--web-acl", "front", "--max-ip-sets", "4"]);
    world.items(4..=4);
    world.no_items(1..=1);
    world.later().await;

    let both = world.explain("203.0.113.5").await;
    insta::assert_snapshot!("explain-both", both.to_text());
    insta::assert_snapshot!("explain-both-json", serde_json::to_string_pretty(&both).unwrap());
    let codes = [
        (both.exit_code(), 0),
        (world.explain(&ip(4)).await.exit_code(), 5),
        (world.explain(&ip(1)).await.exit_code(), 6),
        (world.explain("192.0.2.1").await.exit_code(), 7),
        // Half of it is wanted and in force.
        (world.explain("203.0.113.0/27").await.exit_code(), 7),
    ];
    assert!(codes.iter().all(|(found, expected)| found == expected), "{codes:?}");
    insta::assert_snapshot!("explain-partly", world.explain("203.0.113.0/27").await.to_text());
    insta::assert_snapshot!("explain-neither", world.explain("192.0.2.1").await.to_text());
}

#[tokio::test(start_paused = true)]
async fn two_sets_may_hold_the_halves_of_the_range() {
    let config = Config { set_capacity: 1, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.item("a", &["203.0.113.0/29"]);
    world.item("b", &["203.0.113.8/29"]);
    world.apply().await;
    world.later().await;
    let whole = world.explain("203.0.113.0/28").await;
    assert_eq!((whole.exit_code(), whole.items, whole.ip_sets.len()), (0, vec!["a".to_owned(), "b".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_in_only_through_a_complete_chain() {
    let mut world = World::new(&["--max-ip-sets", "50"]);
    world.items(1..=1);
    let link = async |world: &World| {
        world.later().await;
        let answer = world.explain(&ip(1)).await;
        (answer.exit_code(), answer.missing, answer.next.unwrap_or_default())
    };
    let plan = "run `wafsync apply`; `wafsync plan` shows what holds it back".to_owned();
    assert_eq!(link(&world).await, (5, Some(Link::IpSet), plan));
    world.apply().await;
    assert_eq!(link(&world).await, (0, None, String::new()));
    assert!(world.explain(&ip(1)).await.to_text().contains("in our rules; no web ACL was looked at"));

    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.set(&["--web-acl", "front", "--max-ip-sets", "50"]);
    let refer = "refer to wafsync-1 in web ACL front".to_owned();
    assert_eq!(link(&world).await, (5, Some(Link::WebAcl), refer));
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&arn, 0)]));
    assert_eq!(link(&world).await, (0, None, String::new()));
    world.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"Count": {}}));
    let remove = "remove the override of wafsync-1 in web ACL front".to_owned();
    assert_eq!(link(&world).await, (5, Some(Link::Override), remove));
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&arn, 0)]));

    // Someone edits our rule.
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = json!({"Block": {}}));
    let restore = "run `wafsync plan`: restoring the rule needs an approval".to_owned();
    assert_eq!(link(&world).await, (5, Some(Link::Rule), restore));
    world.aws.edit_rule_group("wafsync-1", |rules| *rules = Value::Array(Vec::new()));
    assert_eq!(link(&world).await.1, Some(Link::RuleGroup));
}

#[tokio::test(start_paused = true)]
async fn every_named_web_acl_must_allow_the_address() {
    let mut world = World::new(&["--max-ip-sets", "50"]);
    world.items(1..=1);
    world.apply().await;
    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arn, 0)]));
    world.aws.put_web_acl("REGIONAL", "back", "Block", json!([]));
    world.set(&["--web-acl", "front", "--web-acl", "back", "--max-ip-sets", "50"]);
    world.later().await;
    let answer = world.explain(&ip(1)).await;
    assert_eq!((answer.exit_code(), answer.missing), (5, Some(Link::WebAcl)));
    insta::assert_snapshot!("explain-one-of-two", answer.to_text());
}

#[tokio::test(start_paused = true)]
async fn each_web_acl_may_let_an_address_in_by_another_ip_set() {
    let mut world = World::new(&["--max-ip-sets", "100"]);
    world.items(1..=2);
    world.apply().await;
    let arns = ["wafsync-1", "wafsync-2"].map(|name| world.aws.rule_group(name).unwrap().arn);
    // A second IP set with one of the addresses, in the second rule group.
    let description = world.aws.ip_set("wafsync-ipv4-000").unwrap().description;
    let copy = world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &[&ip(1)], description.as_deref());
    let rules = world.aws.rule_group("wafsync-1").unwrap().rules;
    world.aws.edit_rule_group("wafsync-2", |now| {
        *now = rules;
        now[0]["Statement"] = json!({"IPSetReferenceStatement": {"ARN": copy}});
        now[0]["VisibilityConfig"]["MetricName"] = json!("wafsync-2");
    });
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arns[0], 0)]));
    world.aws.put_web_acl("REGIONAL", "back", "Block", json!([reference_to(&arns[1], 0)]));
    world.set(&["--web-acl", "front", "--web-acl", "back", "--max-ip-sets", "100"]);
    world.later().await;
    assert_eq!(world.explain(&ip(1)).await.exit_code(), 0);
    let only_front = world.explain(&ip(2)).await;
    let next = "refer to wafsync-1 in web ACL back";
    assert_eq!((only_front.exit_code(), only_front.next.as_deref()), (5, Some(next)));

    // One overrides what the other does not refer to.
    world.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"Count": {}}));
    world.later().await;
    let answer = world.explain(&ip(2)).await;
    let next = "remove the override of wafsync-1 in web ACL front; refer to wafsync-1 in web ACL back";
    assert_eq!((answer.exit_code(), answer.next.as_deref()), (5, Some(next)));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_value_that_holds_the_address_is_shown_with_its_item() {
    let world = World::new(&[]);
    world.item("edge-0005", &["192.0.2.99/24"]);
    let answer = world.explain("192.0.2.99").await;
    assert_eq!(answer.exit_code(), 7);
    insta::assert_snapshot!("explain-rejected", answer.to_text());
    assert_eq!(world.explain("198.51.100.1").await.rejections_total, 0);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_rejected_as_a_whole_is_named() {
    let world = World::new(&["--max-per-item", "2"]);
    let asks = [ip(1), ip(2), ip(3)];
    world.item("edge", &asks.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = world.explain(&ip(1)).await;
    let next = "add it to an item of the table; it may be in an item that was rejected as a whole, such as edge: `wafsync plan` says why";
    assert_eq!((answer.exit_code(), answer.next.as_deref()), (7, Some(next)));
    world.item("edge", &[]);
    world.later().await;
    assert_eq!(world.explain(&ip(1)).await.next.as_deref(), Some("add it to an item of the table"));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_rejected_as_a_whole_is_named_while_its_addresses_are_in_force() {
    let world = World::new(&["--max-per-item", "2"]);
    world.item("edge", &[&ip(1), &ip(2)]);
    world.apply().await;
    world.item("edge", &[&ip(1), &ip(2), &ip(3)]);
    world.later().await;
    let answer = world.explain(&ip(1)).await;
    let next = "run `wafsync plan` to see when it is removed; add it to an item to keep it; it may be in an item that was rejected \
                as a whole, such as edge: `wafsync plan` says why";
    assert_eq!((answer.exit_code(), answer.next.as_deref()), (6, Some(next)));
}

/// An address that only a foreign set lets in, while not all web ACLs can be read.
pub(crate) async fn with_obstacles() -> Explanation {
    let world = World::new(&[]);
    world.items(1..=1);
    world.apply().await;
    world.refer_to_foreign("wafsync-1", "offices", &[&ip(2)]);
    world.later().await;
    let unread = Acls::Found(Vec::new(), Some("GetWebACL back: AccessDeniedException".to_owned()));
    world.ask(|seen| explain(Cidr::parse(&ip(2)).unwrap(), &Lookup { acls: &unread, ..*seen })).await
}

#[tokio::test(start_paused = true)]
async fn what_was_not_looked_at_is_named() {
    let answer = with_obstacles().await;
    assert_eq!(answer.exit_code(), 7);
    insta::assert_snapshot!("explain-obstacles", answer.to_text());
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["foreign_references"][0]["rule_group"], "wafsync-1");
    assert_eq!(json["web_acls_unread"], "GetWebACL back: AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn an_item_is_explained_with_all_its_addresses() {
    let world = World::new(&["--max-ip-sets", "50"]);
    world.item("edge", &["198.51.100.1/32", "198.51.100.2/32"]);
    world.apply().await;
    world.later().await;
    world.item("half", &["198.51.100.3/32", "192.0.2.99/24"]);
    let ask = async |keys: &[&str]| {
        world.later().await;
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        world.ask(|seen| Answers::new(&[], &keys, seen, seen)).await
    };
    let edge = ask(&["edge"]).await;
    assert_eq!((edge.exit_code(), edge.answers.len(), edge.wanted, edge.in_force), (0, 2, true, true));
    let both = ask(&["edge", "half"]).await;
    assert_eq!((both.exit_code(), both.answers.len(), both.wanted), (7, 3, false));
    assert_eq!(ask(&["missing"]).await.exit_code(), 7);
    let progress = "0 of 1 wanted and in force; item half has 1 rejected value; item missing is not in the table, or asks for no address";
    assert_eq!(ask(&["half", "missing"]).await.progress(), progress);
    insta::assert_snapshot!("explain-items", ask(&["half", "missing"]).await.to_text());
    insta::assert_snapshot!("explain-items-json", serde_json::to_string_pretty(&ask(&["half"]).await).unwrap());
}

/// The result of a lookup by key: whether it was possible, the CIDRs of each item, and the number of rejections.
async fn by_key(world: &World, keys: &[&str]) -> (bool, Vec<String>, usize) {
    let (reader, stop) = (world.connection().table_reader(), world.signal.stop(None));
    let table = &world.settings.table;
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let (can, view) = (reader.reads_by_key(table, &stop).await.unwrap(), reader.items(table, &keys, &stop).await);
    let desired = Desired::new(view.unwrap(), &[], false, table.widest);
    let cidrs = keys.iter().flat_map(|key| desired.of_item(key)).map(|cidr| cidr.to_string()).collect();
    (can, cidrs, desired.view().rejections.len())
}

#[tokio::test(start_paused = true)]
async fn an_item_is_read_by_its_key_without_a_scan() {
    let world = World::new(&[]);
    world.items(1..=50);
    world.item("edge", &["198.51.100.1/32", "192.0.2.99/24"]);
    world.item("side", &["198.51.100.2/32"]);
    assert_eq!(by_key(&world, &["edge"]).await, (true, vec!["198.51.100.1/32".to_owned()], 1));
    let both = vec!["198.51.100.1/32".to_owned(), "198.51.100.2/32".to_owned()];
    assert_eq!(by_key(&world, &["edge", "missing", "side"]).await, (true, both, 1));
    assert_eq!((world.calls("Scan"), world.calls("Query")), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn all_items_that_share_a_key_are_read_on_every_page() {
    let world = World::with(Config { scan_page_bytes: 60, ..Config::default() }, &[]);
    for number in 0..5 {
        let ips = format!("[\"198.51.100.{number}/32\"]");
        let item = json!({"id": {"S": "edge"}, "ips": {"S": ips}});
        world.aws.put_item(crate::world::TABLE, &format!("edge#{number}"), item);
    }
    let (_, cidrs, _) = by_key(&world, &["edge"]).await;
    assert_eq!((cidrs.len(), world.calls("Query")), (5, 3), "{cidrs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_with_another_key_is_not_queried() {
    let world = World::new(&["--key-attribute=cluster"]);
    let reader = world.connection().table_reader();
    assert!(!reader.reads_by_key(&world.settings.table, &world.signal.stop(None)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_query_that_does_not_end_is_an_error() {
    use wafsync_test_aws::{FaultKind, When};
    let world = World::new(&[]);
    let page = r#"{"Items":[],"Count":0,"ScannedCount":0,"LastEvaluatedKey":{"id":{"S":"edge"}}}"#;
    world.fail_times("Query", 3, When::Before, FaultKind::Body(page));
    let reader = world.connection().table_reader();
    let read = reader.items(&world.settings.table, &["edge".to_owned()], &world.signal.stop(None)).await;
    assert_eq!(read.unwrap_err().to_string(), "Query table clusters: the query does not end");
}

#[tokio::test(start_paused = true)]
async fn a_label_removed_from_our_rule_by_hand_locks_clients_out() {
    let world = World::new(&["--action=count"]);
    world.items(1..=1);
    world.apply().await;
    world.later().await;
    assert_eq!(world.explain(&ip(1)).await.exit_code(), 0);
    let relabel = |labels: Value| world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["RuleLabels"] = labels);
    relabel(json!([{"Name": "other"}, {"Name": "wafsync"}]));
    assert_eq!(world.explain(&ip(1)).await.exit_code(), 0, "the web ACL finds the label that it asks for");
    relabel(json!([{"Name": "other"}]));
    let explanation = world.explain(&ip(1)).await;
    assert_eq!((explanation.exit_code(), explanation.missing), (5, Some(Link::Rule)));
}

#[tokio::test(start_paused = true)]
async fn one_of_two_rule_groups_that_refer_to_a_set_is_enough() {
    let mut world = World::new(&[]);
    world.items(1..=1);
    world.apply().await;
    let [first, second] = ["wafsync-1", "wafsync-2"].map(|name| world.aws.rule_group(name).unwrap());
    world.aws.edit_rule_group("wafsync-2", |rules| *rules = first.rules.clone());
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&second.arn, 0)]));
    world.set(&["--web-acl", "front"]);
    let answer = async |world: &World| {
        world.later().await;
        let answer = world.explain(&ip(1)).await;
        (answer.exit_code(), answer.missing, answer.ip_sets[0].rule_group.clone().unwrap_or_default())
    };
    assert_eq!(answer(&world).await, (0, None, "wafsync-2".to_owned()));
    world.aws.edit_web_acl("front", |rules| {
        *rules = json!([reference_to(&first.arn, 0), reference_to(&second.arn, 1)]);
    });
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = json!({"Count": {}}));
    assert_eq!(answer(&world).await, (0, None, "wafsync-2".to_owned()));
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&first.arn, 0)]));
    let (code, missing, _) = answer(&world).await;
    assert_eq!((code, missing), (5, Some(Link::WebAcl)));
}
