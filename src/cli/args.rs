//! What clap sees: the flags, their help and their defaults, and nothing about what a value may be.
//!
//! Values are text here, but for those that clap lists in the help; `convert` reads and checks them.
#![allow(clippy::doc_markdown, reason = "these comments are the help text, where backticks are noise")]

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::model::policy::{Action, Position};
use crate::model::settings::{LogFormat, LogLevel, OnRejection, Output, Scope};
use crate::preflight::iam_policy::Access;

/// Keep an AWS WAF allow-list in step with a DynamoDB table
///
/// Reads the whole table, works out the wanted CIDRs, and brings IP sets and rule groups of AWS WAF to that state. It
/// adds at once and removes only with proof, deletes no AWS resource, and keeps no state of its own.
#[derive(Debug, Parser)]
#[command(name = "wafsync", bin_name = "wafsync", version, max_term_width = 100, after_help = ENVIRONMENT)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const ENVIRONMENT: &str = "\
Each setting can also be given as an environment variable: WAFSYNC_ and the flag
in upper case with _ for -, such as WAFSYNC_MAX_REMOVALS; several values with
commas between them, switches as true or false. A flag wins over its variable.
Region, credentials, profile and endpoints come from the standard AWS variables
and files.";

const PLAN_EXITS: &str = "\
Exit codes:
  0   the plan was printed; with --detailed-exitcode: nothing to do
  1   failed, and the next run will meet the same error
  2   with --detailed-exitcode: changes are pending
  3   with --detailed-exitcode: changes are pending that a guard would stop
  4   AWS did not answer this time, or it was stopped; the next run may do better
  64  usage error

Each setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const APPLY_EXITS: &str = "\
Exit codes:
  0   every wanted address is in force, and no other
  1   failed, and the next run will meet the same error
  3   a person is needed: a guard stopped something, or the web ACL does not
      refer to a rule group
  4   not finished; the next run goes on
  64  usage error

Each setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const WATCH_EXITS: &str = "\
Exit codes:
  0   asked to stop, and stopped
  1   could not begin
  4   asked to stop a second time, and left at once
  64  usage error

Each setting can also be an environment variable, such as WAFSYNC_MAX_REMOVALS.";

const EXPLAIN_EXITS: &str = "\
Exit codes:
  0   wanted and in force, all of its addresses
  1   failed
  5   wanted, but not in force
  6   in force, but not wanted
  7   neither
  64  usage error

Each setting can also be an environment variable, such as WAFSYNC_TABLE.";

const CHECK_EXITS: &str = "\
Exit codes:
  0   nothing failed
  1   something failed
  64  usage error

Each setting can also be an environment variable, such as WAFSYNC_TABLE.";

const IAM_POLICY_NOTES: &str = "\
Region and account come from the ARNs that are given, --table-region and
AWS_REGION; what is not known becomes *. Give ARNs for the narrowest policy.

Each setting can also be an environment variable, such as WAFSYNC_TABLE.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print what apply would do; change nothing
    ///
    /// Scans the table, reads WAF and prints the plan. Nothing in the process can write to AWS.
    #[command(after_help = PLAN_EXITS)]
    Plan(PlanArgs),
    /// Bring WAF to the state that the table asks for
    ///
    /// Does what plan does, then carries the plan out and checks the result.
    #[command(after_help = APPLY_EXITS)]
    Apply(ApplyArgs),
    /// Apply again and again until told to stop
    ///
    /// Does what apply does, at once and then at every interval, one run at a time. A run that fails does not end it.
    /// SIGTERM and SIGINT do, at the next safe point.
    #[command(after_help = WATCH_EXITS)]
    Watch(WatchArgs),
    /// Say whether an address is wanted, and whether it is in force
    ///
    /// Names the items that want the address, and the IP sets, rule groups and web ACLs in which it is in force.
    #[command(after_help = EXPLAIN_EXITS)]
    Explain(ExplainArgs),
    /// Look whether everything is as apply needs it
    ///
    /// A preflight: one line each, ok, warning or failure, and how to mend it. It changes nothing.
    #[command(after_help = CHECK_EXITS)]
    Check(LookArgs),
    /// Print the least-privilege IAM policy for these settings
    ///
    /// Prints an IAM policy document as JSON. It makes no call.
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
    /// Form of the plan
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// Exit with 2 or 3 if changes are pending [default: off]
    ///
    /// 0: nothing to do. 2: changes are pending. 3: changes are pending that a guard would stop.
    #[arg(long, help_heading = "Output")]
    pub(super) detailed_exitcode: bool,
}

