//! What AWS answers to a write: where it is, and the lock token that guards what it left.

use super::error::AwsError;
use super::governor::Action;
use crate::model::current::LockToken;

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of what was written.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// A list that shows this token shows that nobody has written since.
    pub token: LockToken,
}

impl Receipt {
    /// The receipt of a creation. What AWS created and does not name is found by the next read.
    pub(super) fn of_creation(
        action: Action,
        name: &str,
        id: Option<String>,
        arn: Option<String>,
        token: Option<String>,
    ) -> Result<Self, AwsError> {
        let (Some(id), Some(arn), Some(token)) = (id, arn, token) else {
            let cause = "the answer lacks the id, the ARN or the lock token of what was created";
            return Err(AwsError::unusable(action.name(), name, cause, None).with_lost_answer(true));
        };
        Ok(Self { id, arn, token: LockToken(token) })
    }

    /// The token of an update.
    pub(super) fn of_update(action: Action, name: &str, token: Option<String>) -> Result<LockToken, AwsError> {
        token.map(LockToken).ok_or_else(|| {
            let cause = "the answer lacks the lock token of what was written";
            AwsError::unusable(action.name(), name, cause, None).with_lost_answer(true)
        })
    }
}
