//! What WAF holds now: values only, no calls. The shell fills it in, layout and plan read it.

use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Cidrs;
use crate::model::fingerprint::Mark;
use crate::model::policy::RulePolicy;
use crate::model::web_acl::{UnreadWebAcl, WebAcl};
/// The lock token of one read: proof, at the write, that nothing changed in between. Its shape means nothing.
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
    /// What its description says.
    pub mark: Option<Mark>,
    /// From the read of exactly these CIDRs.
    pub token: LockToken,
    /// What it holds. Shared with what a process that lives on remembers.
    pub cidrs: Cidrs,
    /// The index, in [`Current::groups`], of the rule group that refers to it: it is wired.
    pub group: Option<usize>,
    /// Whether this run created it: until a rule refers to it, nothing in it is in force.
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
    /// From the read of exactly this rule.
    pub token: LockToken,
    /// In WCU, immutable.
    pub capacity: u64,
    /// The eight hexadecimal digits after `table:` in its description.
    pub table: Option<String>,
    /// What it does.
    pub rule: GroupRule,
}

/// What the rules of a rule group amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// No rule at all.
    Empty,
    /// One rule of the shape that wafsync writes.
    Standard {
        /// Its action and its match.
        policy: RulePolicy,
        /// The labels that it adds, in its order.
        labels: Vec<String>,
        /// The ARNs of the IP sets that it refers to, in its order.
        references: Vec<String>,
        /// Whether name, priority and metric are as wafsync writes them too.
        tidy: bool,
    },
    /// Anything else: somebody edited it.
    Edited {
        /// The ARNs of the IP sets that it refers to anywhere.
        references: Vec<String>,
        /// The fingerprint of all of it, to tell one edit from another.
        seen: String,
    },
}

impl GroupRule {
    /// The ARNs of every IP set it refers to.
    #[must_use]
    pub fn references(&self) -> &[String] {
        match self {
            Self::Empty => &[],
            Self::Standard { references, .. } | Self::Edited { references, .. } => references,
        }
    }
}

/// Everything that was read from WAF.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Managed IP sets, sorted by name.
    pub shards: Vec<Shard>,
    /// Managed rule groups, sorted by number.
    pub groups: Vec<RuleGroup>,
    /// IP sets whose name fits but that are not ours: their numbers are taken.
    pub foreign: Vec<String>,
    /// The AWS account of the resources, as an ARN shows it; `None` if no ARN was seen.
    pub account: Option<String>,
    /// `None`: `--web-acl` was not given, so nobody looked.
    pub web_acls: Option<Vec<WebAcl>>,
    /// The named web ACLs that could not be read.
    pub unread_web_acls: Vec<UnreadWebAcl>,
}

impl Shard {
    /// Whether what it holds counts as in force.
    ///
    /// Reads of rule groups may be old, so a set that no rule was seen to refer to may be in force all the same. Only
    /// what this run created is surely not.
    #[must_use]
    pub const fn is_in_force(&self) -> bool {
        self.group.is_some() || !self.created
    }

    /// Whether it is adopted and removals from it wait for approval.
    ///
    /// Its mark counts only while one of our rules refers to it: a set that was given back may have been edited since.
    #[must_use]
    pub const fn is_unapproved(&self) -> bool {
        self.adopted && (self.mark.is_none() || self.group.is_none())
    }
}

impl Current {
    /// Whether this very CIDR stands in a shard that is in force.
    #[must_use]
    pub fn holds_in_force(&self, cidr: Cidr) -> bool {
        self.shards.iter().any(|shard| shard.is_in_force() && shard.cidrs.contains(cidr))
    }
}
