//! Each metric moves when it should and no other does; the documentation lists them all; the formats are right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::prometheus::Exposition;
use super::*;
use crate::cli::{self, Invocation};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::item::{Rejection, RejectionReason};
use crate::model::naming::Target;
use crate::model::settings::Settings;
use crate::model::spec::{IpSetSpec, WriteKind};
use crate::planning::change::{self, Change, Stage};
use crate::planning::diff::Diff;
use crate::planning::guard::{Judgment, Verdict};
use crate::planning::plan::Plan;
use crate::report::Document;
use crate::report::{Acl, IpSet};
use crate::run::applied::Applied;
use crate::run::decision::Decision;
use crate::run::end::End;
use crate::run::outcome::Outcome;
use crate::run::record::{Command, Round, Run};

const NOW: i64 = 1_800_000_000;

fn settings() -> Settings {
    let args = ["wafsync", "apply", "--table=clusters", "--max-ip-sets=10"].map(Into::into);
    match cli::parse(args, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        other => panic!("{other:?}"),
    }
}

/// A run that read everything and found nothing to do.
fn quiet() -> (Document, Facts) {
    let mut document = Document::failed("");
    document.outcome = Outcome::Converged;
    document.digest = Some("sha256:00".to_owned());
    document.table.pages = 1;
    let facts = Facts { began: NOW, in_force: Some(PerFamily::default()), ..Facts::default() };
    (document, facts)
}

fn values(document: &Document, facts: &Facts) -> BTreeMap<String, f64> {
    samples(document, &settings(), facts).iter().map(|sample| (cloudwatch::name(sample), sample.value)).collect()
}

/// What is different from a quiet run after this edit, with the new values.
fn moved(edit: impl FnOnce(&mut Document, &mut Facts)) -> Vec<(String, f64)> {
    let (mut document, mut facts) = quiet();
    let before = values(&document, &facts);
    edit(&mut document, &mut facts);
    let after = values(&document, &facts);
    assert!(before.keys().all(|name| after.contains_key(name)));
    after.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}

fn expect(edit: impl FnOnce(&mut Document, &mut Facts), expected: &[(&str, f64)]) {
    let moved = moved(edit);
    let moved: Vec<(&str, f64)> = moved.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(moved, expected);
}

fn cidrs(count: usize) -> Vec<Cidr> {
    (0..count).map(|last| Cidr::parse(&format!("198.51.100.{last}")).unwrap()).collect()
}

fn set(name: &str, free: usize, rule_group: Option<&str>) -> IpSet {
    let rule_group = rule_group.map(str::to_owned);
    IpSet { name: name.to_owned(), family: Family::Ipv4, addresses: 10_000 - free, free, held: 0, rule_group }
}

#[test]
fn time_moves_when_and_how_long() {
    expect(
        |_, facts| facts.began = NOW + 60,
        &[
            ("wafsync_last_converged_timestamp_seconds", 1_800_000_060.0),
            ("wafsync_last_run_timestamp_seconds", 1_800_000_060.0),
        ],
    );
    expect(
        |_, facts| facts.duration = Duration::from_mins(3),
        &[
            ("wafsync_last_converged_timestamp_seconds", 1_800_000_180.0),
            ("wafsync_last_run_timestamp_seconds", 1_800_000_180.0),
            ("wafsync_limit_used_ratio_deadline", 0.1),
            ("wafsync_run_duration_seconds", 180.0),
        ],
    );
}

