//! The commands, one file each: from settings to an exit code.

pub(super) mod apply;
pub(super) mod check;
pub(super) mod explain;
pub(super) mod iam_policy;
pub(super) mod plan;
pub(super) mod watch;
