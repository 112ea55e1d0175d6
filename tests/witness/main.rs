//! The main scenarios against software that others wrote: `WAFv2` as moto serves it and `DynamoDB` as dynalite does.
//!
//! Started by `tests/witness/run`, which starts the two. It is a program, not a set of tests, because a test that finds
//! no server and passes would prove nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test should stop at once"
)]
#![allow(clippy::print_stdout, reason = "says what ran")]

mod between;
mod conformance;
mod moving;
#[path = "../it/running.rs"]
mod running;
mod scenarios;
mod world;

fn main() {
    for name in ["AWS_ENDPOINT_URL_WAFV2", "AWS_ENDPOINT_URL_DYNAMODB"] {
        let url = std::env::var(name).unwrap_or_default();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "{name} has to name a witness on loopback: use tests/witness/run"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scenarios = scenarios::run_all().await;
        let conversations = conformance::run_all().await;
        println!("{scenarios} scenarios ran on moto (WAFv2) and dynalite (DynamoDB)");
        println!(
            "{} steps on moto and {} on dynalite compared with the stand-in",
            conversations.waf, conversations.table
        );
    });
}
