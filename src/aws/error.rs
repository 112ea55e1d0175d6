//! Errors of AWS: a message in one line, a hint, and a class that says how to proceed.
//!
//! The message names the operation, the resource and the cause. Account ids are masked because errors appear in logs.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use super::identity::no_credentials;
use super::throttling::{THROTTLED, is_throttling};
use super::{environment, transport};
use crate::stop::StopReason;
use crate::text;

/// The hint for an answer that AWS would not give.
pub(super) const BAD_ANSWER: &str = "AWS does not answer like that: check AWS_ENDPOINT_URL, and any proxy in between";

/// The SDK's messages when no source has credentials; a source that fails has another message.
const NO_CREDENTIALS: [&str; 2] = ["no credentials found in chain", "there was no identity resolver"];

/// Hyper's name for a failed connection.
const CONNECTING: &str = "client error (Connect)";

/// The SDK's text between the name of an interceptor and its message.
const INTERCEPTOR: &str = "interceptor encountered an error";

/// The class of an error, which says how to proceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The deadline or a signal came first: the call was not sent, or its answer came too late.
    Stopped(StopReason),
    /// Something new that it refers to has not propagated through AWS yet.
    Unavailable,
    /// The resource was written since the read.
    Conflict,
    /// A resource of that name exists.
    Duplicate,
    /// The resource does not exist.
    NotFound,
    /// It may succeed later, or its effect is unknown.
    Again,
    /// It will fail again.
    Final,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} {resource}: {cause}")]
pub struct AwsError {
    operation: &'static str,
    resource: String,
    code: Option<String>,
    cause: String,
    hint: Option<String>,
    class: Class,
    lost: bool,
    lasting: bool,
}

impl AwsError {
    /// Converts an error of the SDK.
    pub(super) fn new<E>(
        operation: &'static str,
        resource: &str,
        region: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        if let Some(none) = no_credentials(error).filter(|_| !matches!(error, SdkError::ServiceError(_))) {
            let class = if none.passes { Class::Again } else { Class::Final };
            let cause = format!("no credentials: {}", none.cause);
            return Self { class, hint: Some(none.hint.to_owned()), ..Self::of(operation, resource, &cause) };
        }
        let code = error.code().map(ToOwned::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let (cause, class) = match error {
            SdkError::ServiceError(service) => {
                let what = code.clone().unwrap_or_else(|| format!("HTTP {}", service.raw().status().as_u16()));
                let message = error.message().unwrap_or("an answer that is not AWS's");
                let cause = format!("{what}: {message}{}", parameter(service.raw(), message));
                (cause, class_of(operation, code.as_deref(), status))
            }
            SdkError::TimeoutError(_) => ("no answer in time".to_owned(), Class::Again),
            SdkError::ResponseError(response) if response.raw().body().bytes().is_some() => {
                (format!("the answer makes no sense: {}", chain(error)), Class::Again)
            }
            SdkError::ResponseError(_) => (format!("the answer broke off: {}", chain(error)), Class::Again),
            // For a connection that was closed without an answer, the SDK says only that the error is transient.
            SdkError::DispatchFailure(failure)
                if failure.is_timeout() || failure.is_io() || failure.as_other().is_some() =>
            {
                (format!("no connection: {}", chain(error)), Class::Again)
            }
            _ => (chain(error), Class::Final),
        };
        let hint = hint(operation, code.as_deref(), error, &cause, region);
        // The SDK's message lists every source that it tried.
        let cause = if NO_CREDENTIALS.iter().any(|words| cause.contains(words)) {
            "no credentials were found".to_owned()
        } else {
            cause
        };
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        let lasting = match error {
            SdkError::DispatchFailure(failure) => failure.is_timeout() || is_about_connecting(error),
            SdkError::ResponseError(response) => response.raw().body().bytes().is_some(),
            _ => false,
        };
        Self { code, hint, class, lasting, ..Self::of(operation, resource, &cause) }
    }

    /// An error with only a cause.
    fn of(operation: &'static str, resource: &str, cause: &str) -> Self {
        Self {
            operation,
            resource: text::line(&text::without_account_ids(resource)).into_owned(),
            code: None,
            cause: text::line(&text::without_account_ids(cause)).into_owned(),
            hint: None,
            class: Class::Final,
            lost: false,
            lasting: false,
        }
    }

    /// The same error for a call that lost the answer to one of its attempts.
    pub(super) fn with_lost_answer(self, lost: bool) -> Self {
        Self { lost, ..self }
    }

    /// The same error for a call that timed out while it waited to retry after throttling.
    pub(super) fn held_up(self) -> Self {
        let cause = "still throttled when the call timed out".to_owned();
        let hint = Some(throttling_hint(self.operation).to_owned());
        Self { code: Some(THROTTLED.to_owned()), cause, hint, ..self }
    }

    /// The same error for a call that the deadline cut off.
    pub(super) fn cut_off(self) -> Self {
        let cause = "no answer before the deadline".to_owned();
        Self { class: Class::Stopped(StopReason::Deadline), cause, hint: None, ..self }
    }

    /// A call that was not sent.
    pub(super) fn stopped(operation: &'static str, resource: &str, reason: StopReason) -> Self {
        let cause = match reason {
            StopReason::Deadline => "not sent: the deadline is near",
            StopReason::Signal => "not sent: stopped by a signal",
        };
        Self { class: Class::Stopped(reason), ..Self::of(operation, resource, cause) }
    }

    /// An answer that wafsync cannot use.
    pub(super) fn unusable(operation: &'static str, resource: &str, cause: &str, hint: Option<&str>) -> Self {
        Self { hint: hint.map(ToOwned::to_owned), ..Self::of(operation, resource, cause) }
    }

    /// A read that another read shows to be stale.
    pub(super) fn out_of_date(operation: &'static str, resource: &str, cause: &str) -> Self {
        Self { class: Class::Again, ..Self::of(operation, resource, cause) }
    }

    /// The same error for a call that was not retried because of a signal.
    pub(super) fn interrupted(self, reason: StopReason) -> Self {
        Self { class: Class::Stopped(reason), ..self }
    }

    /// How to fix it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The message and its hint on one line.
    #[must_use]
    pub fn with_hint(&self) -> String {
        text::with_hint(&self.to_string(), self.hint())
    }

    /// A result that cannot be decoded, as the SDK would report it.
    pub(super) fn senseless(operation: &'static str, resource: &str, problem: &str) -> Self {
        let cause = format!("the answer makes no sense: {problem}");
        Self { class: Class::Again, lasting: true, ..Self::unusable(operation, resource, &cause, Some(BAD_ANSWER)) }
    }

    /// How to proceed.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// AWS's name of the operation.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether the call may have taken effect: the answer to one of its attempts was lost.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        self.lost
    }

