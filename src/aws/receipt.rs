//! Receipts of writes: the resource and its next lock token.

use super::error::AwsError;
use super::governor::Action;
use crate::model::current::LockToken;

/// AWS's answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The resource's id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The next lock token: a list that shows it proves that no one has written since.
    pub token: LockToken,
}

impl Receipt {
    /// The receipt of a creation. If it is incomplete, the next read finds the resource.
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

    /// The next lock token from the answer to an update.
    pub(super) fn of_update(action: Action, name: &str, token: Option<String>) -> Result<LockToken, AwsError> {
        token.map(LockToken).ok_or_else(|| {
            let cause = "the answer lacks the lock token of what was written";
            AwsError::unusable(action.name(), name, cause, None).with_lost_answer(true)
        })
    }
}
