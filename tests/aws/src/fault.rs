//! Injected faults: which attempt fails, when, and how.

use std::time::Duration;

use crate::wire::{ApiError, Service, name_in_arn};

/// A fault to inject. Of the later attempts that match it, the first `skip` succeed and the next `times` fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Name of the operation, such as `UpdateIPSet`. `None`: any.
    pub operation: Option<String>,
    /// Name or ARN of the table, IP set, rule group or web ACL. `None`: any.
    pub target: Option<String>,
    /// How many matching attempts succeed first.
    pub skip: usize,
    /// How many matching attempts fail after those.
    pub times: usize,
    /// Whether the call takes effect.
    pub when: When,
    /// What the caller sees.
    pub kind: FaultKind,
}

/// Whether a failed attempt takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The attempt fails without any effect.
    Before,
    /// The attempt takes effect, but its answer is bad.
    After,
}

/// What the caller of a failed attempt sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `ThrottlingException`.
    Throttled,
    /// HTTP 500: `WAFInternalErrorException` or `InternalServerError`.
    InternalError,
    /// HTTP 503 with a body of plain text, as from a proxy.
    Unavailable503,
    /// HTTP 200 with this body, which AWS would not send.
    Body(&'static str),
    /// The connection breaks before the first byte of the answer.
    ConnectionLost,
    /// The connection breaks in the middle of the answer's body.
    Truncated,
    /// No failure: the attempt takes this much longer, before or after it is handled (see [`When`]). If the caller
    /// gives up meanwhile, the attempt has no effect in the first case and has its effect in the second.
    Slow(Duration),
    /// No failure: the attempt is handled this much later, even if its caller gave up or was killed meanwhile, like a
    /// request in a queue.
    Late(Duration),
    /// No failure: a read of WAF shows the state of this long ago.
    Old(Duration),
    /// No failure: a list omits the resource of this name, and a `Get` reports that it does not exist.
    Omits(String),
    /// `AccessDeniedException`.
    AccessDenied,
    /// `ExpiredTokenException`.
    ExpiredToken,
    /// `UnrecognizedClientException`.
    UnrecognizedClient,
    /// `WAFOptimisticLockException`.
    OptimisticLock,
    /// `WAFUnavailableEntityException`.
    UnavailableEntity,
    /// `WAFNonexistentItemException`; `ResourceNotFoundException` from DynamoDB.
    NonexistentItem,
    /// `WAFDuplicateItemException`.
    DuplicateItem,
    /// `WAFLimitsExceededException`; `RequestLimitExceeded` from DynamoDB.
    LimitsExceeded,
    /// `WAFInvalidParameterException` (field `IP_ADDRESS`); `ValidationException` from DynamoDB.
    InvalidParameter,
    /// `ValidationException`, from WAF too: the request is rejected by the framework in front of every service.
    Validation,
    /// `WAFInvalidOperationException`.
    InvalidOperation,
    /// `WAFAssociatedItemException`.
    AssociatedItem,
    /// `WAFTagOperationException`.
    TagOperation,
    /// HTTP 500: `WAFTagOperationInternalErrorException`.
    TagOperationInternalError,
    /// `WAFSubscriptionNotFoundException`.
    SubscriptionNotFound,
    /// `WAFConfigurationWarningException`.
    ConfigurationWarning,
    /// `ProvisionedThroughputExceededException`.
    ProvisionedThroughputExceeded,
    /// The connection hangs without an answer.
    Never,
}

impl FaultKind {
    /// Whether the attempt succeeds, if perhaps later or with another answer.
    pub(crate) fn is_no_failure(&self) -> bool {
        matches!(self, Self::Slow(_) | Self::Late(_) | Self::Old(_) | Self::Omits(_))
    }

