//! The flags as clap sees them: names, help and defaults.
//!
//! Values are plain text here, except for those that the help lists; `convert` parses and validates them.
#![allow(clippy::doc_markdown, reason = "these comments are the help text, where backticks are noise")]

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::model::policy::{Action, Position};
use crate::model::settings::{Color, LogFormat, LogLevel, OnRejection, Output, Scope};
use crate::preflight::iam_policy::Access;

/// Keep an AWS WAF allow-list in step with a DynamoDB table
///
/// Reads the whole table, computes the wanted CIDRs, and updates its IP sets and rule groups in AWS WAF to match. It adds
/// immediately, removes only with proof, never deletes an AWS resource, and keeps no state of its own.
#[derive(Debug, Parser)]
#[command(name = "wafsync", bin_name = "wafsync", version, max_term_width = 100, after_help = ENVIRONMENT)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const ENVIRONMENT: &str = "\
Every setting can also be an environment variable: WAFSYNC_ plus the flag in
upper case with _ for -, such as WAFSYNC_MAX_REMOVALS. Separate several values
with commas; a switch is true or false. A flag overrides its variable. Region,
credentials, profile, and endpoints come from the standard AWS variables and
files.";

const PLAN_EXITS: &str = "\
Exit codes:
  0   the plan was printed; with --detailed-exitcode: nothing to do
  1   failed; permanent until fixed
  2   with --detailed-exitcode: changes are pending
  3   with --detailed-exitcode: changes are pending that need approval, or the
      web ACL does not enforce the result
  4   interrupted, or AWS did not answer; try again
  64  usage error

Every setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const APPLY_EXITS: &str = "\
Exit codes:
  0   every wanted address is in force, and no other
  1   failed; permanent until fixed
  3   needs a person: a guard stopped something, or the web ACL does not enforce
      a rule group
  4   not finished; the next run continues
  64  usage error

Every setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const WATCH_EXITS: &str = "\
Exit codes:
  0   stopped by a signal
  1   could not start
  4   stopped immediately by a second signal
  64  usage error

Every setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const EXPLAIN_EXITS: &str = "\
Exit codes, of several answers the highest except 0:
  0   wanted and in force, all of it
  1   failed
  5   wanted but not in force
  6   in force but not wanted
  7   neither
  64  usage error

Every setting can also be an environment variable, such as WAFSYNC_TABLE.";

const CHECK_EXITS: &str = "\
Exit codes:
  0   no failure
  1   at least one failure
  64  usage error

Every setting can also be an environment variable, such as WAFSYNC_TABLE.";

const IAM_POLICY_NOTES: &str = "\
Region and account come from the ARNs given, --table-region, and AWS_REGION;
whatever is unknown becomes *. Give ARNs for the narrowest policy.

Every setting can also be an environment variable, such as WAFSYNC_TABLE.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what apply would do
    ///
    /// Scans the table, reads WAF, and prints the plan. Nothing in this process can write to AWS.
    #[command(after_help = PLAN_EXITS)]
    Plan(PlanArgs),
    /// Update WAF to match the table
    ///
    /// Does what plan does, then carries out the plan and verifies the result. In a terminal, it asks first.
    #[command(after_help = APPLY_EXITS)]
    Apply(ApplyArgs),
    /// Apply repeatedly until stopped
    ///
    /// Does what apply does, immediately and then at every interval, one run at a time. A failed run does not end it;
    /// SIGTERM and SIGINT do, at the next safe point.
    #[command(after_help = WATCH_EXITS)]
    Watch(WatchArgs),
    /// Explain whether addresses are wanted and in force
    ///
    /// Names the items that ask for each address, those in which it was rejected and why, and the IP sets, rule groups, and
    /// web ACLs that let it in, or the missing link between them.
    #[command(after_help = EXPLAIN_EXITS)]
    Explain(ExplainArgs),
    /// Check that everything is ready for apply
    ///
    /// Prints ok, warning, or failure for each thing that a run depends on, and how to fix it. Changes nothing.
    #[command(after_help = CHECK_EXITS)]
    Check(LookArgs),
    /// Print the least-privilege IAM policy for these settings
    ///
    /// Prints an IAM policy document as JSON. Makes no call.
    #[command(after_help = IAM_POLICY_NOTES)]
    IamPolicy(IamPolicyArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// `plan`.
#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Format of the plan
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) output: Output,
    /// Show only what this item gets (repeatable)
    ///
    /// The key of an item, as --key-attribute names it. Limits what the text shows, not what apply would do.
    #[arg(long, value_name = "KEY", help_heading = "Output")]
    pub(super) item: Vec<String>,
    #[command(flatten)]
    pub(super) full: FullArgs,
    #[command(flatten)]
    pub(super) terminal: TerminalArgs,
    /// Exit with 2 or 3 if changes are pending [default: off]
    ///
    /// 0: nothing to do. 2: changes are pending. 3: changes are pending that need approval, or the web ACL does not enforce
    /// the result.
    #[arg(long, help_heading = "Output")]
    pub(super) detailed_exitcode: bool,
}