#[test]
fn what_the_table_holds_moves_its_counts() {
    expect(|document, _| document.table.items = 3, &[("wafsync_items", 3.0)]);
    expect(|document, _| document.table.expired = 2, &[("wafsync_expired_items", 2.0)]);
    expect(|document, _| document.table.empty = 4, &[("wafsync_empty_items", 4.0)]);
    expect(|document, _| document.table.consumed_capacity = 0.5, &[("wafsync_read_capacity_units", 0.5)]);
    let reason = RejectionReason::NotAnArray;
    let rejected = Rejection { key: "a".into(), value: "b".into(), reason, ignored: false };
    let known = Rejection { ignored: true, ..rejected.clone() };
    expect(|document, _| document.table.rejections = vec![known, rejected].into(), &[("wafsync_rejections", 1.0)]);
    expect(
        |document, _| document.desired = PerFamily { ipv4: 15_000, ipv6: 5_000 },
        &[
            ("wafsync_desired_cidrs_ipv4", 15_000.0),
            ("wafsync_desired_cidrs_ipv6", 5_000.0),
            ("wafsync_limit_used_ratio_addresses", 0.2),
        ],
    );
}

#[test]
fn what_waf_holds_moves_its_counts() {
    expect(
        |_, facts| facts.in_force = Some(PerFamily { ipv4: 7, ipv6: 8 }),
        &[("wafsync_in_force_cidrs_ipv4", 7.0), ("wafsync_in_force_cidrs_ipv6", 8.0)],
    );
    expect(
        |document, _| {
            document.ip_sets =
                vec![set("a", 10, Some("one")), set("b", 20, Some("one")), set("c", 5, Some("two")), set("d", 1, None)];
        },
        &[
            ("wafsync_free_cidrs_ipv4", 60_036.0),
            ("wafsync_free_cidrs_ipv6", 60_000.0),
            ("wafsync_ip_sets", 4.0),
            ("wafsync_limit_used_ratio_addresses", 0.399_64),
            ("wafsync_limit_used_ratio_ip_sets", 0.4),
            ("wafsync_limit_used_ratio_references", 0.04),
        ],
    );
    let acl = |missing: &[&str]| Acl {
        name: "front".to_owned(),
        referred: Vec::new(),
        missing: missing.iter().map(|name| (*name).to_owned()).collect(),
        overridden: Vec::new(),
    };
    expect(
        |document, _| document.web_acls = vec![acl(&["one"]), acl(&["one", "two"]), acl(&[])],
        &[("wafsync_unreferenced_rule_groups", 3.0)],
    );
    let (document, facts) = quiet();
    let mut more = settings();
    more.waf.limits.max_ip_sets = 20;
    let allowed = |settings: &Settings| {
        let samples = samples(&document, settings, &facts);
        samples.into_iter().find(|sample| sample.metric.name == "wafsync_ip_sets_allowed").unwrap().value
    };
    assert!((allowed(&settings()) - 10.0).abs() < f64::EPSILON && (allowed(&more) - 20.0).abs() < f64::EPSILON);
}

/// The share of the room for addresses, with ten IP sets allowed: wanted CIDRs, and the IP sets that there are.
fn addresses_used(desired: PerFamily<usize>, sets: Vec<IpSet>) -> f64 {
    let (mut document, facts) = quiet();
    (document.desired, document.ip_sets) = (desired, sets);
    values(&document, &facts)["wafsync_limit_used_ratio_addresses"]
}

#[test]
fn room_is_as_scarce_as_for_the_family_that_can_get_least() {
    let sets = |ipv4: usize, ipv6: usize, free: usize| -> Vec<IpSet> {
        let families = std::iter::repeat_n(Family::Ipv4, ipv4).chain(std::iter::repeat_n(Family::Ipv6, ipv6));
        families.map(|family| IpSet { family, ..set("a", free, Some("one")) }).collect()
    };
    for (ipv4, ipv6, sets, expected) in [
        (0, 0, sets(0, 0, 0), 0.0),
        // One family has the room of all that is still to be created.
        (80_000, 0, sets(8, 0, 0), 0.8),
        // IPv4 has eight sets, half empty, and IPv6 can get no third one.
        (40_000, 16_000, sets(8, 2, 10_000), 0.8),
        (40_000, 20_000, sets(8, 2, 10_000), 1.0),
        // Each could get half of the room, but not both.
        (40_000, 40_000, sets(4, 4, 0), 0.8),
        // Unwanted CIDRs that stay take room as well.
        (1, 0, sets(10, 0, 2_000), 0.8),
        // More than fits is more than all of it.
        (110_000, 0, sets(10, 0, 0), 1.1),
        // A family without wanted CIDRs needs no room.
        (50_000, 0, sets(10, 0, 5_000), 0.5),
    ] {
        let used = addresses_used(PerFamily { ipv4, ipv6 }, sets);
        assert!((used - expected).abs() < 1e-9, "{ipv4} and {ipv6}: {used} and not {expected}");
    }
}

