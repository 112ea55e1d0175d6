//! The HTTP client of the SDK and its credential providers, which sends nothing unencrypted to another machine.

use std::net::IpAddr;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
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

/// The message about an endpoint that is rejected.
pub(super) const NOT_ENCRYPTED: &str = "is not https, and not this machine";

/// Link-local hosts that provide credentials over plain HTTP: instance metadata (Amazon EC2: "Access instance metadata"),
/// ECS tasks ("Task IAM role"), EKS Pod Identity ("How EKS Pod Identity works").
const METADATA: [&str; 5] = ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The SDK's client with these certificates and the environment's proxies. Requests to this machine and for credentials
/// bypass proxies.
pub(super) fn http_client(tls: &TlsContext) -> SharedHttpClient {
    let client = |proxies: ProxyConfig| {
        let tls = tls.clone();
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector =
                Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.set_proxy_config(Some(proxies.clone()));
            connector.build()
        })
    };
    let no_proxy = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
    SharedHttpClient::new(Guarded {
        proxied: client(ProxyConfig::from_env()),
        direct: client(ProxyConfig::disabled()),
        all_direct: no_proxy.is_some_and(|list| names_all(&list)),
    })
}

/// Whether `NO_PROXY` names every host.
fn names_all(no_proxy: &str) -> bool {
    no_proxy.split(',').any(|entry| entry.trim() == "*")
}

/// A client whose connectors reject plain HTTP over a network and use a proxy only for hosts that need one.
#[derive(Debug)]
struct Guarded<T> {
    proxied: T,
    direct: T,
    all_direct: bool,
}

impl HttpClient for Guarded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Guarded {
            proxied: self.proxied.http_connector(settings, components),
            direct: self.direct.http_connector(settings, components),
            all_direct: self.all_direct,
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.proxied.validate_base_client_config(components, config)?;
        self.direct.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.proxied.validate_final_config(components, config)?;
        self.direct.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.proxied.connector_metadata()
    }
}

impl HttpConnector for Guarded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !is_safe(request.uri()) {
            let refusal = format!("{} {NOT_ENCRYPTED}", origin(request.uri()));
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refusal.into())));
        }
        let direct = self.all_direct || is_near(request.uri());
        if direct { self.direct.call(request) } else { self.proxied.call(request) }
    }
}

/// Whether the host is this machine or link-local, which no proxy can reach or may see.
fn is_near(uri: &str) -> bool {
    let Some((_, host)) = scheme_and_host(uri) else { return false };
    if METADATA.contains(&host) {
        return true;
    }
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Whether a request to this URI is encrypted or stays on this machine.
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

/// The URI without path and query, which could contain a token.
pub(super) fn origin(uri: &str) -> &str {
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
    fn this_machine_and_its_links_are_spoken_to_without_a_proxy() {
        for uri in [
            "http://169.254.170.23/v1/credentials",
            "http://169.254.169.254/latest/api/token",
            "http://[fd00:ec2::254]/latest/api/token",
            "http://[fe80::1]/",
            "http://127.8.0.1:8000/",
            "http://[::1]:8000/",
            "http://[::ffff:127.0.0.1]/",
            "https://LOCALHOST:8000/",
            "https://aws.localhost./",
        ] {
            assert!(is_near(uri), "{uri}");
        }
        for uri in [
            "https://wafv2.eu-central-1.amazonaws.com/",
            "https://192.0.2.1/",
            "https://[2001:db8::1]/",
            "https://localhost.example.com/",
            "https://127.0.0.1.example.com/",
            "https://127.0.0.1@192.0.2.1/",
        ] {
            assert!(!is_near(uri), "{uri}");
        }
    }

    #[test]
    fn a_star_in_no_proxy_means_all() {
        assert!(names_all("*") && names_all("example.com, *"));
        assert!(!names_all("") && !names_all("*.example.com,10.0.0.0/8"));
    }

    #[test]
    fn what_is_refused_is_named_without_what_could_be_secret() {
        assert_eq!(origin("http://192.0.2.1:80/path?token=x"), "http://192.0.2.1:80");
        assert_eq!(origin("http://192.0.2.1"), "http://192.0.2.1");
    }
}
