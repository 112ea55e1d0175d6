//! What a run is told to do, validated: the same for the command line and for Lambda.
//!
//! Everything here is a plain value. How it is written as flags and environment variables is `cli`'s affair.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cidr::{Cidr, PerFamily};
use crate::limits::Limits;

/// Everything a run is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the wanted addresses come from.
    pub table: TableSettings,
    /// What is managed in WAF.
    pub waf: WafSettings,
    /// What may not happen without a person.
    pub guards: GuardSettings,
    /// How fast and how long.
    pub run: RunSettings,
}

/// The DynamoDB table and how to read it.
#[derive(Clone, Debug)]
pub struct TableSettings {
    /// `--table`: a name or an ARN, as given; DynamoDB takes either.
    pub table: String,
    /// `--table-region`, or the Region of the table's ARN; `None`: the Region of the environment.
    pub region: Option<String>,
    /// `--key-attribute`: names the cluster in reports.
    pub key_attribute: String,
    /// `--cidr-attribute`: holds the addresses.
    pub cidr_attribute: String,
    /// `--expiry-attribute`: epoch seconds.
    pub expiry_attribute: Option<String>,
    /// `--segments`: parallel scan segments, 1 to [`MAX_SEGMENTS`](crate::cli::MAX_SEGMENTS).
    pub segments: u32,
    /// `--read-capacity`: read capacity units a second; `None`: as fast as the table allows.
    pub read_capacity: Option<u32>,
    /// `--settle`: from the end of the first scan to the start of the confirming one.
    pub settle: Duration,
    /// `--widest-ipv4`, `--widest-ipv6`: the shortest prefix length that the table may ask for.
    pub widest: PerFamily<u8>,
    /// `--max-per-item`: an item that asks for more CIDRs is rejected whole.
    pub max_per_item: usize,
    /// `--ignore-item`: keys of items whose rejections hold nothing back.
    pub ignored_items: BTreeSet<String>,
    /// `--always`: wanted whatever the table says.
    pub always: Vec<Cidr>,
    /// `--aggregate`: merge into the fewest CIDRs that cover exactly the same addresses.
    pub aggregate: bool,
}

impl TableSettings {
    /// The table's name without what an ARN has in front.
    #[must_use]
    pub fn name(&self) -> &str {
        self.table.rsplit_once(":table/").map_or(self.table.as_str(), |(_, name)| name)
    }
}

/// Characters of a Region's name: twice what the longest one has.
const MAX_REGION: usize = 32;

/// Whether this can be the name of an AWS Region.
#[must_use]
pub fn is_region(text: &str) -> bool {
    (1..=MAX_REGION).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Where a web ACL can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Load balancers and other resources of one Region.
    Regional,
    /// `CloudFront`; every call goes to us-east-1.
    Cloudfront,
}

/// What the rules do with a client whose address is in an IP set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it in and stop evaluating.
    Allow,
    /// Label it and go on.
    Count,
}

/// Which address of a forwarded header counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The first, which the client can forge.
    First,
    /// The last, put there by the nearest proxy.
    Last,
    /// Any of the last ten; the client can forge it.
    Any,
}

/// Match on a header instead of the connection's own address.
#[derive(Clone, Debug, Eq)]
pub struct Forwarded {
    /// The header's name, such as `X-Forwarded-For`.
    pub header: String,
    /// Which of its addresses.
    pub position: Position,
}

impl PartialEq for Forwarded {
    /// The names of headers know no case.
    fn eq(&self, other: &Self) -> bool {
        self.header.eq_ignore_ascii_case(&other.header) && self.position == other.position
    }
}

/// What a rule of ours does and what it looks at: a change of this needs a person once there are references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePolicy {
    /// Allow, or count and label.
    pub action: Action,
    /// The forwarded header, if the rule does not look at the connection.
    pub forwarded: Option<Forwarded>,
}

/// The resources in WAF.
#[derive(Clone, Debug)]
pub struct WafSettings {
    /// `--name`: the stem of every resource's name.
    pub name: String,
    /// `--scope`.
    pub scope: Scope,
    /// `--action` and `--forwarded-ip-…`.
    pub policy: RulePolicy,
    /// `--web-acl`: names or ARNs, as given.
    pub web_acls: Vec<String>,
    /// `--max-ip-sets`, with the quotas of AWS.
    pub limits: Limits,
    /// `--adopt`: names of IP sets that are shards too.
    pub adopt: BTreeSet<String>,
    /// `--tag`: further tags on what is created.
    pub tags: BTreeMap<String, String>,
}

/// What a rejection does to removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRejection {
    /// Remove nothing.
    Hold,
    /// Go on without what was rejected.
    Skip,
    /// Change nothing, fail.
    Abort,
}

/// How many CIDRs of a family one run may remove.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRemovals {
    /// A percentage of those in force at the start, 0 to 100; five are always allowed.
    Percent(f64),
    /// An exact count.
    Count(usize),
}

/// Limits on what a plan may do without approval.
#[derive(Clone, Debug)]
pub struct GuardSettings {
    /// `--on-rejection`.
    pub on_rejection: OnRejection,
    /// `--max-removals`.
    pub max_removals: MaxRemovals,
    /// `--min-addresses`: CIDRs of a family that must be left.
    pub min_addresses: usize,
    /// `--approve`: the digest that was approved, `sha256:` and 64 hexadecimal digits.
    pub approve: Option<String>,
}

/// Pace and time.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// `--read-rate`: calls a second to each single Get or List action of WAF.
    pub read_rate: f64,
    /// `--write-rate`: calls a second to each single Create or Update action of WAF.
    pub write_rate: f64,
    /// `--deadline`: from the start of the run.
    pub deadline: Duration,
}
