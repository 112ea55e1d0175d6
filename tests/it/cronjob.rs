//! `cronjob.yaml`, as Kubernetes and the program read it.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process;
use std::sync::mpsc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant};
use wafsync::aws::OPERATION_TIMEOUT;
use wafsync::cli::{self, Invocation};
use wafsync::metrics::export::Exporter;
use wafsync::metrics::health::Health;
use wafsync::metrics::samples;
use wafsync::model::settings::{MetricsSettings, Output};
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{FaultKind, Phase, When};

use crate::process::Process;
use crate::world::{NOW, TABLE, World};

const FILE: &str = include_str!("../../cronjob.yaml");
const IMAGE: &str = include_str!("../../Dockerfile");
const HOSTS: &str = include_str!("../../docs/hosts.md");
const IGNORED: &str = include_str!("../../.dockerignore");

fn documents() -> Vec<Value> {
    serde_saphyr::from_multiple(FILE).unwrap()
}

fn document(kind: &str, name: &str) -> Value {
    let mut found =
        documents().into_iter().filter(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    let document = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert_eq!(found.next(), None);
    document
}

/// The environment from a `ConfigMap`.
fn variables(settings: &Value) -> Vec<(OsString, OsString)> {
    let data = settings["data"].as_object().unwrap().iter();
    data.map(|(name, value)| (name.into(), value.as_str().unwrap().into())).collect()
}

/// The command line of the container.
fn invocation(cronjob: &Value) -> Invocation {
    let container = container(cronjob);
    assert_eq!(container["envFrom"], json!([{"configMapRef": {"name": "wafsync"}}]));
    let args = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
    let env = variables(&document("ConfigMap", "wafsync"));
    let parsed = cli::parse(["wafsync"].into_iter().chain(args).map(OsString::from), env).unwrap();
    assert_eq!(parsed.warnings, Vec::<String>::new());
    parsed.invocation
}

fn job(cronjob: &Value) -> &Value {
    &cronjob["spec"]["jobTemplate"]["spec"]
}

fn pod(cronjob: &Value) -> &Value {
    &job(cronjob)["template"]["spec"]
}

fn container(cronjob: &Value) -> &Value {
    let containers = pod(cronjob)["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

#[test]
fn the_job_applies_and_the_suspended_one_plans() {
    let (applies, plans) = (document("CronJob", "wafsync"), document("CronJob", "wafsync-plan"));
    assert!(matches!(invocation(&applies), Invocation::Apply { .. }));
    assert!(matches!(invocation(&plans), Invocation::Plan { .. }));
    assert_eq!((&applies["spec"]["suspend"], &plans["spec"]["suspend"]), (&Value::Null, &json!(true)));
}

#[test]
fn the_job_logs_json_and_the_dry_run_prints_text() {
    let Invocation::Apply { view, .. } = invocation(&document("CronJob", "wafsync")) else { panic!("not an apply") };
    assert_eq!((view.output, view.one_line), (Output::Json, true));
    let Invocation::Plan { view, .. } = invocation(&document("CronJob", "wafsync-plan")) else { panic!("not a plan") };
    assert_eq!(view.output, Output::Text);
}

#[test]
fn the_two_jobs_differ_only_in_the_command() {
    let applies = document("CronJob", "wafsync");
    let mut plans = document("CronJob", "wafsync-plan");
    let args = container(&applies)["args"].clone();
    plans["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"] = args;
    assert_eq!(job(&applies), job(&plans));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_plan_prints_the_job_that_approves_it_even_in_a_renamed_copy() {
    let applies = document("CronJob", "wafsync");
    // Kustomize's namePrefix renames both alike.
    assert_eq!(pod(&applies)["serviceAccountName"], applies["metadata"]["name"]);
    let fields = json!([
        {"name": "CRONJOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]);
    assert_eq!(container(&applies)["env"], fields);
    let process = Process::new().await;
    process.item("a", &["198.51.100.7"]);
    assert_eq!(process.start(&["apply"]).end().await.code, Some(0));
    process.aws.delete_item(TABLE, "a");
    let env = [("CRONJOB_NAME", "eu-wafsync"), ("POD_NAMESPACE", "edge")];
    let ended = process.start_with(&["plan"], &env).end().await;
    assert!(ended.stdout.contains("\n  kubectl -n edge create job eu-wafsync-approve-"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" --from=cronjob/eu-wafsync --dry-run=client "), "{}", ended.stdout);
}

#[test]
fn the_program_stops_by_itself_before_kubernetes_stops_it() {
    let applies = document("CronJob", "wafsync");
    let Invocation::Apply { settings, .. } = invocation(&applies) else { panic!("not an apply") };
    let (active, grace) = (&job(&applies)["activeDeadlineSeconds"], &pod(&applies)["terminationGracePeriodSeconds"]);
    let (active, grace) = (active.as_u64().unwrap(), grace.as_u64().unwrap());
    // The rest is for pulling the image and for starting a node.
    assert!(active >= settings.run.deadline.as_secs() + grace + 60);
}

/// Time between the measured exit and the end of the grace period, for a busy node.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn the_grace_period_is_longer_than_the_time_from_a_signal_to_the_exit() {
    // The listener's backlog accepts connections that are never answered.
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let push = format!("http://{}", gateway.local_addr().unwrap());
    let (mut run, mut all) = (Duration::ZERO, Duration::ZERO);
    for operation in ["Scan", "ListIPSets", "CreateIPSet", "UpdateIPSet", "UpdateRuleGroup"] {
        let world = World::new(&["--max-ip-sets=4"]);
        if operation.starts_with("Update") {
            world.items(1..=3);
            world.apply().await;
            world.no_items(1..=1);
            world.later().await;
        }
        world.item("six", &["2001:db8:1::/48"]);
        world.fail_times(operation, usize::MAX, When::Before, FaultKind::Never);
        let signal = world.signal.clone();
        let (tell, told) = mpsc::channel();
        world.once(operation, Phase::Before, move |_, _| {
            signal.raise();
            tell.send(Instant::now()).unwrap();
        });
        // The last steps of `apply` and `watch`, in order.
        let metrics = MetricsSettings { push: Some(push.clone()), ..MetricsSettings::default() };
        let exporter = Exporter::new(metrics, "wafsync", Health::default());
        let mut session = world.session();
        let finished = session.run(Command::Apply, NOW, &world.signal.stop(None)).await;
        assert_eq!(finished.document.outcome, Outcome::Partial, "{operation}: {}", finished.document.reason);
        let raised = told.recv().unwrap();
        run = run.max(raised.elapsed());
        exporter.export(&samples(&finished.document, session.settings(), &finished.facts)).await;
        all = all.max(raised.elapsed());
    }
    assert_eq!(run, OPERATION_TIMEOUT, "a call in flight may end");
    assert!(all > run, "the push to a Pushgateway is awaited");
    let applies = document("CronJob", "wafsync");
    let grace = pod(&applies)["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) >= all + MARGIN, "{all:?}");
    assert!(HOSTS.contains(&format!("It may take {} seconds to stop (`TimeoutStopSec={grace}`", all.as_secs())));
}

#[test]
fn runs_do_not_overlap_and_are_not_retried() {
    for name in ["wafsync", "wafsync-plan"] {
        let cronjob = document("CronJob", name);
        let spec = &cronjob["spec"];
        assert_eq!(spec["concurrencyPolicy"], "Forbid");
        // The controller checks every ten seconds and would miss a shorter deadline.
        assert!(spec["startingDeadlineSeconds"].as_u64().unwrap() > 10);
        assert!(spec["successfulJobsHistoryLimit"].is_u64() && spec["failedJobsHistoryLimit"].is_u64());
        assert_eq!(job(&cronjob)["backoffLimit"], 0);
        assert_eq!(pod(&cronjob)["restartPolicy"], "Never");
    }
}

#[test]
fn the_pod_has_no_more_rights_than_it_needs() {
    let cronjob = document("CronJob", "wafsync");
    let (pod, container) = (pod(&cronjob), container(&cronjob));
    assert_eq!(pod["serviceAccountName"], "wafsync");
    assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError", "a crash leaves no message of its own");
    for resource in ["cpu", "memory"] {
        assert!(container["resources"]["requests"][resource].is_string(), "{resource}");
    }
    assert!(container["resources"]["limits"]["memory"].is_string());
}

#[test]
fn the_image_has_the_user_of_the_pod_and_starts_the_program() {
    let cronjob = document("CronJob", "wafsync");
    let context = &pod(&cronjob)["securityContext"];
    let user = format!("USER {}:{}", context["runAsUser"], context["runAsGroup"]);
    let lines: Vec<&str> = IMAGE.lines().rev().take(2).collect();
    assert_eq!(lines, ["ENTRYPOINT [\"/wafsync\"]", user.as_str()], "the args of the container follow the program");
}

#[test]
fn the_build_context_has_everything_that_cargo_needs() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (before, _) = IMAGE.split_once("RUN cargo build --release --locked --bin wafsync\n").unwrap();
    let copied: Vec<&str> = before.lines().filter_map(|line| line.strip_prefix("COPY ")).collect();
    let directory = std::env::temp_dir().join(format!("wafsync-image-{:016x}", fastrand::u64(..)));
    std::fs::create_dir(&directory).unwrap();
    for line in copied {
        let (sources, target) = line.rsplit_once(' ').unwrap();
        for source in sources.split(' ') {
            assert!(!IGNORED.lines().any(|ignored| ignored == source), "{source} is not in the build context");
            let target = if target == "./" { source } else { target };
            symlink(repository.join(source), directory.join(target)).unwrap();
        }
    }
    // It reads the whole manifest, like a build, and then has nothing to do.
    let cargo = process::Command::new(std::env::var_os("CARGO").unwrap())
        .args(["fetch", "--locked", "--offline", "--target", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .current_dir(&directory)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
}

#[test]
fn everything_is_in_one_namespace() {
    for document in documents() {
        let namespace = if document["kind"] == "Namespace" { Value::Null } else { json!("wafsync") };
        assert_eq!(document["metadata"]["namespace"], namespace, "{}", document["kind"]);
    }
}

#[test]
fn the_commented_setting_pushes_metrics() {
    let file = FILE.replace("  # WAFSYNC_METRICS_PUSH:", "  WAFSYNC_METRICS_PUSH:");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&file).unwrap();
    let settings = documents.iter().find(|document| document["kind"] == "ConfigMap").unwrap();
    for command in ["apply", "plan"] {
        let parsed = cli::parse(["wafsync", command].map(OsString::from), variables(settings)).unwrap();
        assert_eq!(parsed.warnings, Vec::<String>::new());
        if let Invocation::Apply { metrics, .. } = parsed.invocation {
            assert_eq!(metrics.push.as_deref(), Some("http://pushgateway.monitoring:9091"));
        }
    }
}

#[test]
fn there_are_four_edits_to_make_and_each_is_marked() {
    for edit in ["1 of 4, the role", "2 of 4, the table", "3 of 4, the image", "4 of 4, the same image"] {
        assert_eq!(FILE.matches(&format!("EDIT {edit}")).count(), 1, "{edit}");
    }
}

#[test]
fn no_service_mesh_puts_a_sidecar_into_the_pods() {
    for name in ["wafsync", "wafsync-plan"] {
        let cronjob = document("CronJob", name);
        let metadata = &job(&cronjob)["template"]["metadata"];
        assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "false", "{name}");
        assert_eq!(metadata["annotations"]["linkerd.io/inject"], "disabled", "{name}");
    }
}
