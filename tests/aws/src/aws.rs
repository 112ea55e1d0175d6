//! The handle that tests hold: mounts, hooks, faults, log.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::client;
use crate::config::Config;
use crate::exchanges;
use crate::fault::{Fault, When};
use crate::server::Server;
use crate::state::{Answer, Attempt, State};
use crate::wire::{Incoming, Request};

/// The stand-in; clones share one state.
#[derive(Clone)]
pub struct Aws(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    hooks: Mutex<Vec<Hook>>,
}

type Hook = Box<dyn FnMut(&Aws, &Call) + Send>;

/// An attempt as a hook sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number of the attempt since the stand-in was made, from 0.
    pub index: usize,
    /// `dynamodb`, `wafv2`, `sts` or `unknown`.
    pub service: &'static str,
    /// As in `UpdateIPSet`.
    pub operation: String,
    /// Name of the table, IP set, rule group or web ACL; empty for a list.
    pub target: String,
    /// Whether it is about to be handled or has been.
    pub phase: Phase,
    /// Afterwards: whether the caller sees success. Before: true.
    pub ok: bool,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has happened yet.
    Before,
    /// The effect, if any, is there; the caller does not have the answer yet.
    After,
}

impl Aws {
    /// An empty account. Make it inside the runtime whose clock it is to follow.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(State::new(config)), hooks: Mutex::new(Vec::new()) }))
    }

    /// An HTTP client for the SDK's configuration: calls the stand-in inside the process.
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

    /// Serves on this loopback port; 0 is an ephemeral one.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn serve_on(&self, port: u16) -> io::Result<Server> {
        Server::start(self.clone(), port).await
    }

    /// The `Date` of answers, in seconds since 1970; `None` if there is no clock but this machine's
    /// ([`Config::epoch`](crate::Config::epoch)).
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        self.state().date()
    }

    /// Every attempt since the start or [`Aws::clear_log`], in the order in which they were handled.
    #[must_use]
    pub fn log(&self) -> Vec<Attempt> {
        self.state().log.clone()
    }

    /// The newest attempt: inside a hook's `After`, the one that it is called for.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Attempt> {
        self.state().log.last().cloned()
    }

    /// Forgets the log; violations stay.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// What no caller should ever do: unknown operations, calls beyond the rates.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Adds a fault. Of several that are due for an attempt, the oldest strikes.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Refuses every request that this access key has signed from now on, with this code: it has expired, or somebody has
    /// deleted it.
    pub fn refuse_key(&self, access_key: &str, code: &'static str) {
        self.state().refused_keys.insert(access_key.to_owned(), code);
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Calls `hook` before and after every attempt is handled, after the hooks that are there already. It may read and
    /// edit the state through the handle that it gets, but must not add hooks.
    pub fn on_call(&self, hook: impl FnMut(&Self, &Call) + Send + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Says that something in between changes answers: requests may then repeat what AWS would never have said, and are
    /// not recorded for judges outside (`WAFSYNC_EXCHANGES`).
    pub fn answers_are_garbled(&self) {
        self.state().garbled = true;
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has failed already; others may go on.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, call: &Call) {
        for hook in self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            hook(self, call);
        }
    }

    /// One attempt, from whichever mount.
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
        // Rates go by arrival, so that a slow attempt does not come to stand beside a later one.
        let arrival = self.state().arrive(index, &request);
        if let Some(delay) = arrival.lies_around() {
            let (aws, call) = (self.clone(), call(Phase::After, true));
            let handled = tokio::spawn(async move {
                // The delay of a scripted fault; where a test pauses the clock, it takes no real time.
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
            // A scripted delay, as above.
            tokio::time::sleep(delay).await;
        }
        let fault = arrival.fault();
        let (answer, ok) = self.state().attempt(&request, arrival);
        exchanges::record(&request, &answer, fault.as_ref(), self.state().garbled);
        self.observe(&call(Phase::After, ok));
        if let Some(delay) = after {
            // A scripted delay, as above.
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
