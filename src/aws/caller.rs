//! State that all calls of a process share: rates, credentials, and the command that prints their policy.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::governor::Governor;

/// State that all calls of a process share.
#[derive(Debug)]
pub(super) struct Caller {
    /// The rate limits.
    pub(super) governor: Governor,
    /// The credentials in use.
    pub(super) credentials: Renewable,
    /// The command that prints the policy of these settings; `None` if it cannot be shown safely.
    pub(super) policy_command: Option<String>,
}

/// The SDK's cache of credentials, which can be cleared: rotated credentials expire before their time.
#[derive(Clone)]
pub(super) struct Renewable(Arc<RwLock<Cached>>);

struct Cached {
    generation: u64,
    cache: SharedIdentityCache,
}

impl Default for Renewable {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Cached { generation: 0, cache: IdentityCache::lazy().build() })))
    }
}

impl Renewable {
    /// The number of times that credentials were dropped.
    pub(super) fn generation(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).generation
    }

    /// Drops the credentials of this generation, so that the next attempt gets new ones. If several calls find the same
    /// credentials expired, only the first drops them.
    pub(super) fn renew(&self, generation: u64) {
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cached.generation == generation {
            *cached = Cached { generation: generation + 1, cache: IdentityCache::lazy().build() };
        }
    }

    fn cache(&self) -> SharedIdentityCache {
        self.0.read().unwrap_or_else(PoisonError::into_inner).cache.clone()
    }
}

impl fmt::Debug for Renewable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewable").finish_non_exhaustive()
    }
}

impl ResolveCachedIdentity for Renewable {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.cache();
        IdentityFuture::new(async move { cache.resolve_cached_identity(resolver, components, config).await })
    }
}
