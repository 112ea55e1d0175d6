//! wafsync keeps an AWS WAF allow-list in step with a `DynamoDB` table.
//!
//! Each run scans the whole table, reads every IP set and rule group that it owns, plans the fewest API writes that
//! turn one into the other, and makes them. It keeps no state between runs: the next run repairs lost events, manual
//! edits and interrupted runs.
//!
//! # The picture
//!
//! ```text
//!     arguments, environment, event                          exit code, stdout, metrics
//!                │                                                      ↑
//!     cli → Settings ─────────────→ host ──────────────────→ report, metrics
//!                                     │                                 ↑
//!                                    run  observe → plan → guard → confirm → apply → verify
//!                                   ↗   ↘                                 │
//!     DynamoDB, WAF ──→ aws (read)       model, planning (values)    aws (write) ──→ WAF
//! ```
//!
//! # The layers
//!
//! A layer is a folder of `src`. It imports only the layers in the last column, which are all below it. A test in
//! `tests/it/sources.rs` checks this. It also checks that no two files import each other.
//!
//! | layer | what it is for | imports |
//! |---|---|---|
//! | `host` | Runs the process: commands, daemon, Lambda function, signals, log, exit code. | `metrics` `report` `run` `aws` `cli` `preflight` `planning` `model` `text` `stop` `progress` |
//! | `metrics` | Turns a run into numbers and exports them: Prometheus, `CloudWatch`. | `report` `run` `planning` `model` `text` |
//! | `report` | Turns a run into one document and renders it: JSON, text, Markdown, HTML. | `run` `planning` `model` `text` `stop` `defects` |
//! | `run` | Does a run, from the first read to the last write. The only layer that sees both AWS and the plan. | `aws` `planning` `model` `text` `stop` `progress` `defects` |
//! | `aws` | Calls AWS: clients, rate limits, retries, errors, pages. Decides nothing about content. | `preflight` `model` `text` `stop` `progress` `defects` |
//! | `cli` | Turns arguments and environment into checked settings. | `preflight` `model` `text` |
//! | `preflight` | Judges what was read for `check`, `explain` and `iam-policy`. | `planning` `model` `text` |
//! | `planning` | Computes the plan: diff, guards, layout, changes in order, lower bound. | `model` `text` `defects` |
//! | `model` | Holds the values: CIDRs, items, desired and current state, settings, names, limits. | `text` |
//! | `text` | Makes foreign text safe for each output; formats numbers. | |
//! | `stop` | Carries the deadline and signals to every wait. | `progress` |
//! | `progress` | Reports the progress of a run to a host that draws it. | |
//! | `defects` | Lists bugs that the simulation switches on to prove that it finds them. Empty in a release. | |
//!
//! `report`, `preflight`, `planning`, `model` and `text` are pure: they name no AWS type, no async code, no clock, no
//! environment, no randomness, and they print nothing. Start reading at [`run::reconcile`].
//!
//! The modules are public for tests, benches, fuzz targets and the examples alone; the program is [`host::main`]. CI
//! also compiles them as private (`.ci/dead-code`), so that the compiler finds unused code.
//!
//! # Invariants
//!
//! After every API call, also if the process is killed there:
//!
//! 1. No lock-out: if an address was in force (or in an adopted IP set) before the run, and was wanted throughout the
//!    run, it is in force.
//! 2. No leak: if an address was not in force (or in an adopted IP set) before the run, and no scan of the run wants
//!    it, it is not in force.
//!
//! The program keeps them by what it never does:
//!
//! - No call deletes an AWS resource. No call writes a web ACL.
//! - No write goes to an IP set or rule group that is not ours.
//! - `plan` has no client that can write: a [`Writer`](aws::Writer) exists only in a process that applies.
//! - No plan is carried out without a guard's verdict: `run::apply` takes an
//!   [`ApprovedPlan`](planning::guard::ApprovedPlan), and nothing else makes one.
//! - No lock token is read apart from the content that it guards.
//! - No CIDR has host bits set. `planning` parses nothing.
//! - `plan` has no code path of its own: it is `apply` without the steps that confirm and write.
//! - No wait, retry, page count or queue is without a limit; each limit is a named constant.
//! - No retry is nested in another: the SDK decides whether to retry a call, `aws/call.rs` decides when, and a run plans
//!   again after a conflict.
//! - No text from the table, from WAF or from an error reaches an output unescaped, or a metric label at all.
//! - No state is kept on disk.
//!
//! # Walkthroughs
//!
//! Each step is a function and its file in `src`; a test fails if one of them is gone. For the files of a common change, see
//! the recipes in `CONTRIBUTING.md`.
//!
//! **An item, from a page to a write**
//!
//! 1. `scan` (`aws/scan.rs`) requests the pages of each segment and decodes each item with `read` (`aws/page.rs`).
//! 2. `read` (`model/item.rs`) turns the item into entries and rejections; `allowed` (`model/item.rs`) judges one value.
//!    A plain IPv4 item takes a fast path instead: `read_plain` (`model/item.rs`). A second scan does not read again what the
//!    first one has read: `take_over` (`aws/known/mod.rs`).
//! 3. `new` (`model/desired.rs`) merges entries and `--always` into the wanted CIDRs.
//! 4. `new` (`planning/diff.rs`) finds the unwanted CIDRs; `judge` (`planning/guard.rs`) decides which may be removed.
//! 5. `lay_out` (`planning/layout/mod.rs`) chooses an IP set for each CIDR; `new` (`planning/plan.rs`) orders the changes.
//! 6. `apply` (`run/apply.rs`) sends them in stages; `update_ip_set` (`aws/ip_sets.rs`) makes the call.
//!
//! **A lock token, from its read to its write**
//!
//! 1. `get_ip_set` (`aws/ip_sets.rs`) returns addresses and token of one answer.
//! 2. `read_waf` (`aws/waf.rs`) puts both into the shard of `Current`.
//! 3. `set_changes` (`planning/plan/changes.rs`) copies the token into the change of that IP set.
//! 4. `send` (`run/send.rs`) hands it to `update_ip_set` (`aws/ip_sets.rs`).
//! 5. After a conflict, `converge` (`run/reconcile.rs`) reads, plans and judges again.
//!
//! **A setting, from the command line to its use** (`--settle`)
//!
//! 1. `fill` (`cli/environment.rs`) appends the variables of flags that were not given.
//! 2. `parse` (`cli/parse.rs`) has clap read the arguments into the structs of `cli/args.rs`.
//! 3. `settle` (`cli/convert.rs`) checks the value; `table` (`cli/convert/table.rs`) puts it into `TableSettings`.
//! 4. `command` (`host/process.rs`) passes the settings on to `run` (`host/commands/apply.rs`).
//! 5. `confirm` (`run/confirm.rs`) waits that long before the second scan.
//!
//! **An outcome, from an error to the exit code**
//!
//! 1. `end` (`aws/call.rs`) turns the SDK's answer into an `AwsError`; `class_of` (`aws/error.rs`) classifies it.
//! 2. `trouble` (`run/send.rs`) classifies it for a write, `unread_at_first` (`run/observation.rs`) for a read.
//! 3. `reconcile` (`run/reconcile.rs`) returns the run with its `End`.
//! 4. `of` (`run/outcome.rs`) decides the outcome; `new` (`report/from_run.rs`) makes the document.
//! 5. `exit_code` (`run/outcome.rs`) maps it; `deliver` (`host/result.rs`) returns it to `main` (`host/process.rs`).

pub mod aws;
pub mod cli;
pub mod defects;
pub mod host;
pub mod metrics;
pub mod model;
pub mod planning;
pub mod preflight;
pub mod progress;
pub mod report;
pub mod run;
pub mod stop;
pub mod text;
