//! Hints: how to fix a failed call.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::codes::{is_credentials, is_denied, is_throttling};
use super::unreached::Unreached;
use super::{environment, transport};

/// The hint for an answer that AWS would not give.
pub(super) const BAD_ANSWER: &str = "AWS does not answer like that: check AWS_ENDPOINT_URL, and any proxy in between";

/// The prefix of rustls's message about an untrusted certificate.
const BAD_CERTIFICATE: &str = "invalid peer certificate: ";

/// The facts about a call that its hint depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// AWS's name of the operation.
    pub(super) operation: &'static str,
    /// The resource.
    pub(super) resource: &'a str,
    /// The Region of the service.
    pub(super) region: &'a str,
    /// The command that prints the policy for these settings.
    pub(super) policy_command: Option<&'a str>,
}

/// The hint for an error of the SDK with this code and cause.
pub(super) fn hint<E: Error + 'static>(
    asked: Asked<'_>,
    code: Option<&str>,
    error: &SdkError<E, HttpResponse>,
    cause: &str,
) -> Option<String> {
    let Asked { operation, region, .. } = asked;
    let code = code.unwrap_or_default();
    let hint = if code == "ResourceNotFoundException" {
        format!("check --table, and --table-region or AWS_REGION: it was looked for in {region}")
    } else if code == "WAFNonexistentItemException" && operation == "GetWebACL" {
        format!("check --web-acl, --scope and AWS_REGION: it was looked for in {region}")
    } else if is_denied(code) {
        let command = asked.policy_command.unwrap_or("wafsync iam-policy");
        format!("`{command}` prints the policy that the role needs; a service control policy can deny it too")
    } else if is_credentials(code) {
        "the credentials have expired or are not valid there: renew them, and check AWS_PROFILE and the clock"
            .to_owned()
    } else if code == "WAFLimitsExceededException" && operation.contains("IPSet") {
        "raise AWS WAF's quota of IP sets for this account and Region, or lower --max-ip-sets".to_owned()
    } else if code == "WAFLimitsExceededException" {
        "raise the quota of AWS WAF that the message names, for this account and Region".to_owned()
    } else if is_throttling(code) {
        throttling(operation).to_owned()
    } else if let Some(unreached) = Unreached::of(error) {
        connection(unreached, cause, region)
    } else if let Some(both) = exclusive(cause) {
        both.to_owned()
    } else if matches!(error, SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_))
        && cause.to_lowercase().contains("credentials")
    {
        credentials(cause).to_owned()
    } else if cause.contains(transport::NOT_ENCRYPTED) {
        "give AWS_ENDPOINT_URL as https".to_owned()
    } else if is_about_the_network(error) {
        network(region)
    } else if code.is_empty() {
        BAD_ANSWER.to_owned()
    } else {
        return None;
    };
    Some(hint)
}

/// The hint for a throttled call.
pub(super) fn throttling(operation: &str) -> &'static str {
    if matches!(operation, "Scan" | "Query") {
        "give the table more read capacity, or limit wafsync with --read-capacity"
    } else {
        "other callers share the rate of this action: lower --read-rate or --write-rate"
    }
}

/// The hint for a failed or broken connection, which depends on the host and the proxy.
pub(super) fn connection(unreached: &Unreached, cause: &str, region: &str) -> String {
    let host = unreached.authority.as_str();
    if let Some((_, problem)) = cause.split_once(BAD_CERTIFICATE) {
        return certificate(problem).to_owned();
    }
    if unreached.proxy.is_some() {
        return "check that proxy; NO_PROXY names hosts to reach without it".to_owned();
    }
    if of_account(host) {
        return "hosts of one account need DNS and egress of their own: allow them, or set \
                AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled"
            .to_owned();
    }
    let variables: Vec<&str> = [
        (host.contains("-fips."), "AWS_USE_FIPS_ENDPOINT"),
        (host.contains(".api.aws") || host.contains(".api.amazonwebservices."), "AWS_USE_DUALSTACK_ENDPOINT"),
    ]
    .into_iter()
    .filter_map(|(is, variable)| is.then_some(variable))
    .collect();
    if variables.is_empty() {
        return network(region);
    }
    let variables = variables.join(" and ");
    format!("this host comes from {variables}, which not every Region and network has: check {region}, or unset that")
}

