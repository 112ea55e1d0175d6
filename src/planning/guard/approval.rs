//! Approvals and their digests.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::evidence::Evidence;
use super::reason::Reason;
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::naming::Target;
use crate::model::settings::OnRejection;
use crate::planning::diff::Class;
use crate::planning::rule_changes::RuleChange;
use crate::text::hex;

/// Everything in a plan that guards can stop: what a digest covers, and what approving it lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// CIDRs to be removed.
    pub(super) removals: BTreeSet<Cidr>,
    /// CIDRs to be added, of families that `--max-additions` holds.
    pub(super) additions: BTreeSet<Cidr>,
    /// The changes of rules.
    pub(super) rules: Vec<RuleChange>,
    /// Adopted IP sets that wafsync does not manage yet and that would lose CIDRs.
    pub(super) adopted: BTreeSet<String>,
    /// Families that would be left without any CIDR.
    pub(super) emptied: BTreeSet<Family>,
    /// Whether the table gave no entry.
    pub(super) empty_table: bool,
    /// Whether the table has rejections, and something would leave in spite of them.
    pub(super) rejections: bool,
}

impl Approval {
    /// Collects what guards can stop.
    pub(super) fn of(evidence: &Evidence<'_>, additions: &PerFamily<Vec<Cidr>>) -> Self {
        let diff = evidence.diff;
        let rejections = evidence.settings.on_rejection == OnRejection::Hold && evidence.rejections > 0;
        let mut removals: BTreeSet<Cidr> = diff.withdrawn().chain(diff.all(Class::Adopted)).collect();
        if rejections {
            removals.extend(evidence.drift_to_hold());
        }
        let held = |family: &Family| {
            let planned = additions.get(*family);
            let all = planned.len() + evidence.added_before(*family, planned).len();
            evidence.allowed_additions(*family).is_some_and(|(_, allowed)| all > allowed)
        };
        let is_emptied = |family: &Family| {
            let waiting = if held(family) { additions.get(*family).len() } else { 0 };
            let reasons = evidence.family_reasons(*family, &diff.distinct(*family, Class::Withdrawn), waiting);
            reasons.iter().any(|reason| matches!(reason, Reason::Empties { .. }))
        };
        let drops_foreign = evidence.rules.iter().any(RuleChange::drops_foreign);
        Self {
            additions: Family::ALL.iter().filter(|f| held(f)).flat_map(|f| additions.get(*f)).copied().collect(),
            emptied: Family::ALL.into_iter().filter(is_emptied).collect(),
            rules: evidence.rules.to_vec(),
            adopted: evidence.adopted_removals().map(|(_, name, _)| name.to_owned()).collect(),
            empty_table: evidence.empty_table().is_some(),
            rejections: rejections && (drops_foreign || !removals.is_empty()),
            removals,
        }
    }

    /// Whether it lets removals of a family pass in spite of this reason. The removals themselves are compared one by one.
    pub(super) fn passes(&self, family: Family, reason: &Reason) -> bool {
        !matches!(reason, Reason::Empties { .. }) || self.emptied.contains(&family)
    }

    /// The digest: `sha256:` and 64 hexadecimal digits, over all of this and the target.
    pub(super) fn digest(&self, target: &Target) -> String {
        let mut hash = Sha256::new();
        let mut line = |text: String| {
            // The length prefix keeps lines unambiguous.
            hash.update(format!("{}:{text}\n", text.len()));
        };
        line(format!("target {} {} {}", target.scope, target.region, target.name));
        line(format!("table {}", target.table));
        for cidr in &self.removals {
            line(format!("remove {cidr}"));
        }
        for change in &self.rules {
            line(format!("rule {change}{}", change.seen()));
        }
        for cidr in &self.additions {
            line(format!("add {cidr}"));
        }
        for ip_set in &self.adopted {
            line(format!("adopt {ip_set}"));
        }
        for family in &self.emptied {
            line(format!("empties {}", family.title()));
        }
        if self.empty_table {
            line("empty table".to_owned());
        }
        if self.rejections {
            line("rejections".to_owned());
        }
        let bytes: [u8; 32] = hash.finalize().into();
        format!("sha256:{}", hex(&bytes))
    }
}