#[test]
fn what_was_decided_and_done_moves_its_counts() {
    expect(|document, _| document.held = cidrs(2), &[("wafsync_held_cidrs", 2.0)]);
    expect(|document, _| document.deferred = cidrs(3), &[("wafsync_deferred_cidrs", 3.0)]);
    expect(|_, facts| facts.drift_removed = 4, &[("wafsync_drift_cidrs", 4.0)]);
    expect(|_, facts| facts.throttled = 5, &[("wafsync_throttled_calls", 5.0)]);
    expect(|_, facts| facts.conflicts = 6, &[("wafsync_conflicts", 6.0)]);
    expect(|_, facts| facts.above_minimum = 2, &[("wafsync_writes_above_minimum", 2.0)]);
    for (kind, name) in [
        (WriteKind::CreateIpSet, "wafsync_writes_create_ip_set"),
        (WriteKind::UpdateIpSet, "wafsync_writes_update_ip_set"),
        (WriteKind::CreateRuleGroup, "wafsync_writes_create_rule_group"),
        (WriteKind::UpdateRuleGroup, "wafsync_writes_update_rule_group"),
    ] {
        expect(|_, facts| facts.writes.extend([(kind, 7)]), &[(name, 7.0)]);
    }
    for (verdict, name) in [
        (Verdict::Held, "wafsync_guard_verdict_held"),
        (Verdict::Blocked, "wafsync_guard_verdict_blocked"),
        (Verdict::Approved, "wafsync_guard_verdict_approved"),
    ] {
        expect(|document, _| document.guard.verdict = verdict, &[(name, 1.0), ("wafsync_guard_verdict_pass", 0.0)]);
    }
}

/// A plan of this many writes, with this lower bound.
fn a_plan(writes: usize, minimum: usize) -> Plan {
    let spec =
        IpSetSpec { name: String::new(), family: Family::Ipv4, cidrs: Cidrs::default(), description: String::new() };
    let change = Change {
        stage: Stage::Add,
        write: change::Write::CreateIpSet(spec),
        add: Cidrs::default(),
        remove: Cidrs::default(),
        relies_on: vec![],
        refer: Vec::new(),
        unrefer: Vec::new(),
    };
    Plan { changes: vec![change; writes], minimum, ..Plan::default() }
}

/// A run that has carried out some plans, and perhaps made one more.
fn a_run(rounds: &[Plan], stopped: Option<&Plan>) -> Run {
    let target = Target {
        scope: "regional",
        region: String::new(),
        name: String::new(),
        table: String::new(),
        table_account: None,
    };
    let judgment = Judgment {
        verdict: Verdict::Pass,
        reasons: Vec::new(),
        held: Vec::new(),
        waiting: Vec::new(),
        additions: Vec::new(),
        closed: Vec::new(),
        digest: String::new(),
        approval: None,
    };
    let decision = |plan: &Plan| Decision { plan: plan.clone(), diff: Diff::default(), judgment: judgment.clone() };
    let round = |plan| Round { decision: decision(plan), applied: Applied::default(), troubles: Vec::new() };
    Run {
        target,
        command: Command::Apply,
        seen: None,
        rounds: rounds.iter().map(round).collect(),
        pending: stopped.map(decision),
        digest: None,
        end: End::Done,
    }
}

