//! The promises that the observer checks, each with distinct words by which tests recognize it.

/// Defines all promises and their words.
macro_rules! promises {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)+) => {
        /// A promise. The observer reports each violation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Promise { $($(#[$doc])* $name,)+ }

        impl Promise {
            /// Every promise.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The words that report a violation.
            pub(crate) const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

promises! {
    NoLockOut = "lock-out",
    NoLeak = "leak",
    NoGap = "out of force during propagation",
    AddsFirst = "added after a removal",
    SecondScan = "removed without a second scan, or too early",
    ScanAfterRead = "removed, but WAF was read after the newest scan",
    TokenOfItsRead = "the lock token is not that of the newest read",
    TokenOfItsRound = "the lock token was not read with its round",
    Pace = "more calls in a second than the rate allows",
    NeverCalled = "a forbidden call",
    KnownCaller = "a call outside of any run",
    Foreign = "foreign resources changed",
    EmptyTable = "written although the table is empty",
    EmptyFamily = "removed the last address of a family",
    MaxRemovals = "removed more of a family than the limit",
    MinAddresses = "removed so many that fewer of a family are left than the minimum",
    MaxAdditions = "added more of a family than the limit",
    Rejections = "removed although the table has rejections",
    AdoptedRemoval = "removed from an adopted set without approval",
    AdoptedMark = "an adopted set written although it has unapproved removals",
    OtherTable = "written although the rule group belongs to another table",
    RuleMeaning = "written although a rule with references would change",
    ForeignReference = "written although a reference to a foreign set would be dropped",
    IdleWrite = "a write without a change",
    WrittenOnce = "written more than once in a run without conflicts",
    FewestWrites = "more writes than necessary",
    ExitCode = "the exit code is wrong",
    WritesCounted = "the reported writes are not those that had an effect",
    WritesPlanned = "more writes reported than planned",
    NothingWritten = "reports that nothing was written",
    SomethingWritten = "reports that something was written",
    InForce = "reports that everything is in force",
    Enforced = "does not report that a web ACL does not enforce it",
    Unenforced = "reports unenforced although every web ACL has references",
    HeldStands = "reports as held what is removed or wanted",
    HeldAdds = "reports held, but additions are not in force",
    HeldReason = "reports held without a reason",
    BlockedReason = "reports blocked without a reason",
    PartialReason = "reports partial without a reason",
    FailedReason = "reports failed without a reason",
    FailedInPassing = "reports a temporary error as failed",
    Explains = "explain gives a false answer",
    Checks = "check gives a false answer",
    Converges = "does not converge",
}
