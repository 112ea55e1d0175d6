//! How to approve a plan where this process runs: on a command line, or with a Job made from a `CronJob`.

use std::io::{self, IsTerminal as _};

use crate::report::Approving;

/// The variable with the name of the `CronJob` that applies, which `cronjob.yaml` sets.
const CRONJOB: &str = "CRONJOB_NAME";

/// The variable with the namespace of a pod, which `cronjob.yaml` sets.
const NAMESPACE: &str = "POD_NAMESPACE";

/// A variable that Kubernetes sets in every pod.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// The file with the namespace of a pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The namespace without such a variable or file: that of `cronjob.yaml`.
const DEFAULT_NAMESPACE: &str = "wafsync";

/// How to approve a plan here. `command` is the command line that approves, up to the digest.
pub(super) fn approving(command: Option<String>) -> Approving {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // A person in a pod's shell can run a command.
    match cronjob(variable).filter(|_| !io::stdin().is_terminal()) {
        None => Approving::Command(command),
        Some(cronjob) => {
            let namespace = variable(NAMESPACE).or_else(|| {
                let name = std::fs::read_to_string(NAMESPACE_FILE).ok()?;
                Some(name.trim().to_owned())
            });
            Approving::Job { namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()), cronjob }
        }
    }
}

/// The name of the `CronJob` that applies; `None` if this is no pod of one. Its own pods tell it even if the manifest does
/// not; the pod of a Job made by hand does not.
fn cronjob(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = variable(CRONJOB);
    named.or_else(|| variable("HOSTNAME").filter(|_| variable(KUBERNETES).is_some()).and_then(|pod| of_pod(&pod)))
}

/// The name of a pod's `CronJob`; `None` for any other pod. A Job's name is that of its `CronJob` with the scheduled
/// minute, and its pod's name adds a random suffix.
fn of_pod(pod: &str) -> Option<String> {
    let (job, _suffix) = pod.rsplit_once('-')?;
    let (cronjob, minute) = job.rsplit_once('-')?;
    let is_minute = !minute.is_empty() && minute.bytes().all(|byte| byte.is_ascii_digit());
    (is_minute && !cronjob.is_empty()).then(|| cronjob.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_a_cronjob_tells_its_name() {
        for (pod, expected) in [
            ("wafsync-29393280-x7k2p", Some("wafsync")),
            ("wafsync-eu-west-1-29393280-x7k2p", Some("wafsync-eu-west-1")),
            ("wafsync-6d4cf56db6-x7k2p", None),
            ("-29393280-x7k2p", None),
            ("wafsync", None),
        ] {
            assert_eq!(of_pod(pod).as_deref(), expected, "{pod}");
        }
    }

    #[test]
    fn the_manifest_names_the_cronjob_also_for_a_job_made_by_hand() {
        let of = |variables: &[(&str, &str)]| {
            let found = |name: &str| variables.iter().find(|(known, _)| *known == name);
            cronjob(|name| found(name).map(|(_, value)| (*value).to_owned()))
        };
        let (by_hand, scheduled) = ([("HOSTNAME", "first-look-x7k2p")], [("HOSTNAME", "wafsync-29393280-x7k2p")]);
        let cluster = [(KUBERNETES, "10.0.0.1")];
        assert_eq!(of(&scheduled), None, "not in a cluster");
        assert_eq!(of(&[cluster, by_hand].concat()), None);
        assert_eq!(of(&[cluster, scheduled].concat()).as_deref(), Some("wafsync"));
        for pod in [by_hand, scheduled] {
            assert_eq!(of(&[cluster, pod, [(CRONJOB, "eu-wafsync")]].concat()).as_deref(), Some("eu-wafsync"));
        }
    }
}
