//! Loads Region, credentials, endpoints and certificates from the environment and AWS's files.

use std::path::PathBuf;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};

use super::transport;

/// The variable with the file of CA certificates, as in AWS's own tools.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The message about credentials that cannot be sent in a header.
pub(super) const UNSENDABLE: &str = "holds a line break or another character that cannot be sent";

/// The error that there are no usable CA certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTrust {
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
}

impl NoTrust {
    /// How to fix it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoRoots => "install ca-certificates, or name a file of them in SSL_CERT_FILE",
            Self::Unusable { .. } => "name a file of CA certificates in PEM format, or unset it",
        }
    }
}

/// Loads Region, credentials and endpoints from the environment and AWS's files.
///
/// # Errors
///
/// [`NoTrust`] without usable certificates, with which the SDK would panic at its first call.
pub async fn environment() -> Result<SdkConfig, NoTrust> {
    let client = transport::http_client(&trusted()?);
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(client).load().await;
    Ok(match sdk.credentials_provider() {
        Some(provider) => {
            sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(Sound(provider))).build()
        }
        None => sdk,
    })
}

/// The certificates of `AWS_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR`; the system's if none of them is set.
fn trusted() -> Result<TlsContext, NoTrust> {
    let bundle = std::env::var_os(CA_BUNDLE).filter(|file| !file.is_empty()).map(PathBuf::from);
    let others = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    let native = bundle.is_none() || others;
    let roots = if native { rustls_native_certs::load_native_certs().certs.len() } else { 0 };
    if roots == 0 && bundle.is_none() {
        return Err(NoTrust::NoRoots);
    }
    let mut store = TrustStore::empty().with_native_roots(roots > 0);
    if let Some(file) = bundle {
        let unusable = |problem: String| NoTrust::Unusable { file: file.clone(), problem };
        let pem = std::fs::read(&file).map_err(|error| unusable(error.to_string()))?;
        // The SDK panics if the file cannot be parsed.
        let read = rustls_native_certs::load_certs_from_paths(Some(&file), None);
        if read.certs.is_empty() || !read.errors.is_empty() {
            return Err(unusable("not a list of certificates in PEM format".to_owned()));
        }
        store = store.with_pem_certificate(pem);
    }
    TlsContext::builder().with_trust_store(store).build().map_err(|_| NoTrust::NoRoots)
}

/// Rejects credentials that cannot be sent: the SDK panics if a key contains a line break, as one from `echo` does.
#[derive(Debug)]
struct Sound(SharedCredentialsProvider);

impl ProvideCredentials for Sound {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.0.provide_credentials().await?;
            match unsendable(&credentials) {
                Some(part) => Err(CredentialsError::invalid_configuration(format!("the {part} {UNSENDABLE}"))),
                None => Ok(credentials),
            }
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
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
