//! wafsync keeps an AWS WAF allow-list in step with a `DynamoDB` table.
//!
//! Every run looks at everything: it scans the whole table, reads every IP set and rule group that it owns, works out
//! the fewest API writes that turn one into the other, and makes them. It keeps nothing between runs, so whatever was
//! lost, edited by hand or left half done is put right by the next one.
//!
//! # The picture
//!
//! ```text
//!     item → desired → diff → guard → layout → plan         values only
//!       ↑                ↑                       │
//!     scan            current                 apply → WAF
//!       └───────────── reconcile ────────────────┘          the one module that sees both sides
//!                          ↑
//!                    host (cli, …)                          build Settings, call reconcile, map the outcome
//! ```
//!
//! # The map, in reading order
//!
//! Pure: no async, no clock, no environment, no printing, no AWS types.
//!
//! | module | what it is for |
//! |---|---|
//! | [`cidr`] | a CIDR that cannot hold host bits |
//! | [`merged`] | sorted lists of CIDRs walked as one |
//! | [`coverage`] | which addresses a list of CIDRs covers |
//! | [`item`] | one item of the table → entries and rejections |
//! | [`aggregate`] | the fewest CIDRs that cover exactly the same addresses |
//! | [`desired`] | entries and `--always` → what is wanted, and by whom |
//! | [`current`] | what WAF holds, with lock tokens |
//! | [`ownership`] | which IP sets and rule groups are ours |
//! | [`limits`] | what AWS allows, as values |
//! | [`diff`] | what WAF holds that nobody wants, and why it is there |
//! | [`rules`] | what our rules should be, and which change of them needs a person |
//! | [`layout`] | desired × current → contents of each IP set, by the fewest writes |
//! | [`minimum`] | how few writes any plan could do with, from counts alone |
//! | [`tally`] | those counts |
//! | [`spec`] | what one API write sends |
//! | [`plan`] | contents → ordered changes |
//! | [`guard`] | what a plan may not do without a person |
//! | [`capacity`] | whether it fits at all |
//! | [`explain`] | one address: who wants it, where it is in force |
//! | [`check`] | what a preflight saw → one line each |
//! | [`report`] | a run as one document; text, JSON and Markdown of it |
//! | [`number`] | numbers as people read them |
//! | [`text`] | foreign text made safe for each output |
//! | [`iam_policy`] | the least privilege for these settings |
//!
//! Awaits: [`stop`] (deadline and signals), [`aws`] (clients, pace, errors, scan, IP sets, rule groups),
//! [`apply`] (an approved plan → what happened), [`reconcile`] (the story in a page).
//!
//! For one test alone: [`broken`].
//!
//! Hosts: [`settings`], [`cli`], [`session`] (clients and runs one after another), [`host`] (a process and its command),
//! [`watch`] (the daemon), [`lambda`] (the AWS Lambda function), [`serve`] (its metrics and health over HTTP), [`telemetry`] (a run in numbers).
//!
//! # Invariants
//!
//! After every single API call, also if the program is killed right there:
//!
//! 1. no lock-out: an address in force (or in an adopted IP set) before the run, and wanted throughout it, is in force;
//! 2. no leak: an address neither in force (or in an adopted IP set) before the run nor wanted by a scan of the run is
//!    not in force.
//!
//! What there is none of: no call that deletes an AWS resource; no write to a web ACL, or to an IP set or rule group that
//! is not ours; no method that writes on the type that `plan` holds; no lock token fetched apart from the content that it
//! guards; no state on disk.

pub mod aws;
pub mod cli;
pub mod defects;
pub mod host;
pub mod metrics;
pub mod model;
pub mod planning;
pub mod preflight;
pub mod report;
pub mod run;
pub mod stop;
pub mod text;
