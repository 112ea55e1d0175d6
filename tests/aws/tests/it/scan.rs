//! `Scan`: pages, segments, projections, capacity, and changes while it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, Select};
use serde_json::json;
use wafsync_test_aws::{Aws, Config};

use crate::support::{REGION, calm, dynamo, dynamo_in, refusal};

const TABLE: &str = "clusters";

/// A table of `count` items, `c0` and so on, of 60 bytes each.
fn with_items(config: Config, count: usize) -> Aws {
    let aws = Aws::new(config);
    aws.create_table(REGION, TABLE);
    for n in 0..count {
        put(&aws, &format!("c{n}"));
    }
    aws
}

fn put(aws: &Aws, key: &str) {
    let id = key.split('#').next().unwrap();
    aws.put_item(TABLE, key, json!({ "id": { "S": id }, "ips": { "S": "x".repeat(55 - id.len()) } }));
}

fn scan(aws: &Aws) -> ScanFluentBuilder {
    dynamo(aws).scan().table_name(TABLE)
}

fn ids(page: &ScanOutput) -> Vec<String> {
    page.items().iter().map(|item| item["id"].as_s().unwrap().clone()).collect()
}

/// The ids on each page. `between` is called after every page.
async fn pages(request: ScanFluentBuilder, mut between: impl FnMut(&[String])) -> Vec<Vec<String>> {
    let (mut pages, mut start) = (Vec::new(), None::<HashMap<String, AttributeValue>>);
    loop {
        let page = request.clone().set_exclusive_start_key(start).send().await.unwrap();
        assert_eq!(page.count(), i32::try_from(page.items().len()).unwrap());
        let ids = ids(&page);
        between(&ids);
        pages.push(ids);
        start = page.last_evaluated_key().cloned();
        if start.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_scan_returns_every_item_once_in_the_order_of_hashes() {
    let aws = with_items(calm(), 100);
    let whole = pages(scan(&aws), |_| ()).await.concat();
    let distinct: BTreeSet<&String> = whole.iter().collect();
    assert_eq!((whole.len(), distinct.len()), (100, 100));
    assert_ne!(whole, distinct.iter().copied().cloned().collect::<Vec<_>>());
    assert_eq!(pages(scan(&aws).limit(7), |_| ()).await.concat(), whole);
    let other = with_items(calm(), 100);
    assert_eq!(pages(scan(&other), |_| ()).await.concat(), whole);
}

#[tokio::test]
async fn a_page_is_cut_by_the_size_of_the_items_before_projection() {
    let aws = with_items(Config { scan_page_bytes: 150, ..calm() }, 5);
    let lengths = |pages: Vec<Vec<String>>| pages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(pages(scan(&aws), |_| ()).await), [2, 2, 1]);
    assert_eq!(lengths(pages(scan(&aws).projection_expression("id"), |_| ()).await), [2, 2, 1]);
    let large = with_items(Config { scan_page_bytes: 10, ..calm() }, 2);
    assert_eq!(lengths(pages(scan(&large), |_| ()).await), [1, 1], "a page reads at least one item");
}

#[tokio::test]
async fn a_limit_that_ends_exactly_at_the_end_is_followed_by_an_empty_page() {
    let aws = with_items(calm(), 4);
    let lengths: Vec<usize> = pages(scan(&aws).limit(2), |_| ()).await.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 2, 0]);
    assert_eq!(refusal(scan(&aws).limit(0).send().await), "ValidationException");
}

#[tokio::test]
async fn an_empty_page_may_have_a_last_evaluated_key() {
    let aws = with_items(Config { scan_page_bytes: 60, empty_scan_pages: true, ..calm() }, 3);
    put(&aws, "c0#second");
    let lengths: Vec<usize> = pages(scan(&aws), |_| ()).await.iter().map(Vec::len).collect();
    assert_eq!(lengths, [1, 0, 1, 0, 1, 0, 1]);
}

#[tokio::test]
async fn segments_divide_the_items_and_accept_only_their_own_keys() {
    let aws = with_items(calm(), 200);
    let mut seen = BTreeMap::<String, usize>::new();
    for segment in 0..4 {
        let found = pages(scan(&aws).segment(segment).total_segments(4).limit(9), |_| ()).await.concat();
        assert!(found.len() > 20, "segment {segment} has {} items", found.len());
        for id in found {
            *seen.entry(id).or_default() += 1;
        }
    }
    assert_eq!((seen.len(), seen.values().max()), (200, Some(&1)));

    let first = scan(&aws).segment(0).total_segments(4).limit(1).send().await.unwrap();
    let key = first.last_evaluated_key().cloned();
    let elsewhere = scan(&aws).segment(3).total_segments(4).set_exclusive_start_key(key).send();
    assert_eq!(refusal(elsewhere.await), "ValidationException");
    for (segment, total) in [(Some(4), Some(4)), (Some(0), None), (None, Some(4)), (Some(0), Some(1_000_001))] {
        let odd = scan(&aws).set_segment(segment).set_total_segments(total).send();
        assert_eq!(refusal(odd.await), "ValidationException", "{segment:?} of {total:?}");
    }
}

