//! Instructions for carrying out or approving a plan, for each host.

use crate::text::shell;

/// The way to carry out or approve a plan, which depends on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approving {
    /// A command line: `wafsync apply` with the settings of this run. `None` if it cannot be shown safely.
    Command(Option<String>),
    /// A pod of a Kubernetes `CronJob`: a Job made from it, with kubectl.
    Job {
        /// The namespace of the `CronJob`.
        namespace: String,
        /// The name of the `CronJob` that applies.
        cronjob: String,
    },
    /// The Lambda function: an event.
    Event,
}

/// The digits of a digest in the name of a Job: enough to distinguish approvals, and short enough for Kubernetes.
const DIGITS: usize = 8;

impl Approving {
    /// The instruction that approves exactly the plan with this digest.
    #[must_use]
    pub fn of(&self, digest: &str) -> String {
        match self {
            Self::Command(Some(command)) => format!("{command} --approve {digest}"),
            Self::Command(None) => format!("the same command line as apply, with --approve {digest}"),
            Self::Job { namespace, cronjob } => {
                let digits = digest.rsplit(':').next().unwrap_or_default().get(..DIGITS).unwrap_or_default();
                let job = create_job(namespace, cronjob, &format!("approve-{digits}"));
                let patch = serde_json::json!([{
                    "op": "add",
                    "path": "/spec/template/spec/containers/0/args/-",
                    "value": format!("--approve={digest}"),
                }]);
                format!(
                    "{job} --dry-run=client -o json | kubectl patch --local -f - --type=json -p '{patch}' -o json | \
                     kubectl create -f -"
                )
            }
            Self::Event => serde_json::json!({ "approve": digest }).to_string(),
        }
    }

    /// The instruction that carries out a plan without approval.
    #[must_use]
    pub fn apply(&self) -> String {
        match self {
            Self::Command(Some(command)) => command.clone(),
            Self::Command(None) => "the same command line as apply".to_owned(),
            Self::Job { namespace, cronjob } => create_job(namespace, cronjob, "now"),
            Self::Event => "{}".to_owned(),
        }
    }

    /// The noun for such an instruction.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Job { .. } => "Job",
            Self::Event => "event",
        }
    }
}

fn create_job(namespace: &str, cronjob: &str, suffix: &str) -> String {
    // Kubernetes names need no quotes. One that does is not a Kubernetes name, so it is not shown.
    let quoted = |name: &str| shell(name).map_or_else(|| "wafsync".to_owned(), std::borrow::Cow::into_owned);
    let (namespace, cronjob) = (quoted(namespace), quoted(cronjob));
    format!("kubectl -n {namespace} create job {cronjob}-{suffix} --from=cronjob/{cronjob}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:2d079748b69441168b539aee85712c1307e39315f716eb0a3d5a3aa9aa5c65b8";

    #[test]
    fn each_host_gets_what_works_there() {
        let command = Approving::Command(Some("wafsync apply --table=clusters".to_owned()));
        assert_eq!(command.of(DIGEST), format!("wafsync apply --table=clusters --approve {DIGEST}"));
        assert_eq!(command.apply(), "wafsync apply --table=clusters");
        assert!(Approving::Command(None).of(DIGEST).ends_with(&format!("with --approve {DIGEST}")));
        assert_eq!(Approving::Event.of(DIGEST), format!("{{\"approve\":\"{DIGEST}\"}}"));
        let job = Approving::Job { namespace: "edge".to_owned(), cronjob: "wafsync".to_owned() };
        assert_eq!(
            job.of(DIGEST),
            format!(
                "kubectl -n edge create job wafsync-approve-2d079748 --from=cronjob/wafsync --dry-run=client -o json | \
                 kubectl patch --local -f - --type=json -p '[{{\"op\":\"add\",\
                 \"path\":\"/spec/template/spec/containers/0/args/-\",\"value\":\"--approve={DIGEST}\"}}]' -o json | \
                 kubectl create -f -"
            )
        );
        assert_eq!(job.apply(), "kubectl -n edge create job wafsync-now --from=cronjob/wafsync");
    }

    #[test]
    fn a_digest_of_another_form_does_no_harm() {
        let job = Approving::Job { namespace: "edge".to_owned(), cronjob: "wafsync".to_owned() };
        assert!(job.of("").starts_with("kubectl -n edge create job wafsync-approve- "));
    }
}
