//! The facts that the preflight judges, as values. `aws` collects them.

use std::fmt;

use crate::model::current::Current;
use crate::model::item::TableView;
use crate::model::naming::Target;
use crate::model::web_acl::{Effect, Override};
use crate::text;

/// The error of a failed read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The message.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// Whether a permission is missing.
    pub denied: bool,
    /// Whether credentials are missing or invalid.
    pub credentials: bool,
}

impl ReadError {
    /// The message and its hint on one line.
    #[must_use]
    pub fn with_hint(&self) -> String {
        text::with_hint(&self.message, self.hint.as_deref())
    }
}

/// The result of a read.
pub type Answer<T> = Result<T, ReadError>;

/// All facts that `check` judges.
#[derive(Debug)]
pub struct CheckFacts {
    /// Where WAF and the table are.
    pub target: Target,
    /// The ARN of the caller.
    pub identity: Answer<String>,
    /// The table.
    pub table: Answer<TableState>,
    /// A sample of its items.
    pub sample: Answer<TableSample>,
    /// Our IP sets and rule groups.
    pub waf: Answer<Current>,
    /// Errors of reads of resources that do not exist yet, other than that they do not exist.
    pub probes: Vec<ReadError>,
    /// The numbers of all IP sets and rule groups.
    pub totals: Answer<Totals>,
    /// The web ACLs.
    pub web_acls: WebAcls,
}

/// A stage of the facts, reported as soon as it is complete; in the order of the report.
#[derive(Clone, Copy, Debug)]
pub enum CheckStage<'a> {
    /// [`CheckFacts::identity`]
    Identity(&'a Answer<String>),
    /// [`CheckFacts::table`]
    Table(&'a Answer<TableState>),
    /// [`CheckFacts::sample`]
    Sample(&'a Answer<TableSample>),
    /// What decides whether ours fits.
    Ours(Ours<'a>),
    /// [`CheckFacts::web_acls`], and our rule groups that they may refer to.
    WebAcls(&'a WebAcls, &'a Answer<Current>),
    /// All facts.
    All(&'a CheckFacts),
}

/// Our resources in WAF, what the table needs, and the numbers of all resources.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// [`CheckFacts::target`]
    pub target: &'a Target,
    /// [`CheckFacts::table`]
    pub table: &'a Answer<TableState>,
    /// [`CheckFacts::sample`]
    pub sample: &'a Answer<TableSample>,
    /// [`CheckFacts::waf`]
    pub waf: &'a Answer<Current>,
    /// [`CheckFacts::totals`]
    pub totals: &'a Answer<Totals>,
}

impl CheckStage<'_> {
    /// Its place in the report.
    #[must_use]
    pub const fn place(self) -> usize {
        match self {
            Self::Identity(_) => 0,
            Self::Table(_) => 1,
            Self::Sample(_) => 2,
            Self::Ours(_) => 3,
            Self::WebAcls(..) => 4,
            Self::All(_) => 5,
        }
    }
}

impl CheckFacts {
    /// Every stage, in order.
    #[must_use]
    pub const fn stages(&self) -> [CheckStage<'_>; 6] {
        let Self { target, identity, table, sample, waf, totals, web_acls, .. } = self;
        [
            CheckStage::Identity(identity),
            CheckStage::Table(table),
            CheckStage::Sample(sample),
            CheckStage::Ours(Ours { target, table, sample, waf, totals }),
            CheckStage::WebAcls(web_acls, waf),
            CheckStage::All(self),
        ]
    }
}

/// A sample of the table's items.
#[derive(Clone, Debug)]
pub struct TableSample {
    /// What they ask for.
    pub view: TableView,
    /// Whether it has all items.
    pub whole: bool,
}

/// `DynamoDB`'s description of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    /// Its status, such as `ACTIVE`.
    pub status: String,
    /// The number of items, as counted by `DynamoDB` some hours ago.
    pub items: u64,
}

/// The numbers of resources in the account, Region and scope, including those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// IP sets.
    pub ip_sets: usize,
    /// Rule groups.
    pub rule_groups: usize,
}

