//! The commands as clap sees them: their flags and help.
//!
//! Values are plain text here, except for those that the help lists; `convert` parses and validates them.
#![allow(clippy::doc_markdown, reason = "these comments are the help text, where backticks are noise")]

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use self::settings::{
    EntryArgs, FullArgs, GuardArgs, MetricsArgs, OutputArgs, ReadArgs, RuleArgs, TableArgs, TerminalArgs, WafArgs,
    WriteArgs,
};
use crate::model::settings::Output;
use crate::preflight::iam_policy::Access;

mod settings;

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
    /// Such as 0.0.0.0:9090. /metrics: Prometheus metrics. /healthz: whether runs finish in time. /readyz: whether a run
    /// has ended and the last one is not `failed`.
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
    /// Looks again until then, or until this time is up (1s to 24h, such as 10m) or a signal comes. The exit code is that of the
    /// last look. Where --key-attribute is the table's partition key, each look reads the items in question and not the whole
    /// table. For addresses, it scans the table again only once they are in force, or when the time is up.
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
