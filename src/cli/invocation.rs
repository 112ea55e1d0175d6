//! What a command line asks for, checked, or the text to print instead.

use std::time::Duration;

use clap_complete::Shell;

use crate::model::cidr::Cidr;
use crate::model::settings::{LogSettings, MetricsSettings, Output, Settings};
use crate::preflight::iam_policy::{Access, IamScope};

/// Exit code of a usage error: `EX_USAGE` of sysexits.h, so that it is not taken for one of the outcomes.
pub const EXIT_USAGE: u8 = 64;

/// What the program was asked to do, checked.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// `plan`
    Plan {
        /// What to work on.
        settings: Settings,
        /// Form of the plan.
        output: Output,
        /// Whether the exit code says if changes are pending.
        detailed_exitcode: bool,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `apply`
    Apply {
        /// What to work on.
        settings: Settings,
        /// Form of the result: never Markdown.
        output: Output,
        /// Where metrics go; nowhere to listen.
        metrics: MetricsSettings,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `watch`
    Watch {
        /// What to work on.
        settings: Settings,
        /// From the start of a run to the start of the next.
        every: Duration,
        /// Form of the results: never Markdown; a line each for JSON.
        output: Output,
        /// Where metrics go.
        metrics: MetricsSettings,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `explain ADDRESS`
    Explain {
        /// What to work on. The guards and the pace of writes are the defaults.
        settings: Settings,
        /// What is asked about.
        address: Cidr,
        /// Form of the answer: never Markdown.
        output: Output,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `check`
    Check {
        /// What to look at. The guards and the pace of writes are the defaults.
        settings: Settings,
        /// Form of the answer: never Markdown.
        output: Output,
        /// The log on stderr.
        log: LogSettings,
    },
    /// `iam-policy`
    IamPolicy {
        /// The resources that it names.
        scope: IamScope,
        /// The command that it is for.
        access: Access,
    },
    /// `completions SHELL`
    Completions(Shell),
}

impl Invocation {
    /// How this command logs.
    #[must_use]
    pub fn log(&self) -> LogSettings {
        match self {
            Self::Plan { log, .. }
            | Self::Apply { log, .. }
            | Self::Watch { log, .. }
            | Self::Explain { log, .. }
            | Self::Check { log, .. } => *log,
            Self::IamPolicy { .. } | Self::Completions(_) => LogSettings::default(),
        }
    }
}

/// An invocation and what a person should know about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What to do.
    pub invocation: Invocation,
    /// One line each, without a newline; safe to print.
    pub warnings: Vec<String>,
    /// The command line that approves what a guard stopped, up to the digest: shell-quoted and with what came from the
    /// environment. `None` if a value cannot be written so that it is safe to paste.
    pub approve: Option<String>,
}

/// Text to print instead of running: help, version, or what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Ends with a newline; safe to print.
    pub text: String,
    /// What is wrong, on one line and without what clap adds for a terminal; empty for help and version.
    pub problem: String,
    /// 0 for help and version, else [`EXIT_USAGE`].
    pub exit: u8,
    /// Help and version are a result and go to stdout; all else goes to stderr.
    pub to_stdout: bool,
}

impl Usage {
    pub(super) fn error(message: &str) -> Self {
        Self { text: format!("error: {message}\n"), problem: message.to_owned(), exit: EXIT_USAGE, to_stdout: false }
    }
}
