//! The promises that the observer watches, each with words of its own, by which a test knows which one was broken.

/// Defines the promises, all of them, and their words.
macro_rules! promises {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)+) => {
        /// Something that is never to be seen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Promise { $($(#[$doc])* $name,)+ }

        impl Promise {
            /// Every promise.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// What is said when it is broken.
            pub(crate) const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

promises! {
    NoLockOut = "lock-out",
    NoLeak = "leak",
    NoGap = "a gap while it spreads",
    AddsFirst = "adds after a removal",
    SecondScan = "removed without a second scan, or too early",
    ScanAfterRead = "removed, but WAF was read after the newest scan",
    TokenOfItsRead = "the lock token is not that of the newest read",
    TokenOfItsRound = "the lock token was fetched apart from the round's reads",
    Pace = "too many calls in a second",
    NeverCalled = "never to be called",
    KnownCaller = "no run of this caller is under way",
    Foreign = "foreign resources changed",
    EmptyTable = "written although the table is empty",
    EmptyFamily = "the last of a family removed",
    MaxRemovals = "more of a family removed than one run may",
    MinAddresses = "so much removed that fewer of a family are left than should be",
    MaxAdditions = "more of a family added than one run may",
    Rejections = "removed although the table has rejections",
    AdoptedRemoval = "removed from an adopted set without approval",
    AdoptedMark = "an adopted set written that holds what nobody approved to remove",
    OtherTable = "written although the rule group was last fed from another table",
    RuleMeaning = "written although a rule with references would change",
    ForeignReference = "written although a reference to a set of somebody else would go",
    IdleWrite = "a write that changes nothing",
    WrittenOnce = "written more than once in a run without conflicts",
    FewestWrites = "more writes than one set, one group each would take",
    ExitCode = "the exit code is another one",
    WritesCounted = "the writes done are not those that had an effect",
    WritesPlanned = "more writes done than planned",
    NothingWritten = "says that nothing was written",
    SomethingWritten = "says that something was written",
    InForce = "says that all is in force",
    Enforced = "does not say that a web ACL does not enforce it",
    Unenforced = "says unenforced although every web ACL refers",
    HeldStands = "says held of what is gone or wanted",
    HeldAdds = "says held, and additions are not in force",
    HeldReason = "says held without a reason",
    BlockedReason = "says blocked without a reason",
    PartialReason = "says partial without a reason",
    FailedReason = "says failed without a reason",
    FailedInPassing = "says failed of what passes",
    Explains = "explain says what is not so",
    Checks = "check says what is not so",
    Converges = "does not converge",
}
