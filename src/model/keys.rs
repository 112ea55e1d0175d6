//! The keys of a table's items, compressed: a run keeps a million of them and shows a handful.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The approximate size of a block: large enough to compress well, small enough to look up one key.
const BLOCK_BYTES: usize = 64 * 1024;

/// Zstandard's fastest level that still entropy-codes literals.
const LEVEL: i32 = 1;

/// A list of keys in the order of their arrival. Clones share what is compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    blocks: Vec<Block>,
    /// The newest block, not compressed yet.
    open: Vec<u8>,
    /// The number of its first key.
    first_open: u32,
    len: u32,
    compressor: Compressor,
}

/// A compressor, kept from block to block: a new one costs as much as a block. Not part of the value.
#[derive(Default)]
struct Compressor(Option<zstd::bulk::Compressor<'static>>);

/// A compressed block of consecutive keys. Each key follows its length: seven bits per byte, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// The number of its first key.
    first: u32,
    /// Its size in bytes when decompressed.
    bytes: usize,
    compressed: Arc<[u8]>,
}

impl Keys {
    /// Adds a key and returns its number.
    pub(super) fn push(&mut self, key: &str) -> u32 {
        self.push_parts("", key)
    }

    fn push_parts(&mut self, first: &str, rest: &str) -> u32 {
        let mut length = first.len() + rest.len();
        while length >= 0x80 {
            self.open.push(0x80 | low_bits(length));
            length >>= 7;
        }
        self.open.push(low_bits(length));
        self.open.extend_from_slice(first.as_bytes());
        self.open.extend_from_slice(rest.as_bytes());
        let number = self.len;
        self.len = self.len.saturating_add(1);
        if self.open.len() >= BLOCK_BYTES {
            self.close();
        }
        number
    }

    /// Gives back the memory that the next keys would need.
    pub(super) fn finish(&mut self) {
        if !self.open.is_empty() {
            self.close();
        }
        self.open.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.compressor = Compressor::default();
    }

    /// The number of keys.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    fn close(&mut self) {
        // Compression fails only without memory; then the keys stay uncompressed.
        if let Ok(compressed) = self.compressor.compress(&self.open) {
            let (first, bytes) = (self.first_open, self.open.len());
            self.blocks.push(Block { first, bytes, compressed: compressed.into() });
            self.open.clear();
            self.first_open = self.len;
        }
    }

    /// Calls `found` with the key of each of these numbers, which must be in order. Each block is decompressed at most once.
    pub(super) fn visit(&self, numbers: impl IntoIterator<Item = u32>, mut found: impl FnMut(u32, &str)) {
        let mut numbers = numbers.into_iter().filter(|number| *number < self.len).peekable();
        while let Some(number) = numbers.peek().copied() {
            let at = self.blocks.partition_point(|block| block.first <= number);
            let end = self.blocks.get(at).map_or(self.first_open, |next| next.first);
            let (first, end, bytes) = match at.checked_sub(1).and_then(|at| self.blocks.get(at)) {
                Some(block) if number < self.first_open => (block.first, end, Cow::Owned(block.read())),
                _ => (self.first_open, self.len, Cow::Borrowed(self.open.as_slice())),
            };
            let mut each = (first..).zip(Each(&bytes));
            let mut last: Option<(u32, &str)> = None;
            while let Some(number) = numbers.next_if(|number| *number < end) {
                // A number may be repeated.
                if last.is_none_or(|(at, _)| at != number) {
                    last = each.find(|(at, _)| *at == number);
                }
                if let Some((_, key)) = last {
                    found(number, key);
                }
            }
        }
    }

    /// The numbers of all keys equal to this one, in order.
    pub(super) fn find(&self, wanted: &str) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut look = |first: u32, bytes: &[u8]| {
            numbers.extend((first..).zip(Each(bytes)).filter(|(_, key)| *key == wanted).map(|(number, _)| number));
        };
        for block in &self.blocks {
            look(block.first, &block.read());
        }
        look(self.first_open, &self.open);
        numbers
    }
}

impl Compressor {
    fn compress(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let compressor = match self.0.take() {
            Some(compressor) => compressor,
            None => zstd::bulk::Compressor::new(LEVEL)?,
        };
        self.0.insert(compressor).compress(bytes)
    }
}

impl Clone for Compressor {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Compressor {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compressor {}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}

/// Keys of items, or none, one for each CIDR of a list: compressed, to be walked in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyList(Keys);

impl KeyList {
    /// Appends a key.
    pub fn push(&mut self, key: Option<&str>) {
        // A key may be empty, so what is there has a mark in front.
        match key {
            Some(key) => self.0.push_parts("+", key),
            None => self.0.push_parts("", ""),
        };
    }

    /// Gives back the memory that the next ones would need.
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<String>> {
        let blocks = self.0.blocks.iter().map(|block| Cow::Owned(block.read()));
        let open = std::iter::once(Cow::Borrowed(self.0.open.as_slice()));
        blocks.chain(open).flat_map(|bytes| {
            let keys: Vec<Option<String>> =
                Each(&bytes).map(|key| key.strip_prefix('+').map(ToOwned::to_owned)).collect();
            keys
        })
    }

    /// Leaves the first so many.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            *self = self.iter().take(len).collect();
        }
    }
}

impl FromIterator<Option<String>> for KeyList {
    fn from_iter<T: IntoIterator<Item = Option<String>>>(keys: T) -> Self {
        let mut list = Self::default();
        for key in keys {
            list.push(key.as_deref());
        }
        list.finish();
        list
    }
}

impl Serialize for KeyList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
const fn low_bits(number: usize) -> u8 {
    (number & 0x7f) as u8
}

impl Block {
    fn read(&self) -> Vec<u8> {
        zstd::bulk::decompress(&self.compressed, self.bytes).unwrap_or_default()
    }
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
        for step in [1, 3, 7_919] {
            let numbers = (0..20_000).step_by(step).flat_map(|number| [number; 2]);
            let mut found = Vec::new();
            keys.visit(numbers.clone().chain([20_000, u32::MAX]), |number, key| found.push((number, key.to_owned())));
            assert_eq!(found, numbers.map(|number| (number, key(number))).collect::<Vec<_>>());
        }
        assert_eq!(keys.find(&key(7)), [7]);
        assert_eq!(keys.find(&key(19_999)), [19_999]);
        assert_eq!(keys.find("").len(), 20);
        assert_eq!(keys.find("cluster"), [] as [u32; 0]);
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
        fn a_list_of_keys_has_each_in_its_place(
            keys in prop::collection::vec(any::<Option<String>>(), 0..20), len in 0_usize..20,
        ) {
            let mut list: KeyList = keys.iter().cloned().collect();
            prop_assert_eq!((list.len(), list.is_empty()), (keys.len(), keys.is_empty()));
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), keys.clone());
            prop_assert_eq!(serde_json::to_value(&list).unwrap(), serde_json::to_value(&keys).unwrap());
            list.truncate(len);
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), keys.into_iter().take(len).collect::<Vec<_>>());
        }

        #[test]
        fn any_keys_read_back(texts in prop::collection::vec(any::<String>(), 0..20)) {
            let mut keys = Keys::default();
            for text in &texts {
                keys.push(text);
            }
            keys.close();
            keys.push("");
            let mut found = Vec::new();
            keys.visit(0..=u32::try_from(texts.len()).unwrap(), |_, key| found.push(key.to_owned()));
            prop_assert_eq!(found.pop(), Some(String::new()));
            prop_assert_eq!(found, texts);
        }
    }
}
