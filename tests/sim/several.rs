//! Several wafsync at once on one WAF, which nothing keeps apart but lock tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::Config;

use crate::world::{Process, World, small};

/// This many processes, each started a little later than the one before, with other random choices.
async fn at_once(world: &World, many: usize, apart: Duration) -> Vec<Outcome> {
    let processes: Vec<Process> = (0..many).map(|number| world.process(&format!("process{number}"))).collect();
    let runs = processes.iter().zip(0_u32..).map(|(process, number)| async move {
        tokio::time::sleep(apart * number).await;
        world.apply(process).await.outcome
    });
    join_all(runs).await
}

/// A first run, growth and a replacement, by this many processes at once.
async fn together(many: usize, apart: Duration, config: Config) {
    let world = World::new(config, &[]);
    world.item("a", &["198.51.100.0/32", "198.51.100.1/32"]);
    world.item("b", &["198.51.100.2/32", "2001:db8:1::/48"]);
    at_once(&world, many, apart).await;
    world.sound();
    world.later().await;
    world.item("b", &["198.51.100.3/32", "198.51.100.4/32", "198.51.100.5/32", "2001:db8:1::/48"]);
    at_once(&world, many, apart).await;
    world.sound();
    world.later().await;
    world.item("a", &["198.51.100.0/32", "198.51.100.9/32"]);
    at_once(&world, many, apart).await;
    world.sound();
    world.converges().await;

    let sets = world.aws.ip_sets();
    let contents: BTreeSet<&Vec<String>> = sets.iter().map(|set| &set.addresses).collect();
    assert_eq!(contents.len(), sets.len(), "no set twice");
    assert_eq!(sets.len(), 3, "no more sets than one alone would have made");
    assert_eq!(world.aws.rule_groups().len(), 3, "no more rule groups either");
    world.later().await;
    // Nothing is left to do, so they share only the rates.
    for outcome in at_once(&world, many, Duration::from_secs(30)).await {
        assert_eq!(outcome, Outcome::Converged);
    }
    world.sound();
}

/// Starts at the same moment, a moment apart, and so far apart that one reads what another is about to write.
const APART: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(1100), Duration::from_secs(4)];

#[tokio::test(start_paused = true)]
async fn two_at_once_come_to_one_result() {
    for apart in APART {
        together(2, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_at_once_come_to_one_result() {
    for apart in APART {
        together(3, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_at_once_come_to_one_result() {
    for apart in APART {
        together(5, apart, small()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_at_once_whose_reads_lag_come_to_one_result() {
    for apart in APART {
        together(3, apart, Config { read_lag: Duration::from_secs(3), ..small() }).await;
    }
}
