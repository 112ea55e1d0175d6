//! What people can ask without a run: `check`, `explain` and `iam-policy`.

pub mod check;
pub mod explain;
pub mod facts;
pub mod iam_policy;
mod labels;
pub mod line;
mod policy_command;
mod quotas;
mod references;
mod search;
mod view;
mod web_acls;