    /// Whether it looks like a configuration error rather than a transient one: no connection, or an answer that is not AWS's.
    #[must_use]
    pub const fn looks_lasting(&self) -> bool {
        self.lasting
    }

    /// Whether AWS throttled it.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.code.as_deref().is_some_and(is_throttling)
    }

    /// Whether a permission is missing.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.code.as_deref().is_some_and(is_denied)
    }

    /// Whether credentials are missing or invalid.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        match &self.code {
            Some(code) => is_credentials(code),
            None => self.cause.to_lowercase().contains("credentials"),
        }
    }

    /// Whether every other call of the same operation would fail too.
    #[must_use]
    pub fn concerns_action(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let creates = self.operation.starts_with("Create");
        is_credentials(code) || (creates && (is_denied(code) || code == "WAFLimitsExceededException"))
    }
}

pub(super) fn is_denied(code: &str) -> bool {
    matches!(code, "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized")
}

fn is_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
    )
}

fn class_of(operation: &str, code: Option<&str>, status: Option<u16>) -> Class {
    match code {
        Some("WAFOptimisticLockException") => Class::Conflict,
        Some("WAFDuplicateItemException") => Class::Duplicate,
        Some("WAFNonexistentItemException") => Class::NotFound,
        Some("WAFUnavailableEntityException") => Class::Unavailable,
        Some(
            "WAFInternalErrorException"
            | "WAFTagOperationException"
            | "WAFTagOperationInternalErrorException"
            | "InternalServerError"
            | "InternalFailure"
            | "InternalServerException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "RequestTimeout"
            | "RequestTimeoutException",
        ) => Class::Again,
        Some(code) if is_throttling(code) => Class::Again,
        // AWS still considers the group in use. We delete nothing, so this is transient.
        Some("WAFAssociatedItemException") if operation.starts_with("Update") => Class::Again,
        _ if status.is_some_and(|status| status >= 500) => Class::Again,
        _ => Class::Final,
    }
}

