//! A strict, stateful stand-in for the parts of AWS that wafsync talks to: `DynamoDB` `Scan` and WAF, and of STS.
//!
//! It speaks the services' wire protocol, keeps state by region, enforces the constraints, quotas and rates that are
//! documented (the stricter reading where sources disagree), and fails on demand. Tests replace the service, not the
//! client: the SDK in front of it is the real one.
//!
//! ```text
//!   client (in the process) ─┐                         ┌─ waf      IP sets, rule groups, web ACLs
//!                            ├─ wire ─ Aws ─ state ────┤
//!   server (loopback port) ──┘   hooks, faults, log    └─ dynamo   tables, Scan
//! ```
//!
//! Everything happens under one lock, so every call is atomic. Its clock is tokio's: under a paused clock, delays and
//! rates cost no time.

#![allow(clippy::expect_used, clippy::panic, reason = "test code: a wrong use of it should stop the test at once")]

mod aws;
mod body;
mod client;
mod config;
mod dynamo;
mod exchanges;
mod fault;
mod hand;
pub mod iam;
mod preload;
mod server;
mod state;
mod sts;
mod waf;
mod wire;

pub use aws::{Aws, Call, Phase};
pub use config::Config;
pub use fault::{Fault, FaultKind, When};
pub use hand::{IpSetView, RuleGroupView, WebAclView};
pub use server::Server;
pub use state::{Attempt, Outcome};
