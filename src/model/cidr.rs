//! CIDRs in canonical form.
//!
//! A [`Cidr`] cannot have host bits set. Text is parsed once, at the boundary, and compared by value from then on, so that
//! another spelling of an IPv6 address never causes a write.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr as _;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

/// An address family; an IP set in WAF holds exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4, 32 bits.
    Ipv4,
    /// IPv6, 128 bits.
    Ipv6,
}

impl Family {
    /// Both families, in the order in which everything is listed.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The number of bits in an address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }

    /// Its usual spelling: `IPv4`, `IPv6`.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// One value for each address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PerFamily<T> {
    /// The value for IPv4.
    pub ipv4: T,
    /// The value for IPv6.
    pub ipv6: T,
}

impl<T> PerFamily<T> {
    /// Makes both values with `f`.
    pub fn from_fn(mut f: impl FnMut(Family) -> T) -> Self {
        Self { ipv4: f(Family::Ipv4), ipv6: f(Family::Ipv6) }
    }

    /// The value of one family.
    pub const fn get(&self, family: Family) -> &T {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    /// The value of one family, mutably.
    pub const fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }
}

/// A canonical CIDR: an address and a prefix length with every host bit zero.
///
/// Ordered by family, then network address, then prefix length, so that a network comes directly before
/// everything that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