/// `apply`.
#[derive(Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// `watch`.
#[derive(Args, Debug)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Time from the start of a run to the start of the next, 10s to 24h
    ///
    /// A tenth more or less, by chance. A run that takes longer delays the next. Such as 90s, 5m or 1h 30m.
    #[arg(long, value_name = "TIME", default_value = "5m", help_heading = "Run")]
    pub(super) every: String,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Address and port on which metrics and health are served [default: none]
    ///
    /// Such as 0.0.0.0:9090. /metrics: in the format of Prometheus. /healthz: whether runs come to an end.
    /// /readyz: whether the last run did not fail.
    #[arg(long, value_name = "ADDRESS", help_heading = "Metrics")]
    pub(super) metrics_listen: Option<String>,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// An address or a CIDR
    pub(super) address: String,
    #[command(flatten)]
    pub(super) look: LookArgs,
}

/// What commands take that only look: `check`, and `explain` besides its address.
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
    pub(super) log: LogArgs,
}

/// `iam-policy`.
#[derive(Args, Debug)]
pub(super) struct IamPolicyArgs {
    #[command(flatten)]
    pub(super) table: TableArgs,
    #[command(flatten)]
    pub(super) waf: WafArgs,
    /// The command that the policy is for
    #[arg(long = "for", value_name = "COMMAND", default_value = "apply", help_heading = "Output")]
    pub(super) access: Access,
}

/// What `plan` and `apply` both take.
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
    /// A name, or an ARN that also says in which Region and account the table is.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(super) table: Option<String>,
    /// Region of the table [default: that of its ARN, else AWS_REGION]
    ///
    /// AWS_REGION also counts when WAF is in us-east-1 because of --scope cloudfront.
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
    /// A string that holds a JSON array of strings, a string that holds one CIDR, a string set, or a list of strings.
    #[arg(long, value_name = "ATTRIBUTE", default_value = "ips")]
    pub(super) cidr_attribute: String,
    /// Attribute that holds when an item expires [default: none]
    ///
    /// A number, seconds since 1970. An item past it counts as gone; an item without the attribute never expires.
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(super) expiry_attribute: Option<String>,
    /// Segments of a scan that are read in parallel, 1 to 64
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(super) segments: String,
    /// Read capacity units a second that scans may use [default: no limit]
    ///
    /// One unit reads 4 KB a second. Without a limit, scans go as fast as the table allows.
    #[arg(long, value_name = "UNITS")]
    pub(super) read_capacity: Option<String>,
    /// Shortest IPv4 prefix length that the table may ask for, 1 to 32
    ///
    /// A wider CIDR in the table is rejected. Does not apply to --always.
    #[arg(long, value_name = "PREFIX", default_value = "24")]
    pub(super) widest_ipv4: String,
    /// Shortest IPv6 prefix length that the table may ask for, 1 to 128
    ///
    /// A wider CIDR in the table is rejected. Does not apply to --always.
    #[arg(long, value_name = "PREFIX", default_value = "48")]
    pub(super) widest_ipv6: String,
    /// CIDRs that one item may ask for, at least 1
    ///
    /// An item that asks for more is rejected whole.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(super) max_per_item: String,
    /// Key of an item known to be bad (repeatable)
    ///
    /// What is rejected in it is still reported, but holds nothing back.
    #[arg(long, value_name = "KEY")]
    pub(super) ignore_item: Vec<String>,
    /// CIDR that is wanted whatever the table says (repeatable)
    ///
    /// Break-glass access: an address, or a CIDR of any width but /0.
    #[arg(long, value_name = "CIDR")]
    pub(super) always: Vec<String>,
    /// Merge CIDRs into the fewest that cover the same addresses [default: off]
    ///
    /// Merges adjacent and covered CIDRs, none of them wider than the widest allowed.
    #[arg(long)]
    pub(super) aggregate: bool,
}

