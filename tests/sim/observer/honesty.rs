//! Whether what a run says of itself is true.

use serde_json::Value;

use super::{State, Watched};

impl State {
    /// Compares what a run says in its report with what it did.
    pub(super) fn judge(&mut self, caller: &str, run: &Watched, said: &Value) {
        let outcome = said["outcome"].as_str().unwrap_or_default().to_owned();
        let done = said["writes"]["done"].as_u64().unwrap_or(u64::MAX);
        let planned = said["writes"]["planned"].as_u64().unwrap_or_default();
        let mut found = Vec::new();
        let code = match outcome.as_str() {
            "converged" | "changed" => 0,
            "blocked" | "held" | "unenforced" => 3,
            "partial" => 4,
            "failed" => 1,
            _ => u64::MAX,
        };
        if said["exit_code"].as_u64() != Some(code) {
            found.push(format!("exit code {}", said["exit_code"]));
        }
        let effects = run.effects as u64;
        // What AWS denied, and what could not be looked at any more, nobody can know.
        let looked = run.newest_list > run.newest_effect && outcome != "partial" && outcome != "failed";
        let undisturbed = self.is_undisturbed(run);
        let knows = !run.lied_to && (looked && undisturbed || run.faults == 0);
        // Nor whose write it was, if others made the same one and an answer, or the call itself, was lost.
        let may_be_others = (run.faults > 0 || self.hanging > run.hanging) && !undisturbed;
        if done > effects && !may_be_others || done < effects && knows {
            found.push(format!("{done} writes done, but {effects} had an effect"));
        }
        if done > planned {
            found.push(format!("{done} writes done, {planned} planned"));
        }
        if (outcome == "converged" || outcome == "blocked") && effects > 0 && !run.lied_to {
            found.push(format!("{effects} writes had an effect"));
        }
        if outcome == "changed" && effects == 0 && !may_be_others {
            found.push("nothing was written".to_owned());
        }
        // Reads lag, so what others did to WAF during a run need not show in it.
        let quiet = run.newest_scan.is_some_and(|(first_page, _)| first_page > self.table_changed) && undisturbed;
        let wanted = self.wanted();
        if (outcome == "converged" || outcome == "changed") && quiet && self.now.in_force != wanted {
            found.push(format!("in force is {:?}, wanted is {wanted:?}", self.now.in_force));
        }
        if run.faults == 0 && self.hanging == 0 && quiet && outcome == "failed" {
            found.push(format!("it failed, but nothing was wrong: {}", said["reason"]));
        }
        let reason = said["reason"].as_str().unwrap_or_default();
        self.broken.extend(found.into_iter().map(|text| format!("{caller} says {outcome} ({reason}): {text}")));
    }
}
