//! Metrics in CloudWatch's embedded metric format: one line of JSON. Pure.

use serde_json::{Map, Value, json};

use super::names::Unit;
use super::prometheus::INSTALLATION;
use super::samples::Sample;

/// The namespace of the metrics.
pub const NAMESPACE: &str = "wafsync";

/// The most metrics that one line may declare.
const MAX_METRICS: usize = 100;

/// The line of JSON, without a newline. `began` is in seconds since the epoch.
///
/// A line has one value for each name, so a label becomes part of the name: `wafsync_desired_cidrs_ipv4`.
#[must_use]
pub fn line(samples: &[Sample], installation: &str, began: i64) -> String {
    let mut root = Map::new();
    let mut declared = Vec::new();
    for sample in samples.iter().take(MAX_METRICS) {
        let name = name(sample);
        let unit = match sample.metric.unit {
            Unit::Count => "Count",
            Unit::Seconds => "Seconds",
            Unit::Ratio => "None",
        };
        declared.push(json!({ "Name": name, "Unit": unit }));
        root.insert(name, json!(sample.value));
    }
    root.insert(INSTALLATION.to_owned(), json!(installation));
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[INSTALLATION]], "Metrics": declared });
    root.insert("_aws".to_owned(), json!({ "Timestamp": began * 1000, "CloudWatchMetrics": [directive] }));
    Value::Object(root).to_string()
}

/// The name of a sample in CloudWatch.
#[must_use]
pub fn name(sample: &Sample) -> String {
    match sample.label {
        Some(label) => format!("{}_{label}", sample.metric.name),
        None => sample.metric.name.to_owned(),
    }
}
