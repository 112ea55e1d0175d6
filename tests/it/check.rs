//! `check` against the stand-in: what it reads, which permissions it needs, and that it changes nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::preflight::check::judge;
use wafsync::preflight::iam_policy::Access;
use wafsync::preflight::line::{CheckReport, Line, Severity};
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::iam::assert_allowed;
use crate::process::Process;
use crate::world::{World, reference_to};

const WEB_ACL: &str = include_str!("../../docs/web-acl.md");

const LOAD_BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/front/0123456789abcdef";

pub(crate) async fn check(world: &World) -> CheckReport {
    let before = world.aws.log().len();
    let seen = wafsync::aws::look(&world.connection(), &world.settings, &world.signal.stop(None)).await;
    assert_allowed(Access::Check, &world.settings, world.aws.log().get(before..).unwrap_or_default());
    judge(&world.settings, &seen)
}

/// The lines that are not ok.
fn complaints(report: &CheckReport) -> Vec<(&'static str, Severity)> {
    let lines = report.lines.iter().filter(|line| line.verdict != Severity::Ok);
    lines.map(|line| (line.subject, line.verdict)).collect()
}

/// An applied installation, with a web ACL that refers to it and protects a load balancer.
async fn installed(config: Config) -> World {
    installed_with(config, &["--web-acl=front", "--max-ip-sets=50"], "Block").await
}

async fn installed_with(config: Config, args: &[&str], default_action: &str) -> World {
    let world = World::with(config, args);
    world.item("a", &["198.51.100.7/32", "2001:db8:1::/48"]);
    world.aws.put_web_acl("REGIONAL", "front", default_action, json!([]));
    world.aws.associate_web_acl("front", LOAD_BALANCER);
    world.apply().await;
    let groups = world.aws.rule_groups();
    let references = groups.iter().zip(7..).map(|(group, priority)| reference_to(&group.arn, priority));
    world.aws.edit_web_acl("front", |rules| *rules = references.collect());
    world.later().await;
    world
}

/// The rule for count and label in docs/web-acl.md.
fn block_unless() -> Value {
    let snippets = WEB_ACL.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let snippet = snippets.into_iter().find(|snippet| snippet.contains("block-unless-wafsync")).unwrap();
    serde_json::from_str(snippet).unwrap()
}

fn add_rule(world: &World, rule: Value) {
    world.aws.edit_web_acl("front", |rules| rules.as_array_mut().unwrap().push(rule));
}

fn visibility() -> Value {
    json!({"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"})
}

fn deny(world: &World, operation: &str) {
    let (when, kind) = (When::Before, FaultKind::AccessDenied);
    let operation = Some(operation.to_owned());
    world.aws.fail(Fault { operation, target: None, skip: 0, times: usize::MAX, when, kind });
}

