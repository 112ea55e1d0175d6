//! Runs the main scenarios against independent software: moto for `WAFv2` and dynalite for `DynamoDB`.
//!
//! `tests/witness/run` starts both servers and this program. It is a program, not a set of tests, because a test that
//! finds no server and passes proves nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test should stop at once"
)]
#![allow(clippy::print_stdout, reason = "it prints what ran")]

mod conformance;
mod interceptor;
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
            "{name} must be the URL of a witness on loopback: use tests/witness/run"
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
