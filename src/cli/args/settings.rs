//! The settings as clap sees them: flags, help and defaults, in the groups that commands share.
#![allow(clippy::doc_markdown, reason = "these comments are the help text, where backticks are noise")]

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::model::policy::{Action, Position};
use crate::model::settings::{Color, LogFormat, LogLevel, OnRejection, Output, Scope};

/// The table.
#[derive(Args, Debug)]
#[command(next_help_heading = "Table")]
pub(in crate::cli) struct TableArgs {
    /// The DynamoDB table; required
    ///
    /// A name, or an ARN, which also gives the table's Region and account.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(in crate::cli) table: Option<String>,
    /// Region of the table [default: that of its ARN, else AWS_REGION]
    ///
    /// AWS_REGION applies even when --scope cloudfront puts WAF in us-east-1.
    #[arg(long, value_name = "REGION")]
    pub(in crate::cli) table_region: Option<String>,
}

/// The items of the table and what counts as wanted.
#[derive(Args, Debug)]
#[command(next_help_heading = "Table")]
pub(in crate::cli) struct EntryArgs {
    /// Attribute that names the cluster in reports
    #[arg(long, value_name = "ATTRIBUTE", default_value = "id")]
    pub(in crate::cli) key_attribute: String,
    /// Attribute that holds the addresses
    ///
    /// A string with a JSON array of strings, a string with one CIDR, a string set, or a list of strings.
    #[arg(long, value_name = "ATTRIBUTE", default_value = "ips")]
    pub(in crate::cli) cidr_attribute: String,
    /// Attribute that holds the expiry time of an item [default: none]
    ///
    /// A number of seconds since 1970. An expired item counts as gone; an item without the attribute never expires.
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(in crate::cli) expiry_attribute: Option<String>,
    /// Parallel scan segments, 1 to 64
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(in crate::cli) segments: String,
    /// Read capacity units per second for scans [default: no limit]
    ///
    /// One unit reads 4 KB per second. Without a limit, scans run as fast as the table allows.
    #[arg(long, value_name = "UNITS")]
    pub(in crate::cli) read_capacity: Option<String>,
    /// Widest IPv4 prefix accepted from the table, 1 to 32
    ///
    /// A prefix length. A wider CIDR in the table is rejected; --always is not limited.
    #[arg(long, value_name = "PREFIX", default_value = "24")]
    pub(in crate::cli) widest_ipv4: String,
    /// Widest IPv6 prefix accepted from the table, 1 to 128
    ///
    /// A prefix length. A wider CIDR in the table is rejected; --always is not limited.
    #[arg(long, value_name = "PREFIX", default_value = "48")]
    pub(in crate::cli) widest_ipv6: String,
    /// Maximum number of CIDRs per item, at least 1
    ///
    /// An item with more is rejected as a whole.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(in crate::cli) max_per_item: String,
    /// Key of an item whose invalid values hold nothing back (repeatable)
    ///
    /// They are still reported.
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) ignore_item: Vec<String>,
    /// CIDR that is always wanted (repeatable)
    ///
    /// Break-glass access: an address, or a CIDR of any width except /0.
    #[arg(long, value_name = "CIDR")]
    pub(in crate::cli) always: Vec<String>,
    /// Merge CIDRs into the fewest that cover the same addresses [default: off]
    ///
    /// Merges adjacent and covered CIDRs, up to the widest prefix accepted.
    #[arg(long)]
    pub(in crate::cli) aggregate: bool,
}

/// The resources in WAF.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(in crate::cli) struct WafArgs {
    /// Name prefix of all managed resources
    ///
    /// 1 to 100 letters, digits, - and _. IP sets are named NAME-ipv4-000, NAME-ipv6-000, and so on; rule groups NAME-1,
    /// NAME-2.
    #[arg(long, value_name = "NAME", default_value = "wafsync")]
    pub(in crate::cli) name: String,
    /// Scope of the web ACL
    #[arg(long, value_name = "SCOPE", default_value = "regional")]
    pub(in crate::cli) scope: Scope,
    /// Web ACL that should refer to the rule groups (repeatable)
    ///
    /// Read by every run, never written. Without it, a run does not check that a web ACL enforces the rule groups.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(in crate::cli) web_acl: Vec<String>,
    /// Maximum number of managed IP sets, 1 to 1000
    ///
    /// Each holds 10,000 CIDRs of one address family. AWS allows 100 IP sets unless the quota is raised.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(in crate::cli) max_ip_sets: String,
    /// Existing IP set to take over (repeatable)
    ///
    /// The set is managed from then on. Removals from it are held until they are approved.
    #[arg(long, value_name = "IP_SET_NAME")]
    pub(in crate::cli) adopt: Vec<String>,
}