/// The web ACLs that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebAcls {
    /// Those that were named.
    Named(Vec<Answer<AclState>>),
    /// None was named, so all web ACLs of the scope were searched.
    Searched(Search),
    /// None was named, and no rule group of ours is known.
    NotSearched,
}

/// A search for web ACLs that refer to our rule groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The number of web ACLs.
    pub listed: usize,
    /// The number of web ACLs that were read.
    pub read: usize,
    /// Those that refer to a rule group of ours.
    pub referring: Vec<AclState>,
    /// The error that ended the search early.
    pub trouble: Option<ReadError>,
}

impl WebAcls {
    /// Those that a run reads too.
    pub(super) fn named(&self) -> &[Answer<AclState>] {
        match self {
            Self::Named(acls) => acls,
            Self::Searched(_) | Self::NotSearched => &[],
        }
    }

    /// All web ACLs that were read.
    pub(super) fn read(&self) -> impl Iterator<Item = &AclState> {
        let found = match self {
            Self::Searched(search) => search.referring.as_slice(),
            Self::Named(_) | Self::NotSearched => &[],
        };
        self.named().iter().flatten().chain(found)
    }

    /// The error that ended the search early.
    pub(super) fn trouble(&self) -> Option<&ReadError> {
        match self {
            Self::Searched(search) => search.trouble.as_ref(),
            Self::Named(_) | Self::NotSearched => None,
        }
    }
}

/// What was read of a web ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclState {
    /// Its name.
    pub name: String,
    /// Whether its default action blocks.
    pub blocks: bool,
    /// Its rules and the rule groups that Firewall Manager attached, in any order.
    pub rules: Vec<AclRule>,
    /// The ARNs of the resources that it protects; `None` for `CloudFront`, whose distributions WAF does not list.
    pub resources: Option<Answer<Vec<String>>>,
}

/// The position of a rule in a web ACL; lower is evaluated earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// Its phase.
    pub phase: Phase,
    /// Its priority within the phase.
    pub number: i32,
}

/// A phase of a web ACL's evaluation, in order (AWS WAF API, `WebACL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The rule groups that Firewall Manager runs first.
    FirewallManagerFirst,
    /// The rules of the web ACL.
    Own,
    /// The rule groups that Firewall Manager runs last.
    FirewallManagerLast,
}

impl Priority {
    /// The position of a rule of the web ACL itself.
    #[must_use]
    pub const fn own(number: i32) -> Self {
        Self { phase: Phase::Own, number }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::FirewallManagerFirst => " of Firewall Manager's first rule groups",
            Phase::Own => "",
            Phase::FirewallManagerLast => " of Firewall Manager's last rule groups",
        };
        write!(f, "priority {}{phase}", self.number)
    }
}

/// A rule of a web ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    /// Its name.
    pub name: String,
    /// Its position.
    pub priority: Priority,
    /// Its kind.
    pub kind: RuleKind,
}

/// The kind of a rule of a web ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A reference to a rule group of the account.
    Group {
        /// The ARN of the rule group.
        arn: String,
        /// The override of our rule, if the rule group is ours.
        with: Override,
    },
    /// A managed rule group of AWS or a seller.
    Managed {
        /// Whether it only counts.
        counted: bool,
    },
    /// Any other rule.
    Plain {
        /// Its action.
        effect: Effect,
        /// The requests that it matches.
        on: Condition,
    },
}

/// The requests that a rule matches, as far as labels determine it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Those with any of these labels.
    Any(Vec<LabelKey>),
    /// Those with none of these labels.
    None(Vec<LabelKey>),
    /// Another condition that mentions these labels.
    Other(Vec<LabelKey>),
}

impl Condition {
    pub(super) const fn keys(&self) -> &Vec<LabelKey> {
        match self {
            Self::Any(keys) | Self::None(keys) | Self::Other(keys) => keys,
        }
    }
}

/// A label or namespace that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelKey {
    /// A label.
    Label(String),
    /// Any label in a namespace.
    Namespace(String),
}
