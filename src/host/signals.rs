//! SIGINT and SIGTERM: the first asks a run to stop at a safe point, the second ends the process immediately.

use tokio::signal::unix::{self, SignalKind, signal};
use tracing::{error, warn};

use crate::run::outcome::Outcome;
use crate::stop::Signal;

/// The number of runtime threads: one decodes pages while another works. One per core of a large node would waste memory.
const WORKERS: usize = 2;

/// Runs a command until it ends or a second signal arrives, and returns its exit code.
pub(super) fn block_on<F: Future<Output = u8>>(command: impl FnOnce(Signal) -> F) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("could not start the asynchronous runtime: {error}");
            return Outcome::Failed.exit_code();
        }
    };
    let code = runtime.block_on(async {
        let first = Signal::default();
        let second = async {
            // Registered once for both waits, so that a second signal right after the first is not lost.
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return std::future::pending().await;
            };
            received(&mut interrupt, &mut terminate).await;
            warn!("stopping: waiting for calls in flight; signal again to exit immediately");
            first.raise();
            received(&mut interrupt, &mut terminate).await;
        };
        tokio::select! {
            // Start listening before the command.
            biased;
            () = second => {
                error!("exited immediately: the result of calls in flight is unknown; the next run reads it");
                Outcome::Partial.exit_code()
            }
            code = command(first.clone()) => code,
        }
    });
    runtime.shutdown_background();
    code
}

/// Waits for SIGINT or SIGTERM.
async fn received(interrupt: &mut unix::Signal, terminate: &mut unix::Signal) {
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
}
