//! A preloaded account looks as wafsync would leave it. The expected numbers come from other tools.

use serde_json::json;
use wafsync_test_aws::{Aws, Config};

use crate::support::{REGION, calm};

#[tokio::test]
async fn preload_puts_every_cidr_in_force_with_matching_descriptions() {
    let aws = Aws::new(Config { set_capacity: 2, group_references: 2, ..calm() });
    aws.create_table(REGION, "clusters");
    let cidrs = json!(["192.0.2.1/32", "198.51.100.0/24", "2001:db8::/48", "192.0.2.1/32"]).to_string();
    aws.put_item("clusters", "a", json!({ "id": { "S": "a" }, "ips": { "S": cidrs } }));
    aws.preload(REGION, "clusters", "edge", 6);

    let sets = aws.ip_sets();
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["edge-ipv4-000", "edge-ipv6-000"]);
    assert_eq!(sets[0].addresses, ["192.0.2.1/32", "198.51.100.0/24"]);
    assert_eq!(sets[1].addresses, ["2001:db8::/48"]);
    assert_eq!(sets[0].tags["managed-by"], "wafsync");
    // The sum of both hashes overflows.
    let sum = "2853bb741d9fc0e56786b0b94b6347a25588335a27455e2d4b9095d7f6faa341";
    assert_eq!(sets[0].description, Some(format!("wafsync edge sum:{sum} entries:2")));

    let groups = aws.rule_groups();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["edge-1", "edge-2", "edge-3"]);
    assert!(groups.iter().all(|group| group.description.as_deref() == Some("wafsync edge table:07703b30")));
    let rule = &groups[0].rules[0];
    assert_eq!(
        (&rule["Name"], &rule["Priority"], &rule["Action"]),
        (&json!("edge"), &json!(0), &json!({ "Allow": {} }))
    );
    assert_eq!(rule["VisibilityConfig"]["MetricName"], "edge-1");
    let reference = |set: usize| json!({ "IPSetReferenceStatement": { "ARN": sets[set].arn } });
    assert_eq!(rule["Statement"], json!({ "OrStatement": { "Statements": [reference(0), reference(1)] } }));
    assert_eq!((&groups[1].rules, &groups[2].rules), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_single_shard_is_referred_to_without_an_or() {
    let aws = Aws::new(calm());
    aws.create_table(REGION, "clusters");
    aws.put_item("clusters", "a", json!({ "id": { "S": "a" }, "ips": { "S": "[\"192.0.2.1/32\"]" } }));
    aws.preload(REGION, "clusters", "edge", 100);
    let arn = aws.ip_set("edge-ipv4-000").unwrap().arn;
    let group = aws.rule_group("edge-1").unwrap();
    assert_eq!(group.rules[0]["Statement"], json!({ "IPSetReferenceStatement": { "ARN": arn } }));
    assert_eq!((group.capacity, aws.rule_groups().len()), (120, 2));
}
