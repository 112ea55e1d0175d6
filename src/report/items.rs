//! Additions by the item that asks for them, and the status of all CIDRs of chosen items.

use std::collections::BTreeMap;

use super::context::Context;
use super::document::{Document, Names};
use super::style::Tone;
use crate::model::cidr::Cidr;
use crate::model::item::Rejection;
use crate::run::record::Command;
use crate::text;

/// The additions of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByItem {
    /// The key of the item; `None` if only `--always` asks for these.
    pub(super) key: Option<String>,
    /// Its CIDRs that are added, sorted.
    pub(super) cidrs: Vec<Cidr>,
}

/// The CIDRs that are added, by item, sorted by key. A CIDR that several items ask for counts for the first.
pub(super) fn by_item(document: &Document) -> Vec<ByItem> {
    let mut items: BTreeMap<Option<String>, Vec<Cidr>> = BTreeMap::new();
    for change in &document.changes {
        let Names::Cidrs(cidrs) = &change.add else { continue };
        for (cidr, key) in cidrs.iter().zip(change.wanted_by.iter()) {
            items.entry(key).or_default().push(cidr);
        }
    }
    let sorted = |(key, mut cidrs): (_, Vec<Cidr>)| {
        cidrs.sort_unstable();
        ByItem { key, cidrs }
    };
    items.into_iter().map(sorted).collect()
}

/// `plan --item`: what one item gets.
#[derive(Clone, Debug)]
pub(super) struct Gets<'a> {
    /// Its key.
    pub(super) key: &'a str,
    /// Each CIDR that it asks for, and what becomes of it.
    pub(super) cidrs: Vec<(Cidr, Fate)>,
    /// What in it cannot be used.
    pub(super) rejections: Vec<&'a Rejection>,
}

impl Gets<'_> {
    /// Whether there is nothing to tell: no such item, or one that asks for nothing.
    pub(super) const fn is_nothing(&self) -> bool {
        self.cidrs.is_empty() && self.rejections.is_empty()
    }
}

/// What becomes of a CIDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// The sign in front of it.
    pub(super) sign: &'static str,
    /// Its color.
    pub(super) tone: Tone,
    /// The same in words.
    pub(super) words: String,
}

/// What each of the items of the context gets.
pub(super) fn gets<'a>(document: &'a Document, context: Context<'a>) -> Vec<Gets<'a>> {
    let of = |key: &'a String| {
        let cidrs = context.desired.map(|desired| desired.of_item(key)).unwrap_or_default();
        let rejections = document.table.rejections.iter().filter(|rejection| *rejection.key == **key);
        Gets {
            key,
            cidrs: cidrs.into_iter().map(|cidr| (cidr, fate(document, context.command, cidr))).collect(),
            rejections: rejections.collect(),
        }
    };
    context.items.iter().map(of).collect()
}

/// What becomes of a CIDR that an item asks for.
fn fate(document: &Document, command: Command, cidr: Cidr) -> Fate {
    let of = |sign, tone, words: String| Fate { sign, tone, words };
    let meets = |cidrs: &[Cidr]| cidrs.iter().any(|other| other.overlaps(cidr));
    let adds = |names: &Names| match names {
        Names::Cidrs(cidrs) => cidrs.iter().any(|other| other.overlaps(cidr)),
        Names::IpSets(_) => false,
    };
    if meets(&document.waiting) {
        return of("!", Tone::Warning, "held: needs approval".to_owned());
    }
    if meets(&document.unplaced) {
        return of("!", Tone::Warning, "no room until others go".to_owned());
    }
    match document.changes.iter().find(|change| adds(&change.add)) {
        Some(change) => {
            let target = text::line(&change.target);
            match (command, change.written) {
                (Command::Plan, _) => of("+", Tone::Good, format!("to add to {target}")),
                (Command::Apply, true) => of("+", Tone::Good, format!("added to {target}")),
                (Command::Apply, false) => of("!", Tone::Bad, format!("NOT WRITTEN to {target}")),
            }
        }
        None => of(" ", Tone::Plain, "in WAF".to_owned()),
    }
}
