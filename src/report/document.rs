//! The document of a run: the JSON that `plan` and `apply` print, and the source of all other formats.
//!
//! Its keys are a contract: adding one is allowed, changing one needs a new [`VERSION`].

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::holding::{HeldIn, Lockout};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::item::Rejection;
use crate::model::keys::KeyList;
use crate::model::spec::WriteKind;
use crate::planning::guard::Verdict;
use crate::run::outcome::Outcome;
use crate::text::number::counted;

/// The version of the document's schema.
pub const VERSION: u32 = 1;

/// The document of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// [`VERSION`]
    pub version: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason for the outcome, in a sentence.
    pub reason: String,
    /// The reason without its headline.
    #[serde(skip)]
    pub sentence: String,
    /// Writes whose effect is unknown.
    #[serde(skip)]
    pub unsure: usize,
    /// Why a run that is held or not enforced ended early.
    #[serde(skip)]
    pub unfinished: Option<String>,
    /// Whether the plan leaves something to a later run that is not wanted, or that is wanted and has no room.
    #[serde(skip)]
    pub leaves_something: bool,
    /// The error, if the outcome is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The digest for `--approve`; null if no plan was made.
    pub digest: Option<String>,
    /// The newest complete scan.
    pub table: Table,
    /// Distinct CIDRs that are wanted.
    pub desired: PerFamily<usize>,
    /// Distinct CIDRs that our IP sets hold: before the run for `plan`, after it for `apply`.
    pub current: PerFamily<usize>,
    /// Our IP sets, at the same moment.
    pub ip_sets: Vec<IpSet>,
    /// The writes, in order.
    pub changes: Vec<Write>,
    /// CIDRs that a guard holds: they are not removed, or not added, without approval.
    pub held: Vec<Cidr>,
    /// Those of `held` that would be added.
    #[serde(skip)]
    pub waiting: Vec<Cidr>,
    /// CIDRs to be removed in a later run.
    pub deferred: Vec<Cidr>,
    /// Wanted CIDRs without room in this run: they are not in force.
    pub unplaced: Vec<Cidr>,
    /// CIDRs that were added to our IP sets by hand: no guard holds them, and they are removed without a settling time.
    pub drift: Vec<Cidr>,
    /// The numbers of API writes.
    pub writes: Writes,
    /// The least time to carry out the plan, in seconds: the writes, and the settling time if it needs one.
    pub estimate_seconds: f64,
    /// The number of API writes that an approval adds; 0 if nothing waits for approval.
    pub approval_writes: usize,
    /// The least time for those, in seconds.
    pub approval_seconds: f64,
    /// The number of CIDRs that still fit into our IP sets and those that may be created.
    pub room: usize,
    /// The judgment of the guards.
    pub guard: Guard,
    /// The web ACLs that were named.
    pub web_acls: Vec<Acl>,
    /// Web ACLs that were named and could not be read: a run stops no write for them.
    #[serde(skip)]
    pub unread_web_acls: Vec<UnreadAcl>,
    /// What is held, by IP set.
    #[serde(skip)]
    pub held_in: Vec<HeldIn>,
    /// What approving this plan would empty.
    #[serde(skip)]
    pub lockout: Option<Lockout>,
}

/// A scan of the table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Items read.
    pub items: u64,
    /// Pages read.
    pub pages: u64,
    /// Read capacity units of all scans of the run.
    pub consumed_capacity: f64,
    /// Items past their expiry.
    pub expired: u64,
    /// Items that ask for nothing.
    pub empty: u64,
    /// Items and values that cannot be used: shared with the scan.
    #[serde(serialize_with = "shared_list")]
    pub rejections: Arc<Vec<Rejection>>,
}

/// One of our IP sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpSet {
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: Family,
    /// CIDRs in it.
    pub addresses: usize,
    /// The number of CIDRs that it can hold.
    pub free: usize,
    /// CIDRs in it whose removal waits for approval.
    pub held: usize,
    /// The rule group that refers to it.
    pub rule_group: Option<String>,
}

/// One API write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// `create_ip_set`, `update_ip_set`, `create_rule_group` or `update_rule_group`.
    pub kind: WriteKind,
    /// The name of its target.
    pub target: String,
    /// CIDRs, or names of IP sets for a rule group.
    pub add: Names,
    /// For each CIDR of `add`, the key of an item that asks for it; null if only `--always` does.
    #[serde(skip_serializing_if = "KeyList::is_empty")]
    pub wanted_by: KeyList,
    /// CIDRs, or names of IP sets (ARNs of foreign ones) for a rule group.
    pub remove: Names,
    /// Whether AWS confirmed it.
    pub written: bool,
}

/// The CIDRs of an IP set or the IP sets of a rule group; a list of strings in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Names {
    /// CIDRs.
    Cidrs(Cidrs),
    /// IP sets.
    IpSets(Vec<String>),
}

