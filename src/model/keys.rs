//! The keys of a table's items, compressed: a million are kept through a run, and a handful of them are shown.

use std::cell::RefCell;

/// Bytes of keys in a block, about: enough for what keys have in common to be found, and few enough to look one up.
const BLOCK_BYTES: usize = 64 * 1024;

/// Zstandard's fastest level that still codes what does not repeat in fewer bits.
const LEVEL: i32 = 1;

/// Keys by the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    blocks: Vec<Block>,
    /// The newest keys, not compressed yet.
    open: Vec<u8>,
    /// The number of the first of them.
    first_open: u32,
    len: u32,
}

/// Consecutive keys. Inside, each key has its length in front: seven bits a byte, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// The number of its first key.
    first: u32,
    /// Bytes once it is decompressed.
    bytes: usize,
    compressed: Box<[u8]>,
}

impl Keys {
    /// Takes one more, and says its number.
    pub(super) fn push(&mut self, key: &str) -> u32 {
        let mut length = key.len();
        while length >= 0x80 {
            self.open.push(0x80 | low_bits(length));
            length >>= 7;
        }
        self.open.push(low_bits(length));
        self.open.extend_from_slice(key.as_bytes());
        let number = self.len;
        self.len = self.len.saturating_add(1);
        if self.open.len() >= BLOCK_BYTES {
            self.close();
        }
        number
    }

    fn close(&mut self) {
        // It fails only for want of memory; then the keys stay as they are.
        if let Ok(compressed) = zstd::bulk::compress(&self.open, LEVEL) {
            let (first, bytes) = (self.first_open, self.open.len());
            self.blocks.push(Block { first, bytes, compressed: compressed.into() });
            self.open.clear();
            self.first_open = self.len;
        }
    }

    /// Looks keys up.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { keys: self, last: RefCell::default() }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
const fn low_bits(number: usize) -> u8 {
    (number & 0x7f) as u8
}

/// Looks keys up, and remembers the last block that it took them from: those that follow each other cost little.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    keys: &'a Keys,
    last: RefCell<Option<(usize, Vec<String>)>>,
}

impl Reader<'_> {
    /// The key of this number; empty if there is none.
    pub(super) fn get(&self, number: u32) -> String {
        let keys = self.keys;
        if number >= keys.first_open {
            return nth(&keys.open, number - keys.first_open);
        }
        let at = keys.blocks.partition_point(|block| block.first <= number).saturating_sub(1);
        let Some(block) = keys.blocks.get(at) else { return String::new() };
        let mut last = self.last.borrow_mut();
        let found = match &mut *last {
            Some((known, found)) if *known == at => found,
            _ => &mut last.insert((at, block.read())).1,
        };
        let nth = usize::try_from(number - block.first).unwrap_or(usize::MAX);
        found.get(nth).cloned().unwrap_or_default()
    }
}

impl Block {
    fn read(&self) -> Vec<String> {
        let bytes = zstd::bulk::decompress(&self.compressed, self.bytes).unwrap_or_default();
        Each(&bytes).map(ToOwned::to_owned).collect()
    }
}

fn nth(block: &[u8], number: u32) -> String {
    Each(block).nth(usize::try_from(number).unwrap_or(usize::MAX)).unwrap_or_default().to_owned()
}

/// The keys of a block.
struct Each<'a>(&'a [u8]);

impl<'a> Iterator for Each<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (mut length, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            length |= usize::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let (key, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(key).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_over_several_blocks_read_back_in_any_order() {
        let key = |number: u32| match number % 1000 {
            0 => String::new(),
            1 => "x".repeat(BLOCK_BYTES + 1),
            _ => format!("cluster-{:08x}-ü", number.wrapping_mul(0x9e37_79b9)),
        };
        let mut keys = Keys::default();
        for number in 0..20_000 {
            assert_eq!(keys.push(&key(number)), number);
        }
        assert!(keys.blocks.len() > 10 && keys.first_open < 20_000, "{} blocks", keys.blocks.len());
        let reader = keys.reader();
        for step in [1, 7_919] {
            for at in 0..20_000 {
                let number = at * step % 20_000;
                assert_eq!(reader.get(number), key(number), "{number}");
            }
        }
        assert_eq!(reader.get(20_000), "");
        assert_eq!(reader.get(u32::MAX), "");
    }

    #[test]
    fn what_keys_have_in_common_takes_next_to_nothing() {
        let mut keys = Keys::default();
        for number in 0..100_000 {
            keys.push(&format!("eu-central-1/production/nat-gateways/cluster-{number:07}-egress-{:02}", number % 7));
        }
        let compressed: usize = keys.blocks.iter().map(|block| block.compressed.len()).sum();
        assert!(compressed < 100_000 * 12, "{compressed} bytes");
    }

    proptest! {
        #[test]
        fn any_keys_read_back(texts in prop::collection::vec(any::<String>(), 0..20)) {
            let mut keys = Keys::default();
            for text in &texts {
                keys.push(text);
            }
            keys.close();
            keys.push("");
            for (number, text) in (0..).zip(&texts) {
                prop_assert_eq!(&keys.reader().get(number), text);
            }
        }
    }
}
