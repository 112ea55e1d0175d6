//! Second locks on the clients: what may not happen is refused before it is sent, whatever the code in front does.

use std::net::IpAddr;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// How the names of operations begin that change nothing.
const READS: [&str; 4] = ["Get", "List", "Scan", "Describe"];

/// The one that does not begin so.
const CHECK_CAPACITY: &str = "CheckCapacity";

/// Lets nothing pass that writes.
#[derive(Debug)]
pub(super) struct ReadOnly;

#[dyn_dispatch_hint]
impl Intercept for ReadOnly {
    fn name(&self) -> &'static str {
        "ReadOnly"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().map_or("an unnamed operation", Metadata::name);
        if READS.iter().any(|read| operation.starts_with(read)) || operation == CHECK_CAPACITY {
            return Ok(());
        }
        Err(format!("{operation} was refused: this client may only read").into())
    }
}

/// Lets nothing pass over plain HTTP but to this machine.
#[derive(Debug)]
pub(super) struct EncryptedUnlessLoopback;

#[dyn_dispatch_hint]
impl Intercept for EncryptedUnlessLoopback {
    fn name(&self) -> &'static str {
        "EncryptedUnlessLoopback"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        if is_encrypted_or_loopback(uri) {
            Ok(())
        } else {
            Err(format!("{uri} is not https, and not this machine").into())
        }
    }
}

fn is_encrypted_or_loopback(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && loopback)
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
            assert!(is_encrypted_or_loopback(uri), "{uri}");
        }
        for uri in [
            "http://wafv2.eu-central-1.amazonaws.com/",
            "http://192.0.2.1:8000/",
            "http://127.0.0.1@192.0.2.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "127.0.0.1",
        ] {
            assert!(!is_encrypted_or_loopback(uri), "{uri}");
        }
    }
}
