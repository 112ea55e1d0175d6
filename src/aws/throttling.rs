//! The error codes of throttled calls.

/// AWS's usual code for a throttled call.
pub(super) const THROTTLED: &str = "ThrottlingException";

/// Whether this code means that AWS throttled a call.
pub(super) fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        THROTTLED
            | "Throttling"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "ProvisionedThroughputExceededException"
    )
}