/// The hint for an error code.
fn hint<E: Error + 'static>(
    operation: &str,
    code: Option<&str>,
    error: &SdkError<E, HttpResponse>,
    cause: &str,
    region: &str,
) -> Option<String> {
    let code = code.unwrap_or_default();
    let hint = if code == "ResourceNotFoundException" {
        format!("check --table, and --table-region or AWS_REGION: it was looked for in {region}")
    } else if code == "WAFNonexistentItemException" && operation == "GetWebACL" {
        format!("check --web-acl, --scope and AWS_REGION: it was looked for in {region}")
    } else if is_denied(code) {
        "`wafsync iam-policy` prints the policy that the role needs; a service control policy can deny it too"
            .to_owned()
    } else if is_credentials(code) {
        "the credentials have expired or are not valid there: renew them, and check AWS_PROFILE and the clock"
            .to_owned()
    } else if code == "WAFLimitsExceededException" && operation.contains("IPSet") {
        "raise AWS WAF's quota of IP sets for this account and Region, or lower --max-ip-sets".to_owned()
    } else if code == "WAFLimitsExceededException" {
        "raise the quota of AWS WAF that the message names, for this account and Region".to_owned()
    } else if is_throttling(code) {
        throttling_hint(operation).to_owned()
    } else if matches!(error, SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_))
        && cause.to_lowercase().contains("credentials")
    {
        credentials_hint(cause).to_owned()
    } else if cause.contains(transport::NOT_ENCRYPTED) {
        "give AWS_ENDPOINT_URL as https".to_owned()
    } else if is_about_the_network(error) {
        format!("check the network, the Region ({region}) and any AWS_ENDPOINT_URL")
    } else if code.is_empty() {
        BAD_ANSWER.to_owned()
    } else {
        return None;
    };
    Some(hint)
}

fn is_about_the_network<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ConstructionFailure(_) => true,
        SdkError::ResponseError(response) => response.raw().body().bytes().is_none(),
        _ => false,
    }
}

fn credentials_hint(cause: &str) -> &'static str {
    if cause.contains(environment::UNSENDABLE) {
        "remove it: a Secret made with `echo` ends in a line break, one made with `printf` does not"
    } else {
        "give the job a role, or set AWS_PROFILE to a profile that has some"
    }
}

fn throttling_hint(operation: &str) -> &'static str {
    if matches!(operation, "Scan" | "Query") {
        "give the table more read capacity, or limit wafsync with --read-capacity"
    } else {
        "other callers share the rate of this action: lower --read-rate or --write-rate"
    }
}

/// The field and reason that WAF reports for an invalid parameter, unless the message has them.
fn parameter(response: &HttpResponse, message: &str) -> String {
    let body: Option<Value> = response.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let text = |name| body.as_ref()?.get(name)?.as_str().filter(|text| !message.contains(text));
    let field = |name| text(name).map(|text| format!("{name} {text}"));
    let known: Vec<String> = ["Field", "Parameter", "Reason"].into_iter().filter_map(field).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

/// The distinct causes of an error, outermost first, without the SDK's wrappers.
fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        let part = without_insides(&part);
        let wrapper = matches!(part, "" | "dispatch failure" | CONNECTING | "io error" | "other");
        if !wrapper && !parts.iter().any(|known| known.contains(part)) {
            parts.push(part.to_owned());
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

/// Whether this or one of its causes is a failed connection.
fn is_about_connecting(error: &dyn Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.to_string() == CONNECTING {
            return true;
        }
        next = error.source();
    }
    false
}

/// Removes the SDK's internals from a cause: the name of the interceptor, and the request as a value.
fn without_insides(part: &str) -> &str {
    let cause = part.split_once(INTERCEPTOR).map_or(part, |(_, cause)| cause.trim_start_matches([':', ' ']));
    cause.split_once(" to request `").map_or(cause, |(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_facts_has_its_class() {
        for (code, class) in [
            ("ThrottlingException", Class::Again),
            ("WAFInternalErrorException", Class::Again),
            ("WAFTagOperationException", Class::Again),
            ("WAFTagOperationInternalErrorException", Class::Again),
            ("ProvisionedThroughputExceededException", Class::Again),
            ("RequestLimitExceeded", Class::Again),
            ("InternalServerError", Class::Again),
            ("WAFUnavailableEntityException", Class::Unavailable),
            ("WAFNonexistentItemException", Class::NotFound),
            ("WAFOptimisticLockException", Class::Conflict),
            ("WAFDuplicateItemException", Class::Duplicate),
            ("WAFInvalidParameterException", Class::Final),
            ("WAFInvalidOperationException", Class::Final),
            ("WAFLimitsExceededException", Class::Final),
            ("WAFSubscriptionNotFoundException", Class::Final),
            ("WAFConfigurationWarningException", Class::Final),
            ("ValidationException", Class::Final),
            ("AccessDeniedException", Class::Final),
            ("ExpiredTokenException", Class::Final),
            ("UnrecognizedClientException", Class::Final),
            ("ResourceNotFoundException", Class::Final),
            ("SomethingNew", Class::Final),
        ] {
            assert_eq!(class_of("UpdateIPSet", Some(code), Some(400)), class, "{code}");
        }
        assert_eq!(class_of("Scan", None, Some(503)), Class::Again);
        assert_eq!(class_of("Scan", Some("SomethingNew"), Some(500)), Class::Again);
        assert_eq!(class_of("Scan", None, Some(404)), Class::Final);
    }
}
