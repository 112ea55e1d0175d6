//! `NO_PROXY`: the hosts to reach without a proxy, in every form that common tools accept.

use std::net::IpAddr;

use ipnet::IpNet;

/// The hosts that `NO_PROXY` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// `*`
    Any,
    /// `192.0.2.0/24`, `2001:db8::/32`, or one address
    Network(IpNet),
    /// `example.com`, `.example.com`, or `*.example.com`: the domain and all below it
    Domain(String),
}

impl NoProxy {
    /// Parses a list whose entries are separated by commas or blanks. Invalid entries are ignored.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(Entry::parse).collect())
    }

    /// Whether this host, without brackets, is reached without a proxy at this port.
    pub(super) fn names(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|entry| entry.port.is_none_or(|named| named == port) && entry.host.is(host))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self { host: Host::Network(network), port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self { host: Host::Network(address.into()), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            // The last part of `[2001:db8::1]` is not a port.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = if bare == "*" {
            Host::Any
        } else if let Ok(address) = bare.parse::<IpAddr>() {
            Host::Network(address.into())
        } else {
            let domain = bare.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
            if domain.is_empty() {
                return None;
            }
            Host::Domain(domain)
        };
        Some(Self { host, port })
    }
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Network(network) => host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Self::Domain(domain) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let above = host.strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, named: &[(&str, u16)], not: &[(&str, u16)]) {
        let list = NoProxy::parse(list);
        for (host, port) in named {
            assert!(list.names(host, *port), "{list:?}: {host}:{port}");
        }
        for (host, port) in not {
            assert!(!list.names(host, *port), "{list:?}: {host}:{port}");
        }
    }

    const WAF: (&str, u16) = ("wafv2.eu-central-1.amazonaws.com", 443);

    #[test]
    fn a_star_names_every_host() {
        check("*", &[WAF, ("192.0.2.1", 80), ("2001:db8::1", 443)], &[]);
        check("example.com, *", &[WAF], &[]);
        check("", &[], &[WAF]);
    }

    #[test]
    fn a_domain_names_itself_and_all_below_it_whatever_stands_in_front() {
        for list in [
            "amazonaws.com",
            ".amazonaws.com",
            "*.amazonaws.com",
            "AmazonAWS.com.",
            "x,amazonaws.com",
            "x amazonaws.com",
        ] {
            check(
                list,
                &[WAF, ("amazonaws.com", 443), ("WAFV2.eu-central-1.AMAZONAWS.COM.", 443)],
                &[("notamazonaws.com", 443), ("amazonaws.com.cn", 443), ("192.0.2.1", 443)],
            );
        }
    }

    #[test]
    fn a_port_limits_an_entry() {
        check("example.com:8443", &[("a.example.com", 8443)], &[("a.example.com", 443)]);
        check("192.0.2.1:443", &[("192.0.2.1", 443)], &[("192.0.2.1", 80), ("192.0.2.2", 443)]);
        check("[2001:db8::1]:443", &[("2001:db8::1", 443)], &[("2001:db8::1", 80), ("2001:db8::2", 443)]);
        check("*:443", &[WAF], &[("192.0.2.1", 80)]);
    }

    #[test]
    fn addresses_and_ranges_are_of_both_families() {
        check("192.0.2.0/24", &[("192.0.2.77", 443)], &[("198.51.100.1", 443), WAF]);
        check("2001:db8::/32", &[("2001:db8:1::1", 443)], &[("2001:db9::1", 443)]);
        check("2001:db8::1", &[("2001:db8::1", 443), ("2001:db8:0:0:0:0:0:1", 443)], &[("2001:db8::2", 443)]);
        check("[2001:db8::1]", &[("2001:db8::1", 443)], &[]);
    }

    #[test]
    fn what_is_no_host_names_none() {
        for list in [",", " , ", ".", "*.", "example.com:port", "example.com:99999", ":443"] {
            check(list, &[], &[WAF, ("example.com", 443), ("", 443)]);
        }
    }
}
