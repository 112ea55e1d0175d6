//! Errors of AWS: a message in one line, a hint, and a class that says how to proceed.
//!
//! The message names the operation, the resource and the cause. Account ids are masked because errors appear in logs.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use super::causes::chain;
use super::codes::{THROTTLED, is_credentials, is_denied, is_throttling};
use super::hints::{self, Asked, BAD_ANSWER};
use super::identity::{no_credentials, nothing};
use super::unreached::{Unreached, is_about_connecting};
use crate::stop::StopReason;
use crate::text;

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
    pub(super) fn new<E>(asked: Asked<'_>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let Asked { operation, resource, .. } = asked;
        let no_credentials = || no_credentials(error, asked.region);
        if let Some(none) = (!matches!(error, SdkError::ServiceError(_))).then(no_credentials).flatten() {
            let class = if none.passes { Class::Again } else { Class::Final };
            let cause = format!("no credentials: {}", none.cause);
            return Self { class, hint: Some(none.hint), ..Self::of(operation, resource, &cause) };
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
                let chain = chain(error);
                // A client of the environment says itself whose connection it was.
                let cause = Unreached::of(error).map_or_else(|| format!("no connection: {chain}"), |_| chain.clone());
                (cause, Class::Again)
            }
            _ => (chain(error), Class::Final),
        };
        let (cause, hint) = if let Some(nothing) = nothing(&cause) {
            (nothing.cause, Some(nothing.hint))
        } else {
            let hint = hints::hint(asked, code.as_deref(), error, &cause);
            (cause, hint)
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
        let hint = Some(hints::throttling(self.operation).to_owned());
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

    /// The task that read an answer panicked. The panic was logged when it happened.
    pub(super) fn lost_task(operation: &'static str, resource: &str) -> Self {
        let cause = "the task that read the answer ended without a result";
        Self::unusable(operation, resource, cause, Some("the line before this one names the cause"))
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

/// The field and reason that WAF reports for an invalid parameter, unless the message has them.
fn parameter(response: &HttpResponse, message: &str) -> String {
    let body: Option<Value> = response.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let text = |name| body.as_ref()?.get(name)?.as_str().filter(|text| !message.contains(text));
    let field = |name| text(name).map(|text| format!("{name} {text}"));
    let known: Vec<String> = ["Field", "Parameter", "Reason"].into_iter().filter_map(field).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
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
