//! Validated settings, the same for the command line and for Lambda.
//!
//! Everything here is a plain value. `cli` parses flags and environment variables into it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::cidr::{Cidr, PerFamily};
use crate::model::limits::Limits;
use crate::model::policy::RulePolicy;

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The table.
    pub table: TableSettings,
    /// The resources in WAF.
    pub waf: WafSettings,
    /// The guards.
    pub guards: GuardSettings,
    /// Rates and the deadline.
    pub run: RunSettings,
}

/// Settings of the `DynamoDB` table.
#[derive(Clone, Debug)]
pub struct TableSettings {
    /// `--table`: a name or an ARN, as given; `DynamoDB` accepts either.
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
    /// `--settle`: from the start of the first scan to the start of the confirming one.
    pub settle: Duration,
    /// `--widest-ipv4`, `--widest-ipv6`: the shortest prefix length that is accepted.
    pub widest: PerFamily<u8>,
    /// `--max-per-item`: an item that asks for more CIDRs is rejected whole.
    pub max_per_item: usize,
    /// `--ignore-item`: keys of items whose rejections hold nothing back.
    pub ignored_items: BTreeSet<String>,
    /// `--always`: wanted regardless of the table.
    pub always: Vec<Cidr>,
    /// `--aggregate`: merge into the fewest CIDRs that cover exactly the same addresses.
    pub aggregate: bool,
}

impl TableSettings {
    /// The table's name without the rest of an ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        self.table.rsplit_once(":table/").map_or(self.table.as_str(), |(_, name)| name)
    }
}

/// Maximum length of a Region's name: twice that of the longest one.
const MAX_REGION: usize = 32;

/// Whether this is a possible name of an AWS Region.
#[must_use]
pub fn is_region(text: &str) -> bool {
    (1..=MAX_REGION).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The scope of WAF resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Load balancers and other resources of one Region.
    Regional,
    /// `CloudFront`; every call goes to us-east-1.
    Cloudfront,
}

/// Settings of the resources in WAF.
#[derive(Clone, Debug)]
pub struct WafSettings {
    /// `--name`: the prefix of every resource's name.
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

/// What rejections do to removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRejection {
    /// Remove nothing.
    Hold,
    /// Continue without what was rejected.
    Skip,
    /// Change nothing, fail.
    Abort,
}

/// The most CIDRs of a family that one run may remove.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRemovals {
    /// A percentage of those in force at the start, 0 to 100; five are always allowed.
    Percent(f64),
    /// An exact count.
    Count(usize),
}

/// The most CIDRs of a family that one run may add.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxAdditions {
    /// A percentage of those in force at the start, possibly above 100. It does not apply to a family with none in force.
    Percent(f64),
    /// An exact count.
    Count(usize),
}

/// Settings of the guards: limits on what a plan may do without approval.
#[derive(Clone, Debug)]
pub struct GuardSettings {
    /// `--on-rejection`.
    pub on_rejection: OnRejection,
    /// `--max-removals`.
    pub max_removals: MaxRemovals,
    /// `--min-addresses`: the least CIDRs of a family that removals must leave.
    pub min_addresses: usize,
    /// `--max-additions`; `None`: no limit.
    pub max_additions: Option<MaxAdditions>,
    /// `--approve`: the digest that was approved, `sha256:` and 64 hexadecimal digits.
    pub approve: Option<String>,
}

/// Rates and the deadline.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// `--read-rate`: calls per second to each Get or List action of WAF.
    pub read_rate: f64,
    /// `--write-rate`: calls per second to each Create or Update action of WAF.
    pub write_rate: f64,
    /// `--deadline`: from the start of the run.
    pub deadline: Duration,
}

/// Maximum number of parallel scan segments. Each is one connection and, at 1 MB a page, up to 256 read units a call. More
/// would starve the table's other readers without making a scan of a few thousand items faster.
pub const MAX_SEGMENTS: u32 = 64;

/// Settings of the result on stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSettings {
    /// `--output`
    pub output: Output,
    /// Whether a JSON document is printed on one line, as with `--log-format json`.
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
    /// The versioned JSON document.
    Json,
    /// Markdown for a comment or a summary page; `plan` only.
    Markdown,
    /// A self-contained HTML page for a change ticket; `plan` only.
    Html,
}

/// When text is colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// In a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Settings of the metrics.
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

/// Settings of the log on stderr.
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

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text in a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The lowest level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// Also warnings.
    Warn,
    /// Also what a run does and changes.
    Info,
    /// Also each call to AWS.
    Debug,
    /// Also connections and retries of the AWS SDK.
    Trace,
}
