//! Errors of credential providers: AWS STS for a role, the agent of ECS and EKS Pod Identity, and files.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::causes::chain;
use super::codes::is_throttling;
use super::hints;
use super::unreached::Unreached;
use super::url::origin;
use crate::text;

/// Where ECS hands out credentials.
const ECS_AGENT: &str = "http://169.254.170.2";

/// The SDK's message about an answer of the instance metadata service, before the status.
const METADATA_STATUS: &str = "error response from IMDS (code: ";

/// The SDK's message about an agent's answer, before the status.
const AGENT_STATUS: &str = "Non-success status from HTTP credential provider: ";

/// The SDK's messages when no source has credentials; a source that fails has another message.
const NOTHING: [&str; 2] = ["no credentials found in chain", "there was no identity resolver"];

/// The SDK's text around the name of a profile that does not exist.
const UNDEFINED: [&str; 2] = ["profile `", "` was not defined"];

/// The variable that names a profile.
const PROFILE: &str = "AWS_PROFILE";

/// Variables with the file of a token that identifies the job.
const TOKEN_FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

/// Why there are no credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoCredentials {
    /// The provider and its message.
    pub(super) cause: String,
    /// Whether it is transient: throttled, unavailable or slow.
    pub(super) passes: bool,
    /// How to fix it.
    pub(super) hint: String,
}

/// Finds STS, an agent, or a file among the causes of an error.
pub(super) fn no_credentials(error: &dyn Error, region: &str) -> Option<NoCredentials> {
    let mut next = error.source();
    let mut about_credentials = false;
    while let Some(cause) = next {
        let of_sts = of_sts::<AssumeRoleWithWebIdentityError>(cause, region)
            .or_else(|| of_sts::<AssumeRoleError>(cause, region));
        if of_sts.is_some() {
            return of_sts;
        }
        about_credentials |= cause.is::<CredentialsError>();
        if let Some(CredentialsError::ProviderTimedOut(_)) = cause.downcast_ref() {
            return Some(slow(format!("{} gave no answer in time", source())));
        }
        if let Some(unreached) = cause.downcast_ref().filter(|_| about_credentials) {
            return Some(unreached_by("the source of credentials", unreached, region));
        }
        if let Some(problem) = cause.downcast_ref().filter(|_| about_credentials) {
            return Some(of_file(problem));
        }
        let said = cause.to_string();
        if let Some((_, status)) = said.split_once(AGENT_STATUS) {
            let agent = agent().unwrap_or_else(|| "the credential agent".to_owned());
            let status = number(status);
            return Some(answered(format!("{agent} answered HTTP {status}"), "", status));
        }
        if let Some((_, status)) = said.split_once(METADATA_STATUS) {
            return Some(of_metadata(number(status)));
        }
        next = cause.source();
    }
    None
}

/// The message and hint for an error with this text, if it means that no source has credentials.
pub(super) fn nothing(text: &str) -> Option<NoCredentials> {
    if !NOTHING.iter().any(|words| text.contains(words)) {
        return None;
    }
    // The SDK's message lists every source that it tried.
    let undefined = text.split_once(UNDEFINED[0]).and_then(|(_, rest)| rest.split_once(UNDEFINED[1]));
    let profile = undefined.map(|(profile, _)| profile.to_owned()).or_else(|| std::env::var(PROFILE).ok());
    let profile = profile.filter(|profile| !profile.is_empty() && profile != "default");
    let (cause, hint) = if let Some(profile) = profile {
        let hint = "check its name in AWS_PROFILE and in the files of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or \
                    give the job a role";
        (format!("no credentials were found, and the profile {} has none", text::key(&profile)), hint)
    } else {
        let hint = "give the job a role, or set AWS_PROFILE to a profile that has some";
        ("no credentials were found".to_owned(), hint)
    };
    Some(NoCredentials { cause, passes: false, hint: hint.to_owned() })
}

/// The message about a file that credentials need and that cannot be read.
fn of_file(problem: &io::Error) -> NoCredentials {
    let unread = |variable: &&str| {
        let file = std::env::var(variable).ok()?;
        let error = std::fs::read(&file).err()?;
        Some(format!("{variable} {}: {error}", text::key(&file)))
    };
    let cause = TOKEN_FILES.iter().find_map(unread).unwrap_or_else(|| format!("a file of the profile: {problem}"));
    let hint = "the platform mounts this file for a job with a role: check the service account, or unset the variable";
    NoCredentials { cause, passes: false, hint: hint.to_owned() }
}

/// The error of a connection to a source of credentials: a failed one is lasting, a broken one transient.
fn unreached_by(source: &str, unreached: &Unreached, region: &str) -> NoCredentials {
    let causes = chain(unreached);
    let cause = format!("{source}: {unreached}: {causes}");
    let hint = hints::connection(unreached, &cause, region);
    NoCredentials { cause, passes: !unreached.connecting, hint }
}

fn of_sts<E>(error: &(dyn Error + 'static), region: &str) -> Option<NoCredentials>
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
        error => Unreached::of(error).map(|unreached| unreached_by("AWS STS", unreached, region)),
    }
}

/// The agent that the environment names, if any.
fn agent() -> Option<String> {
    let full = std::env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI").ok().filter(|uri| !uri.is_empty());
    let relative = || std::env::var_os("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|_| ECS_AGENT.to_owned());
    full.or_else(relative).map(|uri| format!("the credential agent at {}", origin(&uri)))
}

/// What hands out credentials here, as far as the environment tells.
fn source() -> String {
    let sts = || std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").map(|_| "AWS STS".to_owned());
    sts().or_else(agent).unwrap_or_else(|| "the source of credentials".to_owned())
}

/// The first number in a text.
fn number(text: &str) -> u16 {
    let digits = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or_default()
}

fn of_metadata(status: u16) -> NoCredentials {
    let answered = answered(format!("the instance metadata service answered HTTP {status}"), "", status);
    if answered.passes {
        return answered;
    }
    let hint = "give the instance a role and let its pods reach the service, or set AWS_EC2_METADATA_DISABLED=true";
    NoCredentials { hint: hint.to_owned(), ..answered }
}

fn answered(cause: String, code: &str, status: u16) -> NoCredentials {
    if status >= 500 || status == 429 || is_throttling(code) || code.starts_with("IDPCommunicationError") {
        return slow(cause);
    }
    let hint = "check the trust policy of the role, and that the job's service account or token is the one it names";
    NoCredentials { cause, passes: false, hint: hint.to_owned() }
}

fn slow(cause: String) -> NoCredentials {
    NoCredentials {
        cause,
        passes: true,
        hint: "the next run tries again; spread the starts of many jobs over the minute".to_owned(),
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

    /// An error with this cause.
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] CredentialsError);

    #[test]
    fn what_gives_no_answer_in_time_and_an_overloaded_metadata_service_pass() {
        let of = |error: CredentialsError| no_credentials(&Outer(error), "eu-central-1").unwrap();
        let slow = of(CredentialsError::provider_timed_out(std::time::Duration::from_secs(1)));
        assert!(slow.passes && slow.cause.ends_with(" gave no answer in time"), "{slow:?}");
        let metadata = |status: u16| {
            let said = format!("{METADATA_STATUS}{status}). Response {{ status: StatusCode({status}) }}");
            of(CredentialsError::provider_error(said))
        };
        assert_eq!(metadata(503).cause, "the instance metadata service answered HTTP 503");
        assert_eq!([503, 429, 403].map(|status| metadata(status).passes), [true, true, false]);
        assert!(metadata(403).hint.contains("AWS_EC2_METADATA_DISABLED"));
    }
}
