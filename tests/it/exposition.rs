//! The metrics page and file after every outcome. `tests/witness/metrics.py` reads them with Prometheus's own client.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use wafsync::metrics::export::Exporter;
use wafsync::metrics::health::Health;
use wafsync::metrics::{Sample, not_begun, samples};
use wafsync::model::settings::MetricsSettings;
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{FaultKind, When};

use crate::world::{NOW, World};

/// Names a folder in which the pages and files are kept for outside checks.
const VARIABLE: &str = "WAFSYNC_METRICS_PAGES";

/// Ends runs of `apply` with every possible outcome, and returns their metrics.
async fn outcomes() -> Vec<(Outcome, Vec<Sample>)> {
    let mut ended = Vec::new();
    let mut run = async |world: &World| {
        let mut session = world.session();
        let finished = session.run(Command::Apply, NOW, &world.signal.stop(None)).await;
        let samples = samples(&finished.document, session.settings(), &finished.facts);
        ended.push((finished.document.outcome, samples));
        world.later().await;
    };
    let mut world = World::new(&[]);
    world.items(1..=20);
    run(&world).await;
    run(&world).await;
    world.no_items(1..=10);
    run(&world).await;
    world.no_items(11..=20);
    run(&world).await;
    world.fail("Scan", When::Before, FaultKind::AccessDenied);
    run(&world).await;
    world.items(1..=20);
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.set(&["--web-acl=front"]);
    run(&world).await;
    world.signal.raise();
    run(&world).await;
    ended
}

#[tokio::test(start_paused = true)]
async fn the_page_and_the_file_are_the_same_after_every_outcome() {
    let kept = std::env::var_os(VARIABLE).map(PathBuf::from);
    let scratch = std::env::temp_dir().join(format!("wafsync-exposition-{}", std::process::id()));
    let folder = kept.clone().unwrap_or_else(|| scratch.clone());
    std::fs::create_dir_all(&folder).unwrap();
    let mut seen = BTreeMap::new();
    for (outcome, samples) in outcomes().await {
        seen.insert(outcome.to_string(), samples);
    }
    let all = ["blocked", "changed", "converged", "failed", "held", "partial", "unenforced"];
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), all);
    seen.insert("not-begun".to_owned(), not_begun(NOW));
    for (name, samples) in seen {
        let file = folder.join(format!("{name}.prom"));
        let health = Health::default();
        let metrics = MetricsSettings { file: Some(file.clone()), ..MetricsSettings::default() };
        Exporter::new(metrics, "wafsync", health.clone()).export(&samples).await;
        let page = health.metrics();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), page, "{name}");
        std::fs::write(folder.join(format!("{name}.page")), page).unwrap();
    }
    let _ = std::fs::remove_dir_all(scratch);
}
