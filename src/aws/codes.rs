//! Error codes of any call: throttling, missing permissions, invalid credentials.

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

/// Whether this code means that a permission is missing.
pub(super) fn is_denied(code: &str) -> bool {
    matches!(code, "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized")
}

/// Whether this code means that the credentials are invalid.
pub(super) fn is_credentials(code: &str) -> bool {
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

/// Whether this code means that the credentials are expired or unknown: they may have been rotated.
pub(super) fn is_outdated(code: &str) -> bool {
    matches!(code, "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" | "InvalidClientTokenId")
}
