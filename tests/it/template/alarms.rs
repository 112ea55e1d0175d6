//! The alarms of `lambda.yaml`, evaluated as CloudWatch does.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::metrics::METRICS;

use super::{OWN_TABLE, Stack, TABLE, TEMPLATE};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// Names and values of metrics.
type Metrics = [(&'static str, f64)];

/// Each alarm, how many minutes the problem has to last, and the metrics that it watches after a bad and a good run.
const ALARMS: [(&str, usize, &Metrics, &Metrics); 5] = [
    ("FailedAlarm", 15, &[("wafsync_run_outcome_failed", 1.0)], &[("wafsync_run_outcome_failed", 0.0)]),
    ("ErrorsAlarm", 15, &[("Errors", 1.0)], &[("Errors", 0.0)]),
    (
        "PersonAlarm",
        15,
        &[
            ("wafsync_run_outcome_blocked", 0.0),
            ("wafsync_run_outcome_held", 1.0),
            ("wafsync_run_outcome_unenforced", 0.0),
        ],
        &[
            ("wafsync_run_outcome_blocked", 0.0),
            ("wafsync_run_outcome_held", 0.0),
            ("wafsync_run_outcome_unenforced", 0.0),
        ],
    ),
    (
        "NotConvergedAlarm",
        60,
        &[("wafsync_run_outcome_converged", 0.0), ("wafsync_run_outcome_changed", 0.0)],
        &[("wafsync_run_outcome_converged", 1.0), ("wafsync_run_outcome_changed", 0.0)],
    ),
    (
        "CapacityAlarm",
        60,
        &[("wafsync_limit_used_ratio_addresses", 0.8)],
        &[("wafsync_limit_used_ratio_addresses", 0.79)],
    ),
];

/// The minute in which each run began, and its metrics in CloudWatch.
type Runs = Vec<(usize, &'static Metrics)>;

/// Periods that an alarm looks at in addition to those that it evaluates ("Configuring how CloudWatch alarms treat
/// missing data": five for three; the general number is not documented).
const FURTHER_PERIODS: usize = 2;

/// Whether the alarm is on at the end of this minute, as CloudWatch evaluates it.
fn is_on(alarm: &Value, runs: &Runs, minute: usize) -> bool {
    let count = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let (periods, to_alarm) = (count(&alarm["EvaluationPeriods"]), count(&alarm["DatapointsToAlarm"]));
    let queries = alarm["Metrics"].as_array().unwrap();
    let expression = queries.iter().find_map(|query| query["Expression"].as_str()).unwrap();
    let threshold = alarm["Threshold"].as_f64().unwrap();
    let breaches = |value: f64| match alarm["ComparisonOperator"].as_str().unwrap() {
        "LessThanThreshold" => value < threshold,
        "GreaterThanOrEqualToThreshold" => value >= threshold,
        other => panic!("{other}"),
    };
    // The statistic of a metric over a period, or the value that fills the gap: `FILL(id, value)`.
    let term = |text: &str, end: usize| {
        let filled = text.strip_prefix("FILL(").and_then(|rest| rest.strip_suffix(')'));
        let (id, gap) = filled.map_or((text, None), |rest| {
            let (id, gap) = rest.split_once(", ").unwrap();
            (id, Some(gap.parse::<f64>().unwrap()))
        });
        let stat = &queries.iter().find(|query| query["Id"] == id).unwrap()["MetricStat"];
        let began = end.checked_sub(count(&stat["Period"]) / 60)?;
        let within = runs.iter().filter(|(at, _)| (began..end).contains(at)).flat_map(|(_, values)| values.iter());
        let values = within.filter(|(name, _)| stat["Metric"]["MetricName"] == *name).map(|(_, value)| *value);
        match stat["Stat"].as_str().unwrap() {
            "Maximum" => values.reduce(f64::max),
            "Sum" => values.reduce(|left, right| left + right),
            other => panic!("{other}"),
        }
        .or(gap)
    };
    let period = queries.iter().find_map(|query| query["MetricStat"]["Period"].as_u64()).unwrap();
    let period = usize::try_from(period).unwrap() / 60;
    // The newest first. A gap in one term counts as 0 if another term has a value.
    let points: Vec<Option<f64>> = (0..periods + FURTHER_PERIODS)
        .map(|back| (minute + 1).saturating_sub(back * period))
        .map(|end| expression.split(" + ").filter_map(|text| term(text, end)).reduce(|left, right| left + right))
        .collect();
    let there: Vec<f64> = points.into_iter().flatten().take(periods).collect();
    let missing = periods - there.len();
    there.into_iter().filter(|value| breaches(*value)).count() + missing >= to_alarm
}

/// From this minute on, no alarm looks at anything before the first run.
const BEGIN: usize = 90;
/// The first minute in which things change.
const TURN: usize = 120;
const END: usize = 240;

/// The first minute in which the alarm is on.
fn goes_on(alarm: &Value, runs: &Runs) -> Option<usize> {
    (BEGIN..END).find(|minute| is_on(alarm, runs, *minute))
}

#[test]
fn alarms_watch_existing_metrics_and_treat_missing_data_as_bad() {
    let stack = Stack::new(&[("TableArn", TABLE), ("AlarmTopicArn", "arn:topic"), ("Name", "edge")]);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for metric in METRICS {
        match metric.label {
            Some((_, values)) => known.extend(values.iter().map(|value| format!("{}_{value}", metric.name))),
            None => drop(known.insert(metric.name.to_owned())),
        }
    }
    let resources = TEMPLATE["Resources"].as_object().unwrap().iter();
    let alarms: Vec<&String> =
        resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm").map(|(name, _)| name).collect();
    assert_eq!(alarms.len(), ALARMS.len());
    for (name, ..) in ALARMS {
        let alarm = stack.resource(name).unwrap();
        assert_eq!(alarm["TreatMissingData"], "breaching", "{name}");
        assert_eq!(alarm["AlarmActions"], json!(["arn:topic"]), "{name}");
        let queries = alarm["Metrics"].as_array().unwrap().iter();
        let metrics: Vec<&Value> = queries.filter_map(|query| query["MetricStat"].get("Metric")).collect();
        assert!(!metrics.is_empty(), "{name}");
        for metric in metrics {
            if metric["Namespace"] == "AWS/Lambda" {
                assert_eq!(metric["Dimensions"], json!([{"Name": "FunctionName", "Value": "<Function>"}]), "{name}");
                assert_eq!(metric["MetricName"], "Errors");
                continue;
            }
            assert_eq!(metric["Namespace"], wafsync::metrics::cloudwatch::NAMESPACE, "{name}");
            assert_eq!(metric["Dimensions"], json!([{"Name": "installation", "Value": "edge"}]), "{name}");
            assert!(known.contains(metric["MetricName"].as_str().unwrap()), "{metric}");
        }
    }
}

#[test]
fn alarms_go_on_after_the_documented_time() {
    let stack = Stack::new(&OWN_TABLE);
    for (name, within, bad, good) in ALARMS {
        let alarm = stack.resource(name).unwrap();
        let says = alarm["AlarmDescription"].as_str().unwrap();
        assert!(says.starts_with(if within == 60 { "For an hour " } else { "For a quarter of an hour " }), "{says}");
        let row = format!("\n| `{name}` | {} |", if within == 60 { "an hour" } else { "15 minutes" });
        assert!(OPERATIONS.contains(&row), "{row}");
        assert!(is_on(&alarm, &Runs::new(), BEGIN), "{name}: it never ran");
        for every in [5, 10] {
            let good = |to: usize| (0..to).step_by(every).map(|minute| (minute, good)).collect::<Runs>();
            assert_eq!(goes_on(&alarm, &good(END)), None, "{name}: good runs every {every} minutes");
            // Counted from the last good run.
            let then = Some(TURN - every + within);
            assert_eq!(goes_on(&alarm, &good(TURN)), then, "{name}: runs stop or can no longer begin");
            let mut runs = good(TURN);
            runs.extend((TURN..END).step_by(every).map(|minute| (minute, bad)));
            assert_eq!(goes_on(&alarm, &runs), then, "{name}: runs continue and are bad");
        }
        let mut runs: Runs = (0..END).step_by(5).map(|minute| (minute, good)).collect();
        runs[TURN / 5].1 = bad;
        assert_eq!(goes_on(&alarm, &runs), None, "{name}: one bad run");
        // Metrics are published at the end of the run, for the minute in which it began.
        runs.remove(TURN / 5);
        assert_eq!(goes_on(&alarm, &runs), None, "{name}: a slow run");
    }
}
