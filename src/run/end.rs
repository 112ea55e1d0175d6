//! How a run ends, and why: plain values, without an AWS type in them.

use std::fmt;

use crate::model::web_acl::UnreadWebAcl;
use crate::planning::capacity::TooMany;
use crate::stop::StopReason;
use crate::text::{self, number::counted};

/// How a run ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Everything that this run was to do is done.
    Done,
    /// A person has to look; the plan was not carried out.
    Blocked,
    /// The next run goes on.
    Partial(Box<Why>),
    /// The next run will meet it again.
    Failed(Box<Failure>),
}

/// Why the next run has to go on.
#[derive(Clone, Debug)]
pub enum Why {
    /// The deadline or a signal.
    Stopped(StopReason),
    /// Removals lack their proof: the confirming scan failed.
    Unconfirmed(Fault),
    /// The confirming scan would have begun after the deadline.
    NoTimeToConfirm,
    /// AWS has not spread a new IP set yet.
    Propagating(Fault),
    /// AWS did not answer this time when the table or WAF was to be read.
    Unread(Fault),
    /// WAF kept changing, or kept refusing writes.
    Outdated(Fault),
    /// Each read after a write showed that somebody else had written too.
    KeptChanging,
    /// What was written does not show yet.
    NotSeen,
    /// Unwanted addresses stay in force until the next run.
    Deferred,
    /// Something wanted has to wait until something unwanted has gone.
    NoRoomYet,
}

/// Why a run failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// AWS said so.
    #[error(transparent)]
    Aws(#[from] Fault),
    /// More CIDRs than fit.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// `--on-rejection abort`.
    #[error("{} in the table could not be used, and --on-rejection is abort", counted(*.0, "value"))]
    Rejections(usize),
    /// A state that wafsync rules out: a defect of its own.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// An error of AWS as a plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was called, on what, and what went wrong.
    pub text: String,
    /// What a person can do about it.
    pub hint: Option<String>,
}

/// Why not everything was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline or a signal came first.
    Stopped(StopReason),
    /// What was read is out of date, or it is not known what became of a write: read and plan again.
    Outdated(Fault),
    /// AWS has not spread a new IP set yet.
    Propagating(Fault),
    /// The next run will meet it again.
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
    /// The same end, of a run that could not read these web ACLs: that stops no write, and counts when all else is done.
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
    /// What a person can do about it.
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
