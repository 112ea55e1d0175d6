//! Lists, pages and markers; web ACLs, which are only read.

use aws_sdk_wafv2::types::Scope;
use serde_json::json;
use wafsync_test_aws::{Aws, Config};

use crate::support::{calm, refusal, waf, waf_in};

/// The names on each page, following the markers for at most ten pages.
async fn pages(aws: &Aws, limit: Option<i32>) -> Vec<Vec<String>> {
    let (mut pages, mut marker) = (Vec::new(), None::<String>);
    loop {
        let list = waf(aws).list_ip_sets().scope(Scope::Regional).set_limit(limit).set_next_marker(marker.clone());
        let page = list.send().await.unwrap();
        pages.push(page.ip_sets().iter().filter_map(|set| set.name()).map(str::to_owned).collect());
        let next = page.next_marker().map(str::to_owned);
        if next.is_none() || next == marker {
            return pages;
        }
        marker = next;
    }
}

fn with_sets(config: Config, names: &[&str]) -> Aws {
    let aws = Aws::new(config);
    for name in names {
        aws.put_ip_set("REGIONAL", name, "IPV4", &[], Some("made by hand"));
    }
    aws
}

#[tokio::test]
async fn a_list_is_in_the_order_of_creation_with_pages_of_the_limit() {
    let aws = with_sets(calm(), &["c", "a", "b"]);
    assert_eq!(pages(&aws, None).await, [vec!["c", "a", "b"]]);
    assert_eq!(pages(&aws, Some(2)).await, [vec!["c", "a"], vec!["b"]]);
    assert_eq!(pages(&aws, Some(1)).await, [["c"], ["a"], ["b"]]);
    let small = with_sets(Config { list_page: 2, ..calm() }, &["c", "a", "b"]);
    assert_eq!(pages(&small, Some(100)).await, [vec!["c", "a"], vec!["b"]]);
}

#[tokio::test]
async fn a_limit_is_1_to_100() {
    let aws = with_sets(calm(), &[]);
    for (limit, outcome) in [(0, "ValidationException"), (1, "ok"), (100, "ok"), (101, "ValidationException")] {
        let list = waf(&aws).list_ip_sets().scope(Scope::Regional).limit(limit).send();
        assert_eq!(refusal(list.await), outcome, "{limit}");
    }
}

#[tokio::test]
async fn the_last_page_may_have_a_marker_that_leads_to_an_empty_page() {
    let aws = with_sets(Config { always_next_marker: true, ..calm() }, &["c", "a"]);
    assert_eq!(pages(&aws, None).await, [vec!["c", "a"], vec![]]);
}

#[tokio::test]
async fn a_summary_has_the_newest_lock_token() {
    let aws = with_sets(calm(), &["one"]);
    let view = aws.ip_set("one").unwrap();
    let list = waf(&aws).list_ip_sets().scope(Scope::Regional).send().await.unwrap();
    let summary = &list.ip_sets()[0];
    assert_eq!(summary.lock_token(), Some(view.lock_token.as_str()));
    assert_eq!((summary.id(), summary.arn()), (Some(view.id.as_str()), Some(view.arn.as_str())));
    assert_eq!(summary.description(), Some("made by hand"));
}

#[tokio::test]
async fn rule_groups_and_web_acls_are_listed_and_web_acls_read_by_arn_or_by_name() {
    let aws = Aws::new(calm());
    let group = aws.put_rule_group("REGIONAL", "group", 10, Some("by hand"), json!([]));
    let rules = json!([{
        "Name": "allow-list",
        "Priority": 0,
        "Statement": { "RuleGroupReferenceStatement": { "ARN": group } },
        "OverrideAction": { "None": {} },
        "VisibilityConfig": {
            "SampledRequestsEnabled": true,
            "CloudWatchMetricsEnabled": true,
            "MetricName": "allow-list",
        },
    }]);
    let arn = aws.put_web_acl("REGIONAL", "front", "Block", rules);
    let client = waf(&aws);
    let groups = client.list_rule_groups().scope(Scope::Regional).send().await.unwrap();
    assert_eq!(groups.rule_groups()[0].arn(), Some(group.as_str()));
    let acls = client.list_web_acls().scope(Scope::Regional).send().await.unwrap();
    let summary = &acls.web_acls()[0];
    assert_eq!(summary.arn(), Some(arn.as_str()));

    let by_arn = client.get_web_acl().arn(&arn).send().await.unwrap();
    let by_name = client.get_web_acl().name("front").scope(Scope::Regional).id(summary.id().unwrap()).send();
    assert_eq!(by_arn.web_acl(), by_name.await.unwrap().web_acl());
    let acl = by_arn.web_acl().unwrap();
    assert!(acl.default_action().unwrap().block().is_some());
    let reference = acl.rules()[0].statement().unwrap().rule_group_reference_statement().unwrap();
    assert_eq!(reference.arn(), group);
    aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({ "Count": {} }));
    let edited = client.get_web_acl().arn(&arn).send().await.unwrap();
    assert!(edited.web_acl().unwrap().rules()[0].override_action().unwrap().count().is_some());
    assert_ne!(edited.lock_token(), by_arn.lock_token());
    let elsewhere = waf_in(&aws, "eu-west-1").get_web_acl().arn(&arn).send().await;
    assert_eq!(refusal(elsewhere), "WAFNonexistentItemException");
    assert_eq!(refusal(client.get_web_acl().send().await), "ValidationException");
}
