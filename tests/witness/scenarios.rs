//! The main scenarios on the witnesses. Each ends with a plan that finds nothing to do.

use aws_sdk_wafv2::types::{
    BlockAction, CountAction, DefaultAction, IpAddressVersion, NoneAction, OverrideAction, Rule,
    RuleGroupReferenceStatement, Scope, Statement, VisibilityConfig,
};
use serde_json::Value;
use wafsync::run::outcome::Outcome;

use crate::moving::an_item_moves_past_the_scan;
use crate::world::{self, World};

/// Runs every scenario and returns their number.
pub(crate) async fn run_all() -> usize {
    let mut ran = 0;
    macro_rules! scenario {
        ($($name:ident),+ $(,)?) => {$(
            $name().await;
            println!("scenario {} ... ok", stringify!($name).replace('_', " "));
            ran += 1;
        )+};
    }
    scenario!(
        first_run_and_one_change,
        growth_beyond_a_set,
        a_manual_edit_is_reverted,
        half_of_the_table_vanishes,
        the_table_is_empty,
        a_hand_made_set_is_adopted,
        aggregation_is_switched_on,
        another_writer_writes_between_read_and_write,
        an_answer_is_lost_after_the_effect,
        an_invalid_value_holds_removals,
        a_web_acl_refers_to_the_rule_groups_or_not,
        two_processes_run_at_once,
        a_list_has_more_than_one_page,
        an_item_moves_past_the_scan,
    );
    ran
}

async fn first_run_and_one_change() {
    let world = World::new("first", &[]).await;
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]).await;
    world.item("b", &["203.0.113.0/28"]).await;
    world.applies(Outcome::Changed, 4).await;
    assert_eq!(world.addresses().await.len(), 3);
    world.settled().await;
    world.no_item("a", &["198.51.100.7/32", "2001:db8:1::/48"]).await;
    world.item("a", &["198.51.100.8/32", "2001:db8:1::/48"]).await;
    world.applies(Outcome::Changed, 1).await;
    assert!(world.addresses().await.contains("198.51.100.8/32"));
    world.settled().await;
}

async fn growth_beyond_a_set() {
    let world = World::new("growth", &["--max-per-item", "10000"]).await;
    let address = |n: usize| format!("10.{}.{}.{}/32", n / 65_536, n / 256 % 256, n % 256);
    // A sort key holds 1,024 bytes: about forty addresses per item.
    for (item, chunk) in (0..10_020).map(address).collect::<Vec<_>>().chunks(40).enumerate() {
        let ips: Vec<&str> = chunk.iter().map(String::as_str).collect();
        world.item(&format!("cluster-{item}"), &ips).await;
    }
    world.applies(Outcome::Changed, 4).await;
    let mut sizes: Vec<usize> = world.ip_sets().await.iter().map(|set| set.addresses.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 10_000]);
    world.settled().await;
}

