//! Counts for the lower bound, from the input of a layout.
//!
//! Of the layout it uses only what could not be done (deferred, relying and unplaced CIDRs), never where anything was
//! placed. It counts independently, so that a mistake in the layout shows as a difference.

use std::collections::BTreeSet;

use super::bound::{Counts, FamilyCounts, GroupCounts, ShardCounts};
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::{Cidrs, Slice};
use crate::model::coverage;
use crate::model::merged::Merged;
use crate::planning::layout::{Input, Layout, ShardInput, ShardLayout};

/// Counts what has to be done, for [`super::bound::writes`].
#[must_use]
pub fn counts(input: &Input<'_>, layout: &Layout) -> Counts {
    let groups = (0..).zip(&input.groups).map(|(at, group)| {
        let wired = input.shards.iter().filter(|shard| shard.group == Some(at)).count();
        let free = input.limits.group_references.saturating_sub(wired + group.references);
        GroupCounts { free, written_anyway: group.written_anyway, referred: group.referred }
    });
    let groups: Vec<GroupCounts> = groups.collect();
    let mut free: usize = groups.iter().map(|group| group.free).sum();
    let mut unwired = 0;
    let tasks = input.shards.iter().zip(&layout.shards).map(|(shard, outcome)| {
        let mut task = Task::new(shard, outcome, input);
        if shard.group.is_none() && free > 0 && task.is_safe(input) {
            (free, unwired, task.ends_wired) = (free - 1, unwired + 1, true);
        }
        task
    });
    let tasks: Vec<Task<'_>> = tasks.collect();
    let family = |family| {
        let tasks: Vec<&Task<'_>> = tasks.iter().filter(|task| task.shard.family == family).collect();
        family_counts(input, &tasks, layout, family)
    };
    Counts {
        ipv4: family(Family::Ipv4),
        ipv6: family(Family::Ipv6),
        groups,
        new_sets: input.new_sets,
        set_capacity: input.limits.set_capacity,
        unwired,
    }
}

/// The work on one IP set.
struct Task<'a> {
    shard: &'a ShardInput<'a>,
    ends_wired: bool,
    /// CIDRs to be removed.
    leaving: Vec<Cidr>,
    /// Whether no unwanted CIDR leaves because of other sets; otherwise it is not wired in this run.
    on_its_own: bool,
    /// CIDRs to be added so that it covers itself.
    copies: BTreeSet<Cidr>,
}

impl<'a> Task<'a> {
    fn new(shard: &'a ShardInput<'a>, outcome: &ShardLayout, input: &Input<'_>) -> Self {
        let stays = |cidr: &Cidr| shard.closed || contains(&outcome.deferred, *cidr);
        let leaving: Vec<Cidr> = shard.leaving.iter().filter(|cidr| !stays(cidr)).copied().collect();
        let mut copies = BTreeSet::new();
        if !leaving.is_empty() && is_in_force(shard) {
            // What relies on other sets needs no copies, and neither does what it covers.
            let goes = |cidr: Cidr| contains(&leaving, cidr) && !contains(&outcome.relying, cidr);
            let kept: Cidrs = shard.cidrs.iter().filter(|cidr| !goes(*cidr)).collect();
            let replaced = leaving.iter().filter(|cidr| !contains(&outcome.relying, **cidr));
            copies.extend(replaced.flat_map(|cidr| uncovered(*cidr, input, &kept)));
        }
        // A wanted CIDR that another set holds too may leave, and relies on that set, without keeping this one from its rule.
        let on_its_own = leaving.iter().all(|cidr| !contains(&outcome.relying, *cidr));
        Self { shard, ends_wired: shard.group.is_some(), leaving, on_its_own, copies }
    }

    /// Whether the set can be wired without bringing anything unwanted into force.
    fn is_safe(&self, input: &Input<'_>) -> bool {
        let desired = *input.desired.get(self.shard.family);
        let may_be_in_force = |cidr: Cidr| desired.contains(cidr) && !contains(input.waiting, cidr);
        let goes = |cidr: Cidr| self.on_its_own && contains(&self.leaving, cidr);
        self.shard.adopted || self.shard.cidrs.iter().all(|cidr| may_be_in_force(cidr) || goes(cidr))
    }

    fn is_open(&self) -> bool {
        self.ends_wired && !self.shard.closed
    }
}

