//! The error codes with which AWS refuses a call for now.

/// AWS's usual name for a refusal of the pace.
pub(super) const THROTTLED: &str = "ThrottlingException";

/// Whether AWS refused a call because there were too many.
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
