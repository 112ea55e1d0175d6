//! The limits of AWS. Those of IP sets and rule groups are values, so that tests can run the same code with small numbers.

use crate::model::policy::{Position, RulePolicy};

/// The quota of addresses in one IP set; fixed (AWS WAF quotas).
pub const SET_CAPACITY: usize = 10_000;

/// The quota of reference statements in one rule group; fixed (AWS WAF quotas).
pub const GROUP_REFERENCES: usize = 50;

/// The default quota of IP sets, and of rule groups, per account, Region and scope (AWS WAF quotas).
pub const QUOTA: usize = 100;

/// The capacity of a rule group of ours, in WCU. AWS publishes 1 and 2 as the weight of a reference, so 50 references can
/// weigh 100; a label adds to that.
pub const GROUP_CAPACITY: u64 = 120;

/// The capacity where references match any address of a header, which weighs 4 more each.
pub const GROUP_CAPACITY_ANY: u64 = 320;

/// The capacity of a rule group with this policy, in WCU.
#[must_use]
pub fn group_capacity(policy: &RulePolicy) -> u64 {
    match policy.forwarded.as_ref().map(|forwarded| forwarded.position) {
        Some(Position::Any) => GROUP_CAPACITY_ANY,
        Some(Position::First | Position::Last) | None => GROUP_CAPACITY,
    }
}

/// Maximum number of tags on a resource besides `managed-by`: AWS allows 50.
pub const MAX_TAGS: usize = 49;

/// Maximum length of a tag's key, in characters.
pub const MAX_TAG_KEY: usize = 128;

/// Maximum length of a tag's value, in characters.
pub const MAX_TAG_VALUE: usize = 256;

/// Minimum length of a table's name, in characters.
pub const MIN_TABLE_NAME: usize = 3;

/// Maximum length of a table's name, in characters.
pub const MAX_TABLE_NAME: usize = 255;

/// Maximum length of an attribute's name, in bytes: `DynamoDB`'s limit for key attributes.
pub const MAX_ATTRIBUTE: usize = 255;

/// Maximum length of the name of an IP set or web ACL, in characters.
pub const MAX_WAF_NAME: usize = 128;

/// Length of a web ACL's id, in characters: it is a UUID.
pub const MAX_ID: usize = 36;

/// Maximum length of the name of a forwarded header, in characters.
pub const MAX_HEADER: usize = 255;

/// Words that AWS reserves in labels (AWS WAF: "Label syntax and naming requirements").
pub const RESERVED_LABELS: [&str; 8] =
    ["awswaf", "aws", "waf", "rulegroup", "webacl", "regexpatternset", "ipset", "managed"];

/// The capacity of the managed resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CIDRs in one IP set.
    pub set_capacity: usize,
    /// IP sets that one rule group can refer to.
    pub group_references: usize,
    /// `--max-ip-sets`: the maximum number of managed IP sets.
    pub max_ip_sets: usize,
}

impl Limits {
    /// AWS's quotas with this many IP sets.
    #[must_use]
    pub const fn aws(max_ip_sets: usize) -> Self {
        Self { set_capacity: SET_CAPACITY, group_references: GROUP_REFERENCES, max_ip_sets }
    }

    /// The number of rule groups needed to refer to every IP set.
    #[must_use]
    pub const fn rule_groups(&self) -> usize {
        self.max_ip_sets.div_ceil(self.group_references)
    }
}
