//! Specifications of IP sets and rule groups: everything that one API call needs, as a value.

use std::fmt;

use serde::Serialize;

use crate::model::cidr::Family;
use crate::model::cidrs::Cidrs;
use crate::model::naming::GroupDescription;
use crate::model::policy::RulePolicy;

/// The desired state of one IP set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSetSpec {
    /// Its name.
    pub name: String,
    /// Its family, fixed when it is created.
    pub family: Family,
    /// All of its CIDRs.
    pub cidrs: Cidrs,
    /// Its description, which names the installation and the contents' fingerprint.
    pub description: String,
}

/// The desired state of one rule group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroupSpec {
    /// Its name, also the name of its metric.
    pub name: String,
    /// The name of its rule (`--name`), also the label that it adds under `count`.
    pub rule_name: String,
    /// Its description.
    pub description: GroupDescription,
    /// Its capacity in WCU, fixed when it is created.
    pub capacity: u64,
    /// The action and match of its rule.
    pub policy: RulePolicy,
    /// Its references to IP sets, in order.
    pub references: Vec<Reference>,
}

/// A rule group's reference to an IP set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The IP set's name.
    pub name: String,
    /// The IP set's ARN; `None` if the same plan creates it.
    pub arn: Option<String>,
}

/// The kind of an API write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteKind {
    /// `CreateIPSet`
    CreateIpSet,
    /// `UpdateIPSet`
    UpdateIpSet,
    /// `CreateRuleGroup`
    CreateRuleGroup,
    /// `UpdateRuleGroup`
    UpdateRuleGroup,
}

impl WriteKind {
    /// Its stable name in documents, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateIpSet => "create_ip_set",
            Self::UpdateIpSet => "update_ip_set",
            Self::CreateRuleGroup => "create_rule_group",
            Self::UpdateRuleGroup => "update_rule_group",
        }
    }

    /// Whether it creates something.
    #[must_use]
    pub const fn creates(self) -> bool {
        matches!(self, Self::CreateIpSet | Self::CreateRuleGroup)
    }

    /// Whether it writes an IP set; otherwise it writes a rule group.
    #[must_use]
    pub const fn is_of_ip_set(self) -> bool {
        matches!(self, Self::CreateIpSet | Self::UpdateIpSet)
    }
}

impl fmt::Display for WriteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