#[test]
fn each_plan_of_a_run_is_measured_against_its_own_minimum() {
    let above = |rounds: &[Plan], stopped| Facts::new(&a_run(rounds, stopped), NOW, Duration::ZERO, 0).above_minimum;
    assert_eq!(above(&[], None), 0);
    assert_eq!(above(&[a_plan(3, 3)], None), 0);
    assert_eq!(above(&[a_plan(3, 3), a_plan(2, 2)], None), 0, "a conflict explains what was planned twice");
    assert_eq!(above(&[a_plan(5, 3), a_plan(2, 2)], None), 2, "the plan before the conflict");
    assert_eq!(above(&[a_plan(3, 3)], Some(&a_plan(2, 1))), 1, "a plan that a guard stopped");
}

#[test]
fn every_outcome_has_its_place_and_two_of_them_are_in_step() {
    let all = [
        Outcome::Converged,
        Outcome::Changed,
        Outcome::Planned,
        Outcome::Blocked,
        Outcome::Held,
        Outcome::Unenforced,
        Outcome::Partial,
        Outcome::Failed,
    ];
    for outcome in all {
        let (mut document, facts) = quiet();
        document.outcome = outcome;
        let values = values(&document, &facts);
        let set: Vec<&str> = values
            .iter()
            .filter(|(_, value)| **value > 0.5)
            .filter_map(|(name, _)| name.strip_prefix("wafsync_run_outcome_"))
            .collect();
        assert_eq!(set, [outcome.to_string()]);
        let in_step = matches!(outcome, Outcome::Converged | Outcome::Changed);
        assert_eq!(values.contains_key("wafsync_last_converged_timestamp_seconds"), in_step, "{outcome}");
    }
}

#[test]
fn a_quiet_run_has_every_metric_with_every_label() {
    let (document, facts) = quiet();
    let names: Vec<String> = samples(&document, &settings(), &facts).iter().map(cloudwatch::name).collect();
    let label = |metric: &Metric| match metric.label {
        Some((_, values)) => values.iter().map(|value| format!("{}_{value}", metric.name)).collect(),
        None => vec![metric.name.to_owned()],
    };
    let all: BTreeSet<String> = METRICS.iter().flat_map(|metric| label(metric)).collect();
    assert_eq!(names.iter().cloned().collect::<BTreeSet<String>>(), all);
    assert_eq!(names.len(), all.len(), "none twice: {names:?}");
}