    /// The error that the service answers. `None` for kinds that are not an error answer of the service.
    pub(crate) fn error(&self, service: Service) -> Option<ApiError> {
        let dynamo = service == Service::DynamoDb;
        let error = match self {
            Self::Throttled => ApiError::framework("ThrottlingException", "Rate exceeded"),
            Self::InternalError if dynamo => {
                ApiError::dynamo("InternalServerError", "The request processing has failed").with_status(500)
            }
            Self::InternalError => {
                ApiError::waf("WAFInternalErrorException", "AWS WAF couldn't perform the operation").with_status(500)
            }
            Self::AccessDenied => {
                ApiError::framework("AccessDeniedException", "User is not authorized to perform this action")
            }
            Self::ExpiredToken => {
                ApiError::framework("ExpiredTokenException", "The security token included in the request is expired")
            }
            Self::UnrecognizedClient => {
                ApiError::framework("UnrecognizedClientException", "The security token in the request is invalid")
            }
            Self::OptimisticLock => stale_token(),
            Self::UnavailableEntity => unavailable(),
            Self::NonexistentItem if dynamo => {
                ApiError::dynamo("ResourceNotFoundException", "Requested resource not found")
            }
            Self::NonexistentItem => no_such_item(),
            Self::DuplicateItem => duplicate(),
            Self::LimitsExceeded if dynamo => {
                ApiError::dynamo("RequestLimitExceeded", "Throughput exceeds the current throughput limit")
            }
            Self::LimitsExceeded => limit_exceeded(),
            Self::InvalidParameter if dynamo => ApiError::validation("One or more parameter values were invalid"),
            Self::InvalidParameter => ApiError::parameter("IP_ADDRESS", "injected", "The parameter is not valid"),
            Self::Validation => {
                ApiError::validation("1 validation error detected: a value failed to satisfy constraint")
            }
            Self::InvalidOperation => ApiError::waf("WAFInvalidOperationException", "The operation isn\u{2019}t valid"),
            Self::AssociatedItem => ApiError::waf("WAFAssociatedItemException", "Your resource is being used"),
            Self::TagOperation => ApiError::waf("WAFTagOperationException", "An error occurred during tagging"),
            Self::TagOperationInternalError => {
                let message = "AWS WAF couldn\u{2019}t perform your tagging operation because of an internal error";
                ApiError::waf("WAFTagOperationInternalErrorException", message).with_status(500)
            }
            Self::SubscriptionNotFound => {
                ApiError::waf("WAFSubscriptionNotFoundException", "You aren\u{2019}t subscribed to that rule group")
            }
            Self::ConfigurationWarning => {
                ApiError::waf("WAFConfigurationWarningException", "The inspection of the body needs a size limit")
            }
            Self::ProvisionedThroughputExceeded => ApiError::dynamo(
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded",
            ),
            Self::Unavailable503
            | Self::Body(_)
            | Self::ConnectionLost
            | Self::Truncated
            | Self::Slow(_)
            | Self::Late(_)
            | Self::Old(_)
            | Self::Omits(_)
            | Self::Never => return None,
        };
        Some(error)
    }
}

/// The error for a lock token that is not the newest.
pub(crate) fn stale_token() -> ApiError {
    let message = "AWS WAF couldn\u{2019}t save your changes because someone changed the resource after you started \
                   to edit it. Reapply your changes.";
    ApiError::waf("WAFOptimisticLockException", message)
}

/// The error for a resource that was just created and is not known everywhere yet.
pub(crate) fn unavailable() -> ApiError {
    let message = "AWS WAF couldn\u{2019}t retrieve the resource that you requested. Retry your request.";
    ApiError::waf("WAFUnavailableEntityException", message)
}

/// The error for an unknown name, id or ARN.
pub(crate) fn no_such_item() -> ApiError {
    let message = "AWS WAF couldn\u{2019}t perform the operation because your resource doesn\u{2019}t exist.";
    ApiError::waf("WAFNonexistentItemException", message)
}

/// The error for a name that is taken.
pub(crate) fn duplicate() -> ApiError {
    let message = "AWS WAF couldn\u{2019}t perform the operation because some resource in your request is a duplicate \
                   of an existing one.";
    ApiError::waf("WAFDuplicateItemException", message)
}

/// The error for a quota that is used up.
pub(crate) fn limit_exceeded() -> ApiError {
    let message = "AWS WAF couldn\u{2019}t perform the operation because you exceeded your resource limit.";
    ApiError::waf("WAFLimitsExceededException", message)
}

/// The faults that wait for an attempt.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the fault for this attempt. Every matching fault counts the attempt, and the oldest one that is due is
    /// injected.
    pub(crate) fn take(&mut self, operation: &str, target: &str) -> Option<(When, FaultKind)> {
        let mut taken = None;
        for fault in &mut self.0 {
            let wrong_operation = fault.operation.as_deref().is_some_and(|wanted| wanted != operation);
            let wrong_target = fault.target.as_deref().is_some_and(|wanted| name_in_arn(wanted) != target);
            if wrong_operation || wrong_target {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 && taken.is_none() {
                fault.times -= 1;
                taken = Some((fault.when, fault.kind.clone()));
            }
        }
        self.0.retain(|fault| fault.times > 0);
        taken
    }
}
