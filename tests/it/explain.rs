//! One address in the table and in WAF, as `explain` looks at it.

use serde_json::json;
use wafsync::aws::ReadCache;
use wafsync::model::cidr::Cidr;
use wafsync::model::desired::Desired;
use wafsync::preflight::explain::{Explanation, explain};
use wafsync_test_aws::Config;

use crate::world::{World, ip, reference_to};

impl World {
    pub(crate) async fn explain(&self, address: &str) -> Explanation {
        let (connection, stop) = (self.connection(), self.signal.stop(None));
        let table = &self.settings.table;
        let view = connection.table_reader().scan(table, &stop).await.unwrap();
        let current =
            connection.waf_reader().read_waf(&self.settings.waf, &mut ReadCache::default(), &stop).await.unwrap();
        let desired = Desired::new(view, &table.always, table.aggregate, table.widest);
        explain(Cidr::parse(address).unwrap(), &desired, &current)
    }
}

#[tokio::test(start_paused = true)]
async fn the_four_answers() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=3);
    world.item("wide", &["203.0.113.0/28"]);
    world.apply().await;
    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arn, 0)]));
    world.aws.put_web_acl("REGIONAL", "back", "Block", json!([]));
    world.set(&["--web-acl", "front", "--web-acl", "back", "--max-ip-sets", "4"]);
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
        // Half of it is wanted, and in force.
        (world.explain("203.0.113.0/27").await.exit_code(), 7),
    ];
    assert!(codes.iter().all(|(found, expected)| found == expected), "{codes:?}");
    insta::assert_snapshot!("explain-partly", world.explain("203.0.113.0/27").await.to_text());
    insta::assert_snapshot!("explain-neither", world.explain("192.0.2.1").await.to_text());
}

#[tokio::test(start_paused = true)]
async fn two_sets_may_hold_the_halves_of_what_is_asked() {
    let config = Config { set_capacity: 1, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.item("a", &["203.0.113.0/29"]);
    world.item("b", &["203.0.113.8/29"]);
    world.apply().await;
    world.later().await;
    let whole = world.explain("203.0.113.0/28").await;
    assert_eq!((whole.exit_code(), whole.items, whole.ip_sets.len()), (0, vec!["a".to_owned(), "b".to_owned()], 2));
}
