//! Several wafsync processes on one WAF at the same time, with nothing but lock tokens between them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::Config;

use crate::world::{Process, World, small};

/// Starts this many processes, each a little later than the one before, with different random choices.
async fn at_once(world: &World, many: usize, apart: Duration) -> Vec<Outcome> {
    let processes: Vec<Process> = (0..many).map(|number| world.process(&format!("process{number}"))).collect();
    let runs = processes.iter().zip(0_u32..).map(|(process, number)| async move {
        tokio::time::sleep(apart * number).await;
        world.apply(process).await.outcome
    });
    join_all(runs).await
}

/// A first run, growth and a replacement, by this many processes at the same time.
async fn together(many: usize, apart: Duration, config: Config) {
    let world = World::new(config, &[]);
    world.item("a", &["198.51.100.0/32", "198.51.100.1/32"]);
    world.item("b", &["198.51.100.2/32", "2001:db8:1::/48"]);
    at_once(&world, many, apart).await;
    world.assert_sound();
    world.later().await;
    world.item("b", &["198.51.100.3/32", "198.51.100.4/32", "198.51.100.5/32", "2001:db8:1::/48"]);
    at_once(&world, many, apart).await;
    world.assert_sound();
    world.later().await;
    world.item("a", &["198.51.100.0/32", "198.51.100.9/32"]);
    at_once(&world, many, apart).await;
    world.assert_sound();
    world.converges().await;

    let sets = world.aws.ip_sets();
    let contents: BTreeSet<&Vec<String>> = sets.iter().map(|set| &set.addresses).collect();
    assert_eq!(contents.len(), sets.len(), "no duplicate set");
    assert_eq!(sets.len(), 3, "no more sets than one process would create");
    assert_eq!(world.aws.rule_groups().len(), 3, "no more rule groups either");
    world.later().await;
    // Nothing is left to do, so they share only the rates.
    for outcome in at_once(&world, many, Duration::from_secs(30)).await {
        assert_eq!(outcome, Outcome::Converged);
    }
    world.assert_sound();
}

/// The intervals between starts: none, a moment, and long enough that one process reads what another is about to write.
const APART: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(1100), Duration::from_secs(4)];

#[tokio::test(start_paused = true)]
async fn two_at_once_converge() {
    for apart in APART {
        together(2, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_at_once_converge() {
    for apart in APART {
        together(3, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_at_once_converge() {
    for apart in APART {
        together(5, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_at_once_whose_reads_lag_converge() {
    for apart in APART {
        together(3, apart, Config { read_lag: Duration::from_secs(3), ..small() }).await;
    }
}
