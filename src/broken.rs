//! Defects on purpose: the proof that the simulation sees what it watches for.
//!
//! Without the feature `broken-on-purpose`, which nothing but that test asks for, `has` is a constant and every defect
//! is compiled out.

/// Something that a careless program would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Rules refer to a set before what is not wanted has gone from it.
    WiresBeforeStripping,
    /// Whatever is named like ours is taken for ours.
    IgnoresMarks,
    /// What was removed from a set that was adopted and not written yet needs no approval.
    IgnoresAdoption,
    /// The pages that came before a page that failed are taken for the table.
    TrustsShortScans,
    /// What one scan does not show is removed.
    SkipsTheSecondScan,
    /// The second scan follows at once.
    ScansTooEarly,
    /// Guards look away.
    SkipsGuards,
    /// Rejections hold nothing back.
    IgnoresRejections,
    /// After a conflict the same contents are sent with a token that was fetched for it.
    FetchesTokensLate,
    /// Attempts that failed are repeated without regard to the pace.
    RetriesUnpaced,
    /// One answer that an IP set does not exist is believed, whatever the list shows.
    BelievesOneAnswer,
    /// A write whose answer was lost was not made.
    ForgetsLostAnswers,
}

#[cfg(feature = "broken-on-purpose")]
thread_local! {
    static DEFECT: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Gives everything that runs on this thread from now on this defect, or none.
#[cfg(feature = "broken-on-purpose")]
pub fn set(defect: Option<Defect>) {
    DEFECT.set(defect);
}

/// Whether this defect is switched on.
#[cfg(feature = "broken-on-purpose")]
pub(crate) fn has(defect: Defect) -> bool {
    DEFECT.get() == Some(defect)
}

/// Whether this defect is switched on: never.
#[cfg(not(feature = "broken-on-purpose"))]
pub(crate) const fn has(_: Defect) -> bool {
    false
}
