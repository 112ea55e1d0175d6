//! Each AWS error is reported in one line: operation, resource, cause, hint.

use aws_config::{BehaviorVersion, SdkConfig};
use wafsync::aws::{Connection, ReadCache};
use wafsync::report::{Command, Document};
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::process::Process;
use crate::running::run;
use crate::world::{World, changes, ended, ip, ips};

async fn world(args: &[&str]) -> World {
    let world = World::new(args);
    world.items(1..=5);
    world.apply().await;
    world.later().await;
    world
}

/// The one line of error after this fault.
async fn error_of(operation: &str, kind: FaultKind) -> String {
    let world = world(&[]).await;
    world.items(6..=6);
    world.fail_times(operation, 3, When::Before, kind);
    let document = world.apply().await;
    assert_eq!((document.outcome, document.writes.done), (Outcome::Failed, 0), "{}", document.reason);
    world.aws.clear_faults();
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.later().await;
    world.settled().await;
    document.error.unwrap()
}

#[tokio::test(start_paused = true)]
async fn access_denied_names_the_call_and_the_fix() {
    let hint = "AccessDeniedException: User is not authorized to perform this action; hint: `AWS_REGION=eu-central-1 \
                wafsync iam-policy --for=apply --table=clusters` prints the policy that the role needs; a service control \
                policy can deny it too";
    for (operation, resource) in [
        ("Scan", "table clusters"),
        ("ListIPSets", "all"),
        ("GetIPSet", "wafsync-ipv4-000"),
        ("ListRuleGroups", "all"),
        ("GetRuleGroup", "wafsync-1"),
        ("UpdateIPSet", "wafsync-ipv4-000"),
    ] {
        assert_eq!(error_of(operation, FaultKind::AccessDenied).await, format!("{operation} {resource}: {hint}"));
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_credentials_are_named() {
    let hint =
        "hint: the credentials have expired or are not valid there: renew them, and check AWS_PROFILE and the clock";
    assert_eq!(
        error_of("Scan", FaultKind::ExpiredToken).await,
        format!(
            "Scan table clusters: ExpiredTokenException: The security token included in the request is expired; {hint}"
        )
    );
    assert_eq!(
        error_of("ListIPSets", FaultKind::UnrecognizedClient).await,
        format!("ListIPSets all: UnrecognizedClientException: The security token in the request is invalid; {hint}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_is_named_with_its_region() {
    let mut world = World::new(&[]);
    world.settings.table.table = "typo".to_owned();
    let document = world.apply().await;
    let error = "Scan table typo: ResourceNotFoundException: Requested resource not found; hint: check --table, and \
                 --table-region or AWS_REGION: it was looked for in eu-central-1";
    assert_eq!((document.outcome, document.error.as_deref()), (Outcome::Failed, Some(error)));
    world.settings.table.table = "clusters".to_owned();
    world.settings.table.region = Some("eu-west-1".to_owned());
    let document = world.apply().await;
    assert!(document.error.unwrap().ends_with("it was looked for in eu-west-1"));
    assert_eq!(world.aws.rule_groups().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn temporary_errors_are_left_to_the_next_run() {
    for kind in [FaultKind::ConnectionLost, FaultKind::Never, FaultKind::Unavailable503, FaultKind::InternalError] {
        let world = world(&[]).await;
        world.items(6..=6);
        world.fail_times("ListIPSets", 3, When::Before, kind.clone());
        let document = world.apply().await;
        assert_eq!((document.outcome, document.writes.done), (Outcome::Partial, 0), "{}", document.reason);
        let start = "partial: some reads failed: ListIPSets all: ";
        assert!(document.reason.starts_with(start), "{}", document.reason);
        assert!(!document.reason.contains("Error {") && !document.reason.contains("Some("), "{}", document.reason);
        world.aws.clear_faults();
        assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
        world.later().await;
        world.settled().await;
    }
}

/// The error of a plan with this endpoint.
async fn error_at(endpoint: &str) -> String {
    let world = World::new(&[]);
    let credentials = aws_sdk_wafv2::config::Credentials::new("AKID", "secret", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(aws_sdk_wafv2::config::SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let connection = Connection::new(sdk, &world.settings).unwrap();
    let stop = world.signal.stop(None);
    let run = run(&connection, &world.settings, Command::Plan, &mut ReadCache::default(), &stop).await;
    let document = Document::new(&run, &world.settings);
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
    document.error.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_or_invalid_endpoint_is_named_with_a_hint() {
    let network = "; hint: check the network, the Region (eu-central-1) and any AWS_ENDPOINT_URL";
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = error_at(&format!("http://{free}")).await;
    assert!(refused.contains(": no connection: ") && refused.ends_with(network), "{refused}");
    let none = error_at("not a url").await;
    assert!(none.contains("not a url") && none.ends_with(network) && none.len() < 250, "{none}");
    let plain = error_at("http://192.0.2.1").await;
    let cause = "http://192.0.2.1/ is not https, and not this machine; hint: give AWS_ENDPOINT_URL as https";
    assert!(plain.ends_with(cause), "{plain}");
    for error in [refused, none, plain] {
        assert!(!error.contains(" { ") && !error.contains("nterceptor"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_region_and_missing_credentials_are_named() {
    let world = World::new(&[]);
    let bare = || SdkConfig::builder().behavior_version(BehaviorVersion::latest());
    let error = Connection::new(bare().build(), &world.settings).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.hint()),
        ("no AWS Region is set", "set AWS_REGION, or `region` in the profile")
    );
    let sdk = bare().region(aws_config::Region::new("eu-central-1")).http_client(world.aws.http_client()).build();
    let connection = Connection::new(sdk, &world.settings).unwrap();
    let stop = world.signal.stop(None);
    let run = run(&connection, &world.settings, Command::Plan, &mut ReadCache::default(), &stop).await;
    let error = Document::new(&run, &world.settings).error.unwrap();
    assert_eq!(
        error,
        "ListIPSets all: no credentials were found; hint: give the job a role, or set AWS_PROFILE to a profile that \
                has some"
    );
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_ip_sets_is_named_and_what_fits_is_written() {
    let config = Config { set_capacity: 4, max_ip_sets: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=2);
    world.apply().await;
    world.aws.put_ip_set("REGIONAL", "another", "IPV4", &[], None);
    world.items(3..=6);
    world.no_items(1..=1);
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Failed, 3, 1), "{}", document.reason);
    let hint = "hint: raise AWS WAF's quota of IP sets for this account and Region, or lower --max-ip-sets";
    let error = document.error.unwrap();
    assert!(error.starts_with("CreateIPSet wafsync-ipv4-001: WAFLimitsExceededException: "), "{error}");
    assert!(error.ends_with(hint), "{error}");
    assert_eq!(world.in_force(), ips(2..=5), "what fits is in force");
    world.aws.remove_ip_set("another");
    assert_eq!(ended(&world.next_apply().await), (Outcome::Changed, 2, 2));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn one_rejected_set_does_not_block_the_others() {
    let config = Config { set_capacity: 4, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=8);
    world.apply().await;
    world.no_items(1..=1);
    world.no_items(5..=5);
    world.later().await;
    world.fail_target("UpdateIPSet", "wafsync-ipv4-000", 1, When::Before, FaultKind::InvalidParameter);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Failed, 2, 1), "{}", document.reason);
    let error = "UpdateIPSet wafsync-ipv4-000: WAFInvalidParameterException: Error reason: The parameter is \
                 not valid, field: IP_ADDRESS, parameter: injected";
    assert_eq!(document.error.as_deref(), Some(error));
    let mut left = ips([1, 2, 3, 4]);
    left.extend(ips(6..=8));
    assert_eq!(world.in_force(), left);
    assert_eq!(changes(&world.next_apply().await), [format!("update_ip_set wafsync-ipv4-000 -{}", ip(1))]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_final_error_is_not_hidden_by_a_conflict_elsewhere() {
    let config = Config { set_capacity: 4, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=8);
    world.apply().await;
    world.no_items(1..=1);
    world.no_items(5..=5);
    world.later().await;
    world.fail_target("UpdateIPSet", "wafsync-ipv4-000", 9, When::Before, FaultKind::AccessDenied);
    world.fail_target("UpdateIPSet", "wafsync-ipv4-001", 1, When::Before, FaultKind::OptimisticLock);
    let signal = world.signal.clone();
    world.once("ListIPSets", wafsync_test_aws::Phase::After, |_, _| ());
    let mut lists = 0;
    world.aws.on_call(move |_, call| {
        if call.operation == "ListIPSets" && call.phase == wafsync_test_aws::Phase::Before {
            lists += 1;
            if lists == 2 {
                signal.raise();
            }
        }
    });
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Failed, "{}", document.reason);
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_left_to_the_next_run() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let (when, kind) = (When::Before, FaultKind::ConnectionLost);
    for operation in ["Scan", "ListIPSets", "ListRuleGroups"] {
        let operation = Some(operation.to_owned());
        process.aws.fail(Fault {
            operation: operation.clone(),
            target: None,
            skip: 0,
            times: 3,
            when,
            kind: kind.clone(),
        });
        let ended = process.start(&["apply", "--output=json"]).end().await;
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((ended.code, document["outcome"].as_str()), (Some(4), Some("partial")), "{operation:?} {document}");
        assert!(document["reason"].as_str().unwrap().contains("the connection to 127.0.0.1:"), "{document}");
    }
    assert_eq!(process.start(&["apply"]).end().await.code, Some(0));
}
