//! Metrics of real runs, and their export.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use wafsync::host::session::Session;
use wafsync::metrics::{cloudwatch, samples};
use wafsync::report::Command;
use wafsync_test_aws::{Config, Fault, FaultKind, Phase, When};

use crate::process::{Process, Receiver};
use crate::world::{NOW, World, ip, reference_to};

/// The metrics of one `apply`, with their names in CloudWatch.
async fn apply(world: &World, session: &mut Session) -> BTreeMap<String, f64> {
    world.later().await;
    let finished = session.run(Command::Apply, NOW, &world.signal.stop(None)).await;
    let samples = samples(&finished.document, session.settings(), &finished.facts);
    samples.iter().map(|sample| (cloudwatch::name(sample), sample.value)).collect()
}

/// The metrics whose names begin with one of these prefixes and that are not 0, without the common prefix of all names.
fn shown(metrics: &BTreeMap<String, f64>, prefixes: &[&str]) -> Vec<String> {
    let names = metrics.iter().filter_map(|(name, value)| Some((name.strip_prefix("wafsync_")?, value)));
    names
        .filter(|(name, value)| **value != 0.0 && prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| format!("{name} {value}"))
        .collect()
}

fn fault(operation: &str, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip: 0, times: 1, when: When::Before, kind }
}

