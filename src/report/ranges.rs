//! Summarizes many CIDRs as a few ranges of addresses.

use std::cmp::Reverse;
use std::fmt;

use crate::model::cidr::{Cidr, Family};
use crate::text::number::grouped;

/// A range of addresses that holds CIDRs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    extent: Extent,
    /// The number of CIDRs in it.
    pub(super) cidrs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Every address from the first CIDR through the last.
    From(Cidr, Cidr),
    /// Some addresses of a network: its only CIDR or the first, and the network.
    Within(Cidr, Cidr),
}

/// Prefix lengths of the networks for counting scattered CIDRs, narrowest first.
const fn blocks(family: Family) -> [u8; 3] {
    match family {
        Family::Ipv4 => [24, 16, 8],
        Family::Ipv6 => [48, 32, 16],
    }
}

/// The ranges that cover exactly `cidrs`, which are sorted, if there are at most `most`; otherwise the narrowest networks
/// that contain them and are at most `most`. If even the widest networks of a family are more, whatever is fewest.
pub(super) fn ranges(cidrs: impl IntoIterator<Item = Cidr>, most: usize) -> Vec<Range> {
    let (ipv4, ipv6): (Vec<Cidr>, Vec<Cidr>) = cidrs.into_iter().partition(|cidr| cidr.family() == Family::Ipv4);
    let mut ranges = of_family(&ipv4, Family::Ipv4, most);
    ranges.extend(of_family(&ipv6, Family::Ipv6, most));
    ranges
}

/// The `most` largest of these ranges, in their order, and the number of CIDRs in the others.
pub(super) fn largest(mut ranges: Vec<Range>, most: usize) -> (Vec<Range>, usize) {
    let mut sizes: Vec<(Reverse<usize>, usize)> =
        ranges.iter().enumerate().map(|(place, range)| (Reverse(range.cidrs), place)).collect();
    sizes.sort_unstable();
    let mut left: Vec<usize> = sizes.iter().skip(most).map(|(_, place)| *place).collect();
    left.sort_unstable_by_key(|place| Reverse(*place));
    let left = left.into_iter().map(|place| ranges.remove(place).cidrs).sum();
    (ranges, left)
}

/// The ranges as text, such as `203.0.113.5–203.0.113.19` or `12 in 198.51.100.0/24`.
#[must_use]
pub fn ranges_in_words(cidrs: impl IntoIterator<Item = Cidr>, most: usize) -> Vec<String> {
    ranges(cidrs, most).iter().map(ToString::to_string).collect()
}

fn of_family(cidrs: &[Cidr], family: Family, most: usize) -> Vec<Range> {
    let mut fewest = adjacent(cidrs);
    for prefix in blocks(family) {
        if fewest.len() <= most {
            break;
        }
        let networks = within(cidrs, prefix);
        if networks.len() < fewest.len() {
            fewest = networks;
        }
    }
    fewest
}

fn adjacent(cidrs: &[Cidr]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for cidr in cidrs {
        match ranges.last_mut() {
            Some(Range { extent: Extent::From(_, last), cidrs })
                if last.last().checked_add(1) == Some(cidr.first()) && last.family() == cidr.family() =>
            {
                *last = *cidr;
                *cidrs += 1;
            }
            _ => ranges.push(Range { extent: Extent::From(*cidr, *cidr), cidrs: 1 }),
        }
    }
    ranges
}

fn within(cidrs: &[Cidr], prefix: u8) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for cidr in cidrs {
        let network = cidr.widened(prefix).unwrap_or(*cidr);
        match ranges.last_mut() {
            Some(Range { extent: Extent::Within(_, last), cidrs }) if *last == network => *cidrs += 1,
            _ => ranges.push(Range { extent: Extent::Within(*cidr, network), cidrs: 1 }),
        }
    }
    ranges
}

impl fmt::Display for Range {
    /// `198.51.100.7/32`, `203.0.113.5–203.0.113.19`, `2001:db8::/48–2001:db8:9::/48` or `12 in 198.51.100.0/24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extent {
            Extent::From(first, last) if first == last => first.fmt(f),
            Extent::From(first, last) if is_host(first) && is_host(last) => {
                write!(f, "{}–{}", first.network(), last.network())
            }
            Extent::From(first, last) => write!(f, "{first}–{last}"),
            Extent::Within(only, _) if self.cidrs == 1 => only.fmt(f),
            Extent::Within(_, network) => write!(f, "{} in {network}", grouped(self.cidrs)),
        }
    }
}

fn is_host(cidr: Cidr) -> bool {
    cidr.prefix() == cidr.family().bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cidrs: &[&str], most: usize, told: &[&str]) {
        let mut cidrs: Vec<Cidr> = cidrs.iter().map(|text| Cidr::parse(text).unwrap()).collect();
        cidrs.sort_unstable();
        let ranges = ranges(cidrs.iter().copied(), most);
        assert_eq!(ranges.iter().map(|range| range.cidrs).sum::<usize>(), cidrs.len());
        assert_eq!(ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
    }

    #[test]
    fn neighbors_are_one_range() {
        check(&["203.0.113.5", "203.0.113.6", "203.0.113.7"], 1, &["203.0.113.5–203.0.113.7"]);
        check(&["203.0.113.0/25", "203.0.113.128"], 1, &["203.0.113.0/25–203.0.113.128/32"]);
        check(&["203.0.113.5", "203.0.113.7"], 2, &["203.0.113.5/32", "203.0.113.7/32"]);
        check(&[], 1, &[]);
    }

    #[test]
    fn families_never_share_a_range() {
        let last_and_first = ["255.255.255.255", "2001:db8::/48", "2001:db8:1::/48"];
        check(&last_and_first, 1, &["255.255.255.255/32", "2001:db8::/48–2001:db8:1::/48"]);
    }

    #[test]
    fn scattered_addresses_are_counted_in_the_narrowest_networks_that_are_few_enough() {
        let scattered = ["198.51.100.1", "198.51.100.3", "198.51.7.1", "203.0.113.1", "203.0.113.3"];
        check(&scattered, 3, &["198.51.7.1/32", "2 in 198.51.100.0/24", "2 in 203.0.113.0/24"]);
        check(&scattered, 2, &["3 in 198.51.0.0/16", "2 in 203.0.0.0/16"]);
        // Wider networks would be no fewer.
        check(&scattered, 1, &["3 in 198.51.0.0/16", "2 in 203.0.0.0/16"]);
        check(&["192.0.2.66", "198.51.100.7", "198.51.100.8"], 1, &["192.0.2.66/32", "198.51.100.7–198.51.100.8"]);
    }

    #[test]
    fn what_is_left_out_are_the_smallest_ranges() {
        let cidrs = ["192.0.2.66", "198.51.100.7", "198.51.100.8", "203.0.113.1", "203.0.113.2", "203.0.113.3"];
        let cidrs = cidrs.map(|text| Cidr::parse(text).unwrap());
        let kept = |most| {
            let (kept, left) = largest(ranges(cidrs, 3), most);
            (kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), left)
        };
        assert_eq!(kept(2), ("198.51.100.7–198.51.100.8 203.0.113.1–203.0.113.3".to_owned(), 1));
        assert_eq!(kept(1), ("203.0.113.1–203.0.113.3".to_owned(), 3));
        assert_eq!((kept(3).1, kept(0)), (0, (String::new(), 6)));
    }

    #[test]
    fn a_network_wider_than_the_blocks_keeps_its_own_width() {
        check(&["10.0.0.0/7", "198.51.100.1", "198.51.100.3"], 2, &["10.0.0.0/7", "2 in 198.51.100.0/24"]);
    }
}
