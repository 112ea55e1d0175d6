//! Clients of AWS.
//!
//! A [`TableReader`] and a [`WafReader`] have no method that writes, and their clients reject writes (see `interceptors`).
//! Only [`Connection::writer`] creates a client that can write.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::Region;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::retry::{RetryConfig, RetrySpec};

use super::call::{ATTEMPT_TIMEOUT, ATTEMPTS, OPERATION_TIMEOUT, THROTTLED_ATTEMPTS};
use super::caller::{Caller, Renewable};
use super::environment::LOAD_TIMEOUT;
use super::governor::Governor;
use super::interceptors;
use super::read_budget::Budget;
use crate::model::naming::{Target, account_of};
use crate::model::settings::{Scope, Settings, is_region};
use crate::preflight::iam_policy::{Access, IamScope};

/// The Region of WAF's resources for `CloudFront`.
pub const CLOUDFRONT_REGION: &str = "us-east-1";

/// The clients of a process.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) sdk: SdkConfig,
    pub(super) table_region: String,
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) caller: Arc<Caller>,
    pub(super) budget: Option<Arc<Budget>>,
}

/// A client that can only read the table.
#[derive(Clone, Debug)]
pub struct TableReader {
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) caller: Arc<Caller>,
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) region: String,
}

/// A client that can only read WAF.
#[derive(Clone, Debug)]
pub struct WafReader {
    pub(super) waf: aws_sdk_wafv2::Client,
    pub(super) caller: Arc<Caller>,
    pub(super) target: Target,
    pub(super) scope: Scope,
}

/// A client that can write IP sets and rule groups, and nothing else.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) waf: aws_sdk_wafv2::Client,
    pub(super) caller: Arc<Caller>,
    pub(super) scope: Scope,
    pub(super) region: String,
    pub(super) tags: BTreeMap<String, String>,
}

/// The error that the Region is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRegion {
    /// No Region is set.
    #[error("no AWS Region is set")]
    Unset,
    /// The value is not a Region.
    #[error("{} is not an AWS Region", crate::text::key(.0))]
    Malformed(String),
}

impl NoRegion {
    /// How to fix it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unset => "set AWS_REGION, or `region` in the profile",
            Self::Malformed(_) => "set AWS_REGION to one such as eu-west-1",
        }
    }
}

impl Connection {
    /// Creates the clients of `apply` for these settings, with Region, credentials, and endpoints from the environment.
    ///
    /// # Errors
    ///
    /// [`NoRegion`] if neither the settings nor the environment name a valid Region for the table or for WAF.
    pub fn new(sdk: SdkConfig, settings: &Settings) -> Result<Self, NoRegion> {
        Self::with_access(sdk, settings, Access::Apply)
    }

    /// The same for another command: what AWS denies comes with the command that prints the policy for it.
    ///
    /// # Errors
    ///
    /// As [`Connection::new`].
    pub fn with_access(sdk: SdkConfig, settings: &Settings, access: Access) -> Result<Self, NoRegion> {
        let environment = sdk.region().map(ToString::to_string);
        if let Some(region) = environment.as_ref().filter(|region| !is_region(region)) {
            return Err(NoRegion::Malformed(region.clone()));
        }
        let table_region = settings.table.region.clone().or_else(|| environment.clone()).ok_or(NoRegion::Unset)?;
        let (scope, region) = match settings.waf.scope {
            Scope::Regional => ("regional", environment.ok_or(NoRegion::Unset)?),
            Scope::Cloudfront => ("cloudfront", CLOUDFRONT_REGION.to_owned()),
        };
        let table = format!("{table_region}/{}", settings.table.name());
        let table_account = account_of(&settings.table.table).map(ToOwned::to_owned);
        let target = Target { scope, region, name: settings.waf.name.clone(), table, table_account };
        let credentials = Renewable::default();
        let sdk = sdk.into_builder().identity_cache(credentials.clone()).build();
        let governor = Governor::new(settings.run.read_rate, settings.run.write_rate);
        let policy_command = IamScope::of(settings, sdk.region().map(AsRef::as_ref)).command(access);
        let caller = Arc::new(Caller { governor, credentials, policy_command });
        let tags = settings.waf.tags.clone();
        let budget = settings.table.read_capacity.map(|units| Arc::new(Budget::new(units)));
        Ok(Self { sdk, table_region, target, scope: settings.waf.scope, tags, caller, budget })
    }

    /// A reader of the table. It cannot change anything in AWS.
    #[must_use]
    pub fn table_reader(&self) -> TableReader {
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&self.sdk)
            .region(Region::new(self.table_region.clone()))
            .retry_config(retries(ATTEMPTS))
            .interceptor(interceptors::ReadOnly)
            .interceptor(interceptors::EncryptedUnlessLoopback)
            .build();
        TableReader {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            caller: Arc::clone(&self.caller),
            budget: self.budget.clone(),
            region: self.table_region.clone(),
        }
    }

    /// A reader of WAF. It cannot change anything in AWS.
    #[must_use]
    pub fn waf_reader(&self) -> WafReader {
        WafReader {
            waf: aws_sdk_wafv2::Client::from_conf(self.waf_config().interceptor(interceptors::ReadOnly).build()),
            caller: Arc::clone(&self.caller),
            target: self.target.clone(),
            scope: self.scope,
        }
    }

    /// A writer, which can change WAF.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer {
            waf: aws_sdk_wafv2::Client::from_conf(self.waf_config().build()),
            caller: Arc::clone(&self.caller),
            scope: self.scope,
            region: self.target.region.clone(),
            tags: self.tags.clone(),
        }
    }

    /// The number of throttled calls since the clients were created.
    #[must_use]
    pub fn throttled_attempts(&self) -> u64 {
        self.caller.governor.throttled_attempts()
    }

    fn waf_config(&self) -> aws_sdk_wafv2::config::Builder {
        aws_sdk_wafv2::config::Builder::from(&self.sdk)
            .region(Region::new(self.target.region.clone()))
            .retry_config(retries(ATTEMPTS + THROTTLED_ATTEMPTS))
            // The SDK's own quota of retries lasts for the process and knows no rate. Here each call has its limits, and
            // the governor has the rate.
            .retry_partition(RetryPartition::custom("wafsync").token_bucket(TokenBucket::unlimited()).build())
            .interceptor(interceptors::EncryptedUnlessLoopback)
    }
}

/// The SDK's standard retries, at most this many attempts. `call.rs` decides how long they wait; only the older retry
/// specification leaves that to it.
pub(super) fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_max_backoff(OPERATION_TIMEOUT)
        .with_retry_spec(RetrySpec::v2_0())
}

impl WafReader {
    /// The target.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.clone()
    }
}

pub(super) const fn waf_scope(scope: Scope) -> aws_sdk_wafv2::types::Scope {
    match scope {
        Scope::Regional => aws_sdk_wafv2::types::Scope::Regional,
        Scope::Cloudfront => aws_sdk_wafv2::types::Scope::Cloudfront,
    }
}

const _: () =
    assert!(LOAD_TIMEOUT.as_secs() < ATTEMPT_TIMEOUT.as_secs(), "an attempt outlasts the load of credentials");
const _: () =
    assert!(ATTEMPT_TIMEOUT.as_secs() < OPERATION_TIMEOUT.as_secs(), "one slow attempt leaves time for a retry");
