//! Rate limits, faults, hooks, delays, and the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_wafv2::config::BehaviorVersion;
use aws_sdk_wafv2::config::timeout::TimeoutConfig;
use aws_sdk_wafv2::types::{IpAddressVersion, Scope};
use serde_json::json;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Habit, Limiter, Neighbor, Outcome, Phase, When};

use crate::support::{REGION, calm, create, dynamo, once, refusal, waf, waf_in};

async fn list(aws: &Aws) -> String {
    refusal(waf(aws).list_ip_sets().scope(Scope::Regional).send().await)
}

async fn try_create(aws: &Aws, name: &str) -> String {
    let create = waf(aws).create_ip_set().name(name).scope(Scope::Regional).ip_address_version(IpAddressVersion::Ipv4);
    refusal(create.set_addresses(Some(Vec::new())).send().await)
}

#[tokio::test(start_paused = true)]
async fn five_reads_per_action_pass_each_second_and_throttled_ones_count() {
    let aws = Aws::new(Config::default());
    for _ in 0..5 {
        assert_eq!(list(&aws).await, "ok");
    }
    assert_eq!(list(&aws).await, "ThrottlingException");
    assert_eq!(refusal(waf(&aws).list_rule_groups().scope(Scope::Regional).send().await), "ok", "another action");
    let elsewhere = waf_in(&aws, "us-east-1").list_ip_sets().scope(Scope::Regional).send().await;
    assert_eq!(refusal(elsewhere), "ok", "another region");
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(list(&aws).await, "ThrottlingException");
    tokio::time::advance(Duration::from_millis(1)).await;
    for _ in 0..4 {
        assert_eq!(list(&aws).await, "ok");
    }
    assert_eq!(list(&aws).await, "ThrottlingException", "the one at 999 ms counts");
    let violations = aws.violations();
    assert_eq!(violations.len(), 3);
    assert!(violations.iter().all(|violation| violation.starts_with("rate: ListIPSets ")), "{violations:?}");
}

