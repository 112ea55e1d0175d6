//! `docs/alerts.yaml` uses only metrics that exist.

use std::collections::BTreeSet;

use serde_json::Value;
use wafsync::metrics::METRICS;

const FILE: &str = include_str!("../../docs/alerts.yaml");

/// The alerts that `tests/deploy/run` gives to promtool.
const PROMTOOL: &str = include_str!("../deploy/alerts.yaml");

fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(FILE).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn expression(alert: &Value) -> &str {
    alert["expr"].as_str().unwrap()
}

/// Every metric in an expression, with the contents of its braces.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let starts = expression.match_indices("wafsync_").map(|(start, _)| &expression[start..]);
    starts
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            (name, rest.strip_prefix('{').map_or("", |rest| rest.split_once('}').unwrap().0))
        })
        .collect()
}

#[test]
fn every_metric_and_label_in_an_expression_exists() {
    for alert in alerts() {
        let selectors = selectors(expression(&alert));
        assert_ne!(selectors, [], "{alert}");
        for (name, label) in selectors {
            let metric = METRICS.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} of {} is not a metric", alert["alert"]));
            if !label.is_empty() {
                let (key, values) = label.split_once('=').unwrap();
                let (known, all) = metric.label.unwrap();
                assert_eq!(key.trim_end_matches('!'), known, "{name}");
                for value in values.trim_start_matches('~').trim_matches('"').split('|') {
                    assert!(all.contains(&value), "{value} of {name}");
                }
            }
        }
    }
}

#[test]
fn every_label_used_in_a_text_is_kept_by_its_expression() {
    for alert in alerts() {
        for text in ["summary", "action"].map(|key| alert["annotations"][key].as_str().unwrap()) {
            for label in text.split("$labels.").skip(1).map(|rest| rest.split_whitespace().next().unwrap()) {
                let lists = expression(&alert).split("by (").skip(1).map(|rest| rest.split_once(')').unwrap().0);
                for list in lists {
                    assert!(list.split(", ").any(|kept| kept == label), "{label} of {}", alert["alert"]);
                }
            }
        }
    }
}

#[test]
fn alert_names_are_unique_and_each_alert_has_a_severity() {
    let alerts = alerts();
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect();
    assert_eq!(names.len(), alerts.len());
    for alert in &alerts {
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert}");
    }
}

#[test]
fn promtool_tests_every_alert() {
    for alert in alerts() {
        let fires = format!("alertname=\"{}\"", alert["alert"].as_str().unwrap());
        assert!(PROMTOOL.contains(&fires), "{fires}");
    }
}
