//! Parts of URLs: where a request goes, and what messages may show.

/// The scheme and host of a URL; an IPv6 address without its brackets.
pub(super) fn scheme_and_host(uri: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = scheme_and_authority(uri)?;
    let host = match authority.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    Some((scheme, host))
}

/// The host and port of a URL; the default port of its scheme if it has none.
pub(super) fn host_and_port(uri: &str) -> Option<(&str, u16)> {
    let (scheme, host) = scheme_and_host(uri).filter(|(_, host)| !host.is_empty())?;
    let (_, authority) = scheme_and_authority(uri)?;
    let after = authority.rsplit(']').next().unwrap_or_default();
    let port = match after.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() => port.parse().ok()?,
        _ if scheme.eq_ignore_ascii_case("http") => 80,
        _ => 443,
    };
    Some((host, port))
}

/// The authority is without user and password.
fn scheme_and_authority(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some((scheme, authority.rsplit_once('@').map_or(authority, |(_, host)| host)))
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
    fn a_url_without_a_port_has_that_of_its_scheme() {
        for (uri, expected) in [
            ("https://wafv2.eu-central-1.amazonaws.com/", ("wafv2.eu-central-1.amazonaws.com", 443)),
            ("http://localhost", ("localhost", 80)),
            ("http://127.0.0.1:8000/path?query", ("127.0.0.1", 8000)),
            ("https://[2001:db8::1]/", ("2001:db8::1", 443)),
            ("https://user:secret@[2001:db8::1]:8443/", ("2001:db8::1", 8443)),
        ] {
            assert_eq!(host_and_port(uri), Some(expected), "{uri}");
        }
        for uri in ["https:///path", "https://a:b/", "localhost"] {
            assert_eq!(host_and_port(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_is_refused_is_named_without_what_could_be_secret() {
        assert_eq!(origin("http://192.0.2.1:80/path?token=x"), "http://192.0.2.1:80");
        assert_eq!(origin("http://192.0.2.1"), "http://192.0.2.1");
    }
}
