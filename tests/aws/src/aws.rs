//! The handle to the stand-in that tests hold: clients, hooks, faults, log.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::Instant;

use crate::client;
use crate::config::Config;
use crate::exchanges;
use crate::fault::{Fault, When};
use crate::server::Server;
use crate::state::{Answer, Attempt, State};
use crate::wire::{Incoming, Request};

/// The stand-in. Clones share one state.
#[derive(Clone)]
pub struct Aws(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    hooks: Mutex<Vec<Hook>>,
}

type Hook = Box<dyn FnMut(&Aws, &Call) + Send>;

/// An attempt, as passed to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number of the attempt, counted from 0 since the stand-in was created.
    pub index: usize,
    /// `dynamodb`, `wafv2`, `sts` or `unknown`.
    pub service: &'static str,
    /// Name of the operation, such as `UpdateIPSet`.
    pub operation: String,
    /// Name of the table, IP set, rule group or web ACL; empty for a list.
    pub target: String,
    /// Whether the attempt is about to be handled or was handled.
    pub phase: Phase,
    /// Whether the caller sees success. Before the attempt is handled, always true.
    pub ok: bool,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the attempt is handled.
    Before,
    /// After the attempt took effect, if it does, and before the caller gets the answer.
    After,
}

impl Aws {
    /// Creates an empty account. Call it inside the runtime whose clock the stand-in should use.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(State::new(config)), hooks: Mutex::new(Vec::new()) }))
    }

    /// An HTTP client for the SDK's configuration. It calls the stand-in inside the process.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        client::http_client(self)
    }

    /// Serves on an ephemeral loopback port.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_on(0).await
    }

    /// Serves on this loopback port. Port 0 picks an ephemeral one.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn serve_on(&self, port: u16) -> io::Result<Server> {
        Server::start(self.clone(), port).await
    }

    /// The `Date` of answers, in seconds since 1970. `None` if only this machine's clock is used
    /// ([`Config::epoch`](crate::Config::epoch)).
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        self.state().date()
    }

    /// Every attempt since the start or the last [`Aws::clear_log`], in the order of handling.
    #[must_use]
    pub fn log(&self) -> Vec<Attempt> {
        self.state().log.clone()
    }

    /// The newest attempt. Inside a hook's `After`, the attempt that the hook is called for.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Attempt> {
        self.state().log.last().cloned()
    }

    /// Clears the log. Violations stay.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// What no caller should ever do: unknown operations and calls above the rate limits.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Adds a fault. If several faults are due for an attempt, the oldest is injected.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Rejects every later request signed with this access key, with this error code, as if the key had expired or had
    /// been deleted.
    pub fn reject_key(&self, access_key: &str, code: &'static str) {
        self.state().rejected_keys.insert(access_key.to_owned(), code);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Calls `hook` before and after every attempt is handled. Hooks run in the order in which they were added. A hook
    /// may read and edit the state through its handle, but must not add hooks.
    pub fn on_call(&self, hook: impl FnMut(&Self, &Call) + Send + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// A call of this action of WAF by another client: only its rate is counted, and it has no effect. Returns whether it
    /// is admitted.
    #[must_use]
    pub fn another_client_calls(&self, region: &str, operation: &str) -> bool {
        self.state().count(region, operation, Instant::now(), Duration::ZERO).is_ok()
    }

    /// Declares that a layer in between changes answers. Later requests may repeat what AWS would never send, so they
    /// are not recorded for outside checks (`WAFSYNC_EXCHANGES`).
    pub fn answers_are_garbled(&self) {
        self.state().garbled = true;
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has already failed. Other tests may continue.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, call: &Call) {
        for hook in self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            hook(self, call);
        }
    }

    /// Handles one attempt, from either transport.
    pub(crate) async fn answer(&self, incoming: Incoming) -> Answer {
        let request = Request::read(&incoming);
        let index = self.state().next_index();
        let call = |phase, ok| Call {
            index,
            service: request.service.name(),
            operation: request.operation.clone(),
            target: request.target.clone(),
            phase,
            ok,
        };
        self.observe(&call(Phase::Before, true));
        // Rates are counted on arrival, so a slow attempt does not count together with a later one.
        let arrival = self.state().arrive(index, &request);
        if let Some(delay) = arrival.queue_delay() {
            let (aws, call) = (self.clone(), call(Phase::After, true));
            let handled = tokio::spawn(async move {
                // The delay of an injected fault. It takes no real time when the test pauses the clock.
                tokio::time::sleep(delay).await;
                let fault = arrival.fault();
                let (answer, ok) = aws.state().attempt(&request, arrival);
                exchanges::record(&request, &answer, fault.as_ref(), aws.state().garbled);
                aws.observe(&Call { ok, ..call });
                answer
            });
            return handled.await.unwrap_or(Answer::Lost);
        }
        let (before, after) = (arrival.delay(When::Before), arrival.delay(When::After));
        if let Some(delay) = before {
            // The delay of an injected fault, as above.
            tokio::time::sleep(delay).await;
        }
        let fault = arrival.fault();
        let (answer, ok) = self.state().attempt(&request, arrival);
        exchanges::record(&request, &answer, fault.as_ref(), self.state().garbled);
        self.observe(&call(Phase::After, ok));
        if let Some(delay) = after {
            // The delay of an injected fault, as above.
            tokio::time::sleep(delay).await;
        }
        answer
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aws").finish_non_exhaustive()
    }
}
