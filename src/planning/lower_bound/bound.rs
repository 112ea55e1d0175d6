//! A lower bound on the API writes of any plan, from counts alone.
//!
//! It checks the layout independently: it knows no CIDR, name or order, and shares no code with the layout. It fills the
//! IP set and the rule group with the most room first; no plan can need fewer writes than that.

/// Everything that the bound depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// IPv4.
    pub ipv4: FamilyCounts,
    /// IPv6.
    pub ipv6: FamilyCounts,
    /// Rule groups.
    pub groups: Vec<GroupCounts>,
    /// How many IP sets may still be created.
    pub new_sets: usize,
    /// CIDRs that one IP set holds.
    pub set_capacity: usize,
    /// Existing IP sets that no rule group refers to yet and that need a reference.
    pub unwired: usize,
}

/// Counts of one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyCounts {
    /// Wanted CIDRs to be added in this run.
    pub missing: usize,
    /// Existing IP sets.
    pub shards: Vec<ShardCounts>,
}

/// Counts of one existing IP set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardCounts {
    /// CIDRs in it now.
    pub held: usize,
    /// CIDRs to be removed from it in this run.
    pub leaving: usize,
    /// CIDRs to be added to it so that it keeps covering the wanted addresses of those that are removed.
    pub copies: usize,
    /// CIDRs that another set certainly keeps: they may be removed if there is no other room.
    pub spare: usize,
    /// Whether it is written even if its contents stay.
    pub sealed: bool,
    /// Whether additions to it are allowed.
    pub open: bool,
}

/// Counts of one rule group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// The number of further references that it can hold.
    pub free: usize,
    /// Whether it is written in any case.
    pub written_anyway: bool,
    /// Whether every named web ACL refers to it: such groups are filled first.
    pub referred: bool,
}

/// The fewest API writes that any plan needs: updates and creations of IP sets, and writes of rule groups, including
/// those that happen in any case. CIDRs that do not fit anywhere cost nothing.
#[must_use]
pub fn writes(counts: &Counts) -> usize {
    let slots: usize = counts.groups.iter().map(|group| group.free).sum();
    // More sets than hold all that is missing only cost more.
    let enough = |family: &FamilyCounts| family.missing.div_ceil(counts.set_capacity.max(1));
    let useful = enough(&counts.ipv4) + enough(&counts.ipv6);
    let new_sets = counts.new_sets.min(slots.saturating_sub(counts.unwired)).min(useful);
    let cheapest = |spares| {
        let writes = |created| Some(set_writes(counts, created, spares)? + group_writes(counts, created));
        (0..=new_sets).filter_map(writes).min()
    };
    cheapest(false).or_else(|| cheapest(true)).unwrap_or_default()
}

/// Writes of IP sets if this many are created; `None` if not everything fits then.
fn set_writes(counts: &Counts, created: usize, spares: bool) -> Option<usize> {
    let family = |family, created| updates(family, created, counts.set_capacity, spares);
    let split = (0..=created)
        .filter_map(|ipv4| Some(family(&counts.ipv4, ipv4)? + family(&counts.ipv6, created - ipv4)? + created));
    split.min()
}

/// Updates of one family's IP sets if this many are created for it; `None` if not everything fits then.
fn updates(family: &FamilyCounts, created: usize, capacity: usize, spares: bool) -> Option<usize> {
    let mut updates = 0;
    let mut missing = family.missing.saturating_sub(created * capacity);
    let mut untouched = Vec::new();
    for shard in &family.shards {
        let leaving = shard.leaving + if spares { shard.spare } else { 0 };
        let room = if shard.open { (capacity + leaving).saturating_sub(shard.held + shard.copies) } else { 0 };
        if shard.leaving > 0 || shard.sealed {
            updates += 1;
            missing = missing.saturating_sub(room);
        } else {
            untouched.push(room);
        }
    }
    untouched.sort_unstable();
    while missing > 0 {
        missing = missing.saturating_sub(untouched.pop()?);
        updates += 1;
    }
    Some(updates)
}