#[test]
fn a_run_that_failed_early_says_nothing_of_what_it_did_not_see() {
    let facts = Facts { began: NOW, ..Facts::default() };
    let values = values(&Document::failed("denied"), &facts);
    for name in ["desired", "in_force", "free", "items", "rejections", "held", "guard", "last_converged", "ip_sets_"] {
        let known: Vec<&String> = values.keys().filter(|known| known.starts_with(&format!("wafsync_{name}"))).collect();
        assert!(known.iter().all(|name| *name == "wafsync_ip_sets_allowed"), "{known:?}");
    }
    assert!((values["wafsync_run_outcome_failed"] - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_run_that_could_not_begin_says_that_it_failed_and_did_nothing() {
    let samples = not_begun(NOW);
    let values: BTreeMap<String, f64> = samples.iter().map(|sample| (cloudwatch::name(sample), sample.value)).collect();
    let set: Vec<&str> = values.iter().filter(|(_, value)| **value != 0.0).map(|(name, _)| name.as_str()).collect();
    assert_eq!(set, ["wafsync_last_run_timestamp_seconds", "wafsync_run_outcome_failed"]);
    let (document, settings) = (Document::failed("no Region"), settings());
    let failed_early = super::samples(&document, &settings, &Facts { began: NOW, ..Facts::default() });
    let allowed = "wafsync_ip_sets_allowed";
    let failed_early: Vec<&Sample> = failed_early.iter().filter(|sample| sample.metric.name != allowed).collect();
    assert_eq!(samples.iter().collect::<Vec<_>>(), failed_early, "as one that failed early, but for the settings");
}

#[test]
fn what_a_failed_run_did_not_see_stays_as_it_was_also_through_a_file() {
    let (mut document, facts) = quiet();
    document.desired.ipv4 = 42;
    let first = Exposition::new("edge");
    first.set(&samples(&document, &settings(), &facts));
    let second = Exposition::new("edge");
    second.take_over(&first.text());
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(sorted(&second.text()), sorted(&first.text()));
    let later = Facts { began: NOW + 300, ..Facts::default() };
    second.set(&samples(&Document::failed("denied"), &settings(), &later));
    let text = second.text();
    for line in [
        "wafsync_desired_cidrs{installation=\"edge\",family=\"ipv4\"} 42.0",
        "wafsync_last_converged_timestamp_seconds{installation=\"edge\"} 1800000000.0",
        "wafsync_last_run_timestamp_seconds{installation=\"edge\"} 1800000300.0",
        "wafsync_run_outcome{installation=\"edge\",outcome=\"converged\"} 0.0",
        "wafsync_run_outcome{installation=\"edge\",outcome=\"failed\"} 1.0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[test]
fn of_a_file_only_what_can_be_ours_is_taken_over() {
    let exposition = Exposition::new("edge");
    let empty = exposition.text();
    exposition.take_over(
        "wafsync_items{installation=\"other\"} 1\n\
         wafsync_items{installation=\"edge\"} NaN\n\
         wafsync_items{installation=\"edge\"} many\n\
         wafsync_items{installation=\"edge\",family=\"ipv4\"} 1\n\
         wafsync_desired_cidrs{installation=\"edge\"} 1\n\
         wafsync_desired_cidrs{installation=\"edge\",family=\"ipv5\"} 1\n\
         wafsync_desired_cidrs{installation=\"edge\",limit=\"ipv4\"} 1\n\
         node_cpu{installation=\"edge\"} 1\n\
         wafsync_items 1\n\
         {}\n# HELP x\n\n\u{0}",
    );
    assert_eq!(exposition.text(), empty);
    exposition.take_over("wafsync_items{installation=\"edge\"} 1\n");
    assert!(exposition.text().contains("wafsync_items{installation=\"edge\"} 1.0\n"));
}

#[test]
fn cloudwatch_gets_one_line_with_units_and_one_dimension() {
    let (mut document, facts) = quiet();
    document.desired.ipv6 = 9;
    let line = cloudwatch::line(&samples(&document, &settings(), &facts), "edge", NOW);
    assert!(!line.contains('\n'));
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&value["installation"], &value["wafsync_desired_cidrs_ipv6"]), (&"edge".into(), &9.0.into()));
    assert_eq!(value["_aws"]["Timestamp"], 1_800_000_000_000_i64);
    let directive = &value["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "wafsync");
    assert_eq!(directive["Dimensions"], serde_json::json!([["installation"]]));
    let metrics = directive["Metrics"].as_array().unwrap();
    assert!(metrics.len() <= 100, "CloudWatch takes no more: {}", metrics.len());
    for metric in metrics {
        let name = metric["Name"].as_str().unwrap();
        assert!(value[name].is_number(), "{name}");
        let unit = if name.contains("_ratio") {
            "None"
        } else if name.ends_with("_seconds") {
            "Seconds"
        } else {
            "Count"
        };
        assert_eq!(metric["Unit"], unit, "{name}");
    }
}

#[test]
fn the_documentation_lists_every_metric() {
    let mut table = "| metric | label | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let label = metric.label.map_or_else(String::new, |(key, values)| {
            format!("`{key}`: {}", values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "))
        });
        let unit = match metric.unit {
            Unit::Count => "count",
            Unit::Seconds => "seconds",
            Unit::Ratio => "ratio",
        };
        let _ = writeln!(table, "| `{}` | {label} | {unit} | {} |", metric.name, metric.help);
    }
    let page = include_str!("../../docs/metrics.md");
    assert!(page.contains(&table), "docs/metrics.md should hold:\n{table}");
}
