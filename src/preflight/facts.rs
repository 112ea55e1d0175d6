//! What the preflight saw of AWS: values only. `aws` fills them in, the judges read them.

use std::fmt;

use crate::model::current::Current;
use crate::model::item::TableView;
use crate::model::web_acl::{Effect, Override};
use crate::text;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What AWS said.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// Whether a permission is missing.
    pub denied: bool,
    /// Whether there are no credentials, or none that are valid.
    pub credentials: bool,
}

impl ReadError {
    /// The message and its hint on one line.
    #[must_use]
    pub fn with_hint(&self) -> String {
        text::with_hint(&self.message, self.hint.as_deref())
    }
}

/// What AWS answered.
pub type Answer<T> = Result<T, ReadError>;

/// Everything that was looked at.
#[derive(Debug)]
pub struct Facts {
    /// Who is calling: an ARN.
    pub identity: Answer<String>,
    /// The table.
    pub table: Answer<TableState>,
    /// Some of its items.
    pub sample: Answer<TableSample>,
    /// Our IP sets and rule groups.
    pub waf: Answer<Current>,
    /// What was said to reads of what is not there yet, other than that it is not there.
    pub probes: Vec<ReadError>,
    /// Everybody's.
    pub totals: Answer<Totals>,
    /// Web ACLs.
    pub web_acls: WebAcls,
}

/// A part of what was looked at, told as soon as it is known; in the order of the report.
#[derive(Clone, Copy, Debug)]
pub enum CheckStage<'a> {
    /// [`Facts::identity`]
    Identity(&'a Answer<String>),
    /// [`Facts::table`]
    Table(&'a Answer<TableState>),
    /// [`Facts::sample`]
    Sample(&'a Answer<TableSample>),
    /// What tells whether ours fits.
    Ours(Ours<'a>),
    /// [`Facts::web_acls`], and our rule groups to which they may refer.
    WebAcls(&'a WebAcls, &'a Answer<Current>),
    /// Everything.
    All(&'a Facts),
}

/// What is ours in WAF, what the table needs, and what others have.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// [`Facts::table`]
    pub table: &'a Answer<TableState>,
    /// [`Facts::sample`]
    pub sample: &'a Answer<TableSample>,
    /// [`Facts::waf`]
    pub waf: &'a Answer<Current>,
    /// [`Facts::totals`]
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

impl Facts {
    /// Every stage, in order.
    #[must_use]
    pub const fn stages(&self) -> [CheckStage<'_>; 6] {
        let Self { identity, table, sample, waf, totals, web_acls, .. } = self;
        [
            CheckStage::Identity(identity),
            CheckStage::Table(table),
            CheckStage::Sample(sample),
            CheckStage::Ours(Ours { table, sample, waf, totals }),
            CheckStage::WebAcls(web_acls, waf),
            CheckStage::All(self),
        ]
    }
}

/// Some items of the table.
#[derive(Clone, Debug)]
pub struct TableSample {
    /// What they ask for.
    pub view: TableView,
    /// There are no others.
    pub whole: bool,
}

/// What DynamoDB says of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    /// `ACTIVE` or what it is on the way to.
    pub status: String,
    /// Items, as counted some hours ago.
    pub items: u64,
}

/// What there is in the account, Region and scope, other people's included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// IP sets.
    pub ip_sets: usize,
    /// Rule groups.
    pub rule_groups: usize,
}

/// The web ACLs that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebAcls {
    /// Each that was named.
    Named(Vec<Answer<AclState>>),
    /// None was named, so all of the scope were looked through.
    Searched(Search),
    /// None was named, and no rule group of ours is known to which one could refer.
    NotSearched,
}

/// A search for web ACLs that refer to our rule groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// How many web ACLs there are.
    pub listed: usize,
    /// How many of them were looked at.
    pub read: usize,
    /// Those that refer to a rule group of ours.
    pub referring: Vec<AclState>,
    /// What ended it early.
    pub trouble: Option<ReadError>,
}

impl WebAcls {
    /// Those that a run looks at too.
    pub(super) fn named(&self) -> &[Answer<AclState>] {
        match self {
            Self::Named(acls) => acls,
            Self::Searched(_) | Self::NotSearched => &[],
        }
    }

    /// All of which something is known.
    pub(super) fn read(&self) -> impl Iterator<Item = &AclState> {
        let found = match self {
            Self::Searched(search) => search.referring.as_slice(),
            Self::Named(_) | Self::NotSearched => &[],
        };
        self.named().iter().flatten().chain(found)
    }

    /// What ended the search early.
    pub(super) fn trouble(&self) -> Option<&ReadError> {
        match self {
            Self::Searched(search) => search.trouble.as_ref(),
            Self::Named(_) | Self::NotSearched => None,
        }
    }
}

/// What a web ACL does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclState {
    /// Its name.
    pub name: String,
    /// Whether it blocks what no rule lets in.
    pub blocks: bool,
    /// Its rules and the rule groups that Firewall Manager attached, in any order.
    pub rules: Vec<AclRule>,
    /// The ARNs of what it protects; `None`: a web ACL for CloudFront, whose distributions WAF does not list.
    pub resources: Option<Answer<Vec<String>>>,
}

/// When a web ACL asks a rule: lower is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// Whose turn it is.
    pub phase: Phase,
    /// Its number in that phase.
    pub number: i32,
}

/// The order in which a web ACL asks (AWS WAF API, `WebACL`).
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
    /// That of a rule of the web ACL itself.
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
    /// When it is asked.
    pub priority: Priority,
    /// What it is.
    pub kind: RuleKind,
}

/// What a rule of a web ACL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A reference to a rule group of the account.
    Group {
        /// The ARN of the rule group.
        arn: String,
        /// What becomes of our rule there, if the rule group is ours.
        with: Override,
    },
    /// A rule group that AWS or a seller manages.
    Managed {
        /// Whether what comes of it is only counted.
        counted: bool,
    },
    /// A rule of its own.
    Plain {
        /// What it does.
        effect: Effect,
        /// With which requests.
        on: Condition,
    },
}

/// The requests that a rule matches, as far as labels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Those with any of these labels.
    Any(Vec<LabelKey>),
    /// Those with none of these labels.
    None(Vec<LabelKey>),
    /// Something else, in which these labels occur.
    Other(Vec<LabelKey>),
}

impl Condition {
    pub(super) const fn keys(&self) -> &Vec<LabelKey> {
        match self {
            Self::Any(keys) | Self::None(keys) | Self::Other(keys) => keys,
        }
    }
}

/// What a rule asks for in the labels of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelKey {
    /// A label.
    Label(String),
    /// Any label in a namespace.
    Namespace(String),
}
