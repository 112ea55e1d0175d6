//! What a command line asks for, validated, or the text to print instead.

use std::time::Duration;

use clap_complete::Shell;

use crate::model::cidr::Cidr;
use crate::model::settings::{LogSettings, MetricsSettings, Settings, ViewSettings};
use crate::preflight::iam_policy::{Access, IamScope};

/// Exit code of a usage error: `EX_USAGE` of sysexits.h, so that it cannot be confused with an outcome.
pub const EXIT_USAGE: u8 = 64;

/// What to do, validated.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// `plan`
    Plan {
        /// What to work on.
        settings: Settings,
        /// How the plan is shown.
        view: ViewSettings,
        /// Whether the exit code says if changes are pending.
        detailed_exitcode: bool,
    },
    /// `apply`
    Apply {
        /// What to work on.
        settings: Settings,
        /// How the result is shown: as text or JSON.
        view: ViewSettings,
        /// Whether to skip the question in a terminal.
        yes: bool,
        /// Where metrics go; nowhere to listen.
        metrics: MetricsSettings,
    },
    /// `watch`
    Watch {
        /// What to work on.
        settings: Settings,
        /// Time between the starts of two runs.
        every: Duration,
        /// How each result is shown: as text, or as one line of JSON.
        view: ViewSettings,
        /// Where metrics go.
        metrics: MetricsSettings,
    },
    /// `explain ADDRESS…`
    Explain {
        /// What to work on. Guards and the write rate have placeholder values.
        settings: Settings,
        /// What to explain.
        question: Question,
        /// How the answer is shown: as text or JSON.
        view: ViewSettings,
    },
    /// `check`
    Check {
        /// What to look at. Guards and the write rate have placeholder values.
        settings: Settings,
        /// How the answer is shown: as text or JSON.
        view: ViewSettings,
    },
    /// `iam-policy`
    IamPolicy {
        /// The resources that it names.
        scope: IamScope,
        /// The command that it allows.
        access: Access,
    },
    /// `completions SHELL`
    Completions(Shell),
}

/// What `explain` is asked: at least one address or item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Addresses and CIDRs, each once, in the order given.
    pub addresses: Vec<Cidr>,
    /// Keys of items, all of whose addresses are meant, each once.
    pub items: Vec<String>,
    /// How long to wait until all of it is wanted and in force.
    pub wait: Option<Duration>,
}

/// An invocation and what a person should know about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What to do.
    pub invocation: Invocation,
    /// The log on stderr.
    pub log: LogSettings,
    /// One line each, without a newline; safe to print.
    pub warnings: Vec<String>,
    /// The command line that approves a plan, up to the digest: shell-quoted, with the flags of this invocation. `None` if
    /// a value cannot be written so that it is safe to paste.
    pub approve: Option<String>,
}

/// Text to print instead of running: help, version, or a usage error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Ends with a newline; safe to print.
    pub text: String,
    /// What is wrong, on one line and without what clap adds for a terminal; empty for help and version.
    pub problem: String,
    /// 0 for help and version, else [`EXIT_USAGE`].
    pub exit: u8,
    /// Whether this goes to stdout: help and version do, errors go to stderr.
    pub to_stdout: bool,
}

impl Usage {
    pub(super) fn error(message: &str) -> Self {
        Self { text: format!("error: {message}\n"), problem: message.to_owned(), exit: EXIT_USAGE, to_stdout: false }
    }
}
