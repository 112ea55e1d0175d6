//! Finds addresses in rejected values, leniently: no parser accepted them.

use std::net::IpAddr;

use crate::model::cidr::Cidr;

/// Whether an address or CIDR in this text, in any interpretation, shares an address with `asked`.
pub(super) fn mentions(value: &str, asked: Cidr) -> bool {
    let part_of_cidr = |char: char| char.is_ascii_hexdigit() || matches!(char, '.' | ':' | '/');
    value
        .split(|char| !part_of_cidr(char))
        .filter(|part| part.contains(['.', ':']))
        .flat_map(readings)
        .any(|reading| reading.overlaps(asked))
}

/// The address alone and, with a prefix length, its network.
fn readings(part: &str) -> Vec<Cidr> {
    let (address, prefix) = part.split_once('/').map_or((part, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(address) = address.trim_matches(['.', '/']).parse::<IpAddr>() else { return Vec::new() };
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let Some(host) = Cidr::new(address, bits) else { return Vec::new() };
    let prefix: Option<u8> = prefix.and_then(|prefix| prefix.parse().ok());
    let network = prefix.filter(|prefix| (1..bits).contains(prefix)).and_then(|prefix| host.widened(prefix));
    std::iter::once(host).chain(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_an_address_by_any_reading() {
        for (value, asked, expected) in [
            ("192.0.2.99/24", "192.0.2.99", true),
            ("192.0.2.99/24", "192.0.2.1", true),
            ("192.0.2.99/24", "192.0.3.1", false),
            ("0.0.0.0/0", "192.0.2.1", false),
            ("[\"198.51.100.7\", \"192.0.2.1\"", "192.0.2.1", true),
            ("198.51.100.7, 192.0.2.1", "192.0.2.0/24", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8::5/32", "2001:db8:1::/48", true),
            ("2001:db8::5", "2001:db8::6", false),
            ("54.123.456.78/32", "54.123.45.78", false),
            ("fe80::1%eth0", "fe80::1", true),
            ("nonsense", "192.0.2.1", false),
            ("", "192.0.2.1", false),
            ("192.0.2.1/33", "192.0.2.1", true),
        ] {
            assert_eq!(mentions(value, Cidr::parse(asked).unwrap()), expected, "{value} {asked}");
        }
    }
}
