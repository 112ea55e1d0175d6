//! Calls to AWS: clients, rate limits, retries and errors. Nothing here decides what WAF should hold.

mod cache;
mod call;
mod connection;
mod environment;
mod error;
mod governor;
mod identity;
mod interceptors;
mod ip_sets;
mod items;
mod lift;
mod page;
mod pages;
mod preflight;
mod read_budget;
mod receipt;
mod rule_groups;
mod scan;
mod throttling;
mod transport;
mod waf;
mod web_acl_rules;
mod web_acls;

pub use self::cache::ReadCache;
pub use self::call::{ATTEMPT_TIMEOUT, ATTEMPTS, IN_FLIGHT, OPERATION_TIMEOUT};
pub use self::connection::{CLOUDFRONT_REGION, Connection, NoRegion, TableReader, WafReader, Writer};
pub use self::environment::{NoTrust, environment};
pub use self::error::{AwsError, Class};
pub use self::governor::{Action, Governor};
pub use self::preflight::{look, look_and_tell};
pub use self::receipt::Receipt;
pub use self::web_acls::Referring;