#[tokio::test(start_paused = true)]
async fn the_metrics_of_a_first_run() {
    let world = World::new(&["--expiry-attribute=ttl", "--max-ip-sets=50"]);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    world.item("b", &["203.0.113.0/28"]);
    world.item("empty", &[]);
    world.item("bad", &["198.51.100.300"]);
    let gone = json!({"id": {"S": "gone"}, "ips": {"S": "[]"}, "ttl": {"N": (NOW - 1).to_string()}});
    world.aws.put_item("clusters", "gone", gone);
    let metrics = apply(&world, &mut world.session()).await;
    let prefixes =
        ["run_outcome", "desired", "in_force", "items", "empty", "expired", "rejections", "writes", "ip_sets"];
    assert_eq!(
        shown(&metrics, &prefixes),
        [
            "desired_cidrs_ipv4 2",
            "desired_cidrs_ipv6 1",
            "empty_items 1",
            "expired_items 1",
            "in_force_cidrs_ipv4 2",
            "in_force_cidrs_ipv6 1",
            "ip_sets 2",
            "ip_sets_allowed 50",
            "items 5",
            "rejections 1",
            "run_outcome_changed 1",
            "writes_create_ip_set 2",
            "writes_create_rule_group 1",
        ]
    );
    assert!(metrics["wafsync_read_capacity_units"] > 0.0);
    assert!(metrics["wafsync_run_duration_seconds"] > 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_of_growth() {
    let config = Config { set_capacity: 3, group_references: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets=3"]);
    let mut session = world.session();
    let prefixes = ["free", "ip_sets", "limit", "writes"];
    world.items(1..=3);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(
        shown(&metrics, &prefixes),
        [
            "free_cidrs_ipv4 6",
            "free_cidrs_ipv6 6",
            "ip_sets 1",
            "ip_sets_allowed 3",
            &format!("limit_used_ratio_addresses {}", 3.0 / 9.0),
            &format!("limit_used_ratio_deadline {}", metrics["wafsync_run_duration_seconds"] / 1800.0),
            &format!("limit_used_ratio_ip_sets {}", 1.0 / 3.0),
            "limit_used_ratio_references 0.5",
            "writes_create_ip_set 1",
            "writes_create_rule_group 2",
        ]
    );
    world.item("six", &["2001:db8:1::/48", "2001:db8:2::/48"]);
    world.items(4..=4);
    let metrics = apply(&world, &mut session).await;
    let prefixes = ["free", "ip_sets", "limit_used_ratio_a", "limit_used_ratio_i", "limit_used_ratio_r", "writes"];
    assert_eq!(
        shown(&metrics, &prefixes),
        [
            "free_cidrs_ipv4 2",
            "free_cidrs_ipv6 1",
            "ip_sets 3",
            "ip_sets_allowed 3",
            &format!("limit_used_ratio_addresses {}", 4.0 / 6.0),
            "limit_used_ratio_ip_sets 1",
            "limit_used_ratio_references 1",
            "writes_create_ip_set 2",
            "writes_update_rule_group 1",
        ]
    );
    // IPv4 has room for two more, and IPv6 for none.
    world.item("more", &["2001:db8:3::/48"]);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(
        shown(&metrics, &["free", "limit_used_ratio_a", "run_outcome"]),
        ["free_cidrs_ipv4 2", "limit_used_ratio_addresses 1", "run_outcome_changed 1"]
    );
    world.item("too-many", &["2001:db8:4::/48"]);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(
        shown(&metrics, &["free", "limit_used_ratio_a", "run_outcome"]),
        ["free_cidrs_ipv4 2", &format!("limit_used_ratio_addresses {}", 4.0 / 3.0), "run_outcome_failed 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn deferred_removals_are_counted_until_they_are_made() {
    let world = World::with(Config { set_capacity: 2, ..Config::default() }, &["--max-ip-sets=4"]);
    let mut session = world.session();
    world.item("a", &["198.51.100.0/24"]);
    world.item("b", &["203.0.113.1"]);
    apply(&world, &mut session).await;
    world.item("a", &["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
    let prefixes = ["deferred", "run_outcome"];
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["deferred_cidrs 1", "run_outcome_partial 1"]);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["run_outcome_changed 1"]);
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn the_verdict_of_the_guards_is_exported_from_the_block_to_the_approval() {
    let world = World::new(&[]);
    world.items(1..=2);
    let mut session = world.session();
    let prefixes = ["guard", "held", "in_force", "run_outcome"];
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["guard_verdict_pass 1", "in_force_cidrs_ipv4 2", "run_outcome_changed 1"]);
    world.no_items(1..=2);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(
        shown(&metrics, &prefixes),
        ["guard_verdict_blocked 1", "held_cidrs 2", "in_force_cidrs_ipv4 2", "run_outcome_blocked 1"]
    );
    session.prepare(world.plan().await.digest, world.settings.run.deadline);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["guard_verdict_approved 1", "run_outcome_changed 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_counted_until_its_item_is_ignored() {
    let mut world = World::new(&[]);
    world.item("a", &[&ip(1)]);
    world.item("bad", &["54.123.456.78/32", "nonsense"]);
    let metrics = apply(&world, &mut world.session()).await;
    assert_eq!(shown(&metrics, &["rejections", "items"]), ["items 2", "rejections 2"]);
    world.set(&["--ignore-item=bad"]);
    let metrics = apply(&world, &mut world.session()).await;
    assert_eq!(shown(&metrics, &["rejections", "items"]), ["items 2"]);
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_and_conflicts_are_counted_for_each_run() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    let mut session = world.session();
    apply(&world, &mut session).await;
    world.item("a", &["198.51.100.7/32", "198.51.100.8/32"]);
    world.aws.fail(fault("ListIPSets", FaultKind::Throttled));
    world.aws.fail(fault("UpdateIPSet", FaultKind::OptimisticLock));
    let metrics = apply(&world, &mut session).await;
    let prefixes = ["throttled", "conflicts", "writes"];
    assert_eq!(shown(&metrics, &prefixes), ["conflicts 1", "throttled_calls 1", "writes_update_ip_set 1"]);
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), [""; 0]);
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn reverted_drift_and_held_removals_are_counted() {
    let world = World::new(&["--max-removals=0"]);
    world.item("a", &["198.51.100.7/32"]);
    world.item("b", &["198.51.100.8/32"]);
    let mut session = world.session();
    apply(&world, &mut session).await;
    world.aws.edit_ip_set("wafsync-ipv4-000", |cidrs| cidrs.push("192.0.2.1/32".to_owned()));
    let metrics = apply(&world, &mut session).await;
    let prefixes = ["drift", "held", "guard", "run_outcome"];
    assert_eq!(shown(&metrics, &prefixes), ["drift_cidrs 1", "guard_verdict_pass 1", "run_outcome_changed 1"]);
    world.aws.delete_item("clusters", "b");
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["guard_verdict_held 1", "held_cidrs 1", "run_outcome_held 1"]);
    assert!(!metrics.contains_key("wafsync_last_converged_timestamp_seconds"));
}

#[tokio::test(start_paused = true)]
async fn drift_removed_before_and_after_a_conflict_is_counted_together() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    let mut session = world.session();
    apply(&world, &mut session).await;
    world.aws.edit_ip_set("wafsync-ipv4-000", |cidrs| cidrs.push("192.0.2.1/32".to_owned()));
    world.aws.edit_ip_set("wafsync-ipv6-000", |cidrs| cidrs.push("2001:db8:2::/48".to_owned()));
    let target = Some("wafsync-ipv6-000".to_owned());
    world.aws.fail(Fault { target, ..fault("UpdateIPSet", FaultKind::OptimisticLock) });
    let metrics = apply(&world, &mut session).await;
    let prefixes = ["conflicts", "drift", "run_outcome", "writes"];
    assert_eq!(
        shown(&metrics, &prefixes),
        ["conflicts 1", "drift_cidrs 2", "run_outcome_changed 1", "writes_update_ip_set 2"]
    );
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn drift_that_was_not_removed_is_not_counted() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7/32"]);
    let mut session = world.session();
    apply(&world, &mut session).await;
    world.aws.edit_ip_set("wafsync-ipv4-000", |cidrs| cidrs.push("192.0.2.1/32".to_owned()));
    // It is also removed by hand while the write is in flight.
    world.once("UpdateIPSet", Phase::Before, |aws, _| {
        aws.edit_ip_set("wafsync-ipv4-000", |cidrs| cidrs.retain(|cidr| cidr != "192.0.2.1/32"));
    });
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &["conflicts", "drift", "run_outcome"]), ["conflicts 1", "run_outcome_converged 1"]);
    world.aws.edit_ip_set("wafsync-ipv4-000", |cidrs| cidrs.push("192.0.2.1/32".to_owned()));
    world.aws.fail(fault("UpdateIPSet", FaultKind::AccessDenied));
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &["drift", "run_outcome"]), ["run_outcome_failed 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_web_acl_that_does_not_refer_to_a_rule_group_is_counted() {
    let world = World::new(&["--web-acl=front", "--max-ip-sets=50"]);
    world.item("a", &["198.51.100.7/32"]);
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let mut session = world.session();
    let metrics = apply(&world, &mut session).await;
    let prefixes = ["unreferenced", "run_outcome"];
    assert_eq!(shown(&metrics, &prefixes), ["run_outcome_unenforced 1", "unreferenced_rule_groups 1"]);
    let group = world.aws.rule_groups()[0].arn.clone();
    world.aws.edit_web_acl("front", |rules| *rules = json!([reference_to(&group, 1)]));
    let metrics = apply(&world, &mut session).await;
    assert_eq!(shown(&metrics, &prefixes), ["run_outcome_converged 1"]);
}

/// A folder that is deleted when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("wafsync-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_failed_run_keeps_earlier_values_in_the_file() {
    let (process, scratch) = (Process::new().await, Scratch::new("textfile"));
    let file = scratch.0.join("wafsync.prom");
    let flag = format!("--metrics-file={}", file.display());
    process.item("a", &["198.51.100.7/32"]);
    let ended = process.start(&["apply", &flag]).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let before = std::fs::read_to_string(&file).unwrap();
    process.aws.fail(fault("Scan", FaultKind::AccessDenied));
    let ended = process.start(&["apply", &flag]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let after = std::fs::read_to_string(&file).unwrap();
    let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    for kept in [
        "wafsync_last_converged_timestamp_seconds{",
        "wafsync_desired_cidrs{installation=\"wafsync\",family=\"ipv4\"}",
        "wafsync_items{",
    ] {
        assert_eq!(line(&after, kept), line(&before, kept));
    }
    let outcome = "wafsync_run_outcome{installation=\"wafsync\",outcome=\"failed\"}";
    assert_eq!((line(&before, outcome), line(&after, outcome)), (format!("{outcome} 0.0"), format!("{outcome} 1.0")));
    let files: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["wafsync.prom"], "no other file is left");
}

