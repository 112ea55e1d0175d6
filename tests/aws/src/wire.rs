//! The AWS JSON protocol, and the query protocol of STS: requests, answers and errors.
//!
//! Requests are read leniently, because even a broken one needs a name in the log. A flaw becomes an error that the
//! service answers.

use std::hash::{DefaultHasher, Hasher as _};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::sts;

/// One HTTP request, from either transport (in process or loopback port).
pub(crate) struct Incoming {
    pub(crate) target: String,
    pub(crate) authorization: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// Whether it came over a socket, where arrival times jitter.
    pub(crate) served: bool,
}

/// One complete HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// The service that handles a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    DynamoDb,
    Waf,
    Sts,
    Unknown,
}

impl Service {
    /// The service with this prefix of the operation in `X-Amz-Target`.
    fn of(prefix: &str) -> Self {
        match prefix {
            "DynamoDB_20120810" => Self::DynamoDb,
            "AWSWAF_20190729" => Self::Waf,
            "STS" => Self::Sts,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Waf => "wafv2",
            Self::Sts => "sts",
            Self::Unknown => "unknown",
        }
    }
}

/// A parsed request.
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) operation: String,
    /// Name of the table, IP set, rule group or web ACL; empty for a list.
    pub(crate) target: String,
    /// The region, from the credential scope of the signature.
    pub(crate) region: String,
    /// The access key, from the credential scope of the signature.
    pub(crate) caller: String,
    pub(crate) body: Map<String, Value>,
    pub(crate) content_type: String,
    /// A hash of the whole body, independent of the order of its members.
    pub(crate) hash: u64,
    pub(crate) served: bool,
    /// What makes the request invalid, independent of its operation.
    pub(crate) flaw: Option<ApiError>,
}

impl Request {
    pub(crate) fn read(incoming: &Incoming) -> Self {
        let form = sts::form(&incoming.content_type, &incoming.body);
        let action = form.as_ref().and_then(|form| form.get("Action")?.as_str());
        let (prefix, operation) = match action {
            Some(action) => ("STS", action),
            None => incoming.target.split_once('.').unwrap_or_default(),
        };
        let (service, operation) = (Service::of(prefix), operation.to_owned());
        let mut flaw = None;
        let (caller, region) = match signed(&incoming.authorization, service) {
            Ok(scope) => scope,
            Err(error) => {
                flaw = Some(error);
                Default::default()
            }
        };
        let content_type = if form.is_some() { sts::XML } else { &incoming.content_type };
        let body = if let Some(form) = form {
            form
        } else if let Ok(Value::Object(body)) = serde_json::from_slice(&incoming.body) {
            body
        } else {
            flaw.get_or_insert_with(|| ApiError::framework("SerializationException", "The body is not a JSON object"));
            Map::new()
        };
        // The order of members has no meaning, and the SDK sends some in a different order each time.
        let mut hash = DefaultHasher::new();
        hash.write(&serde_json::to_vec(&body).unwrap_or_default());
        let hash = hash.finish();
        Self {
            service,
            operation,
            target: target_of(&body),
            region,
            caller,
            body,
            content_type: content_type.to_owned(),
            hash,
            served: incoming.served,
            flaw,
        }
    }

    /// The request for the log, with `Addresses` replaced by their count.
    pub(crate) fn summary(&self) -> Value {
        let member = |(name, value): (&String, &Value)| match (name.as_str(), value) {
            ("Addresses", Value::Array(addresses)) => (name.clone(), json!(addresses.len())),
            _ => (name.clone(), value.clone()),
        };
        self.body.iter().map(member).collect()
    }
}

fn target_of(body: &Map<String, Value>) -> String {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if let Some(name) = text("TableName").or_else(|| text("Name")) {
        // A table may be given by its ARN, `…:table/NAME`.
        return name.rsplit_once(":table/").map_or(name, |(_, table)| table).to_owned();
    }
    text("ARN").or_else(|| text("WebACLArn")).map(|arn| name_in_arn(arn).to_owned()).unwrap_or_default()
}