impl Ord for Cidr {
    /// As if derived, but on numbers, since a plan compares millions.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (IpNet::V4(a), IpNet::V4(b)) => {
                (u32::from(a.addr()), a.prefix_len()).cmp(&(u32::from(b.addr()), b.prefix_len()))
            }
            (IpNet::V6(a), IpNet::V6(b)) => {
                (u128::from(a.addr()), a.prefix_len()).cmp(&(u128::from(b.addr()), b.prefix_len()))
            }
            (IpNet::V4(_), IpNet::V6(_)) => Ordering::Less,
            (IpNet::V6(_), IpNet::V4(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Cidr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The length of the longest IPv4 CIDR, `255.255.255.255/32`.
const ORDINARY_CHARS: usize = 18;

/// Why text is not a CIDR that can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The part before the prefix is not an address.
    #[error("not an IP address")]
    NotAnAddress,
    /// The prefix is not a number, or longer than the address.
    #[error("the prefix length must be a whole number from 1 to {bits}")]
    Prefix {
        /// Bits of an address of this family.
        bits: u8,
    },
    /// `/0`.
    #[error("/0 would let in everybody")]
    Everybody,
    /// The address has host bits set, so it does not name the network.
    #[error("host bits are set: write {network} for the network or {host} for the one address")]
    HostBits {
        /// The network that was meant, if it was a network.
        network: Cidr,
        /// The host that was meant, if it was a host.
        host: Cidr,
    },
    /// An IPv4-mapped IPv6 address, which no client connects from.
    #[error("an IPv4-mapped IPv6 address: write it as IPv4")]
    Mapped,
}

impl Cidr {
    /// Parses what a person or an item wrote. It never guesses: a wrong guess would let in or lock out clients.
    ///
    /// An address without a prefix is that one host.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match Self::ordinary(text.as_bytes()) {
            Some(cidr) => Ok(cidr),
            None => Self::parse_any(text),
        }
    }

    fn parse_any(text: &str) -> Result<Self, ParseError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = IpAddr::from_str(address).map_err(|_| ParseError::NotAnAddress)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), prefix_length).filter(|prefix| *prefix <= bits);
        let prefix = prefix.ok_or(ParseError::Prefix { bits })?;
        if prefix == 0 {
            return Err(ParseError::Everybody);
        }
        let (Some(network), Some(host)) = (Self::new(address, prefix), Self::new(address, bits)) else {
            return Err(ParseError::Prefix { bits });
        };
        if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
            return Err(ParseError::Mapped);
        }
        if network.network() != address {
            return Err(ParseError::HostBits { network, host });
        }
        Ok(network)
    }

    /// Parses WAF's spelling, which may differ from what was sent: IPv6 expanded, host bits not cleared. `None` if it is not
    /// a CIDR.
    #[must_use]
    pub fn from_waf(text: &str) -> Option<Self> {
        Self::ordinary(text.as_bytes()).or_else(|| Self::from_waf_any(text))
    }

    fn from_waf_any(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address = IpAddr::from_str(address).ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?)
    }

    /// Fast path for an IPv4 CIDR in its plain spelling, `198.51.100.7/32` or without the prefix, as nearly all are. `None`
    /// means that the text needs one of the other parsers.
    #[must_use]
    pub(crate) fn ordinary(text: &[u8]) -> Option<Self> {
        let (mut octets, mut text) = ([0; 4], text);
        for (index, octet) in octets.iter_mut().enumerate() {
            if index > 0 {
                text = text.strip_prefix(b".")?;
            }
            (*octet, text) = small_number(text)?;
        }
        let prefix = match text.split_first() {
            None => 32,
            Some((b'/', digits)) => small_number(digits).filter(|(_, rest)| rest.is_empty())?.0,
            Some(_) => return None,
        };
        let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or_default();
        let canonical = matches!(prefix, 1..=32) && u32::from_be_bytes(octets) & host_bits == 0;
        canonical.then(|| Self::canonical_v4(Ipv4Addr::from(octets), prefix))
    }

    /// The text of an IPv4 CIDR without an allocation: bytes, and how many of them count. `None` for IPv6.
    pub(super) fn ordinary_text(self) -> Option<([u8; ORDINARY_CHARS], usize)> {
        let (octets, mut text, mut length) = (self.octets().ok()?, [0; ORDINARY_CHARS], 0);
        let separators = [b".", b".", b".", b"/", b"" as &[u8]];
        for (number, separator) in octets.into_iter().chain([self.prefix()]).zip(separators) {
            let digits = [number / 100, number / 10 % 10, number % 10];
            let skipped = usize::from(number < 100) + usize::from(number < 10);
            let digits = digits.iter().skip(skipped).map(|digit| b'0' + digit);
            for byte in digits.chain(separator.iter().copied()) {
                *text.get_mut(length)? = byte;
                length += 1;
            }
        }
        Some((text, length))
    }

    /// An IPv4 CIDR that is known to be canonical.
    pub(super) const fn canonical_v4(address: Ipv4Addr, prefix: u8) -> Self {
        Self(IpNet::V4(Ipv4Net::new_assert(address, prefix)))
    }

    /// An IPv6 CIDR that is known to be canonical.
    pub(super) const fn canonical_v6(address: Ipv6Addr, prefix: u8) -> Self {
        Self(IpNet::V6(Ipv6Net::new_assert(address, prefix)))
    }

    /// The bytes of the network address: of an IPv4 one, or else of an IPv6 one.
    pub(super) const fn octets(self) -> Result<[u8; 4], [u8; 16]> {
        match self.0 {
            IpNet::V4(net) => Ok(net.addr().octets()),
            IpNet::V6(net) => Err(net.addr().octets()),
        }
    }

    /// The network `address/prefix` with its host bits cleared, or `None` if the prefix is longer than the address.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        IpNet::new(address, prefix).ok().map(|net| Self(net.trunc()))
    }

    /// The family.
    #[must_use]
    pub const fn family(self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::Ipv4,
            IpNet::V6(_) => Family::Ipv6,
        }
    }

    /// The network address.
    #[must_use]
    pub fn network(self) -> IpAddr {
        self.0.addr()
    }

    /// The prefix length, in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// The first address, as a number.
    #[must_use]
    pub fn first(self) -> u128 {
        number(self.0.network())
    }

    /// The last address, as a number.
    #[must_use]
    pub fn last(self) -> u128 {
        number(self.0.broadcast())
    }

    /// Whether every address of `other` is in this one. A CIDR covers itself.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether the two share an address; then one covers the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The network that is one bit wider, or `None` for `/0`.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        self.0.supernet().map(Self)
    }

    /// The enclosing network with this prefix length, or `None` if this one is already wider.
    #[must_use]
    pub fn widened(self, prefix: u8) -> Option<Self> {
        if prefix > self.prefix() {
            return None;
        }
        Self::new(self.network(), prefix)
    }

    /// The narrowest network that covers both, or `None` if they are of different families.
    #[must_use]
    pub fn joined(self, other: Self) -> Option<Self> {
        let unused = u128::BITS - u32::from(self.family().bits());
        let same = (self.first() ^ other.first()).leading_zeros().saturating_sub(unused);
        let prefix = u8::try_from(same).ok()?.min(self.prefix()).min(other.prefix());
        if self.family() == other.family() { self.widened(prefix) } else { None }
    }
}

/// Digits only, without a leading zero: `+8` and `08` are rejected.
fn prefix_length(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    (digits && !leading_zero).then(|| text.parse().ok())?
}