/// The rules and the tags of new resources.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(in crate::cli) struct RuleArgs {
    /// What the rules do with a wanted client
    #[arg(long, value_name = "ACTION", default_value = "allow")]
    pub(in crate::cli) action: Action,
    /// Header to match instead of the connection [default: none]
    ///
    /// Such as X-Forwarded-For. A request without the header, or with an invalid one, does not match.
    #[arg(long, value_name = "HEADER")]
    pub(in crate::cli) forwarded_ip_header: Option<String>,
    /// Which address in the header counts [default: first]
    ///
    /// Requires --forwarded-ip-header.
    #[arg(long, value_name = "POSITION")]
    pub(in crate::cli) forwarded_ip_position: Option<Position>,
    /// Additional tag on created resources (repeatable)
    ///
    /// At most 49; managed-by=wafsync is always set.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) tag: Vec<String>,
}

/// The guards.
#[derive(Args, Debug)]
#[command(next_help_heading = "Guards")]
pub(in crate::cli) struct GuardArgs {
    /// How to treat invalid items and values
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub(in crate::cli) on_rejection: OnRejection,
    /// Maximum removals per run and family: N% or a count
    ///
    /// A percentage (0% to 100%) of the CIDRs in force when the run starts, and always at least 5; or an exact count. If a
    /// plan removes more, all of its removals are held.
    #[arg(long, value_name = "LIMIT", default_value = "10%")]
    pub(in crate::cli) max_removals: String,
    /// Minimum number of CIDRs left per family
    ///
    /// Removals that would leave fewer are held.
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub(in crate::cli) min_addresses: String,
    /// Maximum additions per run and family: N% or a count [default: no limit]
    ///
    /// A percentage of the CIDRs in force when the run starts, which does not apply to a family that has none; or an exact
    /// count. If a run would add more, all further additions of that family are held.
    #[arg(long, value_name = "LIMIT")]
    pub(in crate::cli) max_additions: Option<String>,
    /// Approve exactly this plan [default: none]
    ///
    /// The digest (sha256: and 64 hexadecimal digits) is printed with a plan that needs approval. A flag only: there is no
    /// environment variable, so an approval cannot outlive its run.
    #[arg(long, value_name = "DIGEST")]
    pub(in crate::cli) approve: Option<String>,
}

/// Rate and time limits of reads.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(in crate::cli) struct ReadArgs {
    /// Calls per second to each Get or List action of WAF
    ///
    /// 0.001 to 1000. The default is the AWS quota, which the whole account shares.
    #[arg(long, value_name = "RATE", default_value = "5")]
    pub(in crate::cli) read_rate: String,
    /// Maximum run time, 10s to 24h
    ///
    /// Such as 90s, 15m, or 1h 30m. The run stops at a safe point before then, and the next one continues. In Lambda, the
    /// invocation sets it.
    #[arg(long, value_name = "TIME", default_value = "30m")]
    pub(in crate::cli) deadline: String,
}

/// Rate and time limits of writes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(in crate::cli) struct WriteArgs {
    /// Calls per second to each Create or Update action of WAF
    ///
    /// 0.001 to 1000. The default is the AWS quota, which the whole account shares.
    #[arg(long, value_name = "RATE", default_value = "1")]
    pub(in crate::cli) write_rate: String,
    /// Time from the first scan to the confirming scan, 0s to 24h
    ///
    /// Such as 30s or 2m. An address is removed only after two complete scans omit it. Must be less than --deadline, or
    /// nothing is removed.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(in crate::cli) settle: String,
}

/// The format of a result that is not a plan.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct OutputArgs {
    /// Format of the result
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = text_or_json())]
    pub(in crate::cli) output: Output,
}

fn text_or_json() -> impl TypedValueParser<Value = Output> {
    let values = [Output::Text, Output::Json].iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values).map(|value| if value == "json" { Output::Json } else { Output::Text })
}

/// The destinations of metrics after a run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Metrics")]
pub(in crate::cli) struct MetricsArgs {
    /// URL of a Pushgateway that gets the metrics of each run [default: none]
    ///
    /// Such as http://pushgateway:9091. The job is wafsync, the installation is NAME.
    #[arg(long = "metrics-push", value_name = "URL")]
    pub(in crate::cli) push: Option<String>,
    /// File with the Authorization header for --metrics-push [default: none]
    ///
    /// Its content is the value of the header, such as: Bearer TOKEN. Read before each push.
    #[arg(long = "metrics-push-auth", value_name = "FILE")]
    pub(in crate::cli) push_auth: Option<String>,
    /// File that gets the metrics of each run [default: none]
    ///
    /// In Prometheus text format, for the textfile collector of the node exporter: its name should end in .prom.
    #[arg(long = "metrics-file", value_name = "FILE")]
    pub(in crate::cli) file: Option<String>,
}

/// The amount of detail in a plan.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct FullArgs {
    /// List everything instead of the first few of each kind [default: off]
    #[arg(long)]
    pub(in crate::cli) full: bool,
}

/// The appearance of results and of the log on stderr.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct TerminalArgs {
    /// When to use color
    ///
    /// auto respects NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) color: Color,
    /// Format of the log, which goes to stderr
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(in crate::cli) log_format: LogFormat,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(in crate::cli) log_level: LogLevel,
}