/// The name in `…/NAME/ID`, or the text itself if it has another format.
pub(crate) fn name_in_arn(arn: &str) -> &str {
    arn.rsplit('/').nth(1).unwrap_or(arn)
}

/// The access key and region in the credential scope `KEY/DATE/REGION/SERVICE/aws4_request`.
fn signed(authorization: &str, service: Service) -> Result<(String, String), ApiError> {
    let missing = || ApiError::framework("MissingAuthenticationTokenException", "Missing Authentication Token");
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(missing)?;
    let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    let scope: Vec<&str> = field("Credential").ok_or_else(missing)?.split('/').collect();
    let signature = field("Signature").ok_or_else(missing)?;
    field("SignedHeaders").ok_or_else(missing)?;
    match scope.as_slice() {
        [key, date, region, signed, "aws4_request"]
            if !key.is_empty() && date.len() == 8 && !region.is_empty() && signature.len() == 64 =>
        {
            if *signed == service.name() || service == Service::Unknown {
                Ok(((*key).to_owned(), (*region).to_owned()))
            } else {
                let message = format!("Credential should be scoped to correct service: '{}'.", service.name());
                Err(ApiError::framework("InvalidSignatureException", message))
            }
        }
        _ => Err(missing()),
    }
}

/// The fields of a `WAFInvalidParameterException` other than its message.
#[derive(Clone, Debug)]
struct Details {
    field: &'static str,
    parameter: String,
    reason: String,
}

/// An error that the service answers.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    namespace: &'static str,
    pub(crate) code: &'static str,
    message: String,
    details: Option<Box<Details>>,
}

impl ApiError {
    /// An error of the framework that all AWS services share, with HTTP 400.
    pub(crate) fn framework(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, namespace: "com.amazon.coral.service", code, message: message.into(), details: None }
    }

    /// A request that violates a constraint of the service's model.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::framework("ValidationException", message)
    }

    /// A modeled error of WAF, with HTTP 400.
    pub(crate) fn waf(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, namespace: "com.amazonaws.wafv2", code, message: message.into(), details: None }
    }

    /// A modeled error of DynamoDB, with HTTP 400.
    pub(crate) fn dynamo(code: &'static str, message: impl Into<String>) -> Self {
        Self { namespace: "com.amazonaws.dynamodb.v20120810", ..Self::waf(code, message) }
    }

    /// The same error with another HTTP status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// `WAFInvalidParameterException`.
    pub(crate) fn parameter(field: &'static str, parameter: impl Into<String>, reason: &str) -> Self {
        let parameter = parameter.into();
        let message = format!("Error reason: {reason}, field: {field}, parameter: {parameter}");
        Self {
            details: Some(Box::new(Details { field, parameter, reason: reason.to_owned() })),
            ..Self::waf("WAFInvalidParameterException", message)
        }
    }

    pub(crate) fn reply(&self, content_type: &str) -> Reply {
        if content_type == sts::XML {
            let body = sts::error(self.code, &self.message).into();
            return Reply { status: self.status, content_type: content_type.to_owned(), body };
        }
        let mut body = json!({
            "__type": format!("{}#{}", self.namespace, self.code),
            "message": self.message,
            "Message": self.message,
        });
        if let (Some(details), Value::Object(body)) = (&self.details, &mut body) {
            body.insert("Field".to_owned(), json!(details.field));
            body.insert("Parameter".to_owned(), json!(details.parameter));
            body.insert("Reason".to_owned(), json!(details.reason));
        }
        Reply { status: self.status, content_type: content_type.to_owned(), body: body.to_string().into() }
    }
}

/// The answer of a successful operation, and whether it changed anything.
pub(crate) struct Done {
    pub(crate) body: String,
    pub(crate) effect: bool,
}

impl Done {
    pub(crate) fn read(body: impl Into<String>) -> Self {
        Self { body: body.into(), effect: false }
    }

    pub(crate) fn wrote(body: &Value) -> Self {
        Self { body: body.to_string(), effect: true }
    }
}