/// `apply`.
#[derive(Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Apply without asking first [default: off]
    ///
    /// In a terminal, apply shows its plan and asks once; only yes continues. Outside a terminal it never asks. A flag only:
    /// there is no environment variable.
    #[arg(long, help_heading = "Run")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) full: FullArgs,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    #[command(flatten)]
    pub(super) terminal: TerminalArgs,
}

/// `watch`.
#[derive(Args, Debug)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Time between the starts of two runs, 10s to 24h
    ///
    /// Such as 90s, 5m, or 1h 30m; varied at random by up to 10%. A run that takes longer delays the next.
    #[arg(long, value_name = "TIME", default_value = "5m", help_heading = "Run")]
    pub(super) every: String,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Address and port that serve metrics and health [default: none]
    ///
    /// Such as 0.0.0.0:9090. /metrics: Prometheus metrics. /healthz: whether runs finish in time. /readyz: whether the last
    /// run succeeded.
    #[arg(long, value_name = "ADDRESS", help_heading = "Metrics")]
    pub(super) metrics_listen: Option<String>,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    #[command(flatten)]
    pub(super) terminal: TerminalArgs,
}

/// `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// Addresses or CIDRs
    #[arg(value_name = "ADDRESS", required_unless_present = "item")]
    pub(super) addresses: Vec<String>,
    /// Explain every address of this item (repeatable)
    ///
    /// The key of an item, as --key-attribute names it.
    #[arg(long, value_name = "KEY")]
    pub(super) item: Vec<String>,
    /// Wait until all of it is wanted and in force [default: do not wait]
    ///
    /// Looks again until then or until this time is up, 1s to 24h, such as 10m. The exit code is that of the last look. A
    /// look for items alone reads these items and not the whole table, where --key-attribute is the table's partition key.
    #[arg(long, value_name = "TIME", help_heading = "Run")]
    pub(super) wait: Option<String>,
    #[command(flatten)]
    pub(super) look: LookArgs,
}

/// The settings of commands that only read: `check` and `explain`.
#[derive(Args, Debug)]
pub(super) struct LookArgs {
    #[command(flatten)]
    pub(super) table: TableArgs,
    #[command(flatten)]
    pub(super) entries: EntryArgs,
    #[command(flatten)]
    pub(super) waf: WafArgs,
    #[command(flatten)]
    pub(super) rule: RuleArgs,
    #[command(flatten)]
    pub(super) read: ReadArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) terminal: TerminalArgs,
}

/// `iam-policy`.
#[derive(Args, Debug)]
pub(super) struct IamPolicyArgs {
    #[command(flatten)]
    pub(super) table: TableArgs,
    #[command(flatten)]
    pub(super) waf: WafArgs,
    /// Command that the policy allows
    #[arg(long = "for", value_name = "COMMAND", default_value = "apply", help_heading = "Output")]
    pub(super) access: Access,
}

/// The settings of a run.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) table: TableArgs,
    #[command(flatten)]
    pub(super) entries: EntryArgs,
    #[command(flatten)]
    pub(super) waf: WafArgs,
    #[command(flatten)]
    pub(super) rule: RuleArgs,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    #[command(flatten)]
    pub(super) read: ReadArgs,
    #[command(flatten)]
    pub(super) write: WriteArgs,
}

/// Which table.
#[derive(Args, Debug)]
#[command(next_help_heading = "Table")]
pub(super) struct TableArgs {
    /// The DynamoDB table; required
    ///
    /// A name, or an ARN, which also gives the table's Region and account.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(super) table: Option<String>,
    /// Region of the table [default: that of its ARN, else AWS_REGION]
    ///
    /// AWS_REGION applies even when --scope cloudfront puts WAF in us-east-1.
    #[arg(long, value_name = "REGION")]
    pub(super) table_region: Option<String>,
}

