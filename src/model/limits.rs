//! What AWS WAF allows, as values, so that tests can run the same code with small numbers.

use crate::model::policy::{Position, RulePolicy};

/// Addresses in one IP set; a fixed quota (AWS WAF quotas).
pub const SET_CAPACITY: usize = 10_000;

/// Reference statements in one rule group; a fixed quota (AWS WAF quotas).
pub const GROUP_REFERENCES: usize = 50;

/// AWS's quota of IP sets and of rule groups in an account, Region and scope, unless it was raised (AWS WAF quotas).
pub const QUOTA: usize = 100;

/// WCU of a rule group of ours. Published weights of a reference are 1 and 2, so 50 references can weigh 100; a label
/// is charged on top.
pub const GROUP_CAPACITY: u64 = 120;

/// The same where a reference looks at any address of a header, which weighs 4 more.
pub const GROUP_CAPACITY_ANY: u64 = 320;

/// WCU of a rule group whose rule has this policy.
#[must_use]
pub fn group_capacity(policy: &RulePolicy) -> u64 {
    match &policy.forwarded {
        Some(forwarded) if forwarded.position == Position::Any => GROUP_CAPACITY_ANY,
        _ => GROUP_CAPACITY,
    }
}

/// How much the managed resources can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CIDRs in one IP set.
    pub set_capacity: usize,
    /// IP sets to which one rule group can refer.
    pub group_references: usize,
    /// IP sets that this installation may hold (`--max-ip-sets`).
    pub max_ip_sets: usize,
}

impl Limits {
    /// The quotas of AWS with this many IP sets.
    #[must_use]
    pub const fn aws(max_ip_sets: usize) -> Self {
        Self { set_capacity: SET_CAPACITY, group_references: GROUP_REFERENCES, max_ip_sets }
    }

    /// How many rule groups are needed to refer to every IP set.
    #[must_use]
    pub const fn rule_groups(&self) -> usize {
        self.max_ip_sets.div_ceil(self.group_references)
    }
}
