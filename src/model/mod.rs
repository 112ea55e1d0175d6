//! The values that wafsync works on: what the table asks for, what WAF holds, and the settings.

pub mod aggregate;
pub mod cidr;
pub mod cidrs;
pub mod coverage;
pub mod current;
pub mod desired;
pub mod enforcement;
pub mod entries;
pub mod fingerprint;
pub mod item;
pub mod keys;
pub mod limits;
pub mod merged;
pub mod naming;
pub mod policy;
pub mod settings;
pub mod spec;
pub mod web_acl;