#[tokio::test]
async fn a_run_that_cannot_start_is_failed_in_the_file() {
    let scratch = Scratch::new("not-begun");
    let file = scratch.0.join("wafsync.prom");
    let flag = format!("--metrics-file={}", file.display());
    let told = || {
        let text = std::fs::read_to_string(&file).unwrap();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        let failed = line("wafsync_run_outcome{installation=\"wafsync\",outcome=\"failed\"}");
        let written = line("wafsync_writes{installation=\"wafsync\",action=\"create_ip_set\"}");
        let kept = ["wafsync_last_converged_timestamp_seconds{", "wafsync_items{", "wafsync_held_cidrs{"].map(line);
        (failed.ends_with(" 1.0"), written.ends_with(" 1.0"), kept)
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--metrics-listen={}", taken.local_addr().unwrap());
    for (args, variable) in [
        (&["apply"][..], ("AWS_REGION", "no Region")),
        (&["apply"], ("SSL_CERT_FILE", "/dev/null")),
        (&["watch", "--every=1h"], ("AWS_REGION", "no Region")),
        (&["watch", "--every=1h", &listen], ("AWS_REGION", "eu-central-1")),
    ] {
        let _ = std::fs::remove_file(&file);
        let process = Process::new().await;
        process.item("a", &["198.51.100.7/32"]);
        let ended = process.start(&["apply", &flag]).end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let (failed, written, before) = told();
        assert_eq!((failed, written), (false, true));
        let ended = process.start_with(&[args, &[&flag]].concat(), &[variable]).end().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_eq!(told(), (true, false, before), "{args:?}");
    }
}

#[tokio::test]
async fn a_run_that_cannot_start_is_pushed_even_without_ca_certificates() {
    let (process, mut gateway) = (Process::new().await, Receiver::new(200).await);
    let flag = format!("--metrics-push={}", gateway.url);
    let ended = process.start_with(&["apply", &flag], &[("SSL_CERT_FILE", "/dev/null")]).end().await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{}", ended.stderr);
    let pushed = tokio::time::timeout(Duration::from_secs(10), gateway.received()).await.expect("it was pushed");
    let line = "wafsync_run_outcome{installation=\"wafsync\",outcome=\"failed\"} 1.0\n";
    assert!(pushed.body.contains(line), "{}", pushed.body);
    assert!(!pushed.body.contains("wafsync_last_converged_timestamp_seconds{"), "{}", pushed.body);
    let secure = gateway.url.replace("http://", "--metrics-push=https://");
    let ended = process.start_with(&["apply", &secure], &[("SSL_CERT_FILE", "/dev/null")]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("could not push metrics: https://"), "{}", ended.stderr);
}

#[tokio::test]
async fn metrics_are_pushed_by_job_and_installation_even_if_a_run_fails() {
    let (process, mut gateway) = (Process::new().await, Receiver::new(200).await);
    let flag = format!("--metrics-push={}/", gateway.url);
    process.item("a", &["198.51.100.7/32"]);
    let ended = process.start(&["apply", "--name=edge", &flag]).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let pushed = gateway.received().await;
    assert_eq!((pushed.method.as_str(), pushed.path.as_str()), ("POST", "/metrics/job/wafsync/installation/edge"));
    assert!(pushed.body.contains("wafsync_items{installation=\"edge\"} 1.0\n"), "{}", pushed.body);
    process.aws.fail(fault("Scan", FaultKind::AccessDenied));
    let ended = process.start(&["apply", "--name=edge", &flag]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let pushed = gateway.received().await;
    assert!(!pushed.body.contains("wafsync_items{"), "the gateway keeps the previous value: {}", pushed.body);
    assert!(!pushed.body.contains("wafsync_last_converged_timestamp_seconds{"), "{}", pushed.body);
}

#[tokio::test]
async fn metrics_that_cannot_be_exported_do_not_change_the_outcome() {
    let (process, gateway) = (Process::new().await, Receiver::new(500).await);
    process.item("a", &["198.51.100.7/32"]);
    let push = format!("--metrics-push={}", gateway.url);
    let ended = process.start(&["apply", &push, "--metrics-file=/no/such/directory/wafsync.prom"]).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for warning in ["could not push metrics: ", "HTTP 500", "could not write metrics: "] {
        assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn the_authorization_header_is_sent_from_the_file_and_never_logged() {
    let (process, mut gateway) = (Process::new().await, Receiver::new(401).await);
    process.item("a", &["198.51.100.7/32"]);
    let scratch = Scratch::new("push-auth");
    let file = scratch.0.join("authorization");
    std::fs::write(&file, "Bearer never-logged\n").unwrap();
    let flags = [format!("--metrics-push={}", gateway.url), format!("--metrics-push-auth={}", file.display())];
    for level in ["--log-level=info", "--log-level=trace"] {
        let ended = process.start(&["apply", &flags[0], &flags[1], level]).end().await;
        assert!(ended.code == Some(0) && ended.stderr.contains("HTTP 401"), "{}", ended.stderr);
        assert_eq!(gateway.received().await.authorization.as_deref(), Some("Bearer never-logged"));
        assert!(!ended.stderr.contains("never-logged"), "{}", ended.stderr);
    }
    // A value that is not a valid header is neither sent nor quoted.
    std::fs::write(&file, "Bearer never-logged\nX-Second: line").unwrap();
    let ended = process.start(&["apply", &flags[0], &flags[1]]).end().await;
    assert!(ended.code == Some(0) && ended.stderr.contains("must hold one line"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("never-logged") && gateway.is_untouched(), "{}", ended.stderr);
    std::fs::remove_file(&file).unwrap();
    let ended = process.start(&["apply", &flags[0], &flags[1]]).end().await;
    assert!(ended.code == Some(0) && ended.stderr.contains("No such file"), "{}", ended.stderr);
    assert!(gateway.is_untouched());
}
