//! `apply`: one run that writes. In a terminal, it shows its plan and asks first.

use std::io::Write;

use crate::host::approving::approving;
use crate::host::result::{deliver, leave, not_started, show, to_be_asked};
use crate::host::screen::{self, Answer};
use crate::host::session::{Finished, Session};
use crate::host::{clock, progress};
use crate::metrics::export::Exporter;
use crate::metrics::health::Health;
use crate::metrics::samples;
use crate::model::settings::{MetricsSettings, Output, Settings, ViewSettings};
use crate::planning::guard::Verdict;
use crate::preflight::iam_policy::Access;
use crate::report::{Command, Document};
use crate::run::outcome::Outcome;
use crate::stop::Signal;

const QUESTION: &str = "Apply this plan? Only yes applies it:";

/// The question about a plan of which a guard holds a part.
const QUESTION_IN_PART: &str = "Apply the part that needs no approval? Only yes applies it:";

pub(in crate::host) async fn run(
    settings: Settings,
    view: &ViewSettings,
    yes: bool,
    metrics: MetricsSettings,
    approve: Option<String>,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let exporter = Exporter::new(metrics, &settings.waf.name, Health::default());
    let deadline = settings.run.deadline;
    let digest = settings.guards.approve.clone();
    let mut session = match Session::from_environment(settings, Access::Apply, approving(approve)).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, Some(view), Some(&exporter)).await,
    };
    if !yes && screen::can_ask() {
        let mut asking = Asking { session: &mut session, view, signal: &signal };
        if let Some(code) = asking.consent(out).await {
            return code;
        }
        // Showing the plan does not spend the approval.
        session.prepare(digest, deadline);
    }
    let finished = run_once(&mut session, Command::Apply, &signal).await;
    exporter.export(&samples(&finished.document, session.settings(), &finished.facts)).await;
    leave(&finished, Command::Apply, session.approving());
    let code = finished.document.outcome.exit_code();
    show(out, (&finished, Command::Apply), view, session.approving(), code)
}

/// The outcome of a run that makes no write, from its plan.
fn without_writes(document: &Document) -> Outcome {
    if document.guard.verdict == Verdict::Blocked {
        Outcome::Blocked
    } else if document.outcome == Outcome::Failed {
        Outcome::Failed
    } else if document.is_guarded() {
        Outcome::Held
    } else if document.web_acls.iter().any(|acl| !acl.missing.is_empty()) {
        Outcome::Unenforced
    } else if document.leaves_something || document.outcome == Outcome::Partial {
        Outcome::Partial
    } else {
        Outcome::Converged
    }
}

/// Runs once with a progress line.
async fn run_once(session: &mut Session, command: Command, signal: &Signal) -> Finished {
    let settings = session.settings().run.clone();
    let line = progress::Line::start(settings.read_rate);
    session.run(command, clock::now(), &signal.stop_within(settings.deadline).telling(line.progress())).await
}

/// What asking needs.
struct Asking<'a> {
    session: &'a mut Session,
    view: &'a ViewSettings,
    signal: &'a Signal,
}

impl Asking<'_> {
    /// Shows the plan and asks once. Returns the exit code if nothing is to be written.
    ///
    /// After a yes it plans again: changes since then were not agreed to.
    async fn consent(&mut self, out: &mut impl Write) -> Option<u8> {
        let mut shown = self.plan().await;
        if !shown.document.changes.is_empty() {
            // It is a plan, whatever web ACL could not be read.
            shown.document.outcome = Outcome::Planned;
        }
        let page = to_be_asked(&shown, self.view, self.session.approving());
        let document = &shown.document;
        if document.changes.is_empty() || document.guard.verdict == Verdict::Blocked {
            let outcome = without_writes(document);
            let code = outcome.exit_code();
            shown.document.outcome = outcome;
            return Some(match self.view.output {
                Output::Text => deliver(out, &page, code),
                Output::Json | Output::Markdown | Output::Html => {
                    show(out, (&shown, Command::Plan), self.view, self.session.approving(), code)
                }
            });
        }
        if deliver(out, &page, 0) != 0 {
            return Some(Outcome::Failed.exit_code());
        }
        let question = if document.is_guarded() { QUESTION_IN_PART } else { QUESTION };
        match screen::ask(question, self.signal, out).await {
            Answer::Yes => {}
            Answer::No => return Some(deliver(out, b"Nothing was written.\n", 0)),
            Answer::Signal => return Some(deliver(out, b"\nNothing was written.\n", Outcome::Partial.exit_code())),
        }
        let now = self.plan().await;
        if now.document.changes == shown.document.changes && now.document.guard.verdict == shown.document.guard.verdict
        {
            return None;
        }
        let changed = b"The plan has changed since it was shown, so nothing was written. Run apply again to see it.\n";
        Some(deliver(out, changed, Outcome::Partial.exit_code()))
    }

    async fn plan(&mut self) -> Finished {
        let settings = self.session.settings();
        let (digest, deadline) = (settings.guards.approve.clone(), settings.run.deadline);
        let finished = run_once(self.session, Command::Plan, self.signal).await;
        self.session.prepare(digest, deadline);
        finished
    }
}
