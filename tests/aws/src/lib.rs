//! A strict, stateful stand-in for the parts of AWS that wafsync uses: `DynamoDB` tables, WAF, and the caller's
//! identity from STS.
//!
//! It speaks the services' wire protocol, keeps state for each region, enforces the documented constraints, quotas and
//! rate limits (the stricter reading where sources disagree), and injects faults. Tests replace the service, not the
//! client: the SDK in front of it is the real one.
//!
//! ```text
//!   client (in the process) ─┐                         ┌─ waf      IP sets, rule groups, web ACLs
//!                            ├─ wire ─ Aws ─ state ────┤
//!   server (loopback port) ──┘   hooks, faults, log    └─ dynamo   tables, Scan, Query
//! ```
//!
//! With [`Config::for_people`] it also answers what people do with the AWS CLI before and beside wafsync: create a table
//! and a web ACL, and write items.
//!
//! Everything happens under one lock, so every call is atomic. The stand-in uses tokio's clock: when a test pauses it,
//! delays and rate limits cost no time.

#![allow(clippy::expect_used, clippy::panic, reason = "test code: wrong use should stop the test at once")]

mod aws;
mod body;
mod client;
mod config;
mod dynamo;
mod exchanges;
mod fault;
mod hand;
pub mod iam;
mod neighbor;
mod preload;
mod rates;
mod server;
mod state;
mod sts;
mod waf;
mod wire;

pub use aws::{Aws, Call, Phase};
pub use config::Config;
pub use fault::{Fault, FaultKind, When};
pub use hand::{IpSetView, RuleGroupView, WebAclView};
pub use neighbor::{Habit, Neighbor};
pub use rates::Limiter;
pub use server::Server;
pub use state::{Attempt, Outcome};
