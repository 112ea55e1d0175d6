//! Loads Region, credentials, endpoints and certificates from the environment and AWS's files.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::no_proxy::NoProxy;
use super::proxy::{BadProxy, Proxy};
use super::transport;

/// The time to load credentials, with the retries of their source. It ends before the attempt that needs them, so that the
/// message names what is slow.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The variable with the file of CA certificates, as in AWS's own tools.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The variable with the Region that is read after `AWS_REGION`.
const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";

/// The variables with the URLs of services. An empty one is no reason to call AWS itself, as if it were unset: somebody wanted
/// another place.
const ENDPOINTS: [&str; 4] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_WAFV2"];

/// The message about credentials that cannot be sent in a header.
pub(super) const UNSENDABLE: &str = "holds a line break or another character that cannot be sent";

/// The error that there are no usable CA certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvironment {
    /// No CA certificates were found.
    #[error("no CA certificates found")]
    NoRoots,
    /// The file of CA certificates cannot be used.
    #[error("{CA_BUNDLE} {}: {problem}", crate::text::key(&file.display().to_string()))]
    Unusable {
        /// The file.
        file: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A variable for the URL of a service is set to nothing, at which the SDK would panic.
    #[error("{0} is set to nothing")]
    NoEndpoint(&'static str),
    /// A variable names no proxy that can be used.
    #[error("{variable} {problem}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        problem: &'static str,
    },
}

impl BadEnvironment {
    /// How to fix it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoRoots => "install ca-certificates, or name a file of them in SSL_CERT_FILE",
            Self::Unusable { .. } => "name a file of CA certificates in PEM format, or unset it",
            Self::NoEndpoint(_) => "set it to a URL, or unset it",
            Self::Proxy { .. } => {
                "set it to a URL such as http://proxy.example.com:3128, with special characters of a password as %40 for @, or unset it"
            }
        }
    }
}

/// Loads Region, credentials and endpoints from the environment and AWS's files.
///
/// # Errors
///
/// [`BadEnvironment`] without usable certificates or with an endpoint that is set to nothing, at which the SDK would panic, or
/// with a proxy that cannot be used, which the SDK would ignore.
pub async fn environment() -> Result<SdkConfig, BadEnvironment> {
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(name) = ENDPOINTS.into_iter().find(|name| variable(name).is_some_and(|url| url.is_empty())) {
        return Err(BadEnvironment::NoEndpoint(name));
    }
    let proxy =
        Proxy::of(variable).map_err(|BadProxy { variable, problem }| BadEnvironment::Proxy { variable, problem })?;
    // Tools differ in which of the two they read, so each counts.
    let no_proxy = ["NO_PROXY", "no_proxy"].into_iter().filter_map(variable).collect::<Vec<_>>().join(",");
    let client = transport::http_client(&trusted()?, proxy, NoProxy::parse(&no_proxy));
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(client.clone()).load().await;
    let region = match sdk.region() {
        Some(region) if region.as_ref().is_empty() => region_besides_empty(variable(DEFAULT_REGION)).await,
        region => region.cloned(),
    };
    let fresh = Fresh { client, region: region.clone() };
    Ok(sdk.into_builder().region(region).credentials_provider(SharedCredentialsProvider::new(fresh)).build())
}

/// The Region where `AWS_REGION` or another source of it is set to nothing. That counts as unset, as for our own variables;
/// the SDK takes it for a Region. An instance is not asked.
async fn region_besides_empty(default: Option<String>) -> Option<Region> {
    let is_named = |region: &Region| !region.as_ref().is_empty();
    match default.map(Region::new).filter(is_named) {
        Some(region) => Some(region),
        None => ProfileFileRegionProvider::new().region().await.filter(is_named),
    }
}

/// The certificates of `AWS_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR`; the system's if none of them is set.
fn trusted() -> Result<TlsContext, BadEnvironment> {
    let bundle = std::env::var_os(CA_BUNDLE).filter(|file| !file.is_empty()).map(PathBuf::from);
    let others = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    let native = bundle.is_none() || others;
    let roots = if native { rustls_native_certs::load_native_certs().certs.len() } else { 0 };
    if roots == 0 && bundle.is_none() {
        return Err(BadEnvironment::NoRoots);
    }
    let mut store = TrustStore::empty().with_native_roots(roots > 0);
    if let Some(file) = bundle {
        let unusable = |problem: String| BadEnvironment::Unusable { file: file.clone(), problem };
        let pem = std::fs::read(&file).map_err(|error| unusable(error.to_string()))?;
        let read = rustls_native_certs::load_certs_from_paths(Some(&file), None);
        if read.certs.is_empty() || !read.errors.is_empty() {
            return Err(unusable("not a list of certificates in PEM format".to_owned()));
        }
        // The SDK panics at a certificate that it cannot read.
        for (number, certificate) in (1..).zip(read.certs) {
            let added = rustls::RootCertStore::empty().add(certificate);
            added.map_err(|error| unusable(format!("certificate {number} in it cannot be used: {error}")))?;
        }
        store = store.with_pem_certificate(pem);
    }
    TlsContext::builder().with_trust_store(store).build().map_err(|_| BadEnvironment::NoRoots)
}

/// Loads credentials from the environment and the files of AWS, anew each time: the SDK's own providers read a file once
/// and never see that its keys were rotated.
///
/// Rejects credentials that cannot be sent: the SDK panics if a key contains a line break, as one from `echo` does.
#[derive(Debug)]
struct Fresh {
    client: SharedHttpClient,
    region: Option<Region>,
}

impl Fresh {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.client.clone())
            .region(self.region.clone())
            .load()
            .await;
        let none = || CredentialsError::not_loaded_no_source();
        let provider = sdk.credentials_provider().ok_or_else(none)?;
        let loaded = tokio::time::timeout(LOAD_TIMEOUT, provider.provide_credentials()).await;
        let credentials = loaded.map_err(|_| CredentialsError::provider_timed_out(LOAD_TIMEOUT))??;
        match unsendable(&credentials) {
            Some(part) => Err(CredentialsError::invalid_configuration(format!("the {part} {UNSENDABLE}"))),
            None => Ok(credentials),
        }
    }
}

impl ProvideCredentials for Fresh {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// The part of these credentials that cannot be sent in a header.
fn unsendable(credentials: &Credentials) -> Option<&'static str> {
    let parts = [
        ("access key id (AWS_ACCESS_KEY_ID)", Some(credentials.access_key_id())),
        ("secret access key (AWS_SECRET_ACCESS_KEY)", Some(credentials.secret_access_key())),
        ("session token (AWS_SESSION_TOKEN)", credentials.session_token()),
    ];
    let sendable = |value: &str| value.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    parts.into_iter().find_map(|(part, value)| value.filter(|value| !sendable(value)).map(|_| part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_with_a_line_break_are_named_and_not_shown() {
        let of = |id: &str, secret: &str, token: Option<&str>| {
            unsendable(&Credentials::new(id, secret, token.map(ToOwned::to_owned), None, "test"))
        };
        assert_eq!(of("AKID", "sec/ret+=", Some("token==")), None);
        assert_eq!(of("AKID\n", "secret", None), Some("access key id (AWS_ACCESS_KEY_ID)"));
        assert_eq!(of("AKID", "secret\n", None), Some("secret access key (AWS_SECRET_ACCESS_KEY)"));
        assert_eq!(of("AKID", "secret", Some("a b")), Some("session token (AWS_SESSION_TOKEN)"));
    }
}
