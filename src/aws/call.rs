//! One call: its turn, its time limit, its retries, and its result.
//!
//! The SDK decides whether to retry an attempt. This module decides when the retry may start, because only the governor
//! knows the queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeTransmitInterceptorContextRef, InterceptorContext};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use aws_smithy_types::timeout::TimeoutConfig;
use serde_json::Value;
use tokio::time::Instant;
use tracing::debug;

use super::caller::Caller;
use super::codes::{is_denied, is_outdated};
use super::error::{AwsError, Class};
use super::governor::Action;
use super::hints::Asked;
use crate::stop::{EPILOGUE, Stop};
use crate::text;

/// The most attempts of one call, including the first, without those that AWS throttled; the SDK's default.
pub const ATTEMPTS: u32 = 3;

/// The most throttled attempts of one call whose rate the governor limits. Beside another client every second attempt may
/// be throttled, and a call that gives up ends the run early; usually [`OPERATION_TIMEOUT`] comes first.
pub const THROTTLED_ATTEMPTS: u32 = 16;

/// The time limit of an attempt: half a megabyte over a slow line, and AWS's own time for ten thousand addresses.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);

/// The time limit of a call with all its attempts. It also bounds the time from a signal to the exit.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause before the first retry, times a random factor; doubled for each further one. The SDK's default.
const BACKOFF: Duration = Duration::from_secs(1);

/// The most concurrent calls. The governor limits their rate, this limits memory: a call holds up to half a megabyte.
pub const IN_FLIGHT: usize = 8;

/// A call whose turn has come.
#[derive(Debug)]
pub(super) struct Call<'a> {
    action: Action,
    resource: &'a str,
    region: &'a str,
    caller: &'a Arc<Caller>,
    timeouts: TimeoutConfig,
    /// The time of its turn.
    began: Instant,
    /// When the deadline cuts it off.
    until: Option<Instant>,
    retries: Arc<Mutex<Retries>>,
}

impl<'a> Call<'a> {
    /// Waits for the turn of this action.
    pub(super) async fn begin(
        caller: &'a Arc<Caller>,
        action: Action,
        resource: &'a str,
        region: &'a str,
        stop: &Stop,
    ) -> Result<Self, AwsError> {
        let stopped = |reason| AwsError::stopped(action.name(), resource, reason);
        if let Some(reason) = stop.reason() {
            return Err(stopped(reason));
        }
        caller.governor.turn(action, stop).await.map_err(stopped)?;
        let left = stop.left().saturating_sub(EPILOGUE);
        let operation = left.min(OPERATION_TIMEOUT);
        let began = Instant::now();
        let until = (left < OPERATION_TIMEOUT).then(|| began + left);
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(operation)
            .operation_attempt_timeout(operation.min(ATTEMPT_TIMEOUT))
            .build();
        Ok(Self { action, resource, region, caller, timeouts, began, until, retries: Arc::default() })
    }

    /// The configuration of this call to WAF.
    pub(super) fn waf(&self) -> aws_sdk_wafv2::config::Builder {
        let pacer = self.pacer();
        let config = aws_sdk_wafv2::config::Builder::new().timeout_config(self.timeouts.clone());
        config.interceptor(pacer.clone()).retry_classifier(pacer)
    }

    /// The configuration of this call to `DynamoDB`.
    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::config::Builder {
        let pacer = self.pacer();
        let config = aws_sdk_dynamodb::config::Builder::new().timeout_config(self.timeouts.clone());
        config.interceptor(pacer.clone()).retry_classifier(pacer)
    }

    fn pacer(&self) -> Pacer {
        Pacer { action: self.action, caller: Arc::clone(self.caller), retries: Arc::clone(&self.retries) }
    }

    /// Logs and returns the result.
    pub(super) fn end<T, E>(self, result: Result<T, SdkError<E, HttpResponse>>) -> Result<T, AwsError>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (operation, resource) = (self.action.name(), self.resource);
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempts = self.attempts();
        let result = self.judge(result);
        let outcome = result.as_ref().map_or_else(|error| outcome(error.class()), |_| "ok");
        let resource = || text::line(&text::without_account_ids(resource)).into_owned();
        debug!(operation, resource = resource(), outcome, milliseconds, attempts, "called");
        result
    }

    /// The number of attempts that have started.
    fn attempts(&self) -> u32 {
        let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        // The attempt that ended the call was not classified, unless it was one too many.
        retries.failed + u32::from(retries.said.is_none())
    }

    fn asked(&self) -> Asked<'a> {
        let policy_command = self.caller.policy_command.as_deref();
        Asked { operation: self.action.name(), resource: self.resource, region: self.region, policy_command }
    }

    /// Classifies the result.
    fn judge<T, E>(self, result: Result<T, SdkError<E, HttpResponse>>) -> Result<T, AwsError>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match result {
            Ok(answer) => {
                self.caller.governor.succeeded(self.action);
                Ok(answer)
            }
            Err(error) => {
                let timed_out = matches!(error, SdkError::TimeoutError(_));
                let error = AwsError::new(self.asked(), &error);
                let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
                // If time runs out while a throttled attempt waits for its retry, nothing is in flight.
                let under_way = retries.said.is_none() && error.class() == Class::Again && !error.is_throttled();
                let lost = retries.lost || under_way;
                let throttled = Some(ErrorKind::ThrottlingError);
                let error = if timed_out && retries.said.as_ref().and_then(kind_of) == throttled {
                    error.held_up()
                } else {
                    error
                };
                drop(retries);
                let cut_off = timed_out && self.until.is_some_and(|until| until <= Instant::now());
                let error = if cut_off { error.cut_off() } else { error };
                Err(error.with_lost_answer(lost))
            }
        }
    }
}