/// The widest wanted CIDRs that may be added and whose part of `leaving` is not covered by `kept`.
fn uncovered(leaving: Cidr, input: &Input<'_>, kept: &Cidrs) -> Vec<Cidr> {
    let is_needed = |cidr: &Cidr| {
        let common = if cidr.covers(leaving) { leaving } else { *cidr };
        !coverage::covers(kept, common)
    };
    let desired = *input.desired.get(leaving.family());
    let due = coverage::overlapping(desired, leaving).filter(|cidr| !contains(input.waiting, *cidr));
    coverage::widest(due).filter(is_needed).collect()
}

fn is_in_force(shard: &ShardInput<'_>) -> bool {
    shard.in_force || shard.group.is_some()
}

fn family_counts(input: &Input<'_>, tasks: &[&Task<'_>], layout: &Layout, family: Family) -> FamilyCounts {
    let taken: BTreeSet<Cidr> =
        tasks.iter().filter(|task| task.is_open()).flat_map(|task| task.copies.iter().copied()).collect();
    let is_due = |cidr: Cidr| !taken.contains(&cidr) && !contains(input.waiting, cidr);
    let (missing, spare) = missing_and_spare(*input.desired.get(family), tasks, is_due);
    let unplaced = layout.unplaced.iter().filter(|cidr| cidr.family() == family).count();
    let count = |(task, spare): (&&Task<'_>, usize)| ShardCounts {
        held: task.shard.cidrs.len(),
        leaving: task.leaving.len(),
        copies: task.copies.len(),
        spare: if task.is_open() { spare } else { 0 },
        sealed: task.shard.seal,
        open: task.is_open(),
    };
    FamilyCounts { missing: missing.saturating_sub(unplaced), shards: tasks.iter().zip(spare).map(count).collect() }
}

/// The number of wanted CIDRs that are due and that no wired set will hold, and for each set the number of its CIDRs that
/// another certainly keeps.
fn missing_and_spare(desired: Slice<'_>, tasks: &[&Task<'_>], is_due: impl Fn(Cidr) -> bool) -> (usize, Vec<usize>) {
    let lists = tasks.iter().map(|task| if task.ends_wired { task.shard.cidrs } else { Slice::default() });
    // One that AWS may still be propagating is no keeper while there is another.
    let is_fresh = |task: &Task<'_>, cidr: Cidr| contains(&task.shard.fresh, cidr);
    let rank = |at: &usize, cidr: Cidr| {
        let task = tasks.get(*at)?;
        let is_idle = !is_in_force(task.shard);
        let not_sure = (is_idle || is_fresh(task, cidr), task.shard.group.is_none());
        Some((not_sure, task.shard.surely_let_in_by.count_zeros(), is_idle, *at))
    };
    let (mut missing, mut spare) = (0, vec![0; tasks.len()]);
    let mut wanted = desired.iter().peekable();
    let mut merged = Merged::new(lists);
    while let Some((cidr, holders)) = merged.step() {
        while let Some(absent) = wanted.next_if(|wanted| *wanted < cidr) {
            missing += usize::from(is_due(absent));
        }
        if wanted.next_if_eq(&cidr).is_none() {
            continue;
        }
        let keeper = holders.iter().copied().min_by_key(|at| rank(at, cidr));
        let keeper_task = keeper.and_then(|at| tasks.get(at));
        let surely = keeper_task.is_some_and(|task| task.shard.group.is_some() && !is_fresh(task, cidr));
        for holder in holders.iter().filter(|holder| Some(**holder) != keeper) {
            let is_kept = |task: &&&Task<'_>| {
                let kept_by = keeper_task.map_or(0, |keeper| keeper.shard.surely_let_in_by);
                !is_in_force(task.shard) || surely && !task.shard.alone && task.shard.may_be_let_in_by & !kept_by == 0
            };
            let counts = tasks.get(*holder).as_ref().is_some_and(is_kept);
            if let Some(spare) = spare.get_mut(*holder) {
                *spare += usize::from(counts);
            }
        }
    }
    (missing + wanted.filter(|cidr| is_due(*cidr)).count(), spare)
}

fn contains(sorted: &[Cidr], cidr: Cidr) -> bool {
    sorted.binary_search(&cidr).is_ok()
}
