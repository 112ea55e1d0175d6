//! Parses events. Anything unknown is an error, so that a typo never applies.

use serde_json::{Map, Value};

use crate::cli;
use crate::text;

/// The members of an event from EventBridge or EventBridge Scheduler.
const EVENTBRIDGE: [&str; 11] = [
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
    "replay-name",
    "trace-header",
];

/// The request in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Plan only.
    pub(super) dry_run: bool,
    /// The approved digest.
    pub(super) approve: Option<String>,
}

impl Request {
    /// Parses an event: empty, from EventBridge, records of a DynamoDB stream, or a request.
    ///
    /// The error is a message for people.
    pub(super) fn read(event: &str) -> Result<Self, String> {
        if event.trim().is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_str(event) {
            Ok(Value::Null) => Ok(Self::default()),
            Ok(Value::Object(event)) if is_eventbridge(&event) || is_stream(&event) => Ok(Self::default()),
            Ok(Value::Object(event)) => Self::direct(&event),
            // EventBridge Pipes sends an array of records, even for one.
            Ok(Value::Array(records)) if !records.is_empty() && records.iter().all(is_record) => Ok(Self::default()),
            Ok(Value::Array(_)) => Err("an array must hold records of a DynamoDB stream and nothing else".to_owned()),
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_)) => Err("must be a JSON object".to_owned()),
            Err(error) => Err(format!("must be empty or JSON: {}", text::line(&error.to_string()))),
        }
    }

    fn direct(event: &Map<String, Value>) -> Result<Self, String> {
        let mut request = Self::default();
        for (key, value) in event {
            match (key.as_str(), value) {
                ("dry_run", Value::Bool(dry_run)) => request.dry_run = *dry_run,
                ("dry_run", _) => return Err("\"dry_run\" must be true or false".to_owned()),
                ("approve", Value::String(digest)) if cli::is_digest(digest) => request.approve = Some(digest.clone()),
                ("approve", _) => {
                    return Err("\"approve\" must be \"sha256:\" and 64 hexadecimal digits".to_owned());
                }
                _ => {
                    return Err(format!(
                        "unknown key \"{}\": there are \"dry_run\" and \"approve\", the events of EventBridge, and records \
                         of DynamoDB streams",
                        text::line(&key.chars().take(MAX_KEY).collect::<String>())
                    ));
                }
            }
        }
        Ok(request)
    }
}

/// The most characters of an unknown key that are shown.
const MAX_KEY: usize = 64;

fn is_eventbridge(event: &Map<String, Value>) -> bool {
    let is_text = |key: &str| event.get(key).is_some_and(Value::is_string);
    is_text("source") && is_text("detail-type") && event.keys().all(|key| EVENTBRIDGE.contains(&key.as_str()))
}

/// An event that only triggers a run: its records are ignored.
fn is_stream(event: &Map<String, Value>) -> bool {
    let records = event.get("Records").and_then(Value::as_array);
    event.len() == 1 && records.is_some_and(|records| records.iter().all(is_record))
}

/// Whether this is a record of a DynamoDB stream.
fn is_record(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:dynamodb")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn read(event: &Value) -> Result<Request, String> {
        Request::read(&event.to_string())
    }

    #[test]
    fn an_empty_event_asks_for_an_apply() {
        for event in ["", " \n", "null", "{}", " {} "] {
            assert_eq!(Request::read(event), Ok(Request::default()), "{event:?}");
        }
    }

    #[test]
    fn an_event_that_is_not_json_is_refused() {
        for event in ["{", "{\"dry_run\": true", "dry_run", "{} {}", "{'dry_run': true}", "\u{feff}{}", "\u{fffd}"] {
            let error = Request::read(event).unwrap_err();
            assert!(error.starts_with("must be empty or JSON: "), "{event:?}: {error}");
        }
        assert!(Request::read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn events_that_only_wake_it_up_ask_for_an_apply() {
        for event in [
            json!(null),
            json!({}),
            json!({"dry_run": false}),
            json!({
                "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler",
                "account": "111122223333", "time": "2026-01-01T00:00:00Z", "region": "eu-central-1",
                "resources": ["arn:aws:scheduler:eu-central-1:111122223333:schedule/default/wafsync"], "detail": "{}",
            }),
            json!({"Records": [
                {"eventSource": "aws:dynamodb", "eventName": "REMOVE", "dynamodb": {"Keys": {"dry_run": {"BOOL": true}}}},
            ]}),
            json!([{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": "a"}}}}]),
            json!([{"eventSource": "aws:dynamodb"}, {"eventSource": "aws:dynamodb"}]),
        ] {
            assert_eq!(read(&event), Ok(Request::default()), "{event}");
        }
    }

    #[test]
    fn a_person_can_ask_for_a_plan_and_approve_one() {
        assert_eq!(read(&json!({"dry_run": true})), Ok(Request { dry_run: true, approve: None }));
        let approve = Some(DIGEST.to_owned());
        assert_eq!(read(&json!({"approve": DIGEST})), Ok(Request { dry_run: false, approve: approve.clone() }));
        let both = json!({"approve": DIGEST, "dry_run": true});
        assert_eq!(read(&both), Ok(Request { dry_run: true, approve }));
    }

    #[test]
    fn anything_else_is_refused() {
        for event in [
            json!({"dryrun": true}),
            json!({"dry_run": "true"}),
            json!({"dry_run": null}),
            json!({"dry_run": 1}),
            json!({"DRY_RUN": true}),
            json!({"approve": true}),
            json!({"approve": "yes"}),
            json!({"approve": DIGEST.to_uppercase()}),
            json!({"source": "aws.scheduler"}),
            json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "dry_run": true}),
            json!({"source": 1, "detail-type": "Scheduled Event"}),
            json!({"Records": [{"eventSource": "aws:s3"}]}),
            json!({"Records": [{"eventSource": "aws:dynamodb"}], "dry_run": true}),
            json!({"Records": {}}),
            json!([]),
            json!([{"dry_run": true}]),
            json!([{"eventSource": "aws:sqs"}]),
            json!([{"eventSource": "aws:dynamodb"}, {"eventSource": "aws:kinesis"}]),
            json!([{"eventSource": "aws:dynamodb"}, null]),
            json!([[{"eventSource": "aws:dynamodb"}]]),
            json!("dry_run"),
            json!(true),
        ] {
            assert!(read(&event).is_err(), "{event}");
        }
        let error = read(&json!({ "\u{1b}[2J": 1 })).unwrap_err();
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