/// An error class as text for the log.
const fn outcome(class: Class) -> &'static str {
    match class {
        Class::Stopped(_) => "stopped",
        Class::Unavailable => "unavailable",
        Class::Conflict => "conflict",
        Class::Duplicate => "duplicate",
        Class::NotFound => "not found",
        Class::Again => "again",
        Class::Final => "final",
    }
}

/// Why an attempt is retried.
const fn kind_of(action: &RetryAction) -> Option<ErrorKind> {
    match action {
        RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) => Some(*kind),
        _ => None,
    }
}

/// The code with which AWS refuses the request of this attempt, if it does.
fn refusal(context: &InterceptorContext) -> Option<String> {
    let response = context.response().filter(|response| response.status().is_client_error())?;
    let body: Option<Value> = response.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let code = body.as_ref().and_then(|body| body.get("__type")?.as_str()).unwrap_or_default();
    Some(code.rsplit('#').next().unwrap_or(code).to_owned())
}

/// Runs after the SDK's own classifiers and schedules the retries that they ask for.
///
/// The SDK may ask its classifiers more than once about the same attempt, so the first answer is kept until the next
/// attempt starts.
#[derive(Clone, Debug)]
struct Pacer {
    action: Action,
    caller: Arc<Caller>,
    retries: Arc<Mutex<Retries>>,
}

/// The state of the retries of one call.
#[derive(Debug, Default)]
struct Retries {
    /// The number of failed attempts.
    failed: u32,
    /// How many of them AWS throttled, if the governor limits their rate.
    throttled: u32,
    /// Whether the effect of one of them is unknown.
    lost: bool,
    /// The answer about the last failed attempt, until the next one starts.
    said: Option<RetryAction>,
    /// Which credentials the newest attempt uses.
    generation: u64,
    /// Whether new credentials were asked for.
    renewed: bool,
}

impl Pacer {
    fn with<T>(&self, f: impl FnOnce(&mut Retries) -> T) -> T {
        f(&mut self.retries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decides about an attempt that failed with a transient error.
    fn pace(&self, kind: ErrorKind, retry_after: Option<Duration>, retries: &mut Retries) -> RetryAction {
        let throttled = kind == ErrorKind::ThrottlingError;
        if throttled {
            self.caller.governor.throttled(self.action);
        }
        let paced = throttled && self.caller.governor.paces(self.action);
        retries.throttled += u32::from(paced);
        let others = retries.failed - retries.throttled;
        if retries.throttled >= THROTTLED_ATTEMPTS || others >= ATTEMPTS {
            // No opinion would leave the opinion of the SDK's classifiers.
            return RetryAction::RetryForbidden;
        }
        let backoff = if paced {
            // The governor has put off the next slot already.
            Duration::ZERO
        } else {
            BACKOFF.mul_f64(fastrand::f64()) * 2_u32.saturating_pow(others - 1)
        };
        let wait = self.caller.governor.reserve(self.action, backoff.max(retry_after.unwrap_or_default()));
        RetryAction::RetryIndicated(RetryReason::RetryableError { kind, retry_after: Some(wait) })
    }
}

#[dyn_dispatch_hint]
impl Intercept for Pacer {
    fn name(&self) -> &'static str {
        "pace"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let generation = self.caller.credentials.generation();
        self.with(|retries| (retries.said, retries.generation) = (None, generation));
        Ok(())
    }
}

impl ClassifyRetry for Pacer {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, context: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        let refusal = refusal(context);
        let outdated = refusal.as_deref().is_some_and(is_outdated);
        let (kind, retry_after) = match previous {
            RetryAction::RetryIndicated(RetryReason::RetryableError { kind, retry_after }) => (*kind, *retry_after),
            _ if outdated => (ErrorKind::ClientError, None),
            _ => return RetryAction::NoActionIndicated,
        };
        // The SDK takes a refusal for an effect of this machine's clock when it sees that to be wrong, and tells such a one
        // from a failing server by nothing but the status.
        let refusal = refusal.filter(|_| outdated || kind == ErrorKind::ServerError);
        self.with(|retries| {
            if retries.said.is_none() {
                retries.failed += 1;
                retries.lost |= kind != ErrorKind::ThrottlingError && (refusal.is_none() || outdated);
                retries.said = Some(match &refusal {
                    Some(code) if is_denied(code) || (outdated && retries.renewed) => RetryAction::RetryForbidden,
                    _ => {
                        if outdated {
                            self.caller.credentials.renew(retries.generation);
                            retries.renewed = true;
                        }
                        self.pace(kind, retry_after, retries)
                    }
                });
            }
            retries.said.clone().unwrap_or(RetryAction::NoActionIndicated)
        })
    }

    fn name(&self) -> &'static str {
        "pace"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
