//! The proxy of the environment. AWS is called over HTTPS only, so `HTTP_PROXY` does not matter.

use aws_smithy_http_client::proxy::ProxyConfig;

use super::url::{host_and_port, scheme_and_host};

/// The variables that can name the proxy; the first that is not empty counts.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// An HTTPS proxy from the environment.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// The client's configuration for it.
    pub(super) config: ProxyConfig,
    /// Its URL without a password, and the variable that names it, for messages.
    pub(super) name: String,
}

/// The error that a variable does not name a usable proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadProxy {
    /// The variable.
    pub(super) variable: &'static str,
    /// The problem with its value, which may contain a password and is not shown.
    pub(super) problem: &'static str,
}

impl Proxy {
    /// The proxy of the environment, if any.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadProxy> {
        let named = VARIABLES.into_iter().find_map(|name| {
            let value = variable(name)?;
            (!value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
        });
        let Some((variable, value)) = named else { return Ok(None) };
        let bad = |problem| BadProxy { variable, problem };
        let url = if value.contains("://") { value } else { format!("http://{value}") };
        if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("socks")) {
            return Err(bad("names a SOCKS proxy, and only HTTP proxies are supported"));
        }
        let config = ProxyConfig::https(url.as_str()).map_err(|_| bad("is not the URL of an HTTP proxy"))?;
        let (host, port) = host_and_port(&url).ok_or_else(|| bad("is not the URL of an HTTP proxy"))?;
        let scheme = scheme_and_host(&url).map_or("http", |(scheme, _)| scheme);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Ok(Some(Self { config, name: format!("{scheme}://{host}:{port} ({variable})") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        match Proxy::of(variable) {
            Ok(proxy) => Ok(proxy.map(|proxy| proxy.name)),
            Err(bad) => Err(format!("{} {}", bad.variable, bad.problem)),
        }
    }

    #[test]
    fn the_first_variable_that_is_not_empty_names_the_proxy() {
        let named = |name: &str| Ok(Some(name.to_owned()));
        let (a, b) = ("http://a.example.com:3128", "http://b.example.com:3128");
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("HTTP_PROXY", a), ("http_proxy", a)]), Ok(None));
        assert_eq!(of(&[("HTTPS_PROXY", a), ("ALL_PROXY", b)]), named("http://a.example.com:3128 (HTTPS_PROXY)"));
        assert_eq!(of(&[("HTTPS_PROXY", ""), ("https_proxy", b)]), named("http://b.example.com:3128 (https_proxy)"));
        assert_eq!(of(&[("HTTPS_PROXY", " "), ("all_proxy", b)]), named("http://b.example.com:3128 (all_proxy)"));
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        for (value, name) in [
            ("proxy.example.com:3128", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
            ("http://user:secret@proxy.example.com:3128/", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
            ("user:secret@proxy.example.com:3128", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
            ("http://user:se%40cret@proxy.example.com", "http://proxy.example.com:80 (HTTPS_PROXY)"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443 (HTTPS_PROXY)"),
        ] {
            assert_eq!(of(&[("HTTPS_PROXY", value)]), Ok(Some(name.to_owned())), "{value}");
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_without_its_password() {
        for (value, problem) in [
            ("socks5://user:secret@192.0.2.1:1080", "SOCKS"),
            ("ftp://user:secret@192.0.2.1", "not the URL"),
            ("http://", "not the URL"),
            ("http://us er:secret@192.0.2.1", "not the URL"),
        ] {
            let error = of(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(error.starts_with("HTTPS_PROXY ") && error.contains(problem), "{value}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