#[tokio::test(start_paused = true)]
async fn a_working_installation_has_no_complaints() {
    let world = installed(Config::default()).await;
    world.aws.clear_log();
    let report = check(&world).await;
    assert_eq!(complaints(&report), [], "{}", report.to_text());
    insta::assert_snapshot!(report.to_text());
    assert!(world.aws.log().iter().all(|attempt| !attempt.effect), "it changes nothing");
    let operations: BTreeSet<String> = world.aws.log().into_iter().map(|attempt| attempt.operation).collect();
    let expected = [
        "DescribeTable",
        "GetCallerIdentity",
        "GetIPSet",
        "GetRuleGroup",
        "GetWebACL",
        "ListIPSets",
        "ListResourcesForWebACL",
        "ListRuleGroups",
        "ListWebACLs",
        "Scan",
    ];
    assert_eq!(operations, expected.map(str::to_owned).into());
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn before_the_first_apply_there_are_only_warnings() {
    let world = World::new(&["--web-acl=front"]);
    world.item("a", &["198.51.100.7/32"]);
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    let report = check(&world).await;
    let warnings = ["rule groups", "references", "association"].map(|subject| (subject, Severity::Warning));
    assert_eq!(complaints(&report), warnings, "{}", report.to_text());
    assert_eq!(report.exit_code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_reported_where_it_is_needed() {
    use Severity::{Failure, Warning};
    const WITHOUT_WAF: &[(&str, Severity)] = &[
        ("IP sets", Failure),
        ("rule group quota", Failure),
        ("rule groups", Failure),
        ("match", Failure),
        ("references", Warning),
        ("permissions", Failure),
    ];

    let all: [(&str, &[(&str, Severity)]); 8] = [
        ("GetCallerIdentity", &[("credentials", Warning)]),
        ("DescribeTable", &[("table", Warning), ("permissions", Warning)]),
        ("Scan", &[("attributes", Failure), ("IP sets", Warning), ("permissions", Failure)]),
        ("GetWebACL", &[("web ACL", Failure), ("permissions", Failure)]),
        ("ListWebACLs", &[("web ACL", Failure), ("permissions", Failure)]),
        ("ListResourcesForWebACL", &[("association", Warning), ("permissions", Warning)]),
        ("GetRuleGroup", WITHOUT_WAF),
        ("ListIPSets", WITHOUT_WAF),
    ];
    for (operation, expected) in all {
        let world = installed(Config::default()).await;
        deny(&world, operation);
        let report = check(&world).await;
        assert_eq!(complaints(&report), expected, "{operation}\n{}", report.to_text());
    }
}

#[tokio::test(start_paused = true)]
async fn read_permissions_are_checked_before_there_is_anything_to_read() {
    let world = || {
        let world = World::new(&["--max-ip-sets=150"]);
        world.item("a", &["198.51.100.7/32"]);
        world
    };
    let empty = world();
    let report = check(&empty).await;
    assert_eq!(line(&report, "permissions").verdict, Severity::Ok, "{}", report.to_text());
    assert_eq!((empty.calls("GetIPSet"), empty.calls("GetRuleGroup")), (2, 3), "each name that a run will read");
    assert!(empty.aws.log().iter().all(|attempt| !attempt.effect), "it changes nothing");
    assert_eq!(empty.aws.violations(), Vec::<String>::new());
    for (operation, target) in [("GetIPSet", "wafsync-ipv6-000"), ("GetRuleGroup", "wafsync-3")] {
        let denying = world();
        denying.fail_target(operation, target, 1, When::Before, FaultKind::AccessDenied);
        let report = check(&denying).await;
        let line = line(&report, "permissions");
        let said = format!("{operation} {target}: AccessDeniedException: ");
        assert!(line.verdict == Severity::Failure && line.finding.starts_with(&said), "{}", report.to_text());
    }
    let silent = world();
    silent.fail_times("GetRuleGroup", 3, When::Before, FaultKind::InternalError);
    assert_eq!(line(&check(&silent).await, "permissions").verdict, Severity::Warning);
}

#[tokio::test(start_paused = true)]
async fn the_estimate_for_a_table_larger_than_the_sample_is_compared_with_the_quota() {
    let world = World::with(Config { set_capacity: 10, ..Config::default() }, &[]);
    world.items(1..=150);
    for number in 0..85 {
        world.aws.put_ip_set("REGIONAL", &format!("others-{number}"), "IPV4", &[], None);
    }
    let report = check(&world).await;
    let fits = "0 there, 15 more needed for about 150 CIDRs by a sample and the last count; 85 of others; the usual quota of \
                100 leaves room for 15 more";
    assert_eq!((line(&report, "IP sets").verdict, line(&report, "IP sets").finding.as_str()), (Severity::Ok, fits));
    world.later().await;
    world.aws.put_ip_set("REGIONAL", "one-more", "IPV4", &[], None);
    assert_eq!(line(&check(&world).await, "IP sets").verdict, Severity::Failure);
}

#[tokio::test(start_paused = true)]
async fn all_missing_permissions_are_reported_together() {
    let world = World::new(&[]);
    for operation in ["Scan", "ListIPSets", "GetIPSet", "GetRuleGroup"] {
        deny(&world, operation);
    }
    let report = check(&world).await;
    let finding = &line(&report, "permissions").finding;
    for operation in ["Scan ", "ListIPSets ", "GetIPSet ", "GetRuleGroup "] {
        assert_eq!(finding.matches(operation).count(), 1, "{finding}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_mistake_is_reported_on_its_line() {
    let root = Config { caller_arn: "arn:aws:iam::111122223333:root".to_owned(), ..Config::default() };
    assert_eq!(complaints(&check(&installed(root).await).await), [("credentials", Severity::Warning)]);

    let mut world = installed(Config::default()).await;
    world.settings.table.table = "absent".to_owned();
    let absent = [
        ("table", Severity::Failure),
        ("attributes", Severity::Failure),
        ("IP sets", Severity::Warning),
        // They were fed from another one.
        ("rule groups", Severity::Failure),
        ("permissions", Severity::Warning),
    ];
    assert_eq!(complaints(&check(&world).await), absent);

    let mut world = installed(Config::default()).await;
    world.settings.table.cidr_attribute = "addresses".to_owned();
    assert_eq!(complaints(&check(&world).await), [("attributes", Severity::Failure)]);

    let mut world = installed(Config::default()).await;
    world.settings.waf.web_acls = vec!["absent".to_owned()];
    assert_eq!(complaints(&check(&world).await), [("web ACL", Severity::Failure)]);

    let world = installed(Config::default()).await;
    world.aws.edit_web_acl("front", |rules| rules[0]["OverrideAction"] = json!({"Count": {}}));
    assert_eq!(complaints(&check(&world).await), [("references", Severity::Failure)]);

    let world = installed(Config::default()).await;
    for number in 0..98 {
        world.aws.put_ip_set("REGIONAL", &format!("others-{number}"), "IPV4", &[], None);
    }
    assert_eq!(complaints(&check(&world).await), [("IP sets", Severity::Warning)]);
}

/// An installation like [`installed`] whose settings name no web ACL, and this many other web ACLs.
async fn unnamed(config: Config, others: usize) -> World {
    let mut world = installed(config).await;
    world.set(&["--max-ip-sets=50"]);
    for number in 0..others {
        world.aws.put_web_acl("REGIONAL", &format!("other-{number}"), "Allow", json!([]));
    }
    world
}

fn line<'a>(report: &'a CheckReport, subject: &str) -> &'a Line {
    report.lines.iter().find(|line| line.subject == subject).unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_web_acl_the_web_acls_that_refer_to_us_are_found_on_every_page() {
    let world = unnamed(Config { list_page: 2, ..Config::default() }, 4).await;
    world.aws.put_web_acl("CLOUDFRONT", "elsewhere", "Allow", json!([]));
    let group = world.aws.rule_groups()[0].arn.clone();
    world.aws.put_web_acl("REGIONAL", "last", "Block", json!([reference_to(&group, 1)]));
    world.aws.clear_log();
    let report = check(&world).await;
    let expected = [("web ACL", Severity::Warning), ("association", Severity::Warning)];
    assert_eq!(complaints(&report), expected, "{}", report.to_text());
    let fix = "set --web-acl=front --web-acl=last, so that every run checks it";
    assert_eq!(line(&report, "web ACL").fix.as_deref(), Some(fix));
    assert_eq!((world.calls("GetWebACL"), world.calls("ListWebACLs")), (6, 3));
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn without_web_acl_and_without_a_reference_check_fails() {
    let world = unnamed(Config::default(), 1).await;
    world.aws.edit_web_acl("front", |rules| *rules = json!([]));
    let report = check(&world).await;
    assert_eq!(complaints(&report), [("web ACL", Severity::Failure)]);
    assert!(
        line(&report, "web ACL").finding.contains(" refers to our rule groups (2 web ACLs read)"),
        "{}",
        report.to_text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_search_ends_at_the_limit_or_an_error_but_skips_deleted_web_acls() {
    let world = unnamed(Config { read_rate: None, ..Config::default() }, 120).await;
    world.aws.edit_web_acl("front", |rules| *rules = json!([]));
    world.aws.clear_log();
    let report = check(&world).await;
    assert_eq!(complaints(&report), [("web ACL", Severity::Warning)]);
    assert!(line(&report, "web ACL").finding.ends_with("only 100 of 121 web ACLs were read"), "{}", report.to_text());
    assert_eq!(world.calls("GetWebACL"), 100);

    let world = unnamed(Config::default(), 2).await;
    world.fail_target("GetWebACL", "other-0", 1, When::Before, FaultKind::NonexistentItem);
    world.fail_target("GetWebACL", "other-1", 1, When::Before, FaultKind::AccessDenied);
    let report = check(&world).await;
    let expected = [("web ACL", Severity::Warning), ("permissions", Severity::Warning)];
    assert_eq!(complaints(&report), expected, "{}", report.to_text());
    let finding = &line(&report, "web ACL").finding;
    let refused = "none was named; found to refer to our rule groups: front; only 2 of 3 web ACLs could be read: access to the next was denied";
    assert_eq!(finding, refused);

    for operation in ["ListWebACLs", "GetWebACL"] {
        let world = unnamed(Config::default(), 0).await;
        deny(&world, operation);
        let report = check(&world).await;
        assert_eq!((complaints(&report).as_slice(), report.exit_code()), (&expected[..], 0), "{operation}");
        assert!(line(&report, "web ACL").fix.as_ref().unwrap().contains("allow wafv2:ListWebACLs"));
    }
}

#[tokio::test(start_paused = true)]
async fn count_and_label_with_the_documented_rule_has_no_complaints() {
    let args = ["--web-acl=front", "--action=count"];
    let world = installed_with(Config::default(), &args, "Allow").await;
    let missing = complaints(&check(&world).await);
    assert_eq!(missing, [("default action", Severity::Failure)], "no rule blocks");
    add_rule(&world, block_unless());
    world.later().await;
    let report = check(&world).await;
    assert_eq!(complaints(&report), [], "{}", report.to_text());
    insta::assert_snapshot!(report.to_text());
    world.later().await;
    world.aws.edit_web_acl("front", |rules| rules[2]["Priority"] = json!(1));
    assert_eq!(complaints(&check(&world).await), [("order", Severity::Failure)]);
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_ours_edited_by_hand_is_a_failure() {
    let world = installed_with(Config::default(), &["--web-acl=front"], "Block").await;
    assert_eq!(line(&check(&world).await, "match").verdict, Severity::Ok);
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = json!({"Block": {}}));
    world.later().await;
    let report = check(&world).await;
    let line = line(&report, "match");
    assert_eq!(line.verdict, Severity::Failure);
    assert!(line.finding.contains("the rule of wafsync-1 was edited by hand"), "{}", line.finding);
}

#[tokio::test(start_paused = true)]
async fn count_and_label_of_one_rule_group_needs_a_plain_match_or_its_negation() {
    const LABEL: &str = "awswaf:111122223333:rulegroup:wafsync-1:wafsync";
    let args = ["--web-acl=front", "--action=count", "--max-ip-sets=50"];
    let matching = |key: &str| json!({"LabelMatchStatement": {"Scope": "LABEL", "Key": key}});
    let block = |key| json!({"Name": "block", "Priority": 9, "Action": {"Block": {}}, "VisibilityConfig": visibility(), "Statement": {"NotStatement": {"Statement": matching(key)}}});
    let allow = |key| json!({"Name": "allow", "Priority": 9, "Action": {"Allow": {}}, "VisibilityConfig": visibility(), "Statement": matching(key)});
    let failure = [("default action", Severity::Failure)];
    for (default_action, rule, expected) in [
        ("Allow", block(LABEL), &[][..]),
        ("Allow", block("wafsync"), &failure),
        ("Block", allow(LABEL), &[]),
        ("Block", allow("wafsync"), &failure),
    ] {
        let world = installed_with(Config::default(), &args, default_action).await;
        add_rule(&world, rule.clone());
        let report = check(&world).await;
        assert_eq!(complaints(&report), expected, "{rule}\n{}", report.to_text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_label_edited_by_hand_is_a_failure() {
    let world =
        installed_with(Config::default(), &["--web-acl=front", "--action=count", "--max-ip-sets=50"], "Allow").await;
    world.aws.edit_rule_group("wafsync-1", |rules| rules[0]["RuleLabels"] = json!([{"Name": "other"}]));
    let report = check(&world).await;
    let line = line(&report, "match");
    let finding = "rule group wafsync-1 adds the label other, the settings say the label wafsync";
    assert_eq!((line.verdict, line.finding.as_str()), (Severity::Failure, finding));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_blocks_before_the_references_is_named() {
    let world = installed(Config::default()).await;
    let rate = json!({"RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP", "EvaluationWindowSec": 300}});
    let rate = json!({"Name": "rate", "Priority": 3, "Action": {"Block": {}}, "VisibilityConfig": visibility(), "Statement": rate});
    let managed = json!({"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}});
    let managed = json!({"Name": "common", "Priority": 4, "OverrideAction": {"None": {}}, "VisibilityConfig": visibility(), "Statement": managed});
    add_rule(&world, rate);
    add_rule(&world, managed);
    let report = check(&world).await;
    assert_eq!(complaints(&report), [("order", Severity::Warning)]);
    let line = line(&report, "order");
    assert!(line.finding.contains(" rate (priority 3), common (priority 4) "), "{}", line.finding);
}

#[tokio::test]
async fn the_command_prints_its_lines_and_exits_with_1_if_one_failed() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let ended = process.start(&["check"]).end().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    // Lines are printed as soon as they are known.
    let credentials = "ok       credentials       arn:aws:sts::111122223333:";
    assert!(ended.stdout.lines().any(|line| line.starts_with(credentials)), "{}", ended.stdout);
    let ended = process.start(&["check", "--web-acl=absent", "--output=json"]).end().await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["version"], &report["ok"]), (Some(1), &json!(1), &json!(false)));
    let lines = report["lines"].as_array().unwrap();
    let web_acl = lines.iter().find(|line| line["subject"] == "web ACL").unwrap();
    assert_eq!((&web_acl["verdict"], &lines.last().unwrap()["subject"]), (&json!("failure"), &json!("permissions")));
}
