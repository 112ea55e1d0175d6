//! Recognizes items that an earlier scan of the same run has read, by a digest of their JSON, so that they need not be read
//! again: between two scans, few items change.

use std::collections::HashMap;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use crate::model::item::part::{Mark, Part};
use crate::model::item::{ItemRules, TableView};

/// The least bytes of a stretch, unless a page ends: fewer would take more memory than they save.
const LEAST_BYTES: usize = 32 * 1024;

/// The most bytes of a stretch, and one item: more would have to be read again for one change.
const MOST_BYTES: usize = 256 * 1024;

/// One in so many items can end a stretch.
const ENDS: u64 = 64;

/// The bytes that decide whether an item ends a stretch: the last ones, with the end of a key or an address in them.
const DECIDING: usize = 32;

type Digest = [u8; 32];

/// What the scans of a run have read, by digests.
///
/// A stretch is as many items of a page as follow one another up to one whose last bytes say so. As these decide, and not a
/// number of items, stretches begin and end at the same items again after a place where an item came or went, which shifts the
/// borders of all pages that follow.
#[derive(Debug, Default)]
pub struct Known {
    earlier: HashMap<Digest, Part>,
    newest: HashMap<Digest, Part>,
}

impl Known {
    /// Makes ready for a further scan.
    pub(super) fn begin(&mut self) {
        self.earlier = std::mem::take(&mut self.newest);
    }
}

/// The walk through a page, which notes every stretch that it reads.
#[derive(Debug)]
pub(super) struct Walk<'k, 'j> {
    known: Option<&'k mut Known>,
    stretch: Option<Stretch<'j>>,
}

/// A stretch that is being read.
#[derive(Debug)]
struct Stretch<'j> {
    mark: Mark,
    /// From its first item on.
    json: &'j [u8],
    /// A likely end, and the digest up to there.
    likely: Option<(usize, Digest)>,
}

impl<'k, 'j> Walk<'k, 'j> {
    /// A walk that notes nothing if nothing shall be known.
    pub(super) const fn new(known: Option<&'k mut Known>) -> Self {
        Self { known, stretch: None }
    }

    /// Takes over the stretch that `json` begins with, if it is known. Returns the number of its items, and what follows it.
    pub(super) fn take_over(
        &mut self,
        json: &'j [u8],
        rules: &ItemRules,
        view: &mut TableView,
    ) -> Option<(u64, &'j [u8])> {
        let known = self.known.as_mut().filter(|_| self.stretch.is_none())?;
        let mut likely = None;
        if !known.earlier.is_empty() {
            let (stretch, rest) = json.split_at(likely_end(json));
            let digest = Sha256::digest(stretch).into();
            if let Some(part) = known.earlier.get(&digest)
                && view.take_over(part, rules)
            {
                let items = part.items();
                known.newest.insert(digest, part.clone());
                return Some((items, rest));
            }
            likely = Some((stretch.len(), digest));
        }
        self.stretch = Some(Stretch { mark: view.mark(), json, likely });
        None
    }

    /// Notes that an item was read, which `rest` follows.
    pub(super) fn has_read(&mut self, rest: &[u8], rules: &ItemRules, view: &TableView) {
        let read = self.stretch.as_ref().and_then(|stretch| stretch.json.len().checked_sub(rest.len()));
        let read = self.stretch.as_ref().zip(read).and_then(|(stretch, read)| stretch.json.get(..read));
        if read.is_some_and(is_end) {
            self.end(rest, rules, view);
        }
    }

    /// Notes that the items end, which `rest` follows.
    pub(super) fn end(&mut self, rest: &[u8], rules: &ItemRules, view: &TableView) {
        let Some(Stretch { mark, json, likely }) = self.stretch.take() else { return };
        let (Some(known), Some(length)) = (&mut self.known, json.len().checked_sub(rest.len())) else { return };
        let digest = likely.filter(|(end, _)| *end == length).map(|(_, digest)| digest);
        if let (Some(part), Some(json)) = (view.part_since(&mark, rules), json.get(..length)) {
            known.newest.insert(digest.unwrap_or_else(|| Sha256::digest(json).into()), part);
        }
    }
}

/// Whether a stretch ends with the item that these bytes end with.
fn is_end(stretch: &[u8]) -> bool {
    stretch.len() >= MOST_BYTES || (stretch.len() >= LEAST_BYTES && stretch.last_chunk().is_some_and(decides))
}

/// Whether an item that ends with these bytes ends a stretch.
fn decides(last: &[u8; DECIDING]) -> bool {
    let words = last.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    let mixed = words.fold(0_u64, |mixed, word| (mixed.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (mixed >> 32).is_multiple_of(ENDS)
}

/// Where the stretch that `json` begins with ends, if no text in it looks like the border of two items: with a border, or
/// with the page.
fn likely_end(json: &[u8]) -> usize {
    let from = LEAST_BYTES - "}}".len();
    let borders = memmem::find_iter(json.get(from..).unwrap_or_default(), b"}},{");
    let mut ends = borders.map(|border| from + border + "}}".len());
    let end = ends.find(|end| json.get(..*end).is_some_and(is_end));
    end.unwrap_or_else(|| json.strip_suffix(b"]").unwrap_or(json).len())
}

#[cfg(test)]
mod tests;
