//! Failed and broken connections, with their host and proxy.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::result::ConnectorError;

/// Hyper's name for a failed connection.
const CONNECTING: &str = "client error (Connect)";

/// The prefix of the SDK's message about a connection timeout.
const CONNECT_TIMEOUT: &str = "HTTP connect timeout";

/// A failed or broken connection.
#[derive(Debug)]
pub(super) struct Unreached {
    /// `HOST:PORT`.
    pub(super) authority: String,
    /// The proxy, as messages name it.
    pub(super) proxy: Option<String>,
    /// Whether it failed; otherwise it broke.
    pub(super) connecting: bool,
    source: BoxError,
}

impl Unreached {
    /// The connector's error, with its host and proxy.
    pub(super) fn name(error: ConnectorError, authority: String, proxy: Option<String>) -> ConnectorError {
        let (timeout, user, io, kind) = (error.is_timeout(), error.is_user(), error.is_io(), error.as_other());
        let connecting = is_about_connecting(&error);
        let named = Box::new(Self { authority, proxy, connecting, source: error.into_source() });
        if timeout {
            ConnectorError::timeout(named)
        } else if user {
            ConnectorError::user(named)
        } else if io {
            ConnectorError::io(named)
        } else {
            ConnectorError::other(named, kind)
        }
    }

    /// Finds the connection among the causes of an error.
    pub(super) fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(unreached) = error.downcast_ref() {
                return Some(unreached);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, proxy, connecting, .. } = self;
        match connecting {
            true => write!(f, "no connection to {authority}")?,
            false => write!(f, "the connection to {authority} broke")?,
        }
        match proxy {
            Some(proxy) => write!(f, " over the proxy {proxy}"),
            None => Ok(()),
        }
    }
}

impl Error for Unreached {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Whether this or one of its causes is a failed connection.
pub(super) fn is_about_connecting(error: &dyn Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if text == CONNECTING || text.starts_with(CONNECT_TIMEOUT) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_host_and_the_proxy_are_named_and_the_kind_stays() {
        let broken = || io::Error::other("reset");
        let named = |error, proxy: Option<&str>| Unreached::name(error, "a:443".to_owned(), proxy.map(str::to_owned));
        let io = named(ConnectorError::io(broken().into()), None);
        assert!(io.is_io());
        assert_eq!(Unreached::of(&io).unwrap().to_string(), "the connection to a:443 broke");
        let timeout = io::Error::other("HTTP connect timeout occurred after 3.1s");
        let timeout = named(ConnectorError::timeout(timeout.into()), Some("http://p:3128 (HTTPS_PROXY)"));
        assert!(timeout.is_timeout());
        let text = "no connection to a:443 over the proxy http://p:3128 (HTTPS_PROXY)";
        assert_eq!(Unreached::of(&timeout).unwrap().to_string(), text);
        assert!(named(ConnectorError::user(broken().into()), None).is_user());
        assert!(named(ConnectorError::other(broken().into(), None), None).is_other());
    }
}
