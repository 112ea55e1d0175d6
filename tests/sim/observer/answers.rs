//! Whether the answers of `explain` and `check` are true.

use std::collections::BTreeSet;

use wafsync_test_aws::WebAclView;

use super::{Observer, Promise, State, Watched};
use crate::ranges::Ranges;
use crate::snapshot::{Group, is_shard, refers};

/// The answer of `explain` for one address.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    pub(crate) address: String,
    pub(crate) wanted: bool,
    pub(crate) in_force: bool,
}

/// The answer of `check` about our rule groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// A rule does not do what it should.
    pub(crate) bad_rule: bool,
    /// A rule group does not exist yet.
    pub(crate) missing: bool,
}

impl Observer {
    /// Checks the answer of `explain`, which began like a run.
    pub(crate) fn explained(&self, caller: &str, answers: &[Explained]) {
        self.with(|state| {
            let Some(run) = state.has_answered(caller) else { return };
            let (wanted, lets_in) = (state.wanted(), state.lets_in(&run.errand.web_acls));
            for answer in answers {
                let address = Ranges::of([&answer.address]);
                let truth = (address.within(&wanted), address.within(&lets_in));
                if truth != (answer.wanted, answer.in_force) {
                    state.says(Promise::Explains, format!("{answer:?}, in truth (wanted, in force) is {truth:?}"));
                }
            }
        });
    }

    /// Checks the answer of `check`, which began like a run.
    pub(crate) fn checked(&self, caller: &str, answer: Checked) {
        self.with(|state| {
            let Some(run) = state.has_answered(caller) else { return };
            let ours = || state.now.groups.iter().filter(|group| group.is_ours);
            let is_bad = |group: &Group| group.rules.get(0).is_some() && !group.is_standard();
            let needed = run.errand.max_ip_sets.div_ceil(state.terms.group_references);
            let names: BTreeSet<&String> = ours().map(|group| &group.name).collect();
            let missing = (1..=needed).any(|number| !names.contains(&format!("wafsync-{number}")));
            let truth = Checked { bad_rule: ours().any(is_bad), missing };
            if truth != answer {
                state.says(Promise::Checks, format!("{answer:?}, in truth it is {truth:?}"));
            }
        });
    }
}

impl State {
    /// Ends a question. `None` if a call failed or was old, or if others changed something meanwhile.
    fn has_answered(&mut self, caller: &str) -> Option<Watched> {
        let run = self.runs.remove(caller)?;
        self.ended.insert(caller.to_owned(), self.arrived);
        if self.runs.is_empty() {
            self.epoch = None;
        }
        let smooth = run.faults == 0 && run.refused == 0 && self.hanging.is_empty();
        let still = self.is_undisturbed(&run) && self.table_changed <= run.began;
        (smooth && still).then_some(run)
    }

    /// What our rules and every relevant web ACL allow: the named web ACLs, or else those that refer to our rule
    /// groups.
    fn lets_in(&self, named: &[String]) -> Ranges {
        let ours = || self.now.groups.iter().filter(|group| group.is_ours);
        let mentions = |acl: &&WebAclView| ours().any(|group| acl.rules.to_string().contains(&group.arn));
        let is_named = |acl: &&WebAclView| named.contains(&acl.name);
        let acls: Vec<&WebAclView> = if named.is_empty() {
            self.now.web_acls.iter().filter(mentions).collect()
        } else {
            self.now.web_acls.iter().filter(is_named).collect()
        };
        if acls.is_empty() && !self.now.web_acls.is_empty() && ours().next().is_some() {
            return Ranges::default();
        }
        let by = |referred: &dyn Fn(&Group) -> bool| {
            let shards = ours().filter(|group| group.lets_in() && referred(group)).flat_map(|group| &group.references);
            let shards = shards.filter(|set| is_shard(set, &self.terms.adopted));
            Ranges::of(shards.filter_map(|set| self.now.sets.get(set)).flatten())
        };
        // Each may let a set in by another rule group.
        acls.into_iter().fold(by(&|_| true), |all, acl| all.and(&by(&|group| refers(acl, &group.arn))))
    }
}
