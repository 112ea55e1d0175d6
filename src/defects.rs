//! Defects on purpose: the proof that the simulation sees what it watches for.
//!
//! Without the feature `broken-on-purpose`, which nothing but that test asks for, `has` is a constant and every defect
//! is compiled out. A release refuses the feature.

#[cfg(all(feature = "broken-on-purpose", not(debug_assertions)))]
compile_error!("defects on purpose are for the simulation: no release has them");

/// Something that a careless program would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Rules refer to a set before what is not wanted has gone from it.
    WiresBeforeStripping,
    /// What only removes goes before what adds.
    RemovesBeforeAdding,
    /// A CIDR goes although other sets have yet to show what replaces it.
    ReplacesAtOnce,
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
    /// Each round of a run counts its removals anew.
    ForgetsEarlierRounds,
    /// Rejections hold nothing back.
    IgnoresRejections,
    /// The lock token is fetched when the write is due, whatever has happened since its contents were planned.
    FetchesTokensLate,
    /// After a conflict the same contents are sent once more, with a token that was fetched for it.
    RetriesStalePlans,
    /// Attempts that failed are repeated without regard to the pace.
    RetriesUnpaced,
    /// One answer that an IP set does not exist is believed, whatever the list shows.
    BelievesOneAnswer,
    /// A write whose answer was lost was not made.
    ForgetsLostAnswers,
    /// Whatever the web ACLs refer to, all is said to be enforced.
    SaysEnforced,
    /// What is left to the next run is not said.
    SaysDone,
    /// Rule groups are written at every run.
    WritesIdly,
    /// What is not wanted waits for a later run, always.
    DefersForever,
    /// A table without any entry is a table like any other.
    IgnoresEmptyTables,
    /// The last CIDR of a family goes like any other.
    EmptiesFamilies,
    /// Rules are written whatever somebody made of them.
    IgnoresRuleChanges,
    /// What is added to an adopted set takes its mark away, whatever nobody has approved to remove from it.
    FillsHeldSets,
    /// The lock token of a rule group is fetched when the write is due.
    FetchesGroupTokensLate,
    /// A rule group in our place is taken for ours.
    WritesForeignGroups,
    /// The first page of a list is taken for the list.
    IgnoresMarkers,
    /// Any digest approves any plan.
    TakesAnyApproval,
    /// What passes is taken for what lasts, and nothing is planned again.
    NeverPlansAgain,
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

/// What every program with defects holds, also where nothing is left of its symbols: `.ci/run` looks for it.
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
