//! The HTTP client of everything that the SDK says, the calls of its credential providers included: the SDK's own, which
//! sends nothing in clear to another machine.

use std::net::IpAddr;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

/// What is said of an endpoint that is refused.
pub(super) const NOT_ENCRYPTED: &str = "is not https, and not this machine";

/// Where AWS hands out credentials over plain HTTP, on links that do not leave the machine: instance metadata (Amazon EC2:
/// "Access instance metadata"), ECS tasks ("Task IAM role"), EKS Pod Identity ("How EKS Pod Identity works").
const METADATA: [&str; 5] = ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// As the SDK would make it, with proxies from the environment.
pub(super) fn http_client() -> SharedHttpClient {
    let sdks = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
    SharedHttpClient::new(Encrypted(sdks))
}

/// A client whose connectors refuse what would go over a network in clear.
#[derive(Debug)]
struct Encrypted<T>(T);

impl HttpClient for Encrypted<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Encrypted(self.0.http_connector(settings, components)))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

impl HttpConnector for Encrypted<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_safe(request.uri()) {
            return self.0.call(request);
        }
        let refusal = format!("{} {NOT_ENCRYPTED}", origin(request.uri()));
        HttpConnectorFuture::ready(Err(ConnectorError::user(refusal.into())))
    }
}

/// Whether it is encrypted, or does not leave this machine.
pub(super) fn is_encrypted_or_loopback(uri: &str) -> bool {
    let Some((scheme, host)) = scheme_and_host(uri) else { return false };
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && loopback)
}

fn is_safe(uri: &str) -> bool {
    is_encrypted_or_loopback(uri) || scheme_and_host(uri).is_some_and(|(_, host)| METADATA.contains(&host))
}

fn scheme_and_host(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    Some((scheme, host))
}

/// Without path and query, where a token could stand.
fn origin(uri: &str) -> &str {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let end = uri.get(start..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(uri.len(), |at| start + at);
    uri.get(..end).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_reaches_this_machine_alone() {
        for uri in [
            "https://wafv2.eu-central-1.amazonaws.com/",
            "http://127.0.0.1:8000/",
            "http://[::1]:8000/",
            "http://localhost",
        ] {
            assert!(is_encrypted_or_loopback(uri) && is_safe(uri), "{uri}");
        }
        for uri in [
            "http://wafv2.eu-central-1.amazonaws.com/",
            "http://192.0.2.1:8000/",
            "http://127.0.0.1@192.0.2.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://169.254.169.254.example.com/",
            "http://169.254.1.1/",
            "ftp://127.0.0.1/",
            "127.0.0.1",
        ] {
            assert!(!is_encrypted_or_loopback(uri) && !is_safe(uri), "{uri}");
        }
    }

    #[test]
    fn credentials_of_the_machine_come_over_its_own_links() {
        for uri in
            ["http://169.254.169.254/latest/api/token", "http://169.254.170.23/v1", "http://[fd00:ec2::23]:80/v1"]
        {
            assert!(is_safe(uri) && !is_encrypted_or_loopback(uri), "{uri}");
        }
    }

    #[test]
    fn what_is_refused_is_named_without_what_could_be_secret() {
        assert_eq!(origin("http://192.0.2.1:80/path?token=x"), "http://192.0.2.1:80");
        assert_eq!(origin("http://192.0.2.1"), "http://192.0.2.1");
    }
}