/// Whether the host is `DynamoDB`'s for a single account: `ACCOUNT.ddb.REGION.amazonaws.com`.
fn of_account(host: &str) -> bool {
    let mut labels = host.split('.');
    let account =
        labels.next().is_some_and(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()));
    account && labels.next() == Some("ddb")
}

fn certificate(problem: &str) -> &'static str {
    if problem.starts_with("certificate expired") || problem.starts_with("certificate not valid yet") {
        "check the clock of this machine, and the certificate of the endpoint or of a proxy in between"
    } else if problem.starts_with("certificate not valid for name") {
        "another host answered: check AWS_ENDPOINT_URL, DNS, and any proxy in between"
    } else {
        "if a proxy or firewall in between has a CA of its own, name a file with its certificate in AWS_CA_BUNDLE or \
         SSL_CERT_FILE"
    }
}

/// The hint for two settings of the environment that exclude each other.
fn exclusive(cause: &str) -> Option<&'static str> {
    if cause.contains("FIPS and custom endpoint are not supported") {
        Some("unset AWS_USE_FIPS_ENDPOINT (use_fips_endpoint in the profile) or AWS_ENDPOINT_URL")
    } else if cause.contains("Dualstack and custom endpoint are not supported") {
        Some("unset AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint in the profile) or AWS_ENDPOINT_URL")
    } else {
        None
    }
}

fn network(region: &str) -> String {
    format!("check the network, the Region ({region}) and any AWS_ENDPOINT_URL")
}

fn is_about_the_network<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ConstructionFailure(_) => true,
        SdkError::ResponseError(response) => response.raw().body().bytes().is_none(),
        _ => false,
    }
}

fn credentials(cause: &str) -> &'static str {
    let hints = [
        (
            environment::UNSENDABLE,
            "remove it: a Secret made with `echo` ends in a line break, one made with `printf` does not",
        ),
        (
            "invalid full URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI has to be https, or name this machine or the agent of ECS or EKS",
        ),
        ("could not parse profile file", "correct the files of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"),
        ("external process", "check credential_process of the profile: it has to run here and print credentials"),
    ];
    let known = hints.into_iter().find(|(said, _)| cause.contains(said)).map(|(_, hint)| hint);
    known.unwrap_or("give the job a role, or set AWS_PROFILE to a profile that has some")
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    fn hint_of(host: &str, proxy: Option<&str>, cause: &str) -> String {
        let error = ConnectorError::io(std::io::Error::other(cause.to_owned()).into());
        let error = Unreached::name(error, format!("{host}:443"), proxy.map(str::to_owned));
        connection(Unreached::of(&error).unwrap(), cause, "eu-central-1")
    }

    #[test]
    fn the_hint_depends_on_the_host_and_on_what_is_in_between() {
        for (host, proxy, named) in [
            ("wafv2.eu-central-1.amazonaws.com", None, "check the network, the Region (eu-central-1)"),
            ("111122223333.ddb.eu-central-1.amazonaws.com", None, "AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled"),
            ("wafv2.eu-central-1.api.aws", None, "AWS_USE_DUALSTACK_ENDPOINT"),
            ("dynamodb.cn-north-1.api.amazonwebservices.com.cn", None, "AWS_USE_DUALSTACK_ENDPOINT"),
            ("wafv2-fips.eu-central-1.amazonaws.com", None, "from AWS_USE_FIPS_ENDPOINT,"),
            ("dynamodb-fips.us-east-1.api.aws", None, "AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT"),
            ("wafv2.eu-central-1.api.aws", Some("http://p:3128 (HTTPS_PROXY)"), "NO_PROXY"),
        ] {
            let hint = hint_of(host, proxy, "dns error");
            assert!(hint.contains(named), "{host}: {hint}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_trusted_says_how_to_give_one() {
        for (problem, named) in [
            ("UnknownIssuer", "AWS_CA_BUNDLE or SSL_CERT_FILE"),
            ("certificate expired: verification time 1 (UNIX)", "check the clock"),
            ("certificate not valid yet: verification time 1 (UNIX)", "check the clock"),
            ("certificate not valid for name \"a\"", "another host answered"),
        ] {
            let hint = hint_of("a.example.com", Some("http://p:3128"), &format!("{BAD_CERTIFICATE}{problem}"));
            assert!(hint.contains(named), "{problem}: {hint}");
        }
    }
}
