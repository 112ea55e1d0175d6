//! The sum in the description of an IP set, computed without the program's code.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The sum modulo 2^256 of the SHA-256 of each CIDR's text, in hexadecimal.
pub(crate) fn sum_of<'a>(cidrs: impl IntoIterator<Item = &'a String>) -> String {
    let mut sum = [0_u8; 32];
    for cidr in cidrs {
        let mut carry = 0;
        for (byte, more) in sum.iter_mut().zip(Sha256::digest(cidr.as_bytes())).rev() {
            let both = u16::from(*byte) + u16::from(more) + carry;
            *byte = both.to_le_bytes()[0];
            carry = both >> 8;
        }
    }
    let mut text = String::new();
    for byte in sum {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The sum in a description, if it has one.
pub(crate) fn sum_in(description: &str) -> Option<&str> {
    let sum = description.split(' ').find_map(|word| word.strip_prefix("sum:"))?;
    (sum.len() == 64).then_some(sum)
}

#[test]
fn the_sum_of_hashes_wraps_around() {
    let cidrs = ["192.0.2.1/32".to_owned(), "192.0.2.2/32".to_owned()];
    let once = sum_of(&cidrs[..1]);
    assert!(once.starts_with(&format!("{:02x}", Sha256::digest("192.0.2.1/32")[0])));
    assert_ne!(sum_of(&cidrs), once);
    assert_eq!(sum_of(&[]), "0".repeat(64));
    assert_eq!(sum_in("wafsync wafsync sum"), None);
    assert_eq!(sum_in(&format!("wafsync wafsync sum:{once} entries:1")), Some(once.as_str()));
}
