//! Deliberate defects, with which the simulation proves that it would notice them.
//!
//! Most defects are imitated from outside (`tests/sim/careless.rs`): by settings that the observer does not know, or by a
//! transport that changes calls and answers. Only the order and the choice of writes need hooks in the program.
//!
//! Only the simulation builds with the feature `defects`. Without it, `has` is constant and every hook is compiled out;
//! release builds reject the feature.

#[cfg(all(feature = "defects", not(debug_assertions)))]
compile_error!("the feature defects is for the simulation and not allowed in a release build");

/// A deliberate defect in the order or the choice of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Updates that only remove are sent before those that add.
    RemovesBeforeAdding,
    /// A CIDR is removed before what replaces it is in force.
    ReplacesAtOnce,
}

#[cfg(feature = "defects")]
thread_local! {
    static DEFECT: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Switches one defect on, or all off, for this thread.
#[cfg(feature = "defects")]
pub fn set(defect: Option<Defect>) {
    DEFECT.set(defect);
}

/// Text that every binary with this feature contains, even without symbols: `.ci/run` searches releases for it.
#[cfg(feature = "defects")]
const TRACE: &str = "this program has defects on purpose";

/// Whether this defect is switched on.
#[cfg(feature = "defects")]
pub(crate) fn has(defect: Defect) -> bool {
    std::hint::black_box(TRACE);
    DEFECT.get() == Some(defect)
}

/// Whether this defect is switched on: never in this build.
#[cfg(not(feature = "defects"))]
pub(crate) const fn has(_: Defect) -> bool {
    false
}
