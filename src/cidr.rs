//! CIDRs in canonical form, and nothing about who wants them.
//!
//! A [`Cidr`] cannot hold host bits: text is parsed once, at the boundary, and compared by value ever after,
//! so that no spelling of an IPv6 address can cause a write.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

/// An address family; an IP set of WAF holds exactly one.
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

    /// Bits of an address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
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

    /// The value of one family, to be changed.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
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

    /// Whether the two have an address in common; then one covers the other.
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
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

impl From<Ipv4Net> for Cidr {
    fn from(net: Ipv4Net) -> Self {
        Self(IpNet::V4(net.trunc()))
    }
}

impl From<Ipv6Net> for Cidr {
    fn from(net: Ipv6Net) -> Self {
        Self(IpNet::V6(net.trunc()))
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
