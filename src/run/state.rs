//! What a run carries from one step to the next.

use crate::run::confirm::Proof;
use crate::run::end::End;
use crate::run::history::History;
use crate::run::observation::{Job, Observation};
use crate::run::record::{Command, Run};

/// What a run carries from one step to the next.
pub(super) struct State<'a> {
    /// What it works with.
    pub(super) job: Job<'a>,
    /// What the table and WAF have shown.
    pub(super) observation: Observation,
    /// What it has decided and done.
    pub(super) history: History,
    /// Whether it may remove what no scan wants.
    pub(super) proof: Proof,
}

impl<'a> State<'a> {
    /// The state after the first scan and the first read of WAF.
    pub(super) fn new(job: Job<'a>, observation: Observation) -> Self {
        Self { job, observation, history: History::default(), proof: Proof::Missing }
    }

    /// The record of a run that ends here.
    pub(super) fn into_record(self, command: Command, digest: Option<String>, end: End) -> Run {
        let end = end.and_unread(&self.observation.seen.current.unread_web_acls);
        Run {
            target: self.job.target,
            command,
            seen: Some(self.observation.seen),
            rounds: self.history.rounds,
            pending: self.history.pending,
            digest,
            end,
        }
    }
}
