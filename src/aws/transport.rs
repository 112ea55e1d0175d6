//! The HTTP client of the SDK and its credential providers, which sends nothing unencrypted to another machine and names
//! the host that it cannot reach.

use std::net::IpAddr;
use std::sync::Arc;

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

use super::no_proxy::NoProxy;
use super::proxy::Proxy;
use super::unreached::Unreached;
use super::url::{host_and_port, origin, scheme_and_host};

/// The message about an endpoint that is rejected.
pub(super) const NOT_ENCRYPTED: &str = "is not https, and not this machine";

/// Link-local hosts that provide credentials over plain HTTP: instance metadata (Amazon EC2: "Access instance metadata"),
/// ECS tasks ("Task IAM role"), EKS Pod Identity ("How EKS Pod Identity works").
const METADATA: [&str; 5] = ["169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The SDK's client with these certificates and this proxy. Requests to this machine, for credentials, and to what
/// `NO_PROXY` names bypass the proxy.
pub(super) fn http_client(tls: &TlsContext, proxy: Option<Proxy>, no_proxy: NoProxy) -> SharedHttpClient {
    let client = |proxies: ProxyConfig| {
        let tls = tls.clone();
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector =
                Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.set_proxy_config(Some(proxies.clone()));
            connector.build()
        })
    };
    let direct = client(ProxyConfig::disabled());
    let proxied = proxy.map(|proxy| Proxied { client: client(proxy.config), name: proxy.name });
    SharedHttpClient::new(Guarded { direct, proxied, no_proxy: Arc::new(no_proxy) })
}

/// A client whose connectors reject plain HTTP over a network and use a proxy only for hosts that need one.
#[derive(Debug)]
struct Guarded<T> {
    direct: T,
    proxied: Option<Proxied<T>>,
    no_proxy: Arc<NoProxy>,
}

/// What goes over a proxy.
#[derive(Debug)]
struct Proxied<T> {
    client: T,
    /// The proxy's, for messages.
    name: String,
}

impl HttpClient for Guarded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let proxied = self.proxied.as_ref().map(|proxied| Proxied {
            client: proxied.client.http_connector(settings, components),
            name: proxied.name.clone(),
        });
        SharedHttpConnector::new(Guarded {
            direct: self.direct.http_connector(settings, components),
            proxied,
            no_proxy: Arc::clone(&self.no_proxy),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.direct.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.direct.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.direct.connector_metadata()
    }
}

impl HttpConnector for Guarded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri();
        let target = host_and_port(uri).filter(|_| is_safe(uri));
        let Some((host, port)) = target else {
            let refusal = format!("{} {NOT_ENCRYPTED}", origin(uri));
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refusal.into())));
        };
        let direct = is_near(host) || self.no_proxy.names(host, port);
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let proxied = self.proxied.as_ref().filter(|_| !direct);
        let (called, proxy) = match proxied {
            Some(proxied) => (proxied.client.call(request), Some(proxied.name.clone())),
            None => (self.direct.call(request), None),
        };
        HttpConnectorFuture::new(async move { called.await.map_err(|error| Unreached::name(error, authority, proxy)) })
    }
}

/// Whether the host is this machine or link-local, which no proxy can reach or may see.
fn is_near(host: &str) -> bool {
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
            assert!(is_near(scheme_and_host(uri).unwrap().1), "{uri}");
        }
        for uri in [
            "https://wafv2.eu-central-1.amazonaws.com/",
            "https://192.0.2.1/",
            "https://[2001:db8::1]/",
            "https://localhost.example.com/",
            "https://127.0.0.1.example.com/",
            "https://127.0.0.1@192.0.2.1/",
        ] {
            assert!(!is_near(scheme_and_host(uri).unwrap().1), "{uri}");
        }
    }
}