/// Writes of rule groups if this many IP sets are created.
fn group_writes(counts: &Counts, created: usize) -> usize {
    let mut references = counts.unwired + created;
    let mut order: Vec<&GroupCounts> = counts.groups.iter().collect();
    order.sort_by_key(|group| (!group.referred, !group.written_anyway, usize::MAX - group.free));
    let mut writes = 0;
    for group in order {
        let referring = references > 0 && group.free > 0;
        writes += usize::from(group.written_anyway || referring);
        references = references.saturating_sub(group.free);
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(held: usize, leaving: usize) -> ShardCounts {
        ShardCounts { held, leaving, open: true, ..ShardCounts::default() }
    }

    fn group(free: usize) -> GroupCounts {
        GroupCounts { free, written_anyway: false, referred: true }
    }

    fn counts(missing: usize, shards: Vec<ShardCounts>, groups: Vec<GroupCounts>) -> Counts {
        let ipv4 = FamilyCounts { missing, shards };
        Counts { ipv4, groups, new_sets: 5, set_capacity: 10, ..Counts::default() }
    }

    #[test]
    fn nothing_to_do_needs_no_write() {
        assert_eq!(writes(&counts(0, vec![shard(10, 0)], vec![group(5)])), 0);
    }

    #[test]
    fn what_leaves_makes_room_in_the_same_write() {
        assert_eq!(writes(&counts(1, vec![shard(10, 1), shard(3, 0)], vec![group(5)])), 1);
    }

    #[test]
    fn spare_copies_make_room_only_where_there_is_no_other() {
        let spare = ShardCounts { spare: 2, ..shard(10, 0) };
        assert_eq!(writes(&counts(0, vec![spare], vec![group(5)])), 0);
        assert_eq!(writes(&counts(2, vec![spare], vec![group(5)])), 2);
        let full = Counts { new_sets: 0, ..counts(2, vec![spare], vec![group(5)]) };
        assert_eq!(writes(&full), 1);
    }

    #[test]
    fn copies_take_room_and_sealing_costs_a_write_that_others_can_share() {
        let covered = ShardCounts { copies: 2, ..shard(9, 1) };
        assert_eq!(writes(&counts(0, vec![covered], vec![group(5)])), 1);
        assert_eq!(writes(&counts(1, vec![covered, shard(9, 0)], vec![group(5)])), 2);
        let sealed = ShardCounts { sealed: true, ..shard(9, 0) };
        assert_eq!(writes(&counts(0, vec![sealed], vec![group(5)])), 1);
        assert_eq!(writes(&counts(1, vec![sealed], vec![group(5)])), 1);
    }

    #[test]
    fn a_new_set_costs_a_create_and_the_write_of_a_group() {
        assert_eq!(writes(&counts(11, vec![], vec![group(5)])), 3);
    }

    #[test]
    fn a_group_that_is_written_anyway_counts_once() {
        let written = GroupCounts { written_anyway: true, ..group(1) };
        assert_eq!(writes(&counts(20, vec![], vec![group(5), written])), 4);
        assert_eq!(writes(&counts(10, vec![], vec![group(5), written])), 2);
    }

    #[test]
    fn groups_that_no_web_acl_refers_to_come_last() {
        let aside = GroupCounts { referred: false, written_anyway: true, ..group(5) };
        assert_eq!(writes(&counts(10, vec![], vec![aside, group(1)])), 3);
    }

    #[test]
    fn two_updates_can_be_cheaper_than_a_new_set_and_its_reference() {
        assert_eq!(writes(&counts(4, vec![shard(8, 0), shard(8, 0)], vec![group(5)])), 2);
        assert_eq!(writes(&counts(6, vec![shard(8, 0), shard(8, 0), shard(8, 0)], vec![group(5)])), 2);
    }

    #[test]
    fn a_closed_set_takes_nothing() {
        let closed = ShardCounts { open: false, ..shard(0, 0) };
        assert_eq!(writes(&counts(1, vec![closed], vec![group(5)])), 2);
    }
}
