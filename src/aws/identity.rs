//! Errors of credential providers: AWS STS for a role, or the agent of ECS and EKS Pod Identity.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::throttling::is_throttling;
use super::transport::origin;

/// The SDK's message about an agent's answer, before the status.
const AGENT_STATUS: &str = "Non-success status from HTTP credential provider: ";

/// Why there are no credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoCredentials {
    /// The provider and its message.
    pub(super) cause: String,
    /// Whether it is transient: throttled, unavailable or slow.
    pub(super) passes: bool,
    /// How to fix it.
    pub(super) hint: &'static str,
}

/// Finds the answer of STS or an agent among the causes of an error.
pub(super) fn no_credentials(error: &dyn Error) -> Option<NoCredentials> {
    let mut next = error.source();
    while let Some(cause) = next {
        let of_sts = of_sts::<AssumeRoleWithWebIdentityError>(cause).or_else(|| of_sts::<AssumeRoleError>(cause));
        if of_sts.is_some() {
            return of_sts;
        }
        if let Some(CredentialsError::ProviderTimedOut(_)) = cause.downcast_ref() {
            return Some(slow("the source of credentials gave no answer in time".to_owned()));
        }
        let text = cause.to_string();
        if let Some((_, status)) = text.split_once(AGENT_STATUS) {
            let digits = status.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
            return Some(of_agent(digits.collect::<String>().parse().unwrap_or_default()));
        }
        next = cause.source();
    }
    None
}

fn of_sts<E>(error: &(dyn Error + 'static)) -> Option<NoCredentials>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let error = error.downcast_ref::<SdkError<E, HttpResponse>>()?;
    match error {
        SdkError::TimeoutError(_) => Some(slow("AWS STS gave no answer in time".to_owned())),
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = error.code().map_or_else(|| format!("HTTP {status}"), ToOwned::to_owned);
            let message = error.message().map(|message| format!(": {message}")).unwrap_or_default();
            Some(answered(format!("AWS STS answered {code}{message}"), &code, status))
        }
        _ => None,
    }
}

fn of_agent(status: u16) -> NoCredentials {
    let agent = std::env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let agent = agent.unwrap_or_else(|_| "http://169.254.170.2".to_owned());
    answered(format!("the credential agent at {} answered HTTP {status}", origin(&agent)), "", status)
}

fn answered(cause: String, code: &str, status: u16) -> NoCredentials {
    if status >= 500 || status == 429 || is_throttling(code) || code.starts_with("IDPCommunicationError") {
        return slow(cause);
    }
    let hint = "check the trust policy of the role, and that the job's service account or token is the one it names";
    NoCredentials { cause, passes: false, hint }
}

fn slow(cause: String) -> NoCredentials {
    NoCredentials {
        cause,
        passes: true,
        hint: "the next run tries again; spread the starts of many jobs over the minute",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_throttled_or_unavailable_passes_and_what_refuses_does_not() {
        for (code, status, passes) in [
            ("Throttling", 400, true),
            ("IDPCommunicationError", 400, true),
            ("", 503, true),
            ("", 429, true),
            ("AccessDenied", 403, false),
            ("InvalidIdentityToken", 400, false),
        ] {
            assert_eq!(answered(String::new(), code, status).passes, passes, "{code} {status}");
        }
    }
}
