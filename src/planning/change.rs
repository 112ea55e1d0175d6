//! One change of a plan: an API write as data.
//!
//! A change has everything that its API call needs, so that carrying it out decides nothing.

use crate::model::cidrs::Cidrs;
use crate::model::current::LockToken;
use crate::model::spec::{IpSetSpec, RuleGroupSpec, WriteKind};

/// A stage of a plan. Changes of a stage may be sent concurrently, after all earlier stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Updates that remove unwanted CIDRs from unwired shards before a rule refers to them.
    Strip,
    /// Creations, updates that add, and updates of only the description.
    Add,
    /// Rule groups.
    Wire,
    /// Rule groups that drop a reference, or a rule that a hand has edited, once everything wanted is in force without it.
    Unwire,
    /// Updates that only remove.
    Remove,
}

impl Stage {
    /// The stages in order.
    pub const ALL: [Self; 5] = [Self::Strip, Self::Add, Self::Wire, Self::Unwire, Self::Remove];
}

/// One API write, with everything that its call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its stage.
    pub stage: Stage,
    /// The API call.
    pub write: Write,
    /// CIDRs to add.
    pub add: Cidrs,
    /// CIDRs to remove.
    pub remove: Cidrs,
    /// Names of other IP sets that cover the wanted addresses of the CIDRs to remove; of a rule group, our IP sets that stay in
    /// force without the references that it drops. Right before this change is sent, they and their rule groups must be unchanged
    /// since this run read or wrote them. Empty for most changes.
    pub relies_on: Vec<String>,
    /// IP sets that a rule group newly refers to.
    pub refer: Vec<String>,
    /// IP sets (names, or ARNs of foreign ones) that a rule group no longer refers to.
    pub unrefer: Vec<String>,
}

/// An API call that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `CreateIPSet`
    CreateIpSet(IpSetSpec),
    /// `UpdateIPSet`
    UpdateIpSet {
        /// Its id.
        id: String,
        /// From the read on which this plan rests.
        token: LockToken,
        /// All of its new state.
        spec: IpSetSpec,
    },
    /// `CreateRuleGroup`
    CreateRuleGroup(RuleGroupSpec),
    /// `UpdateRuleGroup`
    UpdateRuleGroup {
        /// Its id.
        id: String,
        /// From the read on which this plan rests.
        token: LockToken,
        /// All of its new state.
        spec: RuleGroupSpec,
        /// Whether it changes more than references.
        rewrite: bool,
    },
}

impl Change {
    /// Whether a rule group loses a rule that a hand has edited, and no reference.
    #[must_use]
    pub fn replaces_edited(&self) -> bool {
        self.stage == Stage::Unwire && self.unrefer.is_empty()
    }

    /// Whether a rule group no longer refers to a foreign IP set.
    #[must_use]
    pub fn drops_foreign(&self) -> bool {
        // No IP set has a colon in its name.
        self.unrefer.iter().any(|set| set.contains(':'))
    }
}

impl Write {
    /// The name of the resource.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::CreateIpSet(spec) | Self::UpdateIpSet { spec, .. } => &spec.name,
            Self::CreateRuleGroup(spec) | Self::UpdateRuleGroup { spec, .. } => &spec.name,
        }
    }

    /// The kind of the call.
    #[must_use]
    pub const fn kind(&self) -> WriteKind {
        match self {
            Self::CreateIpSet(_) => WriteKind::CreateIpSet,
            Self::UpdateIpSet { .. } => WriteKind::UpdateIpSet,
            Self::CreateRuleGroup(_) => WriteKind::CreateRuleGroup,
            Self::UpdateRuleGroup { .. } => WriteKind::UpdateRuleGroup,
        }
    }
}
