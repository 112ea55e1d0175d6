//! `iam-policy`: the least-privilege policy for these settings.

use std::io::Write;

use crate::host::result::{deliver, json};
use crate::preflight::iam_policy::{Access, IamScope, policy};

pub(in crate::host) fn run(scope: &IamScope, access: Access, out: &mut impl Write) -> u8 {
    deliver(out, &json(&policy(access, scope)), 0)
}