impl Names {
    /// The number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Cidrs(cidrs) => cidrs.len(),
            Self::IpSets(names) => names.len(),
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Numbers of API writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// Writes planned, in all rounds of the run.
    pub planned: usize,
    /// The least that any plan would need.
    pub minimum: usize,
    /// Writes that AWS confirmed.
    pub done: usize,
}

/// The judgment of the guards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// `pass`, `held`, `blocked` or `approved`.
    pub verdict: Verdict,
    /// The objections, including those overruled by an approval.
    pub reasons: Vec<String>,
    /// The instruction that approves exactly this: a command line, or an event for the Lambda function. Null if nothing
    /// waits for approval or the host is unknown.
    pub approve: Option<String>,
}

/// A web ACL named with `--web-acl` that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadAcl {
    /// Its name or ARN, as given.
    pub name: String,
    /// The error, with its hint.
    pub why: String,
}

impl UnreadAcl {
    /// A sentence such as `Web ACL front could not be read: …`.
    #[must_use]
    pub fn told(&self) -> String {
        format!("Web ACL {} could not be read: {}", self.name, self.why)
    }
}

/// A web ACL named with `--web-acl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// Its name.
    pub name: String,
    /// Our rule groups with IP sets that it refers to without an override that disables them.
    pub referred: Vec<String>,
    /// Our other rule groups with IP sets.
    pub missing: Vec<String>,
    /// Those of `missing` that it refers to with an override that disables them.
    pub overridden: Vec<String>,
}

impl Document {
    /// The document of a run that could not start.
    #[must_use]
    pub fn failed(error: &str) -> Self {
        Self {
            reason: format!("failed: {error}"),
            sentence: error.to_owned(),
            error: Some(error.to_owned()),
            ..Self::empty()
        }
    }

    /// What guards hold, such as `15 removals and 1 addition`, and the number of CIDRs.
    #[must_use]
    pub fn held_in_words(&self) -> (String, usize) {
        let (all, additions) = (self.held.len(), self.waiting.len());
        let removals = counted(all - additions, "removal");
        let words = match (all - additions, additions) {
            (_, 0) => removals,
            (0, _) => counted(additions, "addition"),
            _ => format!("{removals} and {}", counted(additions, "addition")),
        };
        (words, all)
    }

    /// Those of `held` that would be removed.
    #[must_use]
    pub fn held_removals(&self) -> Vec<Cidr> {
        self.held.iter().filter(|cidr| self.waiting.binary_search(cidr).is_err()).copied().collect()
    }

    /// Whether nothing is written without approval.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.guard.verdict == Verdict::Blocked
    }

    /// Whether the plan needed an approval and has it.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.guard.verdict == Verdict::Approved
    }

    /// The empty document of a run that failed before it read anything.
    pub(super) fn empty() -> Self {
        Self {
            version: VERSION,
            outcome: Outcome::Failed,
            reason: String::new(),
            sentence: String::new(),
            unsure: 0,
            unfinished: None,
            leaves_something: false,
            error: None,
            digest: None,
            table: Table::default(),
            desired: PerFamily::default(),
            current: PerFamily::default(),
            ip_sets: Vec::new(),
            changes: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            deferred: Vec::new(),
            unplaced: Vec::new(),
            drift: Vec::new(),
            writes: Writes::default(),
            estimate_seconds: 0.0,
            approval_writes: 0,
            approval_seconds: 0.0,
            room: 0,
            guard: Guard { verdict: Verdict::Pass, reasons: Vec::new(), approve: None },
            web_acls: Vec::new(),
            unread_web_acls: Vec::new(),
            held_in: Vec::new(),
            lockout: None,
        }
    }

    /// Whether no web ACL was named.
    #[must_use]
    pub const fn looked_at_no_web_acl(&self) -> bool {
        self.web_acls.is_empty() && self.unread_web_acls.is_empty()
    }

    /// Whether a guard holds or blocks something.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        matches!(self.guard.verdict, Verdict::Held | Verdict::Blocked)
    }

    /// What happens to CIDRs that were put in by hand: they go at once, unless a guard holds every removal.
    #[must_use]
    pub fn fate_of_drift(&self) -> &'static str {
        if self.drift.iter().any(|cidr| self.held.binary_search(cidr).is_ok()) { "held" } else { "removed at once" }
    }

    /// Whether approving the digest would let something through.
    #[must_use]
    pub fn can_be_approved(&self) -> bool {
        // A web ACL that cannot be read stops no write.
        let is_stopped = self.outcome == Outcome::Failed && self.unread_web_acls.is_empty();
        self.is_guarded() && !is_stopped && self.digest.is_some()
    }

    /// Whether anything is pending.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.changes.is_empty() || self.is_guarded() || self.leaves_something
    }
}

fn shared_list<S: Serializer>(list: &Arc<Vec<Rejection>>, serializer: S) -> Result<S::Ok, S::Error> {
    list.serialize(serializer)
}