async fn a_manual_edit_is_reverted() {
    let world = World::new("drift", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    let set = world.ip_sets().await.remove(0);
    world::edit_by_hand(&world.waf, &set, &["198.51.100.7/32", "192.0.2.66/32"]).await;
    let applied = world.applies(Outcome::Changed, 1).await;
    assert_eq!(applied.drift.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.66/32"]);
    world.settled().await;
}

async fn half_of_the_table_vanishes() {
    let mut world = World::new("half", &[]).await;
    for n in 0..20 {
        world.item(&format!("c{n}"), &[&format!("198.51.100.{n}/32")]).await;
    }
    world.apply().await;
    for n in 0..10 {
        world.no_item(&format!("c{n}"), &[&format!("198.51.100.{n}/32")]).await;
    }
    world.item("new", &["203.0.113.9/32"]).await;
    let held = world.applies(Outcome::Held, 1).await;
    assert_eq!(held.held.len(), 10);
    assert_eq!(world.addresses().await.len(), 21);
    world.settings.guards.approve = held.digest;
    world.applies(Outcome::Changed, 1).await;
    assert_eq!(world.addresses().await.len(), 11);
    world.settled().await;
}

async fn the_table_is_empty() {
    let world = World::new("empty", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    world.no_item("a", &["198.51.100.7/32"]).await;
    world.applies(Outcome::Blocked, 0).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.applies(Outcome::Converged, 0).await;
    world.settled().await;
}

async fn a_hand_made_set_is_adopted() {
    let mut world = World::new("adopt", &["--adopt", "hand-made"]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    let create = world.waf.create_ip_set().scope(Scope::Regional).name("hand-made");
    let addresses = Some(vec!["198.51.100.7/32".to_owned(), "192.0.2.1/32".to_owned()]);
    create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(addresses).send().await.unwrap();
    let held = world.apply().await;
    assert_eq!((held.outcome, held.held.len()), (Outcome::Held, 1), "{}", held.reason);
    world.settings.guards.approve = held.digest;
    world.applies(Outcome::Changed, 1).await;
    world.settled().await;
}

async fn aggregation_is_switched_on() {
    let mut world = World::new("aggregate", &[]).await;
    world.item("a", &["198.51.100.6/32"]).await;
    world.item("b", &["198.51.100.7/32"]).await;
    world.apply().await;
    world.settings.table.aggregate = true;
    world.applies(Outcome::Changed, 1).await;
    assert_eq!(world.addresses().await.into_iter().collect::<Vec<_>>(), ["198.51.100.6/31"]);
    world.settled().await;
}

/// The lock token reveals the other write. wafsync reads again, and removes the other writer's address as a manual
/// edit.
async fn another_writer_writes_between_read_and_write() {
    let world = World::new("conflict", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    let set = world.ip_sets().await.remove(0);
    world.item("b", &["198.51.100.8/32"]).await;
    world.interceptor.drain();
    let waf = world.waf.clone();
    let other = async move { world::edit_by_hand(&waf, &set, &["198.51.100.7/32", "192.0.2.66/32"]).await };
    world.interceptor.before("UpdateIPSet", 0, other);
    world.applies(Outcome::Changed, 1).await;
    let exchanges = world.interceptor.drain();
    let mut updates = exchanges.iter().filter(|call| call.operation == "UpdateIPSet").map(|call| &call.answer);
    assert_eq!(updates.next().map(|refused| &refused["__type"]), Some(&Value::from("WAFOptimisticLockException")));
    assert_eq!(updates.count(), 1, "one more write, which succeeded");
    assert_eq!(world.addresses().await.into_iter().collect::<Vec<_>>(), ["198.51.100.7/32", "198.51.100.8/32"]);
    world.settled().await;
}

/// The SDK's retry fails because the lock token is used up. A new read shows that the write took effect.
async fn an_answer_is_lost_after_the_effect() {
    let world = World::new("lost", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.apply().await;
    world.item("b", &["198.51.100.8/32"]).await;
    world.interceptor.lose_answer("UpdateIPSet");
    world.applies(Outcome::Changed, 1).await;
    world.item("c", &["2001:db8:1::/48"]).await;
    world.interceptor.lose_answer("UpdateRuleGroup");
    world.applies(Outcome::Changed, 2).await;
    let exchanges = world.interceptor.drain();
    let sent = |operation: &str| exchanges.iter().filter(|call| call.operation == operation).count();
    assert_eq!((sent("UpdateIPSet"), sent("UpdateRuleGroup")), (2, 2), "each was retried");
    assert_eq!(world.addresses().await.len(), 3);
    world.settled().await;
}

async fn an_invalid_value_holds_removals() {
    let world = World::new("rejection", &[]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    world.item("b", &["198.51.100.8/32"]).await;
    world.apply().await;
    world.no_item("a", &["198.51.100.7/32"]).await;
    world.item("c", &["54.123.456.78/32", "198.51.100.9/32"]).await;
    let held = world.applies(Outcome::Held, 1).await;
    assert_eq!((held.table.rejections.len(), held.held.len()), (1, 1), "{}", held.reason);
    assert_eq!(world.addresses().await.len(), 3);
    world.no_item("c", &["54.123.456.78/32", "198.51.100.9/32"]).await;
    world.item("c", &["198.51.100.9/32"]).await;
    world.applies(Outcome::Changed, 1).await;
    assert_eq!(world.addresses().await.into_iter().collect::<Vec<_>>(), ["198.51.100.8/32", "198.51.100.9/32"]);
    world.settled().await;
}

async fn a_web_acl_refers_to_the_rule_groups_or_not() {
    let world = World::new("acl", &["--web-acl", "front"]).await;
    world.item("a", &["198.51.100.7/32"]).await;
    let visibility = || {
        let config = VisibilityConfig::builder().metric_name("front").sampled_requests_enabled(true);
        config.cloud_watch_metrics_enabled(true).build().unwrap()
    };
    let block = || DefaultAction::builder().block(BlockAction::builder().build()).build();
    let create = world.waf.create_web_acl().scope(Scope::Regional).name("front");
    let made = create.default_action(block()).visibility_config(visibility()).send().await.unwrap();
    let id = made.summary.unwrap().id.unwrap();
    let refer = async |action: OverrideAction| {
        let listed = world.waf.list_rule_groups().scope(Scope::Regional).send().await.unwrap();
        let ours = listed.rule_groups().iter().filter(|group| group.name().unwrap().starts_with("acl-"));
        let rules = ours.enumerate().map(|(index, group)| {
            let reference = RuleGroupReferenceStatement::builder().arn(group.arn().unwrap()).build().unwrap();
            let statement = Statement::builder().rule_group_reference_statement(reference).build();
            let rule = Rule::builder().name(group.name().unwrap()).priority(i32::try_from(index).unwrap());
            let rule = rule.statement(statement).override_action(action.clone());
            rule.visibility_config(visibility()).build().unwrap()
        });
        let get = world.waf.get_web_acl().scope(Scope::Regional).name("front").id(&id).send().await.unwrap();
        let update = world.waf.update_web_acl().scope(Scope::Regional).name("front").id(&id);
        let update = update.default_action(block()).visibility_config(visibility());
        update.set_rules(Some(rules.collect())).lock_token(get.lock_token.unwrap()).send().await.unwrap();
    };
    world.applies(Outcome::Unenforced, 3).await;
    refer(OverrideAction::builder().none(NoneAction::builder().build()).build()).await;
    world.applies(Outcome::Converged, 0).await;
    refer(OverrideAction::builder().count(CountAction::builder().build()).build()).await;
    world.applies(Outcome::Unenforced, 0).await;
    world.settled().await;
}

/// Runs after a first run, because moto allows two IP sets with one name and AWS does not.
async fn two_processes_run_at_once() {
    let world = World::new("twice", &[]).await;
    world.item("stays", &["198.51.100.7/32", "2001:db8:1::/48"]).await;
    world.item("goes", &["198.51.100.8/32"]).await;
    world.apply().await;
    world.no_item("goes", &["198.51.100.8/32"]).await;
    world.item("comes", &["198.51.100.9/32", "2001:db8:2::/48"]).await;
    for _ in 0..3 {
        let (one, two) = tokio::join!(world.process(), world.process());
        for (code, document) in [one, two] {
            let outcome = document["outcome"].as_str().unwrap();
            let right = match code {
                Some(0) => ["converged", "changed"].contains(&outcome),
                Some(4) => outcome == "partial",
                _ => false,
            };
            assert!(right, "{code:?} {outcome}: {}", document["reason"]);
        }
    }
    let wanted = ["198.51.100.7/32", "198.51.100.9/32", "2001:db8:1::/48", "2001:db8:2::/48"];
    assert_eq!(world.addresses().await.into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(world.ip_sets().await.len(), 2);
    world.settled().await;
}

async fn a_list_has_more_than_one_page() {
    let world = World::new("pages", &[]).await;
    for number in 0..105 {
        let create = world.waf.create_ip_set().scope(Scope::Regional).name(format!("theirs-{number}"));
        create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(Some(vec![])).send().await.unwrap();
    }
    world.item("a", &["198.51.100.7/32"]).await;
    world.applies(Outcome::Changed, 3).await;
    world.interceptor.drain();
    world.settled().await;
    let exchanges = world.interceptor.drain();
    let lists: Vec<_> = exchanges.iter().filter(|call| call.operation == "ListIPSets").collect();
    let [first, second] = lists[..] else { panic!("{} pages", lists.len()) };
    assert_eq!(first.answer["IPSets"].as_array().map(Vec::len), Some(100));
    assert_eq!(
        second.request["NextMarker"], first.answer["NextMarker"],
        "the second page begins where the first ended"
    );
    assert_eq!(second.answer["NextMarker"], Value::Null);
}