#[tokio::test]
async fn a_projection_returns_the_named_attributes_and_reserved_words_need_a_placeholder() {
    let aws = Aws::new(calm());
    aws.create_table(REGION, TABLE);
    aws.put_item(TABLE, "a", json!({ "id": { "S": "a" }, "name": { "S": "b" }, "ips": { "S": "[]" } }));
    let named = scan(&aws).projection_expression("#k, ips").expression_attribute_names("#k", "name");
    let page = named.send().await.unwrap();
    let mut attributes: Vec<&String> = page.items()[0].keys().collect();
    attributes.sort();
    assert_eq!(attributes, ["ips", "name"]);

    let refused = "ValidationException";
    let words = ["name", "KEY", "keys", "ttl", "Timestamp", "items", "values", "status", "zone", "region", "data"];
    for word in words.iter().chain(&["date", "a-b", "", "#missing", "id, id", "a.b"]) {
        assert_eq!(refusal(scan(&aws).projection_expression(*word).send().await), refused, "{word:?}");
    }
    let unused = scan(&aws).projection_expression("id").expression_attribute_names("#k", "name").send();
    assert_eq!(refusal(unused.await), refused);
    let alone = scan(&aws).expression_attribute_names("#k", "name").send();
    assert_eq!(refusal(alone.await), refused);
    assert_eq!(refusal(scan(&aws).filter_expression("id = ips").send().await), refused);
    assert_eq!(refusal(scan(&aws).select(Select::Count).send().await), refused);
}

#[tokio::test]
async fn capacity_is_half_a_unit_per_4_kib_or_one_if_consistent_and_ignores_projections() {
    let aws = with_items(calm(), 100);
    let units = async |request: ScanFluentBuilder| {
        let page = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
        page.consumed_capacity().unwrap().capacity_units().unwrap()
    };
    assert!((units(scan(&aws)).await - 1.0).abs() < f64::EPSILON, "6,000 bytes are two blocks");
    assert!((units(scan(&aws).limit(1)).await - 0.5).abs() < f64::EPSILON);
    assert!((units(scan(&aws).consistent_read(true)).await - 2.0).abs() < f64::EPSILON);
    assert!((units(scan(&aws).projection_expression("id")).await - 1.0).abs() < f64::EPSILON);
    assert!(scan(&aws).send().await.unwrap().consumed_capacity().is_none());
}

#[tokio::test]
async fn a_megabyte_is_a_page_of_128_units() {
    let aws = Aws::new(calm());
    aws.create_table(REGION, TABLE);
    for n in 0..300 {
        aws.put_item(TABLE, &format!("c{n}"), json!({ "id": { "S": "c" }, "x": { "S": "x".repeat(4_092) } }));
    }
    let page = scan(&aws).return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(page.count(), 256);
    assert!((page.consumed_capacity().unwrap().capacity_units().unwrap() - 128.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_running_scan_sees_only_changes_ahead_of_it() {
    let aws = with_items(calm(), 10);
    let order = pages(scan(&aws), |_| ()).await.concat();
    // A deleted item was seen if it is behind the scan, and is never seen if it is ahead of it.
    let mut number = 0;
    let seen = pages(scan(&aws).limit(5), |_| {
        if number == 0 {
            aws.delete_item(TABLE, &order[0]);
            aws.delete_item(TABLE, &order[9]);
        }
        number += 1;
    });
    assert_eq!(seen.await.concat(), order[..9]);
    // For items that are put, it is the other way round.
    let mut number = 0;
    let seen = pages(scan(&aws).limit(5), |_| {
        if number == 0 {
            put(&aws, &order[0]);
            put(&aws, &order[9]);
        }
        number += 1;
    });
    assert_eq!(seen.await.concat(), order[1..]);
}

#[tokio::test]
async fn an_item_that_moves_within_its_collection_can_be_missed_or_seen_twice() {
    for (from, to, times) in [("m#2", "m#1", 0), ("m#1", "m#3", 2)] {
        let aws = with_items(calm(), 0);
        put(&aws, "m#1.5");
        put(&aws, from);
        let mut number = 0;
        let seen = pages(scan(&aws).limit(1), |_| {
            if number == 0 {
                put(&aws, to);
                aws.delete_item(TABLE, from);
            }
            number += 1;
        });
        assert_eq!(seen.await.concat().len(), times + 1, "the neighbor and {times} times the one that moves");
    }
}

#[tokio::test]
async fn a_table_is_known_only_in_its_region() {
    let aws = with_items(calm(), 1);
    let missing = "ResourceNotFoundException";
    assert_eq!(refusal(dynamo_in(&aws, "eu-west-1").scan().table_name(TABLE).send().await), missing);
    assert_eq!(refusal(dynamo(&aws).scan().table_name("other").send().await), missing);
    assert_eq!(refusal(dynamo(&aws).scan().table_name("a b").send().await), "ValidationException");
    let arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/clusters";
    assert_eq!(refusal(dynamo(&aws).scan().table_name(arn).send().await), "ok");
    assert_eq!(refusal(dynamo_in(&aws, "eu-west-1").scan().table_name(arn).send().await), missing);
    assert_eq!(aws.log().last().unwrap().target, TABLE);

    aws.create_table("eu-west-1", TABLE);
    aws.put_item("eu-west-1/clusters", "c1", json!({ "id": { "S": "west" } }));
    let west = dynamo_in(&aws, "eu-west-1").scan().table_name(TABLE).send().await.unwrap();
    assert_eq!(ids(&west), ["west"]);
    let described = dynamo(&aws).describe_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(described.table().unwrap().item_count(), Some(1));
    aws.clear_table("eu-central-1/clusters");
    assert_eq!(scan(&aws).send().await.unwrap().count(), 0);
}
