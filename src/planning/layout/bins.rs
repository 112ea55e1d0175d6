//! Things with room, and the fewest of them that are enough.

/// Something with room: a set for CIDRs or a rule group for references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin {
    /// Its index.
    pub(super) id: usize,
    /// How much fits.
    pub(super) room: usize,
}

/// The fewest bins that hold `need` together; among equals those that come first. All of them if they cannot hold it.
pub(super) fn fewest(bins: &[Bin], need: usize) -> Vec<Bin> {
    let Some(count) = (0..=bins.len()).find(|&count| largest(bins.iter(), count) >= need) else {
        return bins.to_vec();
    };
    let mut picked = Vec::new();
    let mut left = need;
    for (at, bin) in bins.iter().enumerate() {
        let Some(others) = (count - picked.len()).checked_sub(1) else { break };
        if bin.room + largest(bins.iter().skip(at + 1), others) >= left {
            left = left.saturating_sub(bin.room);
            picked.push(*bin);
        }
    }
    picked
}

/// What the `count` largest of these hold together.
pub(super) fn largest<'a>(bins: impl Iterator<Item = &'a Bin>, count: usize) -> usize {
    let mut rooms: Vec<usize> = bins.map(|bin| bin.room).collect();
    rooms.sort_unstable_by(|a, b| b.cmp(a));
    rooms.into_iter().take(count).sum()
}
