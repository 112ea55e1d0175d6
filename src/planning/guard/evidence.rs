//! Evidence: what the guards judge, and how the limits apply to it.

use std::collections::BTreeSet;

use super::reason::Reason;
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::current::Current;
use crate::model::desired::Desired;
use crate::model::merged::Merged;
use crate::model::naming::Target;
use crate::model::settings::{GuardSettings, MaxAdditions, MaxRemovals};
use crate::planning::diff::{self, Class, Diff, Unwanted};
use crate::planning::rule_changes::RuleChange;

/// The removals per family that a percentage always allows, so that a small table can change.
pub const ALWAYS_ALLOWED_REMOVALS: usize = 5;

/// Tolerance for percentages that are not exact doubles, such as 33.3, so that rounding never costs a removal.
const ROUNDING: f64 = 1e-6;

/// Everything that the guards judge.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The limits.
    pub settings: &'a GuardSettings,
    /// The target of the run.
    pub target: &'a Target,
    /// The desired state.
    pub desired: &'a Desired,
    /// The unwanted CIDRs.
    pub diff: &'a Diff,
    /// The current state.
    pub current: &'a Current,
    /// `--always`
    pub always: &'a [Cidr],
    /// The number of rejections that may hold removals.
    pub rejections: usize,
    /// The changes of rules that need approval.
    pub rules: &'a [RuleChange],
    /// The CIDRs in force when the run began, without drift: [`Diff::in_force_by_table`].
    pub in_force_at_start: PerFamily<usize>,
    /// Withdrawn CIDRs that this run has removed already.
    pub removed: &'a BTreeSet<Cidr>,
    /// CIDRs of [`Judgment::additions`](super::Judgment::additions) that this run has added already.
    pub added: &'a BTreeSet<Cidr>,
}

impl Evidence<'_> {
    /// The CIDRs that `--max-additions` counts, sorted; empty without that setting.
    pub(super) fn additions(&self) -> PerFamily<Vec<Cidr>> {
        PerFamily::from_fn(|family| match self.settings.max_additions {
            Some(_) => diff::additions(self.desired, self.current, self.always, family),
            None => Vec::new(),
        })
    }

    /// The additions of earlier rounds of this run that are not planned again.
    pub(super) fn added_before(&self, family: Family, planned: &[Cidr]) -> Vec<Cidr> {
        let added = self.added.iter().copied();
        added.filter(|cidr| cidr.family() == family && planned.binary_search(cidr).is_err()).collect()
    }

    /// The number of CIDRs of a family in force when the run began, and how many it may add; `None`: no limit.
    pub(super) fn allowed_additions(&self, family: Family) -> Option<(usize, usize)> {
        let in_force = *self.in_force_at_start.get(family);
        match self.settings.max_additions? {
            MaxAdditions::Count(count) => Some((in_force, count)),
            MaxAdditions::Percent(percent) => {
                // A first read that showed nothing may have been stale.
                let in_force = if in_force == 0 { self.in_force_besides_added(family) } else { in_force };
                (in_force > 0).then(|| (in_force, share(in_force, percent)))
            }
        }
    }

    /// The number of CIDRs of a family in force by the table that this run has not added.
    fn in_force_besides_added(&self, family: Family) -> usize {
        let by_table = *self.diff.in_force_by_table.get(family);
        if by_table == 0 {
            return 0;
        }
        let in_force = self.current.shards.iter().filter(|shard| shard.family == family && shard.is_in_force());
        let mut merged = Merged::new(in_force.map(|shard| shard.cidrs.as_slice()));
        let mut added = 0;
        while let Some((cidr, _)) = merged.step() {
            added += usize::from(self.added.contains(&cidr) && !self.always.contains(&cidr));
        }
        by_table.saturating_sub(added)
    }

    /// The adopted IP sets that wafsync does not manage yet and that would lose CIDRs: index, name and those CIDRs.
    pub(super) fn adopted_removals(&self) -> impl Iterator<Item = (usize, &str, Vec<Cidr>)> {
        let adopted = |unwanted: &[Unwanted]| -> Vec<Cidr> {
            unwanted.iter().filter(|u| u.class == Class::Adopted).map(|u| u.cidr).collect()
        };
        let shards = self.current.shards.iter().zip(&self.diff.unwanted).enumerate();
        shards
            .map(move |(index, (shard, unwanted))| (index, shard.name.as_str(), adopted(unwanted)))
            .filter(|(_, _, removals)| !removals.is_empty())
    }

    /// Drift that rejections hold, because the rejected items may ask for it. Drift whose addresses all stay wanted is not
    /// held: removing it locks no one out.
    pub(super) fn drift_to_hold(&self) -> impl Iterator<Item = Cidr> {
        self.diff.drift().filter(|cidr| !self.desired.covers_all(*cidr))
    }

    /// The reason to block a table that gave no entry.
    pub(super) fn empty_table(&self) -> Option<Reason> {
        let in_force = self.diff.in_force.ipv4 + self.diff.in_force.ipv6;
        let is_empty = self.desired.view().entry_count() == 0;
        (is_empty && in_force > 0).then_some(Reason::EmptyTable { in_force })
    }

    /// The reasons to hold these withdrawn CIDRs of a family while so many additions wait.
    pub(super) fn family_reasons(&self, family: Family, withdrawn: &[Cidr], waiting: usize) -> Vec<Reason> {
        if withdrawn.is_empty() {
            return Vec::new();
        }
        let in_force = *self.in_force_at_start.get(family);
        let left = self.desired.from_table().get(family).saturating_sub(waiting);
        let done = self.removed.iter().filter(|cidr| cidr.family() == family && withdrawn.binary_search(cidr).is_err());
        let removals = withdrawn.len() + done.count();
        let allowed = allowed_removals(self.settings.max_removals, in_force);
        let mut reasons = Vec::new();
        if removals > allowed {
            reasons.push(Reason::TooMany { family, removals, in_force, allowed });
        }
        if left == 0 {
            reasons.push(Reason::Empties { family, in_force, waiting });
        } else if left < self.settings.min_addresses {
            reasons.push(Reason::BelowMinimum { family, left, minimum: self.settings.min_addresses });
        }
        reasons
    }
}

pub(super) fn allowed_removals(limit: MaxRemovals, in_force: usize) -> usize {
    match limit {
        MaxRemovals::Count(count) => count,
        MaxRemovals::Percent(percent) => share(in_force, percent).max(ALWAYS_ALLOWED_REMOVALS),
    }
}

/// A percentage of a count, rounded down.
fn share(count: usize, percent: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a million addresses are exact in a double, and a negative percentage is not a setting"
    )]
    let share = (count as f64 * percent / 100.0 + ROUNDING).floor() as usize;
    share
}
