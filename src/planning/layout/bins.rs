//! Bins with room, and the fewest of them that suffice.

/// A bin: an IP set with room for CIDRs, or a rule group with room for references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin {
    /// Its index.
    pub(super) id: usize,
    /// Its room.
    pub(super) room: usize,
}

/// The fewest bins that hold `need` together, preferring earlier ones. All of them if they do not suffice.
pub(super) fn fewest(bins: &[Bin], need: usize) -> Vec<Bin> {
    let Some(count) = (0..=bins.len()).find(|&count| largest(bins.iter(), count) >= need) else {
        return bins.to_vec();
    };
    let mut picked = Vec::new();
    let mut left = need;
    let mut later = bins.iter();
    while let Some(bin) = later.next() {
        let Some(others) = (count - picked.len()).checked_sub(1) else { break };
        if bin.room + largest(later.clone(), others) >= left {
            left = left.saturating_sub(bin.room);
            picked.push(*bin);
        }
    }
    picked
}

/// The total room of the `count` largest.
pub(super) fn largest<'a>(bins: impl Iterator<Item = &'a Bin>, count: usize) -> usize {
    let mut rooms: Vec<usize> = bins.map(|bin| bin.room).collect();
    rooms.sort_unstable_by(|a, b| b.cmp(a));
    rooms.into_iter().take(count).sum()
}
