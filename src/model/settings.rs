//! What a run is told to do, validated: the same for the command line and for Lambda.
//!
//! Everything here is a plain value. How it is written as flags and environment variables is `cli`'s affair.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::limits::Limits;
use crate::model::policy::RulePolicy;

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
    /// `--segments`: parallel scan segments, 1 to [`MAX_SEGMENTS`].
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

/// How many CIDRs of a family one run may add.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxAdditions {
    /// A percentage of those in force at the start, of any size. It does not apply to a family without any in force.
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
    /// `--max-additions`; `None`: no limit.
    pub max_additions: Option<MaxAdditions>,
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

/// The most parallel scan segments. Each is one connection and, at 1 MB a page, up to 256 read units a call: more of them
/// than this starve the table's other readers before they make a scan of a few thousand items any faster.
pub const MAX_SEGMENTS: u32 = 64;

/// How a result is shown on stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSettings {
    /// `--output`
    pub output: Output,
    /// `--log-format json`: a JSON document is one line, like the log lines around it.
    pub one_line: bool,
    /// `--color`
    pub color: Color,
    /// `--full`: list everything instead of the first few of each kind.
    pub full: bool,
    /// `--item` of `plan`: show only what these items get.
    pub items: Vec<String>,
}

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// The versioned document.
    Json,
    /// For a comment or a summary page; `plan` only.
    Markdown,
    /// One self-contained page for a change ticket; `plan` only.
    Html,
}

/// When text has color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// In a terminal, unless the environment says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where metrics go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// `--metrics-listen`
    pub listen: Option<SocketAddr>,
    /// `--metrics-push`: the URL of a Pushgateway, without a slash at its end.
    pub push: Option<String>,
    /// `--metrics-push-auth`: a file with the value of the `Authorization` header.
    pub push_auth: Option<PathBuf>,
    /// `--metrics-file`
    pub file: Option<PathBuf>,
}

/// The log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `--log-format`
    pub format: LogFormat,
    /// `--log-level`
    pub level: LogLevel,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: LogLevel::Info }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text in a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least urgent events that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors alone.
    Error,
    /// And what a person should look at.
    Warn,
    /// And what changed.
    Info,
    /// And each call.
    Debug,
    /// And connections and retries of the AWS SDK.
    Trace,
}
