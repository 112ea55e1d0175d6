//! What comes, by the item that asks for it.

use std::collections::BTreeMap;

use super::document::{Document, Names};
use crate::model::cidr::Cidr;

/// What one item brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByItem<'a> {
    /// The key of the item; `None`: only `--always` asks for these.
    pub(super) key: Option<&'a str>,
    /// Its CIDRs that are added: sorted.
    pub(super) cidrs: Vec<Cidr>,
}

/// The CIDRs that are added, by item and sorted by key. A CIDR that several items ask for counts with the first.
pub(super) fn by_item(document: &Document) -> Vec<ByItem<'_>> {
    let mut items: BTreeMap<Option<&str>, Vec<Cidr>> = BTreeMap::new();
    for change in &document.changes {
        let Names::Cidrs(cidrs) = &change.add else { continue };
        for (cidr, key) in cidrs.iter().zip(&change.wanted_by) {
            items.entry(key.as_deref()).or_default().push(*cidr);
        }
    }
    let sorted = |(key, mut cidrs): (_, Vec<Cidr>)| {
        cidrs.sort_unstable();
        ByItem { key, cidrs }
    };
    items.into_iter().map(sorted).collect()
}