/// What stands in WAF.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(super) struct WafArgs {
    /// Name of all managed resources
    ///
    /// 1 to 100 letters, digits, - and _. IP sets are NAME-ipv4-000, NAME-ipv6-000 and so on, rule groups NAME-1, NAME-2.
    #[arg(long, value_name = "NAME", default_value = "wafsync")]
    pub(super) name: String,
    /// Where the web ACL stands
    #[arg(long, value_name = "SCOPE", default_value = "regional")]
    pub(super) scope: Scope,
    /// Web ACL that should refer to the rule groups (repeatable)
    ///
    /// Read at every run, never written. Without any, nobody looks whether the rule groups are in use.
    #[arg(long, value_name = "NAME_OR_ARN")]
    pub(super) web_acl: Vec<String>,
    /// IP sets that may be held, 1 to 1000
    ///
    /// Each holds 10,000 CIDRs of one address family. AWS allows 100 IP sets unless the quota is raised.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub(super) max_ip_sets: String,
    /// Existing IP set to take over (repeatable)
    ///
    /// The set is treated as one of ours from then on. Removals from it are held until they are approved.
    #[arg(long, value_name = "IP_SET_NAME")]
    pub(super) adopt: Vec<String>,
}

/// What the rules do and how new resources are tagged.
#[derive(Args, Debug)]
#[command(next_help_heading = "WAF")]
pub(super) struct RuleArgs {
    /// What a rule does with a wanted client
    #[arg(long, value_name = "ACTION", default_value = "allow")]
    pub(super) action: Action,
    /// Header to match on [default: the address of the connection]
    ///
    /// Such as X-Forwarded-For. A request without the header, or with a bad one, does not match.
    #[arg(long, value_name = "HEADER")]
    pub(super) forwarded_ip_header: Option<String>,
    /// Which address in the header counts [default: first]
    ///
    /// Only with --forwarded-ip-header.
    #[arg(long, value_name = "POSITION")]
    pub(super) forwarded_ip_position: Option<Position>,
    /// Further tag on what is created (repeatable)
    ///
    /// At most 49, for managed-by=wafsync is always set.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) tag: Vec<String>,
}

/// What may not happen without a person.
#[derive(Args, Debug)]
#[command(next_help_heading = "Guards")]
pub(super) struct GuardArgs {
    /// What an item or a value that cannot be used does
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub(super) on_rejection: OnRejection,
    /// CIDRs that one run may remove, per family: N% or a count
    ///
    /// A percentage (0% to 100%) of those in force when the run begins, with 5 always allowed; or an exact count. If a
    /// plan removes more, its removals are held.
    #[arg(long, value_name = "LIMIT", default_value = "10%")]
    pub(super) max_removals: String,
    /// CIDRs that must be left, per family
    ///
    /// Removals that would leave fewer are held.
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub(super) min_addresses: String,
    /// Let the plan with this digest past the guards [default: none]
    ///
    /// The digest (sha256: and 64 hexadecimal digits) is in the plan and in the message of the guard. A flag alone: there is
    /// no environment variable, so that no approval outlives its run.
    #[arg(long, value_name = "DIGEST")]
    pub(super) approve: Option<String>,
}

/// How fast and how long, for reading.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(super) struct ReadArgs {
    /// Calls a second to each Get or List action of WAF
    ///
    /// 0.001 to 1000. The default is the quota of AWS, shared by everyone in the account.
    #[arg(long, value_name = "RATE", default_value = "5")]
    pub(super) read_rate: String,
    /// Time after which the run has stopped, 10s to 24h
    ///
    /// The run stops at a safe point before then, and the next one goes on. Such as 90s, 15m or 1h 30m. In Lambda it comes
    /// from the invocation.
    #[arg(long, value_name = "TIME", default_value = "30m")]
    pub(super) deadline: String,
}

/// How fast and how long, for writing.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub(super) struct WriteArgs {
    /// Calls a second to each Create or Update action of WAF
    ///
    /// 0.001 to 1000. The default is the quota of AWS, shared by everyone in the account.
    #[arg(long, value_name = "RATE", default_value = "1")]
    pub(super) write_rate: String,
    /// Time between the first scan and the one that confirms removals, 0s to 24h
    ///
    /// Counted from the end of the first scan. Less than the deadline, or nothing is removed; such as 30s or 2m.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) settle: String,
}

/// The form of the result, where it is not a plan.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Form of the result
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
    /// Pushgateway to which metrics are pushed after a run [default: none]
    ///
    /// Its URL, such as http://pushgateway:9091. They are pushed as job wafsync, installation NAME.
    #[arg(long, value_name = "URL")]
    pub(super) metrics_push: Option<String>,
    /// File to which metrics are written after a run [default: none]
    ///
    /// In the format of Prometheus, for the textfile collector of the node exporter: its name should end in .prom.
    #[arg(long, value_name = "FILE")]
    pub(super) metrics_file: Option<String>,
}

/// The log on stderr.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct LogArgs {
    /// Form of the log, which goes to stderr
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(super) log_format: LogFormat,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: LogLevel,
}
