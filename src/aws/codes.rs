//! The error codes with which AWS refuses any call: for its pace, for a missing permission, for the credentials.

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

/// Whether a permission is missing.
pub(super) fn is_denied(code: &str) -> bool {
    matches!(code, "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized")
}

/// Whether the credentials are not valid.
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

/// Whether AWS calls the credentials expired, or does not know them: new ones may have taken their place.
pub(super) fn is_outdated(code: &str) -> bool {
    matches!(code, "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" | "InvalidClientTokenId")
}
