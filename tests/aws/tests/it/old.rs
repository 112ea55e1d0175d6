//! Reads of an older state, lists that omit something, and AWS's own clock.

use std::time::Duration;

use aws_sdk_wafv2::types::Scope;
use serde_json::json;
use wafsync_test_aws::{Aws, Config, FaultKind, When};

use crate::support::{calm, once, refusal, waf};

async fn listed(aws: &Aws) -> Vec<String> {
    let list = waf(aws).list_ip_sets().scope(Scope::Regional).send().await.unwrap();
    list.ip_sets().iter().filter_map(|set| set.name()).map(str::to_owned).collect()
}

async fn read(aws: &Aws, name: &str) -> Result<(Vec<String>, String), String> {
    let id = aws.ip_set(name).unwrap().id;
    match waf(aws).get_ip_set().name(name).scope(Scope::Regional).id(id).send().await {
        Ok(read) => Ok((read.ip_set().unwrap().addresses().to_vec(), read.lock_token().unwrap().to_owned())),
        Err(error) => Err(refusal::<(), _, _>(Err(error))),
    }
}

fn old(operation: &str, minutes: u64) -> wafsync_test_aws::Fault {
    once(operation, When::Before, FaultKind::Old(Duration::from_mins(minutes)))
}

#[tokio::test(start_paused = true)]
async fn an_old_read_shows_an_earlier_state_with_its_token_once() {
    let aws = Aws::new(calm());
    aws.put_ip_set("REGIONAL", "one", "IPV4", &["192.0.2.1/32"], None);
    let then = aws.ip_set("one").unwrap().lock_token;
    tokio::time::advance(Duration::from_mins(10)).await;
    aws.put_ip_set("REGIONAL", "two", "IPV4", &[], None);
    aws.edit_ip_set("one", Vec::clear);
    aws.fail(old("GetIPSet", 5));
    aws.fail(old("ListIPSets", 5));
    assert_eq!(read(&aws, "one").await, Ok((vec!["192.0.2.1/32".to_owned()], then)));
    assert_eq!(listed(&aws).await, ["one"]);
    assert!(aws.log().iter().all(|attempt| attempt.stale), "{:?}", aws.log());
    assert_eq!(read(&aws, "one").await.unwrap().0, Vec::<String>::new());
    assert_eq!(listed(&aws).await, ["one", "two"]);
    assert!(!aws.last_attempt().unwrap().stale);
}

#[tokio::test(start_paused = true)]
async fn an_old_read_does_not_see_a_set_that_was_created_later() {
    let aws = Aws::new(calm());
    tokio::time::advance(Duration::from_mins(10)).await;
    aws.put_ip_set("REGIONAL", "one", "IPV4", &[], None);
    aws.fail(old("GetIPSet", 1));
    assert_eq!(read(&aws, "one").await, Err("WAFNonexistentItemException".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_omitted_resource_is_in_no_list_and_does_not_exist() {
    let aws = Aws::new(calm());
    for name in ["one", "two"] {
        aws.put_ip_set("REGIONAL", name, "IPV4", &[], None);
    }
    let omits = || FaultKind::Omits("one".to_owned());
    aws.fail(once("ListIPSets", When::Before, omits()));
    assert_eq!(listed(&aws).await, ["two"]);
    for name in ["one", "two"] {
        aws.fail(once("GetIPSet", When::Before, omits()));
        assert_eq!(read(&aws, name).await.is_err(), name == "one");
    }
}

#[tokio::test]
async fn every_second_page_of_a_list_may_be_empty_and_have_a_new_marker() {
    let aws = Aws::new(Config { empty_list_pages: true, list_page: 1, ..calm() });
    for name in ["one", "two"] {
        aws.put_ip_set("REGIONAL", name, "IPV4", &[], None);
    }
    let (mut pages, mut marker) = (Vec::new(), None);
    loop {
        let page = waf(&aws).list_ip_sets().scope(Scope::Regional).set_next_marker(marker).send().await.unwrap();
        pages.push(page.ip_sets().iter().filter_map(|set| set.name()).map(str::to_owned).collect::<Vec<_>>());
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(json!(pages), json!([[], ["one"], [], ["two"]]));
}

#[tokio::test(start_paused = true)]
async fn answers_carry_the_date_of_the_configured_clock() {
    let aws = Aws::new(Config { epoch: Some(1_800_000_000), ..calm() });
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(aws.date(), Some(1_800_000_061));
    let (sent, dated) = tokio::sync::oneshot::channel();
    let sent = std::sync::Mutex::new(Some(sent));
    let list = waf(&aws).list_ip_sets().scope(Scope::Regional).customize();
    list.interceptor(Dates(sent)).send().await.unwrap();
    assert_eq!(dated.await.unwrap(), "Fri, 15 Jan 2027 08:01:01 GMT");
}

/// Sends the date of an answer.
#[derive(Debug)]
struct Dates(std::sync::Mutex<Option<tokio::sync::oneshot::Sender<String>>>);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl aws_smithy_runtime_api::client::interceptors::Intercept for Dates {
    fn name(&self) -> &'static str {
        "dates"
    }

    fn read_before_deserialization(
        &self,
        context: &aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        _: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        let date = context.response().headers().get("date").unwrap_or_default().to_owned();
        if let Some(sent) = self.0.lock().unwrap().take() {
            sent.send(date).unwrap();
        }
        Ok(())
    }
}