/// How the table is read and what counts as wanted.
#[derive(Args, Debug)]
#[command(next_help_heading = "Table")]
pub(super) struct EntryArgs {
    /// Attribute that names the cluster in reports
    #[arg(long, value_name = "ATTRIBUTE", default_value = "id")]
    pub(super) key_attribute: String,
    /// Attribute that holds the addresses
    ///
    /// A string with a JSON array of strings, a string with one CIDR, a string set, or a list of strings.
    #[arg(long, value_name = "ATTRIBUTE", default_value = "ips")]
    pub(super) cidr_attribute: String,
    /// Attribute that holds the expiry time of an item [default: none]
    ///
    /// A number of seconds since 1970. An expired item counts as gone; an item without the attribute never expires.
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(super) expiry_attribute: Option<String>,
    /// Parallel scan segments, 1 to 64
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(super) segments: String,
    /// Read capacity units per second for scans [default: no limit]
    ///
    /// One unit reads 4 KB per second. Without a limit, scans run as fast as the table allows.
    #[arg(long, value_name = "UNITS")]
    pub(super) read_capacity: Option<String>,
    /// Widest IPv4 prefix accepted from the table, 1 to 32
    ///
    /// A prefix length. A wider CIDR in the table is rejected; --always is not limited.
    #[arg(long, value_name = "PREFIX", default_value = "24")]
    pub(super) widest_ipv4: String,
    /// Widest IPv6 prefix accepted from the table, 1 to 128
    ///
    /// A prefix length. A wider CIDR in the table is rejected; --always is not limited.
    #[arg(long, value_name = "PREFIX", default_value = "48")]
    pub(super) widest_ipv6: String,
    /// Maximum number of CIDRs per item, at least 1
    ///
    /// An item with more is rejected as a whole.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(super) max_per_item: String,
    /// Key of an item whose invalid values hold nothing back (repeatable)
    ///
    /// They are still reported.
    #[arg(long, value_name = "KEY")]
    pub(super) ignore_item: Vec<String>,
    /// CIDR that is always wanted (repeatable)
    ///
    /// Break-glass access: an address, or a CIDR of any width except /0.
    #[arg(long, value_name = "CIDR")]
    pub(super) always: Vec<String>,
    /// Merge CIDRs into the fewest that cover the same addresses [default: off]
    ///
    /// Merges adjacent and covered CIDRs, up to the widest prefix accepted.
    #[arg(long)]
    pub(super) aggregate: bool,
}

/// The resources in WAF.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(super) struct WafArgs {
    /// Name prefix of all managed resources
    ///
    /// 1 to 100 letters, digits, - and _. IP sets are named NAME-ipv4-000, NAME-ipv6-000, and so on; rule groups NAME-1,
    /// NAME-2.
    #[arg(long, value_name = "NAME", default_value = "wafsync")]
    pub(super) name: String,
    /// Scope of the web ACL
    #[arg(long, value_name = "SCOPE", default_value = "regional")]
    pub(super) scope: Scope,
    /// Web ACL that should refer to the rule groups (repeatable)
    ///
    /// Read by every run, never written. Without it, a run does not check that a web ACL enforces the rule groups.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(super) web_acl: Vec<String>,
    /// Maximum number of managed IP sets, 1 to 1000
    ///
    /// Each holds 10,000 CIDRs of one address family. AWS allows 100 IP sets unless the quota is raised.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(super) max_ip_sets: String,
    /// Existing IP set to take over (repeatable)
    ///
    /// The set is managed from then on. Removals from it are held until they are approved.
    #[arg(long, value_name = "IP_SET_NAME")]
    pub(super) adopt: Vec<String>,
}

/// What the rules do and how new resources are tagged.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(super) struct RuleArgs {
    /// What the rules do with a wanted client
    #[arg(long, value_name = "ACTION", default_value = "allow")]
    pub(super) action: Action,
    /// Header to match instead of the connection [default: none]
    ///
    /// Such as X-Forwarded-For. A request without the header, or with an invalid one, does not match.
    #[arg(long, value_name = "HEADER")]
    pub(super) forwarded_ip_header: Option<String>,
    /// Which address in the header counts [default: first]
    ///
    /// Requires --forwarded-ip-header.
    #[arg(long, value_name = "POSITION")]
    pub(super) forwarded_ip_position: Option<Position>,
    /// Additional tag on created resources (repeatable)
    ///
    /// At most 49; managed-by=wafsync is always set.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) tag: Vec<String>,
}

