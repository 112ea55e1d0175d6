//! How a run ends and why, as plain values without an AWS type.

use std::fmt;

use crate::model::web_acl::UnreadWebAcl;
use crate::planning::capacity::TooMany;
use crate::stop::StopReason;
use crate::text::{self, number::counted};

/// How a run ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Everything is done.
    Done,
    /// A guard blocked the plan; it was not carried out.
    Blocked,
    /// The next run continues.
    Partial(Box<Why>),
    /// A failure that is permanent until fixed.
    Failed(Box<Failure>),
}

/// Why the next run has to continue.
#[derive(Clone, Debug)]
pub enum Why {
    /// The deadline or a signal.
    Stopped(StopReason),
    /// The confirming scan failed, so nothing was removed.
    Unconfirmed(Fault),
    /// The confirming scan would have begun after the deadline.
    NoTimeToConfirm,
    /// AWS has not propagated a new IP set yet.
    Propagating(Fault),
    /// A read of the table or WAF failed with a transient error.
    Unread(Fault),
    /// Repeated write conflicts.
    Outdated(Fault),
    /// After each round, a read showed further changes by others.
    KeptChanging,
    /// Reads do not show the last writes yet.
    NotSeen,
    /// Unwanted addresses stay in force until the next run.
    Deferred,
    /// Wanted addresses have no room until unwanted ones are removed.
    NoRoomYet,
    /// A reference to a foreign IP set stays: wanted addresses may be in force only by it.
    ForeignReference,
}

/// Why a run failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// An error of AWS.
    #[error(transparent)]
    Aws(#[from] Fault),
    /// More CIDRs than fit.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// `--on-rejection abort`.
    #[error("{} in the table could not be used, and --on-rejection is abort", counted(*.0, "value"))]
    Rejections(usize),
    /// A defect of wafsync: a state that should be impossible.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// The message and hint of an AWS error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The operation, the resource and the cause.
    pub text: String,
    /// How to fix it.
    pub hint: Option<String>,
}

/// Why a change was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline or a signal came first.
    Stopped(StopReason),
    /// What was read is out of date, or the effect of a write is unknown: read and plan again.
    Outdated(Fault),
    /// AWS has not propagated a new IP set yet.
    Propagating(Fault),
    /// A failure that is permanent until fixed.
    Failed(Fault),
}

impl End {
    pub(super) fn partial(why: Why) -> Self {
        Self::Partial(Box::new(why))
    }

    pub(super) fn failed(failure: impl Into<Failure>) -> Self {
        Self::Failed(Box::new(failure.into()))
    }
}

impl End {
    /// The same end for a run that could not read these web ACLs. That stops no write, so it counts only if all else is done.
    pub(super) fn and_unread(self, web_acls: &[UnreadWebAcl]) -> Self {
        let fault = |acl: &UnreadWebAcl| Fault { text: acl.message.clone(), hint: acl.hint.clone() };
        let lasting = web_acls.iter().find(|acl| acl.lasting);
        match (self, lasting, web_acls.first()) {
            (Self::Done | Self::Partial(_), Some(acl), _) => Self::failed(fault(acl)),
            (Self::Done, None, Some(acl)) => Self::partial(Why::Unread(fault(acl))),
            (end, _, _) => end,
        }
    }
}

impl From<&Trouble> for End {
    fn from(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Failed(fault) => Self::failed(fault.clone()),
            Trouble::Stopped(reason) => Self::partial(Why::Stopped(*reason)),
            Trouble::Outdated(fault) => Self::partial(Why::Outdated(fault.clone())),
            Trouble::Propagating(fault) => Self::partial(Why::Propagating(fault.clone())),
        }
    }
}

impl Failure {
    /// How to fix it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Aws(fault) => fault.hint.as_deref(),
            Self::TooMany(_) | Self::Rejections(_) | Self::Internal(_) => None,
        }
    }
}

impl Fault {
    /// The text and the hint on one line.
    #[must_use]
    pub fn with_hint(&self) -> String {
        text::with_hint(&self.text, self.hint.as_deref())
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
