//! `plan`: what `apply` would write. Nothing in this process can write to AWS.

use std::io::Write;

use crate::host::approving::approving;
use crate::host::result::{leave, not_started, show};
use crate::host::session::{Finished, Session};
use crate::host::{clock, progress};
use crate::model::settings::{Settings, ViewSettings};
use crate::preflight::iam_policy::Access;
use crate::report::{Command, Names};
use crate::run::outcome::Outcome;
use crate::stop::Signal;

/// An exit code of `--detailed-exitcode`.
const EXIT_PENDING: u8 = 2;
const EXIT_GUARDED: u8 = 3;

pub(in crate::host) async fn run(
    settings: Settings,
    view: &ViewSettings,
    detailed: bool,
    approve: Option<String>,
    signal: Signal,
    out: &mut impl Write,
) -> u8 {
    let line = progress::Line::start(settings.run.read_rate);
    let stop = signal.stop_within(settings.run.deadline).telling(line.progress());
    let mut session = match Session::from_environment(settings, Access::Plan, approving(approve)).await {
        Ok(session) => session,
        Err(error) => return not_started(out, &error, Some(view), None).await,
    };
    let finished = session.run(Command::Plan, clock::now(), &stop).await;
    drop(line);
    let document = &finished.document;
    let code = match document.outcome {
        Outcome::Planned if detailed && (document.is_guarded() || stays_unenforced(&finished)) => EXIT_GUARDED,
        Outcome::Planned if detailed && document.is_pending() => EXIT_PENDING,
        outcome => outcome.exit_code(),
    };
    leave(&finished, Command::Plan, session.approving());
    show(out, (&finished, Command::Plan), view, session.approving(), code)
}

/// Whether a web ACL does not enforce a rule group that has IP sets or gets some by this plan.
fn stays_unenforced(finished: &Finished) -> bool {
    let has_sets = |names: &Names| matches!(names, Names::IpSets(sets) if !sets.is_empty());
    let gets: Vec<String> = (finished.document.changes.iter())
        .filter(|change| has_sets(&change.add))
        .map(|change| format!("/rulegroup/{}/", change.target))
        .collect();
    let acls = finished.run.current().and_then(|current| current.web_acls.as_ref()).into_iter().flatten();
    let refers = |refers_to: &[String], group: &str| refers_to.iter().any(|arn| arn.contains(group));
    acls.into_iter().any(|acl| gets.iter().any(|group| !refers(&acl.refers_to, group)))
        || finished.document.web_acls.iter().any(|acl| !acl.missing.is_empty())
}