/// The number from 0 to 255 that the text begins with, without a leading zero, and the text after it.
fn small_number(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |at: usize| text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| u16::from(byte - b'0'));
    let first = digit(0)?;
    let (number, digits) = match (digit(1), digit(2)) {
        (None, _) => (first, 1),
        (Some(_), _) if first == 0 => return None,
        (Some(second), None) => (first * 10 + second, 2),
        (Some(second), Some(third)) => (first * 100 + second * 10 + third, 3),
    };
    Some((u8::try_from(number).ok()?, text.get(digits..)?))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

impl fmt::Display for Cidr {
    /// `198.51.100.7/32`, `2001:db8::/48`: always with the prefix, IPv6 in the short form of RFC 5952.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn an_address_without_a_prefix_is_a_host() {
        assert_eq!(cidr("198.51.100.7").to_string(), "198.51.100.7/32");
        assert_eq!(cidr("2001:db8::7").to_string(), "2001:db8::7/128");
    }

    #[test]
    fn every_spelling_of_an_ipv6_network_is_one_value() {
        assert_eq!(cidr("2001:0DB8:0:0::/48"), cidr("2001:db8::/48"));
        assert_eq!(Cidr::from_waf("2001:0db8:0000:0000:0000:0000:0000:0000/48"), Some(cidr("2001:db8::/48")));
    }

    #[test]
    fn what_waf_holds_is_read_even_where_nobody_may_ask_for_it() {
        assert_eq!(Cidr::from_waf("2001:db8::1/48"), Some(cidr("2001:db8::/48")));
        assert_eq!(Cidr::from_waf("0.0.0.0/0").map(Cidr::prefix), Some(0));
        assert_eq!(Cidr::from_waf("198.51.100.7"), Some(cidr("198.51.100.7/32")));
        assert_eq!(Cidr::from_waf("nonsense"), None);
        assert_eq!(Cidr::from_waf("198.51.100.7/33"), None);
    }

    #[test]
    fn each_mistake_has_its_own_message() {
        let message = |text: &str| Cidr::parse(text).unwrap_err().to_string();
        assert_eq!(message("54.123.456.78/32"), "not an IP address");
        assert_eq!(message("example.com"), "not an IP address");
        assert_eq!(message(""), "not an IP address");
        assert_eq!(message("010.0.0.1"), "not an IP address");
        for prefix in ["33", "-1", "+8", "08", "", "8 ", "8/8", "4294967304"] {
            assert_eq!(
                message(&format!("198.51.100.0/{prefix}")),
                "the prefix length must be a whole number from 1 to 32"
            );
        }
        assert_eq!(message("2001:db8::/129"), "the prefix length must be a whole number from 1 to 128");
        assert_eq!(message("0.0.0.0/0"), "/0 would let in everybody");
        assert_eq!(message("::/0"), "/0 would let in everybody");
        assert_eq!(
            message("10.0.0.5/24"),
            "host bits are set: write 10.0.0.0/24 for the network or 10.0.0.5/32 for the one address"
        );
        for mapped in ["::ffff:198.51.100.7", "::ffff:198.51.100.7/96"] {
            assert_eq!(message(mapped), "an IPv4-mapped IPv6 address: write it as IPv4");
        }
    }

    #[test]
    fn the_narrowest_network_around_two_covers_both_and_nothing_narrower_does() {
        let joined = |a: &str, b: &str| cidr(a).joined(cidr(b)).map(|joined| joined.to_string());
        assert_eq!(joined("198.51.100.0/25", "198.51.100.128/25").as_deref(), Some("198.51.100.0/24"));
        assert_eq!(joined("198.51.100.7", "198.51.100.0/24").as_deref(), Some("198.51.100.0/24"));
        assert_eq!(joined("198.51.100.7", "198.51.100.7").as_deref(), Some("198.51.100.7/32"));
        assert_eq!(joined("10.0.0.0/8", "192.0.2.1").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(joined("2001:db8::/33", "2001:db8:8000::1").as_deref(), Some("2001:db8::/32"));
        assert_eq!(joined("2001:db8::1", "2001:db8::1").as_deref(), Some("2001:db8::1/128"));
        assert_eq!(joined("198.51.100.7", "2001:db8::1"), None);
    }

    fn addresses() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
            any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits))),
            any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits).to_ipv6_mapped())),
        ]
    }

    /// Right or almost: a network as it is written, with a prefix of its own, with a part of it out of range, or with
    /// one character changed.
    pub(crate) fn nearly() -> impl Strategy<Value = String> {
        let network = || (addresses(), 0_u8..=128).prop_filter_map("no network", |(ip, prefix)| Cidr::new(ip, prefix));
        let octets = proptest::collection::vec(0_u16..300, 3..6);
        let dotted = octets.prop_map(|octets| octets.iter().map(u16::to_string).collect::<Vec<_>>().join("."));
        let changed = (network(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(cidr, place, char)| {
            let mut chars: Vec<char> = cidr.to_string().chars().collect();
            let place = place.index(chars.len());
            chars[place] = char;
            chars.into_iter().collect()
        });
        prop_oneof![
            network().prop_map(|cidr| cidr.to_string()),
            addresses().prop_map(|address| address.to_string()),
            (addresses(), 0_u8..140).prop_map(|(address, prefix)| format!("{address}/{prefix}")),
            (dotted, 0_u8..40).prop_map(|(address, prefix)| format!("{address}/{prefix}")),
            changed,
        ]
    }

    #[test]
    fn what_is_nearly_right_is_taken_often_and_refused_often() {
        let (mut runner, strategy) = (TestRunner::deterministic(), nearly());
        let mut texts = (0..1000).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        let taken = texts.by_ref().filter(|text| Cidr::parse(text).is_ok()).count();
        assert!((200..800).contains(&taken), "{taken} of 1,000");
    }

    proptest! {
        #[test]
        fn a_network_reads_back_as_itself_and_an_address_inside_it_does_not(
            address in addresses(), prefix in 1_u8..=128,
        ) {
            let Some(cidr) = Cidr::new(address, prefix) else { return Ok(()) };
            let ordinary = cidr.ordinary_text().map(|(text, length)| String::from_utf8(text[..length].to_vec()).unwrap());
            prop_assert_eq!(ordinary, (cidr.family() == Family::Ipv4).then(|| cidr.to_string()));
            let inside = format!("{address}/{prefix}");
            let mapped = matches!(cidr.network(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
            let read = Cidr::parse(&cidr.to_string());
            prop_assert_eq!(read, if mapped { Err(ParseError::Mapped) } else { Ok(cidr) });
            prop_assert_eq!(Cidr::from_waf(&inside), Some(cidr));
            prop_assert!(cidr.network() == address || Cidr::parse(&inside).is_err());
        }

        #[test]
        fn whatever_is_taken_is_a_network_without_host_bits(text in prop_oneof![any::<String>(), nearly()]) {
            if let Ok(cidr) = Cidr::parse(&text) {
                let host_bits = u32::from(cidr.family().bits() - cidr.prefix());
                prop_assert!(cidr.prefix() >= 1 && cidr.first().trailing_zeros() >= host_bits);
                prop_assert_eq!(cidr.last() - cidr.first(), 1_u128.checked_shl(host_bits).unwrap_or(0).wrapping_sub(1));
                prop_assert_eq!(Cidr::parse(&cidr.to_string()), Ok(cidr));
                prop_assert_eq!(Cidr::from_waf(&text), Some(cidr));
            } else if let Some(cidr) = Cidr::from_waf(&text) {
                prop_assert_eq!(Cidr::from_waf(&cidr.to_string()), Some(cidr));
            }
        }
    }

    proptest! {
        #[test]
        fn the_plain_spelling_is_read_as_the_other_readers_read_it(text in prop_oneof!["[0-9./]{0,20}", nearly()]) {
            if let Some(cidr) = Cidr::ordinary(text.as_bytes()) {
                prop_assert_eq!(Cidr::parse_any(&text), Ok(cidr));
                prop_assert_eq!(Cidr::from_waf_any(&text), Some(cidr));
            } else if let Ok(cidr) = Cidr::parse_any(&text) {
                prop_assert!(cidr.family() == Family::Ipv6, "{} is plain enough", text);
            }
        }
    }

    #[test]
    fn a_network_comes_directly_before_what_it_covers() {
        let mut cidrs =
            ["198.51.101.0/24", "198.51.100.7", "2001:db8::/48", "198.51.100.0/25", "198.51.100.0/24"].map(cidr);
        cidrs.sort_unstable();
        let order = cidrs.map(|c| c.to_string());
        assert_eq!(
            order,
            ["198.51.100.0/24", "198.51.100.0/25", "198.51.100.7/32", "198.51.101.0/24", "2001:db8::/48"]
        );
    }
}
