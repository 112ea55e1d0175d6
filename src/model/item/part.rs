//! What consecutive items of a scan gave, for a later scan that comes upon the same items: it takes over the entries and the
//! keys, which then are in memory once.

use std::ops::Range;

use crate::model::entries::{Entries, LAST_ITEM};
use crate::model::item::{ItemRules, TableView, exact};

/// What consecutive items gave to a view. None of them was rejected.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The numbers of their keys.
    keys: Range<u32>,
    counts: Counts,
    /// When they were read, by AWS's clock.
    now: Option<i64>,
    /// The last time at which they give the same; `None` if they always do.
    until: Option<f64>,
}

/// A place between two items of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    keys: u32,
    counts: Counts,
    rejections: usize,
}

/// How many items were read, and of which kinds.
#[derive(Clone, Copy, Debug)]
struct Counts([u64; 4]);

impl Part {
    /// How many items they are.
    pub(crate) const fn items(&self) -> u64 {
        let Counts([items, ..]) = self.counts;
        items
    }

    /// Whether the same items give the same when they are read now.
    fn holds(&self, now: Option<i64>) -> bool {
        let Some(until) = self.until else { return true };
        match (self.now, now) {
            (Some(then), Some(now)) => then <= now && exact(now) <= until,
            (None, None) => true,
            _ => false,
        }
    }
}

impl TableView {
    /// An empty view that can take over parts of an earlier one.
    pub(crate) fn after(earlier: &Self) -> Self {
        let taken = vec![false; usize::try_from(earlier.keys.len()).unwrap_or_default()];
        Self { keys: earlier.keys.clone(), taken, ..Self::default() }
    }

    /// The place behind the items that were read so far.
    pub(crate) fn mark(&mut self) -> Mark {
        self.until = None;
        Mark { keys: self.keys.len(), counts: self.counts(), rejections: self.rejections.len() }
    }

    /// What the items since the newest mark gave; `None` if a later scan has to read them anyway.
    pub(crate) fn part_since(&self, mark: &Mark, rules: &ItemRules) -> Option<Part> {
        let (Counts(before), Counts(after)) = (mark.counts, self.counts());
        let mut counts = after;
        counts.iter_mut().zip(before).for_each(|(count, before)| *count -= before);
        let keys = mark.keys..self.keys.len();
        // Greater numbers are not kept apart.
        let is_fit = self.rejections.len() == mark.rejections && keys.end <= LAST_ITEM;
        is_fit.then_some(Part { keys, counts: Counts(counts), now: rules.now, until: self.until })
    }

    /// Takes over what the same items gave to the view that this one comes [after](Self::after). Returns `false` if they have
    /// to be read: they give something else by now.
    pub(crate) fn take_over(&mut self, part: &Part, rules: &ItemRules) -> bool {
        let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let Some(taken) = self.taken.get_mut(place(part.keys.start)..place(part.keys.end)) else { return false };
        // Twice the same items are more entries.
        if !part.holds(rules.now) || taken.contains(&true) {
            return false;
        }
        taken.fill(true);
        let Counts([items, empty, unnamed, expired]) = part.counts;
        self.items += items;
        self.empty += empty;
        self.unnamed += unnamed;
        self.expired += expired;
        true
    }

    /// Adds the entries of the parts that were taken over from `earlier`, once all items were read.
    pub(crate) fn complete(&mut self, earlier: &Self) {
        let taken = std::mem::take(&mut self.taken);
        let is_taken =
            |item: u32| usize::try_from(item).ok().and_then(|item| taken.get(item)).is_some_and(|taken| *taken);
        let own = std::mem::take(&mut self.entries);
        self.entries = Entries::merge(own, &earlier.entries, is_taken);
    }

    const fn counts(&self) -> Counts {
        Counts([self.items, self.empty, self.unnamed, self.expired])
    }
}
