//! Defects on purpose: proof that the simulation sees what nothing outside the program can imitate.
//!
//! Most carelessness is imitated from outside (`tests/sim/careless.rs`): by other settings than the observer is told, or
//! by a transport that changes calls and answers. What is left here is the order and the choice of writes.
//!
//! Only the simulation builds with the feature `broken-on-purpose`. Without it `has` is a constant, so every hook is
//! compiled out; a release refuses the feature.

#[cfg(all(feature = "broken-on-purpose", not(debug_assertions)))]
compile_error!("defects on purpose are for the simulation: no release has them");

/// A mistake in the order or the choice of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Updates that only remove go before those that add.
    RemovesBeforeAdding,
    /// A CIDR goes although what replaces it is not in force yet.
    ReplacesAtOnce,
}

#[cfg(feature = "broken-on-purpose")]
thread_local! {
    static DEFECT: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Switches a defect on, or all off, for everything that runs on this thread from now on.
#[cfg(feature = "broken-on-purpose")]
pub fn set(defect: Option<Defect>) {
    DEFECT.set(defect);
}

/// A sentence that every program with defects contains, even stripped of its symbols: `.ci/run` looks for it.
#[cfg(feature = "broken-on-purpose")]
const TRACE: &str = "this program has defects on purpose";

/// Whether this defect is switched on.
#[cfg(feature = "broken-on-purpose")]
pub(crate) fn has(defect: Defect) -> bool {
    std::hint::black_box(TRACE);
    DEFECT.get() == Some(defect)
}

/// Whether this defect is switched on: never.
#[cfg(not(feature = "broken-on-purpose"))]
pub(crate) const fn has(_: Defect) -> bool {
    false
}