#[tokio::test(start_paused = true)]
async fn one_write_per_action_passes_each_second() {
    let aws = Aws::new(Config::default());
    assert_eq!(try_create(&aws, "one").await, "ok");
    assert_eq!(try_create(&aws, "two").await, "ThrottlingException");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(try_create(&aws, "two").await, "ok");
    assert_eq!(aws.ip_sets().len(), 2);

    let slow = Aws::new(Config { write_rate: Some(0.5), ..Config::default() });
    assert_eq!(try_create(&slow, "one").await, "ok");
    tokio::time::advance(Duration::from_millis(1_999)).await;
    assert_eq!(try_create(&slow, "two").await, "ThrottlingException");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(try_create(&slow, "two").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_refills_evenly_and_refused_calls_take_nothing() {
    let aws = Aws::new(Config { limiter: Limiter::Bucket, ..Config::default() });
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(list(&aws).await, "ok");
        }
        assert_eq!(list(&aws).await, "ThrottlingException");
        tokio::time::advance(Duration::from_millis(199)).await;
        assert_eq!(list(&aws).await, "ThrottlingException");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(list(&aws).await, "ok");
        assert_eq!(list(&aws).await, "ThrottlingException");
        // It holds no more than the calls of a second.
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    assert_eq!(try_create(&aws, "one").await, "ok");
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(try_create(&aws, "two").await, "ThrottlingException");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(try_create(&aws, "two").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_neighbor_has_half_of_each_rate_and_no_effect() {
    for habit in [Habit::Even, Habit::Patient, Habit::Bursts, Habit::ComesAndGoes] {
        let aws = Aws::new(Config { limiter: Limiter::Bucket, ..Config::default() });
        let neighbor = Neighbor::start(&aws, REGION, habit, 1);
        // This is simulated time.
        tokio::time::sleep(Duration::from_secs(200)).await;
        let (reads, writes) = (neighbor.admitted("GetIPSet"), neighbor.admitted("UpdateIPSet"));
        assert!((450..=550).contains(&reads) && (90..=110).contains(&writes), "{habit:?}: {reads} {writes}");
        assert_eq!((aws.log().len(), aws.violations().len(), aws.ip_sets().len()), (0, 0, 0));
        drop(neighbor);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(list(&aws).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn a_neighbor_that_comes_and_goes_says_when_it_goes() {
    let aws = Aws::new(Config { limiter: Limiter::Bucket, ..Config::default() });
    let neighbor = Neighbor::start(&aws, REGION, Habit::ComesAndGoes, 1);
    for _ in 0..20 {
        // This is simulated time.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let gone = neighbor.leaves_some("UpdateIPSet", tokio::time::Instant::now());
        tokio::time::sleep_until(gone).await;
        assert_eq!(neighbor.leaves_some("UpdateIPSet", gone), gone);
        let before = neighbor.admitted("UpdateIPSet");
        let mut later = (1..).map(|seconds| gone + Duration::from_secs(seconds));
        let back = later.find(|at| neighbor.leaves_some("UpdateIPSet", *at) > *at).unwrap();
        tokio::time::sleep_until(back - Duration::from_secs(1)).await;
        assert_eq!(neighbor.admitted("UpdateIPSet"), before, "it called while it was gone");
        tokio::time::sleep_until(back + Duration::from_secs(2)).await;
        assert!(neighbor.admitted("UpdateIPSet") > before, "it did not come back");
    }
    let even = Neighbor::start(&aws, REGION, Habit::Even, 1);
    let now = tokio::time::Instant::now();
    assert_eq!(even.leaves_some("UpdateIPSet", now), now);
}

#[tokio::test(start_paused = true)]
async fn rates_are_counted_on_arrival_even_for_slow_attempts() {
    let aws = Aws::new(Config::default());
    aws.fail(once("CreateIPSet", When::Before, FaultKind::Slow(Duration::from_secs(1))));
    assert_eq!(try_create(&aws, "one").await, "ok");
    assert_eq!(try_create(&aws, "two").await, "ok");
    let arrivals: Vec<Duration> = aws.log().iter().map(|attempt| attempt.at).collect();
    assert_eq!(arrivals, [Duration::ZERO, Duration::from_secs(1)]);
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_show_the_old_state_with_its_old_token() {
    let aws = Aws::new(Config { read_lag: Duration::from_secs(3), ..calm() });
    aws.put_ip_set("REGIONAL", "one", "IPV4", &["192.0.2.1/32"], None);
    let old = aws.ip_set("one").unwrap();
    let client = waf(&aws);
    let update = client.update_ip_set().name("one").scope(Scope::Regional).id(&old.id).lock_token(&old.lock_token);
    update.addresses("198.51.100.0/24").send().await.unwrap();
    create(&client, "two").await;
    let read = async || {
        let get = client.get_ip_set().name("one").scope(Scope::Regional).id(&old.id).send().await.unwrap();
        let list = client.list_ip_sets().scope(Scope::Regional).send().await.unwrap();
        assert_eq!(list.ip_sets()[0].lock_token(), get.lock_token());
        let stale = get.lock_token() != Some(aws.ip_set("one").unwrap().lock_token.as_str());
        assert!(aws.log().iter().rev().take(2).all(|read| read.stale == stale), "the log says so");
        let two = aws.ip_set("two").unwrap().id;
        let two = refusal(client.get_ip_set().name("two").scope(Scope::Regional).id(two).send().await);
        (get.ip_set().unwrap().addresses().to_vec(), get.lock_token().unwrap().to_owned(), list.ip_sets().len(), two)
    };
    let new = aws.ip_set("one").unwrap();
    let lagging = (old.addresses, old.lock_token.clone(), 1, "WAFNonexistentItemException".to_owned());
    assert_eq!(read().await, lagging);
    tokio::time::advance(Duration::from_millis(2_999)).await;
    assert_eq!(read().await, lagging);
    let stale = client.update_ip_set().name("one").scope(Scope::Regional).id(&old.id).lock_token(&old.lock_token);
    let stale = stale.set_addresses(Some(Vec::new())).send().await;
    assert_eq!(refusal(stale), "WAFOptimisticLockException", "writes meet the newest state");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(read().await, (new.addresses, new.lock_token, 2, "ok".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_fault_looks_like_the_error_of_the_service() {
    let cases = [
        (FaultKind::Throttled, "ThrottlingException"),
        (FaultKind::InternalError, "WAFInternalErrorException"),
        (FaultKind::Unavailable503, "no code"),
        (FaultKind::ConnectionLost, "dispatch"),
        (FaultKind::Truncated, "response"),
        (FaultKind::Slow(Duration::from_secs(5)), "ok"),
        (FaultKind::AccessDenied, "AccessDeniedException"),
        (FaultKind::ExpiredToken, "ExpiredTokenException"),
        (FaultKind::UnrecognizedClient, "UnrecognizedClientException"),
        (FaultKind::OptimisticLock, "WAFOptimisticLockException"),
        (FaultKind::UnavailableEntity, "WAFUnavailableEntityException"),
        (FaultKind::NonexistentItem, "WAFNonexistentItemException"),
        (FaultKind::DuplicateItem, "WAFDuplicateItemException"),
        (FaultKind::LimitsExceeded, "WAFLimitsExceededException"),
        (FaultKind::InvalidParameter, "WAFInvalidParameterException IP_ADDRESS"),
        (FaultKind::Validation, "ValidationException"),
        (FaultKind::InvalidOperation, "WAFInvalidOperationException"),
        (FaultKind::AssociatedItem, "WAFAssociatedItemException"),
        (FaultKind::TagOperation, "WAFTagOperationException"),
        (FaultKind::TagOperationInternalError, "WAFTagOperationInternalErrorException"),
        (FaultKind::SubscriptionNotFound, "WAFSubscriptionNotFoundException"),
        (FaultKind::ConfigurationWarning, "WAFConfigurationWarningException"),
    ];
    for (kind, seen) in cases {
        for when in [When::Before, When::After] {
            let aws = Aws::new(calm());
            aws.fail(once("CreateIPSet", when, kind.clone()));
            assert_eq!(try_create(&aws, "one").await, seen, "{kind:?} {when:?}");
            let effect = when == When::After || seen == "ok";
            assert_eq!(aws.ip_set("one").is_some(), effect, "{kind:?} {when:?}");
            let attempt = aws.log().pop().unwrap();
            assert_eq!((attempt.effect, attempt.outcome == Outcome::Ok), (effect, seen == "ok"), "{kind:?} {when:?}");
            assert_eq!(try_create(&aws, "two").await, "ok", "the fault is used up");
        }
    }
}

#[tokio::test]
async fn faults_of_a_scan_are_errors_of_dynamodb() {
    let aws = Aws::new(calm());
    aws.create_table(REGION, "clusters");
    for (kind, seen) in [
        (FaultKind::ProvisionedThroughputExceeded, "ProvisionedThroughputExceededException"),
        (FaultKind::InternalError, "InternalServerError"),
        (FaultKind::Throttled, "ThrottlingException"),
        (FaultKind::LimitsExceeded, "RequestLimitExceeded"),
        (FaultKind::NonexistentItem, "ResourceNotFoundException"),
        (FaultKind::InvalidParameter, "ValidationException"),
        (FaultKind::Truncated, "response"),
    ] {
        aws.fail(once("Scan", When::After, kind.clone()));
        let scan = dynamo(&aws).scan().table_name("clusters").send();
        assert_eq!(refusal(scan.await), seen, "{kind:?}");
    }
}

#[tokio::test]
async fn a_fault_is_injected_into_matching_attempts_after_the_skipped_ones() {
    let aws = Aws::new(calm());
    let target = Some("two".to_owned());
    let (skip, times, when, kind) = (1, 2, When::Before, FaultKind::Throttled);
    aws.fail(Fault { operation: None, target, skip, times, when, kind });
    assert_eq!(try_create(&aws, "one").await, "ok");
    let outcomes = [
        try_create(&aws, "two").await,
        try_create(&aws, "two").await,
        try_create(&aws, "two").await,
        try_create(&aws, "two").await,
    ];
    assert_eq!(outcomes, ["ok", "ThrottlingException", "ThrottlingException", "WAFDuplicateItemException"]);
    aws.fail(once("ListIPSets", When::Before, FaultKind::Throttled));
    aws.clear_faults();
    assert_eq!(list(&aws).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_ends_with_the_timeout_of_the_caller() {
    let aws = Aws::new(calm());
    let config = waf(&aws).config().to_builder().behavior_version(BehaviorVersion::latest());
    let patience = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build();
    let client = aws_sdk_wafv2::Client::from_conf(config.timeout_config(patience).build());
    for (when, effect) in [(When::Before, false), (When::After, true)] {
        aws.fail(once("CreateIPSet", when, FaultKind::Never));
        let create = client.create_ip_set().name("one").scope(Scope::Regional);
        let create = create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(Some(Vec::new()));
        assert_eq!(refusal(create.send().await), "timeout");
        assert_eq!(aws.ip_set("one").is_some(), effect);
    }
    let read_timeout = TimeoutConfig::builder().read_timeout(Duration::from_secs(2)).build();
    let client = waf(&aws).config().to_builder().timeout_config(read_timeout).build();
    aws.fail(once("ListIPSets", When::Before, FaultKind::Never));
    let list = aws_sdk_wafv2::Client::from_conf(client).list_ip_sets().scope(Scope::Regional).send();
    assert_eq!(refusal(list.await), "timeout");
}

#[tokio::test(start_paused = true)]
async fn a_late_attempt_takes_effect_after_its_caller_gave_up() {
    let aws = Aws::new(calm());
    let config = waf(&aws).config().to_builder().behavior_version(BehaviorVersion::latest());
    let patience = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5)).build();
    let client = aws_sdk_wafv2::Client::from_conf(config.timeout_config(patience).build());
    for (name, late, seen) in [("one", 20, "timeout"), ("two", 2, "ok")] {
        aws.fail(once("CreateIPSet", When::Before, FaultKind::Late(Duration::from_secs(late))));
        let create = client.create_ip_set().name(name).scope(Scope::Regional);
        let create = create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(Some(Vec::new()));
        assert_eq!(refusal(create.send().await), seen);
        assert_eq!(aws.ip_set(name).is_some(), seen == "ok");
        tokio::time::sleep(Duration::from_secs(late)).await;
        assert!(aws.ip_set(name).is_some());
    }
}

#[tokio::test]
async fn a_hook_sees_every_attempt_before_and_after_and_may_edit_the_state() {
    let aws = Aws::new(calm());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    aws.on_call(move |aws, call| {
        let sets = aws.ip_sets().len();
        notes.lock().unwrap().push((call.index, call.operation.clone(), call.phase, call.ok, sets));
        if call.phase == Phase::Before && call.target == "one" && sets == 0 {
            aws.put_ip_set("REGIONAL", "one", "IPV4", &[], None);
        }
    });
    assert_eq!(try_create(&aws, "one").await, "WAFDuplicateItemException");
    assert_eq!(list(&aws).await, "ok");
    let create = "CreateIPSet".to_owned();
    let list = "ListIPSets".to_owned();
    let expected = [
        (0, create.clone(), Phase::Before, true, 0),
        (0, create, Phase::After, false, 1),
        (1, list.clone(), Phase::Before, true, 1),
        (1, list, Phase::After, true, 1),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_time_the_request_and_the_outcome_with_addresses_counted() {
    let aws = Aws::new(calm());
    tokio::time::advance(Duration::from_secs(7)).await;
    create(&waf(&aws), "one").await;
    let attempt = aws.log().pop().unwrap();
    assert_eq!((attempt.at, attempt.service, attempt.target.as_str()), (Duration::from_secs(7), "wafv2", "one"));
    assert_eq!((attempt.operation.as_str(), attempt.outcome, attempt.effect), ("CreateIPSet", Outcome::Ok, true));
    let request = json!({ "Name": "one", "Scope": "REGIONAL", "IPAddressVersion": "IPV4", "Addresses": 1 });
    assert_eq!(attempt.request, request);
    let other = {
        create(&waf(&aws), "two").await;
        aws.log().pop().unwrap()
    };
    assert_ne!(attempt.body, other.body, "the whole request counts");
    assert_eq!(try_create(&aws, "one").await, "WAFDuplicateItemException");
    let attempt = aws.log().pop().unwrap();
    let code = "WAFDuplicateItemException".to_owned();
    assert_eq!((attempt.outcome, attempt.effect), (Outcome::Error { status: 400, code }, false));
    aws.clear_log();
    assert!(aws.log().is_empty());
}

#[tokio::test]
async fn one_seed_gives_one_history() {
    let history = async |seed| {
        let aws = Aws::new(Config { seed, ..calm() });
        create(&waf(&aws), "one").await;
        aws.put_ip_set("REGIONAL", "two", "IPV6", &["2001:db8::/48"], None);
        aws.ip_sets()
    };
    assert_eq!(history(1).await, history(1).await);
    assert_ne!(history(1).await, history(2).await);
}

#[tokio::test]
async fn the_sdk_sees_the_same_account_and_broken_connections_over_a_socket() {
    let aws = Aws::new(calm());
    let server = aws.serve().await.unwrap();
    let config = aws_sdk_wafv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_sdk_wafv2::config::Region::new(REGION))
        .credentials_provider(aws_sdk_wafv2::config::Credentials::new("AKIDEXAMPLE", "example", None, None, "test"))
        .retry_config(aws_sdk_wafv2::config::retry::RetryConfig::disabled())
        .endpoint_url(server.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_wafv2::Client::from_conf(config);
    create(&client, "one").await;
    assert_eq!(aws.ip_sets().len(), 1);
    for (kind, seen) in [
        (FaultKind::ConnectionLost, "dispatch"),
        (FaultKind::Truncated, "response"),
        (FaultKind::Unavailable503, "no code"),
        (FaultKind::Throttled, "ThrottlingException"),
    ] {
        aws.fail(once("ListIPSets", When::Before, kind));
        assert_eq!(refusal(client.list_ip_sets().scope(Scope::Regional).send().await), seen);
    }
    assert_eq!(refusal(client.list_ip_sets().scope(Scope::Regional).send().await), "ok");
}
