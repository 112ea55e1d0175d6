//! Demand: what the table asks for within a range of addresses, and what of it a set needs in place of one that leaves.
//!
//! A range can hold hundreds of wanted CIDRs, and a hundred sets can hold the same range. So what a set needs is counted by
//! binary search and listed only where it is used.

use std::collections::BTreeSet;

use super::input::Input;
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::{Cidrs, Slice};
use crate::model::coverage;

/// What the table asks for in one family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand<'a> {
    desired: Slice<'a>,
    /// Those that may not be added in this run, sorted.
    waiting: &'a [Cidr],
    /// Whether all of `desired` may be added, and none of them covers another.
    is_plain: bool,
}

/// A wanted CIDR that shares addresses with one that leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) wanted: Cidr,
    /// The addresses that both have.
    pub(super) common: Cidr,
}

/// Wanted CIDRs that a set needs in place of one that leaves.
#[derive(Debug)]
pub(super) enum Needs<'a> {
    /// Everything that is wanted between the first and the last of them.
    All(Slice<'a>),
    /// Those of it that the set does not cover, sorted.
    Some(Vec<Cidr>),
}

impl<'a> Demand<'a> {
    pub(super) fn new(input: &Input<'a>, family: Family) -> Self {
        let desired = *input.desired.get(family);
        // Only what leaves is asked about.
        let is_asked = input.shards.iter().any(|shard| shard.family == family && !shard.leaving.is_empty());
        let is_plain = || input.waiting.is_empty() && coverage::widest(desired).count() == desired.len();
        Self { desired, waiting: input.waiting, is_plain: is_asked && is_plain() }
    }

    /// What is wanted of `leaving` and may be added now: the widest CIDRs, sorted.
    pub(super) fn due(self, leaving: Cidr) -> impl Iterator<Item = Part> + use<'a> {
        let waits = move |cidr: &Cidr| self.waiting.binary_search(cidr).is_ok();
        parts(leaving, coverage::overlapping(self.desired, leaving).filter(move |cidr| !waits(cidr)))
    }

    /// What is wanted of `leaving` and has to wait: the widest CIDRs, sorted. What is due may cover the same addresses.
    pub(super) fn not_due(self, leaving: Cidr) -> impl Iterator<Item = Part> + use<'a> {
        // `leaving` may be a range around the whole table, so look only if anything waits.
        let desired = if self.waiting.is_empty() { Slice::default() } else { self.desired };
        let waits = move |cidr: &Cidr| self.waiting.binary_search(cidr).is_ok();
        parts(leaving, coverage::overlapping(desired, leaving).filter(waits))
    }

    /// Whether more than `most` are [due](Self::due).
    pub(super) fn exceeds(self, leaving: Cidr, most: usize) -> bool {
        self.within(leaving).map_or_else(|| self.due(leaving).nth(most).is_some(), |within| within.len() > most)
    }

    /// What a set with `stays` needs to still cover what is wanted of `leaving`. `None` if that is more than `most`, or if it
    /// leaves something uncovered that has to wait.
    pub(super) fn needs(self, leaving: Cidr, stays: Slice<'_>, most: usize) -> Option<Needs<'a>> {
        let near: Cidrs = coverage::overlapping(stays, leaving).collect();
        if coverage::covers(&near, leaving) {
            return Some(Needs::Some(Vec::new()));
        }
        if let Some(all) = self.within(leaving).filter(|_| near.is_empty()) {
            return (all.len() <= most).then_some(Needs::All(all));
        }
        let lacking = self.due(leaving).filter(|part| !coverage::covers(&near, part.common)).map(|part| part.wanted);
        let needs: Vec<Cidr> = lacking.take(most.saturating_add(1)).collect();
        let covers = |common: Cidr| {
            let with = || near.iter().chain(needs.iter().copied()).collect::<Cidrs>();
            coverage::covers(&near, common) || coverage::covers(&with(), common)
        };
        (needs.len() <= most && self.not_due(leaving).all(|part| covers(part.common))).then_some(Needs::Some(needs))
    }

    /// All that is due, if it lies inside of `leaving` and need not be looked at one by one.
    fn within(self, leaving: Cidr) -> Option<Slice<'a>> {
        let within = self.is_plain.then(|| self.desired.within(leaving))?;
        // Where nothing lies inside, something around may be wanted.
        (!within.is_empty()).then_some(within)
    }
}

fn parts(leaving: Cidr, wanted: impl Iterator<Item = Cidr>) -> impl Iterator<Item = Part> {
    let part = move |wanted: Cidr| Part { wanted, common: if wanted.covers(leaving) { leaving } else { wanted } };
    coverage::widest(wanted).map(part)
}

impl Needs<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(all) => all.len(),
            Self::Some(some) => some.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Cidr> {
        let (all, some) = match self {
            Self::All(all) => (*all, [].as_slice()),
            Self::Some(some) => (Slice::default(), some.as_slice()),
        };
        all.iter().chain(some.iter().copied())
    }

    /// How many of them are not among these wanted CIDRs.
    pub(super) fn beyond(&self, wanted: &BTreeSet<Cidr>) -> usize {
        match self {
            Self::All(all) => {
                let ends = all.first().zip(all.split_last());
                let among = ends.map(|(first, (last, _))| wanted.range(first..=last).count());
                all.len() - among.unwrap_or_default()
            }
            Self::Some(some) => some.iter().filter(|cidr| !wanted.contains(*cidr)).count(),
        }
    }
}
