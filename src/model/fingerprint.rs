//! The fingerprint of an IP set's contents, which its description carries.

use std::fmt;

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

use crate::model::cidr::Cidr;
use crate::text::hex;

/// The mark of an IP set of ours: what its description says about its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The fingerprint at the last write; `None` if the rest of the description is not one.
    pub fingerprint: Option<Fingerprint>,
}

/// The fingerprint of a set of CIDRs: the sum modulo 2^256 of the SHA-256 of each CIDR's text, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    sum: [u8; 32],
    entries: u64,
}

impl Fingerprint {
    /// The fingerprint of these CIDRs, in any order.
    pub fn of(cidrs: impl IntoIterator<Item = Cidr>) -> Self {
        let mut fingerprint = Self::default();
        for cidr in cidrs {
            fingerprint.add(cidr);
        }
        fingerprint
    }

    /// Parses `sum:<64 hexadecimal digits> entries:<count>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sum, entries) = text.strip_prefix("sum:")?.split_once(" entries:")?;
        if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(sum.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self { sum: bytes, entries: entries.parse().ok()? })
    }

    fn add(&mut self, cidr: Cidr) {
        let hash = match cidr.ordinary_text() {
            Some((text, length)) => sha256(text.get(..length).unwrap_or_default()),
            None => sha256(cidr.to_string().as_bytes()),
        };
        let mut carry = false;
        let (sum, terms) = (self.sum.as_chunks_mut::<8>().0, hash.as_chunks::<8>().0);
        for (part, term) in sum.iter_mut().zip(terms).rev() {
            let (next, over) = u64::from_be_bytes(*part).overflowing_add(u64::from_be_bytes(*term));
            let (next, carried) = next.overflowing_add(u64::from(carry));
            *part = next.to_be_bytes();
            carry = over || carried;
        }
        self.entries += 1;
    }
}

/// The SHA-256 of a text. A CIDR fits into one block, which takes half as long without the library's buffers around it.
fn sha256(text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    // Behind the text: the mark of its end, and its length in bits as a number of eight bytes.
    let [place @ .., _, _, _, _, _, _, high, low] = &mut block;
    let Some((place, [end, ..])) = place.split_at_mut_checked(text.len()) else { return Sha256::digest(text).into() };
    place.copy_from_slice(text);
    *end = 0x80;
    [*high, *low] = u16::try_from(8 * text.len()).unwrap_or_default().to_be_bytes();
    // The fractions of the square roots of the first eight primes.
    let mut state =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    compress256(&mut state, &[block]);
    let mut hash = [0; 32];
    for (part, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *part = word.to_be_bytes();
    }
    hash
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sum:{} entries:{}", hex(&self.sum), self.entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cidrs(list: &[&str]) -> Vec<Cidr> {
        list.iter().map(|text| Cidr::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_fingerprint_is_the_sum_of_the_hashes_in_any_order() {
        // `printf 198.51.100.7/32 | sha256sum`, and the same for .9/32, added by hand modulo 2^256.
        let one = Fingerprint::of(cidrs(&["198.51.100.7"]));
        let hash = hex(&Sha256::digest(b"198.51.100.7/32"));
        assert_eq!(one.to_string(), format!("sum:{hash} entries:1"));
        let two = Fingerprint::of(cidrs(&["198.51.100.7", "198.51.100.9"]));
        assert_eq!(two, Fingerprint::of(cidrs(&["198.51.100.9", "198.51.100.7"])));
        assert_ne!(two.sum, one.sum);
    }

    proptest! {
        #[test]
        fn the_hash_of_one_block_is_that_of_the_library(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let expected: [u8; 32] = Sha256::digest(&text).into();
            prop_assert_eq!(sha256(&text), expected);
        }
    }

    #[test]
    fn the_sum_wraps_around() {
        let mut fingerprint = Fingerprint { sum: [0xff; 32], entries: 0 };
        fingerprint.add(cidrs(&["198.51.100.7"])[0]);
        let mut expected = Fingerprint::of(cidrs(&["198.51.100.7"])).sum;
        let last = expected.iter().rposition(|byte| *byte != 0).unwrap();
        expected[last] -= 1;
        expected[last + 1..].fill(0xff);
        assert_eq!(fingerprint.sum, expected);
    }

    #[test]
    fn a_fingerprint_survives_its_text() {
        let fingerprint = Fingerprint::of(cidrs(&["198.51.100.7", "2001:db8::/48"]));
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        for text in ["", "sum:00 entries:1", "sum:", &format!("sum:{} entries:", "0".repeat(64))] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
        assert_eq!(Fingerprint::parse(&format!("sum:{} entries:1", "+0".repeat(32))), None);
    }
}
