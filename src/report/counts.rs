//! The numbers of a run by family: the same columns in every format.

use super::document::{Document, Names, Write};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::run::record::Command;

/// A column of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its heading.
    pub(super) name: &'static str,
    /// The number of CIDRs of each family.
    pub(super) counts: PerFamily<usize>,
}

impl Column {
    pub(super) const fn total(&self) -> usize {
        self.counts.ipv4 + self.counts.ipv6
    }
}

/// The number of CIDRs of a list, by family.
pub(super) fn by_family(cidrs: &[Cidr]) -> PerFamily<usize> {
    PerFamily::from_fn(|family| cidrs.iter().filter(|cidr| cidr.family() == family).count())
}

/// The number of CIDRs of these writes, by family.
fn written(
    document: &Document,
    which: impl Fn(&Write) -> bool,
    list: impl Fn(&Write) -> Vec<&Names>,
) -> PerFamily<usize> {
    let mut counts = PerFamily::default();
    for names in document.changes.iter().filter(|write| which(write)).flat_map(list) {
        if let Names::Cidrs(cidrs) = names {
            for family in Family::ALL {
                *counts.get_mut(family) += cidrs.as_slice().of(family).len();
            }
        }
    }
    counts
}

/// The CIDRs to add, or that were added.
pub(super) fn added(document: &Document, command: Command) -> PerFamily<usize> {
    written(document, |write| command == Command::Plan || write.written, |write| vec![&write.add])
}

/// The CIDRs to remove, or that were removed.
pub(super) fn removed(document: &Document, command: Command) -> PerFamily<usize> {
    written(document, |write| command == Command::Plan || write.written, |write| vec![&write.remove])
}

/// The columns. All but the first two are omitted if they are 0 for both families.
pub(super) fn columns(document: &Document, command: Command) -> Vec<Column> {
    let column = |name, counts| Column { name, counts };
    let unwritten = |write: &Write| command == Command::Apply && !write.written;
    let (add, remove) = match command {
        Command::Plan => ("add", "remove"),
        Command::Apply => ("added", "removed"),
    };
    let all = [
        column("wanted", document.desired),
        column("in WAF", document.current),
        column(add, added(document, command)),
        column(remove, removed(document, command)),
        column("not written", written(document, unwritten, |write| vec![&write.add, &write.remove])),
        column("held", by_family(&document.held)),
        column("deferred", by_family(&document.deferred)),
        column("by hand", by_family(&document.drift)),
        column("no room", by_family(&document.unplaced)),
    ];
    let always = ["wanted", "in WAF"];
    all.into_iter().filter(|column| always.contains(&column.name) || column.total() > 0).collect()
}

/// The families with a nonzero number, or both if neither has one.
pub(super) fn families(columns: &[Column]) -> Vec<Family> {
    let counts = |family: &Family| columns.iter().any(|column| *column.counts.get(*family) > 0);
    let some: Vec<Family> = Family::ALL.into_iter().filter(counts).collect();
    if some.is_empty() { Family::ALL.to_vec() } else { some }
}
