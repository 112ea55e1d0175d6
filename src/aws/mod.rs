//! Everything that is said to AWS: clients, pace, errors, and the calls themselves.
//!
//! A [`Reader`] has no method that writes, and its clients refuse to (see `locks`); only [`Connection::writer`] makes
//! something that can. Nothing here decides what should be in WAF.

mod call;
mod check;
mod error;
mod governor;
mod ip_sets;
mod locks;
mod rule_groups;
mod scan;
mod transport;
mod waf;
mod web_acls;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::Region;
use aws_smithy_types::retry::{RetryConfig, RetrySpec};

pub use self::call::{ATTEMPT_TIMEOUT, ATTEMPTS, OPERATION_TIMEOUT};
pub use self::error::{AwsError, Class};
pub use self::governor::{Action, Governor};
use self::scan::Budget;
pub use self::waf::ReadCache;
use crate::rules::Target;
use crate::settings::{Scope, Settings, is_region};

/// Where CLOUDFRONT resources of WAF live.
pub const CLOUDFRONT_REGION: &str = "us-east-1";

/// Calls under way at once; the governor paces them, this bounds memory: a call holds up to half a megabyte.
pub const IN_FLIGHT: usize = 8;

/// Pages of one scan segment: a hundred million items; more is a marker that never ends.
const MAX_PAGES: usize = 100_000;

/// Pages of one list of WAF: a hundred thousand IP sets, a thousand times AWS's quota; more is a marker that never ends.
const MAX_LIST_PAGES: usize = 1000;

/// What to do about an answer that AWS would not give.
const BAD_ANSWER: &str = "AWS does not answer like that: check AWS_ENDPOINT_URL, and any proxy in between";

/// Clients, made once for a process.
#[derive(Clone, Debug)]
pub struct Connection {
    sdk: SdkConfig,
    table_region: String,
    target: Target,
    scope: Scope,
    tags: BTreeMap<String, String>,
    governor: Arc<Governor>,
    budget: Option<Arc<Budget>>,
}

/// What can look at the table and at WAF, and cannot change either.
#[derive(Clone, Debug)]
pub struct Reader {
    dynamodb: aws_sdk_dynamodb::Client,
    waf: aws_sdk_wafv2::Client,
    governor: Arc<Governor>,
    budget: Option<Arc<Budget>>,
    target: Target,
    scope: Scope,
    table_region: String,
}

/// What can write our IP sets and rule groups, and nothing else.
#[derive(Clone, Debug)]
pub struct Writer {
    waf: aws_sdk_wafv2::Client,
    governor: Arc<Governor>,
    scope: Scope,
    region: String,
    tags: BTreeMap<String, String>,
}

/// The Region to work in is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRegion {
    /// None is set anywhere.
    #[error("no AWS Region is set; hint: set AWS_REGION, or `region` in the profile")]
    Unset,
    /// What is set cannot be one.
    #[error("{} is no AWS Region; hint: set AWS_REGION to one such as eu-west-1", crate::text::key(.0))]
    Malformed(String),
}

/// TLS has no CA certificate to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no CA certificates are found; hint: install ca-certificates, or name a file of them in SSL_CERT_FILE")]
pub struct NoRoots;

/// Region, credentials and endpoints, as the environment and the files of AWS have them.
///
/// # Errors
///
/// [`NoRoots`], with which the SDK would panic at its first call.
pub async fn environment() -> Result<SdkConfig, NoRoots> {
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(NoRoots);
    }
    Ok(aws_config::defaults(BehaviorVersion::latest()).http_client(transport::http_client()).load().await)
}

impl Connection {
    /// Clients for these settings, with Region, credentials and endpoints as the environment has them.
    ///
    /// # Errors
    ///
    /// [`NoRegion`] if neither the settings nor the environment name the Region of the table or of WAF, or if what they name
    /// cannot be one.
    pub fn new(sdk: SdkConfig, settings: &Settings) -> Result<Self, NoRegion> {
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
        let target = Target { scope, region, name: settings.waf.name.clone(), table };
        let governor = Arc::new(Governor::new(settings.run.read_rate, settings.run.write_rate));
        let tags = settings.waf.tags.clone();
        let budget = settings.table.read_capacity.map(|units| Arc::new(Budget::new(units)));
        Ok(Self { sdk, table_region, target, scope: settings.waf.scope, tags, governor, budget })
    }

    /// A reader. However it is used, nothing in AWS changes.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&self.sdk)
            .region(Region::new(self.table_region.clone()))
            .retry_config(retries())
            .interceptor(locks::ReadOnly)
            .interceptor(locks::EncryptedUnlessLoopback)
            .build();
        Reader {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            waf: aws_sdk_wafv2::Client::from_conf(self.waf_config().interceptor(locks::ReadOnly).build()),
            governor: Arc::clone(&self.governor),
            budget: self.budget.clone(),
            target: self.target.clone(),
            scope: self.scope,
            table_region: self.table_region.clone(),
        }
    }

    /// A writer; whoever holds one can change WAF.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer {
            waf: aws_sdk_wafv2::Client::from_conf(self.waf_config().build()),
            governor: Arc::clone(&self.governor),
            scope: self.scope,
            region: self.target.region.clone(),
            tags: self.tags.clone(),
        }
    }

    /// Calls that AWS refused for their pace, since the clients were made.
    #[must_use]
    pub fn throttled_attempts(&self) -> u64 {
        self.governor.throttled_attempts()
    }

    fn waf_config(&self) -> aws_sdk_wafv2::config::Builder {
        aws_sdk_wafv2::config::Builder::from(&self.sdk)
            .region(Region::new(self.target.region.clone()))
            .retry_config(retries())
            .interceptor(locks::EncryptedUnlessLoopback)
    }
}

/// The SDK's standard retries. How long it waits comes from [`call`], which knows the pace; the older retry
/// specification takes that as it is.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_max_backoff(OPERATION_TIMEOUT)
        .with_retry_spec(RetrySpec::v2_0())
}

impl Reader {
    /// What is read.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target.clone()
    }
}

const fn waf_scope(scope: Scope) -> aws_sdk_wafv2::types::Scope {
    match scope {
        Scope::Regional => aws_sdk_wafv2::types::Scope::Regional,
        Scope::Cloudfront => aws_sdk_wafv2::types::Scope::Cloudfront,
    }
}

const _: () =
    assert!(ATTEMPT_TIMEOUT.as_secs() < OPERATION_TIMEOUT.as_secs(), "one slow attempt leaves time for a retry");
