//! The observer is proven to see: each defect on purpose is caught by some seed, and by what it is said to break.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use wafsync::broken::{self, Defect};
use wafsync::report::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::seeds::relive;
use crate::world::{World, small};

/// Seeds that are tried before a defect counts as unseen.
const TRIES: u64 = 374;

/// Every defect that chance finds, and words of which the simulation says one when it catches it.
const DEFECTS: [(Defect, &[&str]); 12] = [
    (Defect::RemovesBeforeAdding, &["adds after a removal"]),
    (Defect::ReplacesAtOnce, &["a gap while it spreads"]),
    (Defect::WiresBeforeStripping, &["leak after call"]),
    (Defect::IgnoresMarks, &["foreign resources changed"]),
    (Defect::IgnoresAdoption, &["from an adopted set without approval"]),
    (Defect::SkipsTheSecondScan, &["without a second scan"]),
    (Defect::ScansTooEarly, &["too early"]),
    (Defect::SkipsGuards, &["of a family removed in one run"]),
    (Defect::IgnoresRejections, &["although the table has rejections"]),
    (Defect::FetchesTokensLate, &["WAF was read after the newest scan", "lock-out after call"]),
    (Defect::RetriesUnpaced, &["calls in a second"]),
    (Defect::ForgetsLostAnswers, &["writes done, but"]),
];

#[test]
fn every_defect_is_caught() {
    let mut unseen = Vec::new();
    for (defect, words) in DEFECTS {
        broken::set(Some(defect));
        let caught = (0..TRIES).find(|seed| says(|| drop(relive(*seed)), words));
        broken::set(None);
        match caught {
            Some(seed) => println!("{defect:?} is caught by seed {seed}"),
            None => unseen.push(defect),
        }
    }
    assert_eq!(unseen, [], "no seed below {TRIES} caught these");
}

#[test]
fn trust_in_short_scans_is_caught_where_both_scans_are_short() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(Config { scan_page_bytes: 1, ..small() }, &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.converges().await;
            world.later().await;
            for second_page in [1, 3] {
                world.aws.fail(once("Scan", second_page, FaultKind::AccessDenied));
            }
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Defect::TrustsShortScans, lives, &["lock-out after call"]);
}

#[test]
fn belief_in_one_answer_is_caught_where_a_set_is_said_not_to_exist() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
            world.later().await;
            world.aws.fail(once("GetIPSet", 0, FaultKind::NonexistentItem));
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Defect::BelievesOneAnswer, lives, &["lock-out after call"]);
}

/// What is new to be removed in a later round comes from somebody else: what a run itself once wanted it lets stand.
#[test]
fn a_limit_that_each_round_counts_anew_is_caught_where_another_run_adds_what_is_no_longer_wanted() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32", "198.51.100.2/32"]);
            world.item("b", &["198.51.100.3/32", "198.51.100.4/32", "198.51.100.5/32"]);
            world.converges().await;
            world.later().await;
            world.item("c", &["198.51.100.6/32", "198.51.100.7/32", "198.51.100.8/32"]);
            let slow = FaultKind::Slow(Duration::from_secs(6));
            world.aws.fail(once("UpdateIPSet", 0, slow));
            let (early, late) = (world.process("early"), world.process("late"));
            let soon = async {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                for gone in ["a", "c"] {
                    world.observer.delete_item(&world.aws, gone);
                }
                // Two of these go where two are removed, the third into the set that the other run is writing.
                world.item("d", &["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"]);
                world.apply(&late).await
            };
            let (_, run) = tokio::join!(world.apply(&early), soon);
            world.sound();
            assert_eq!(run.outcome, Outcome::Held, "{}\n{}", run.reason, world.history());
        });
    };
    caught(Defect::ForgetsEarlierRounds, lives, &["of a family removed in one run"]);
}

#[test]
fn a_plan_that_is_sent_again_after_a_conflict_is_caught_where_another_run_has_added_meanwhile() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.converges().await;
            world.later().await;
            world.observer.delete_item(&world.aws, "a");
            world.aws.fail(once("UpdateIPSet", 0, FaultKind::Slow(Duration::from_secs(10))));
            let (slow, quick) = (world.process("slow"), world.process("quick"));
            let meanwhile = async {
                // The slow one has scanned twice, and its write is on the way.
                tokio::time::sleep(Duration::from_secs(6)).await;
                world.item("c", &["198.51.100.3/32"]);
                world.apply(&quick).await
            };
            tokio::join!(world.apply(&slow), meanwhile);
            world.sound();
        });
    };
    caught(Defect::RetriesStalePlans, lives, &["lock-out after call"]);
}

fn in_a_runtime(lives: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(lives);
}

/// A fault of one attempt of this operation, after so many that go through.
fn once(operation: &str, skip: usize, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip, times: 1, when: When::Before, kind }
}

/// Without the defect nothing is wrong, with it one of these words is said.
fn caught(defect: Defect, lives: impl Fn(), words: &[&str]) {
    lives();
    broken::set(Some(defect));
    let caught = says(&lives, words);
    broken::set(None);
    assert!(caught, "{defect:?} was not caught");
}

/// Whether this panics with one of these words.
fn says(f: impl FnOnce(), words: &[&str]) -> bool {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(f)).err();
    let said = panic.and_then(|panic| panic.downcast::<String>().ok());
    said.is_some_and(|said| words.iter().any(|word| said.contains(word)))
}
