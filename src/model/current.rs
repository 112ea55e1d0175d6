//! The current state of WAF, as values. The shell fills it in; layout and plan read it.

use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Cidrs;
use crate::model::fingerprint::Mark;
use crate::model::policy::RulePolicy;
use crate::model::web_acl::{UnreadWebAcl, WebAcl};

/// An opaque lock token: a write with it fails if anything changed since the read that returned it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockToken(pub String);

/// One managed IP set.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its name in WAF.
    pub name: String,
    /// Its id in WAF.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its family.
    pub family: Family,
    /// Whether `--adopt` names it.
    pub adopted: bool,
    /// What its description says about its contents.
    pub mark: Option<Mark>,
    /// The lock token that was read together with these CIDRs.
    pub token: LockToken,
    /// Its contents, shared with the cache of a long-lived process.
    pub cidrs: Cidrs,
    /// The index in [`Current::groups`] of the rule group that refers to it; `None` if it is not wired.
    pub group: Option<usize>,
    /// Whether this run created it and has not tried to wire it: then nothing in it is in force.
    pub created: bool,
}

/// One managed rule group.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The number in its name, from 1.
    pub number: usize,
    /// Its name in WAF.
    pub name: String,
    /// Its id in WAF.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The lock token that was read together with this rule.
    pub token: LockToken,
    /// Its capacity in WCU, immutable.
    pub capacity: u64,
    /// The table tag in its description: eight hexadecimal digits after `table:`.
    pub table: Option<String>,
    /// Its rule.
    pub rule: GroupRule,
}

/// The rules of a rule group, as far as wafsync needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// No rule at all.
    Empty,
    /// One rule of the form that wafsync writes.
    Standard {
        /// Its action and its match.
        policy: RulePolicy,
        /// The labels that it adds, in order.
        labels: Vec<String>,
        /// The ARNs of the IP sets that it refers to, in order.
        references: Vec<String>,
        /// Whether its name, priority and metric are those that wafsync writes.
        tidy: bool,
    },
    /// Anything else: it was edited by hand.
    Edited {
        /// The ARNs of the IP sets that it refers to anywhere.
        references: Vec<String>,
        /// A fingerprint of the whole, which distinguishes edits.
        seen: String,
    },
}

impl GroupRule {
    /// The ARNs of all IP sets that it refers to.
    #[must_use]
    pub fn references(&self) -> &[String] {
        match self {
            Self::Empty => &[],
            Self::Standard { references, .. } | Self::Edited { references, .. } => references,
        }
    }

    /// Whether it lets clients in as the settings say: by their policy, and with the label that a web ACL asks for.
    #[must_use]
    pub fn lets_in(&self, policy: &RulePolicy, installation: &str) -> bool {
        let Self::Standard { policy: now, labels, .. } = self else { return false };
        now == policy && policy.labels(installation).iter().all(|label| labels.contains(label))
    }
}

/// Everything that was read from WAF.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Managed IP sets, sorted by name.
    pub shards: Vec<Shard>,
    /// Managed rule groups, sorted by number.
    pub groups: Vec<RuleGroup>,
    /// Foreign IP sets: their names match but they are not ours, so their numbers are skipped.
    pub foreign: Vec<String>,
    /// The AWS account of the resources, from an ARN; `None` if no ARN was seen.
    pub account: Option<String>,
    /// The named web ACLs; `None` without `--web-acl`.
    pub web_acls: Option<Vec<WebAcl>>,
    /// The named web ACLs that could not be read.
    pub unread_web_acls: Vec<UnreadWebAcl>,
}

impl Shard {
    /// Whether its contents count as in force.
    ///
    /// Reads of rule groups may be stale, so a set may be in force even if no rule was seen to refer to it. Only a set that
    /// this run created certainly is not.
    #[must_use]
    pub const fn is_in_force(&self) -> bool {
        self.group.is_some() || !self.created
    }

    /// Whether it is adopted and removals from it need approval.
    ///
    /// Its mark counts only while one of our rules refers to it: otherwise it may have been edited since.
    #[must_use]
    pub const fn is_unapproved(&self) -> bool {
        self.adopted && (self.mark.is_none() || self.group.is_none())
    }
}

impl Current {
    /// Whether a shard in force holds exactly this CIDR.
    #[must_use]
    pub fn holds_in_force(&self, cidr: Cidr) -> bool {
        self.shards.iter().any(|shard| shard.is_in_force() && shard.cidrs.contains(cidr))
    }
}
