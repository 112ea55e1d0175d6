//! How to approve a plan where this process runs: on a command line, or with a Job made from a `CronJob`.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use crate::report::Approving;

/// A variable that Kubernetes sets in every pod.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// The file with the namespace of a pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The namespace without such a file: that of `cronjob.yaml`.
const DEFAULT_NAMESPACE: &str = "wafsync";

/// How to approve a plan here. `command` is the command line that approves, up to the digest.
pub(super) fn approving(command: Option<String>) -> Approving {
    let pod = std::env::var_os("HOSTNAME").filter(|_| std::env::var_os(KUBERNETES).is_some());
    // A person in a pod's shell can run a command.
    match pod.and_then(cronjob).filter(|_| !io::stdin().is_terminal()) {
        None => Approving::Command(command),
        Some(cronjob) => {
            let namespace = std::fs::read_to_string(NAMESPACE_FILE).map(|name| name.trim().to_owned());
            Approving::Job { namespace: namespace.unwrap_or_else(|_| DEFAULT_NAMESPACE.to_owned()), cronjob }
        }
    }
}

/// The name of a pod's `CronJob`; `None` for any other pod. A Job's name is that of its `CronJob` with the scheduled
/// minute, and its pod's name adds a random suffix.
fn cronjob(pod: OsString) -> Option<String> {
    let pod = pod.into_string().ok()?;
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
            assert_eq!(cronjob(pod.into()).as_deref(), expected, "{pod}");
        }
    }
}