/// What a run may not do without approval.
#[derive(Args, Debug)]
#[command(next_help_heading = "Guards")]
pub(super) struct GuardArgs {
    /// How to treat invalid items and values
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub(super) on_rejection: OnRejection,
    /// Maximum removals per run and family: N% or a count
    ///
    /// A percentage (0% to 100%) of the CIDRs in force when the run starts, and always at least 5; or an exact count. If a
    /// plan removes more, all of its removals are held.
    #[arg(long, value_name = "LIMIT", default_value = "10%")]
    pub(super) max_removals: String,
    /// Minimum number of CIDRs left per family
    ///
    /// Removals that would leave fewer are held.
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub(super) min_addresses: String,
    /// Maximum additions per run and family: N% or a count [default: no limit]
    ///
    /// A percentage of the CIDRs in force when the run starts, which does not apply to a family that has none; or an exact
    /// count. Additions beyond it are held.
    #[arg(long, value_name = "LIMIT")]
    pub(super) max_additions: Option<String>,
    /// Approve exactly this plan [default: none]
    ///
    /// The digest (sha256: and 64 hexadecimal digits) is printed with a plan that needs approval. A flag only: there is no
    /// environment variable, so an approval cannot outlive its run.
    #[arg(long, value_name = "DIGEST")]
    pub(super) approve: Option<String>,
}

/// Rate and time limits of reads.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(super) struct ReadArgs {
    /// Calls per second to each Get or List action of WAF
    ///
    /// 0.001 to 1000. The default is the AWS quota, which the whole account shares.
    #[arg(long, value_name = "RATE", default_value = "5")]
    pub(super) read_rate: String,
    /// Maximum run time, 10s to 24h
    ///
    /// Such as 90s, 15m, or 1h 30m. The run stops at a safe point before then, and the next one continues. In Lambda, the
    /// invocation sets it.
    #[arg(long, value_name = "TIME", default_value = "30m")]
    pub(super) deadline: String,
}

/// Rate and time limits of writes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(super) struct WriteArgs {
    /// Calls per second to each Create or Update action of WAF
    ///
    /// 0.001 to 1000. The default is the AWS quota, which the whole account shares.
    #[arg(long, value_name = "RATE", default_value = "1")]
    pub(super) write_rate: String,
    /// Time from the first scan to the confirming scan, 0s to 24h
    ///
    /// Such as 30s or 2m. An address is removed only after two complete scans omit it. Must be less than --deadline, or
    /// nothing is removed.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) settle: String,
}

/// The format of a result that is not a plan.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Format of the result
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = text_or_json())]
    pub(super) output: Output,
}

fn text_or_json() -> impl TypedValueParser<Value = Output> {
    let values = [Output::Text, Output::Json].iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values).map(|value| if value == "json" { Output::Json } else { Output::Text })
}

/// Where metrics go after a run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Metrics")]
pub(super) struct MetricsArgs {
    /// URL of a Pushgateway that gets the metrics of each run [default: none]
    ///
    /// Such as http://pushgateway:9091. The job is wafsync, the installation is NAME.
    #[arg(long = "metrics-push", value_name = "URL")]
    pub(super) push: Option<String>,
    /// File with the Authorization header for --metrics-push [default: none]
    ///
    /// Its content is the value of the header, such as: Bearer TOKEN. Read before each push.
    #[arg(long = "metrics-push-auth", value_name = "FILE")]
    pub(super) push_auth: Option<String>,
    /// File that gets the metrics of each run [default: none]
    ///
    /// In Prometheus text format, for the textfile collector of the node exporter: its name should end in .prom.
    #[arg(long = "metrics-file", value_name = "FILE")]
    pub(super) file: Option<String>,
}

/// The amount of detail in a plan.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct FullArgs {
    /// List everything instead of the first few of each kind [default: off]
    #[arg(long)]
    pub(super) full: bool,
}

/// The appearance of results and of the log on stderr.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct TerminalArgs {
    /// When to use color
    ///
    /// auto respects NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
    /// Format of the log, which goes to stderr
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(super) log_format: LogFormat,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: LogLevel,
}
