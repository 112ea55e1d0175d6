//! Proves that the observer notices defects: each defective program is caught by a seed or a scenario, through the
//! promise that it breaks.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use serde_json::json;
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::careless::Careless;
use crate::observer::Promise;
use crate::seeds::run_seed_with_defect;
use crate::watching::DIRECT;
use crate::world::{World, small};

/// Seeds to try before a defect counts as not caught.
const TRIES: u64 = 374;

/// Defects that random worlds find, a seed that found each, and the broken promise.
const BY_SEED: &[(Careless, u64, Promise)] = &[
    (Careless::NeverSettles, 1, Promise::SecondScan),
    (Careless::NeverConfirms, 1, Promise::Converges),
    (Careless::RemovesAnything, 76, Promise::MaxRemovals),
    (Careless::AddsAnything, 9, Promise::MaxAdditions),
    (Careless::LeavesTooFew, 11, Promise::MinAddresses),
    (Careless::SkipsRejections, 8, Promise::Rejections),
    (Careless::ApprovesUnseen, 200, Promise::EmptyTable),
    (Careless::ApprovesUnseen, 134, Promise::EmptyFamily),
    (Careless::ApprovesUnseen, 9, Promise::AdoptedRemoval),
    (Careless::ApprovesUnseen, 64, Promise::RuleMeaning),
    (Careless::ApprovesUnseen, 53, Promise::OtherTable),
    (Careless::IgnoresRates, 0, Promise::Pace),
    (Careless::ForgetsWebAcls, 2, Promise::Enforced),
    (Careless::ForgetsAlways, 2, Promise::InForce),
    (Careless::FetchesTokensLate, 0, Promise::TokenOfItsRound),
    (Careless::FetchesTokensLate, 5, Promise::ScanAfterRead),
    (Careless::RepeatsUpdates, 0, Promise::IdleWrite),
    (Careless::RepeatsUpdates, 0, Promise::WritesCounted),
    (Careless::OverlooksUnwanted, 21, Promise::NoLeak),
    (Careless::GivesUpWhenThrottled, 18, Promise::FailedInPassing),
    (Careless::IgnoresMarkers, 0, Promise::PartialReason),
];

/// Promises that the scenarios below prove.
const BY_SCENARIO: [Promise; 3] = [Promise::NoLockOut, Promise::AdoptedMark, Promise::ForeignReference];

/// Defects inside the program, a seed that found each, and the broken promise.
const INSIDE: [(Inside, u64, Promise); 2] =
    [(Inside::RemovesBeforeAdding, 5, Promise::AddsFirst), (Inside::ReplacesAtOnce, 11, Promise::NoGap)];

/// The defects that the feature `defects` compiles in.
#[derive(Clone, Copy, Debug)]
enum Inside {
    RemovesBeforeAdding,
    ReplacesAtOnce,
}

#[test]
fn imitated_defects_are_caught() {
    let halves = [0, 1].map(|half| {
        let rows = BY_SEED.iter().copied().skip(half).step_by(2);
        std::thread::spawn(move || {
            let runs = |careless| move |seed| run_seed_with_defect(seed, careless);
            rows.filter(|(careless, from, promise)| !is_caught(careless, runs(*careless), *from, *promise))
                .collect::<Vec<_>>()
        })
    });
    let uncaught: Vec<_> = halves.into_iter().flat_map(|half| half.join().unwrap()).collect();
    assert!(uncaught.is_empty(), "no seed below {TRIES} caught these: {uncaught:?}");
}

#[cfg(feature = "defects")]
#[test]
fn deliberate_defects_are_caught() {
    use wafsync::defects::{self, Defect};

    use crate::seeds::{Generation, run_seed};

    for (inside, from, promise) in INSIDE {
        let defect = match inside {
            Inside::RemovesBeforeAdding => Defect::RemovesBeforeAdding,
            Inside::ReplacesAtOnce => Defect::ReplacesAtOnce,
        };
        defects::set(Some(defect));
        let caught = is_caught(&defect, |seed| drop(run_seed(Generation::Third, seed, false)), from, promise);
        defects::set(None);
        assert!(caught, "no seed below {TRIES} caught {defect:?}");
    }
}

/// Whether a seed catches it. Tries the seed that caught it before first.
fn is_caught(what: &dyn std::fmt::Debug, runs: impl Fn(u64), from: u64, promise: Promise) -> bool {
    let caught = (from..TRIES).chain(0..from).find(|seed| breaks(|| runs(*seed), &[promise]));
    println!("{what:?} breaks {promise:?}: seed {caught:?}");
    caught.is_some()
}

#[test]
fn every_promise_is_proven() {
    let by_seed = BY_SEED.iter().map(|(_, _, promise)| *promise);
    let inside = INSIDE.iter().map(|(_, _, promise)| *promise);
    let proven: Vec<Promise> = by_seed.chain(inside).chain(BY_SCENARIO).chain(DIRECT).collect();
    let unproven: Vec<&Promise> = Promise::ALL.iter().filter(|promise| !proven.contains(promise)).collect();
    assert!(unproven.is_empty(), "{unproven:?}");
}

#[test]
fn reading_only_the_first_page_of_a_list_is_caught() {
    let runs = |careless| {
        in_a_runtime(async {
            let mut world = World::new(Config { list_page: 2, ..small() }, &[]);
            world.careless = careless;
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
        });
    };
    caught(Careless::IgnoresMarkers, runs, &[Promise::Converges, Promise::PartialReason]);
}

#[test]
fn an_imagined_mark_is_caught_when_an_adopted_set_is_filled() {
    let runs = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &["--adopt=offices"]);
            let held = ["198.51.100.1/32", "203.0.113.220/32"];
            world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &held, Some("Offices"));
            world.item("a", &["198.51.100.1/32"]);
            // A rule of ours refers to the set from now on, and unapproved removals are held.
            world.apply(&world.process("run")).await;
            world.later().await;
            world.careless = careless;
            world.observer.put_item(&world.aws, "bad", &[], &["54.123.456.78/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.apply(&world.process("run")).await;
            world.assert_sound();
        });
    };
    caught(Careless::ImaginesMarks, runs, &[Promise::AdoptedMark]);
}

#[test]
fn an_unseen_approval_is_caught_when_a_foreign_reference_is_dropped() {
    let runs = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &[]);
            world.aws.put_ip_set("REGIONAL", "foreign", "IPV4", &["192.0.2.0/24"], None);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
            world.by_hand(|aws| {
                let foreign = json!({"IPSetReferenceStatement": {"ARN": aws.ip_set("foreign").unwrap().arn}});
                aws.edit_rule_group("wafsync-1", |rules| {
                    let ours = rules[0]["Statement"].clone();
                    rules[0]["Statement"] = json!({"OrStatement": {"Statements": [ours, foreign]}});
                });
            });
            world.later().await;
            world.careless = careless;
            world.apply(&world.process("run")).await;
            world.assert_sound();
        });
    };
    caught(Careless::ApprovesUnseen, runs, &[Promise::ForeignReference]);
}

#[test]
fn trust_in_short_scans_is_caught_when_both_scans_are_short() {
    let runs = |careless| {
        in_a_runtime(async {
            let mut world = World::new(Config { scan_page_bytes: 1, ..small() }, &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.converges().await;
            world.later().await;
            world.careless = careless;
            for second_page in [1, 3] {
                world.aws.fail(once("Scan", second_page, FaultKind::AccessDenied));
            }
            world.apply(&world.process("run")).await;
            world.assert_sound();
        });
    };
    caught(Careless::TrustsShortScans, runs, &[Promise::NoLockOut]);
}

#[test]
fn a_stale_plan_sent_after_a_conflict_is_caught() {
    let runs = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &[]);
            world.careless = careless;
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.converges().await;
            world.later().await;
            world.observer.delete_item(&world.aws, "a");
            // The first two attempts fail, so the third comes after the other run's write, independent of timing.
            world.aws.fail(Fault { times: 2, ..once("UpdateIPSet", 0, FaultKind::Slow(Duration::from_secs(10))) });
            let (slow, quick) = (world.process("slow"), world.process("quick"));
            let meanwhile = async {
                // The slow run has scanned twice, and its write is in flight.
                tokio::time::sleep(Duration::from_secs(6)).await;
                world.item("c", &["198.51.100.3/32"]);
                world.apply(&quick).await
            };
            tokio::join!(world.apply(&slow), meanwhile);
            world.assert_sound();
        });
    };
    caught(Careless::RetriesStalePlans, runs, &[Promise::NoLockOut]);
}

fn in_a_runtime(runs: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(runs);
}

/// A fault of one attempt of this operation, after this many successful ones.
fn once(operation: &str, skip: usize, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip, times: 1, when: When::Before, kind }
}

/// Asserts that nothing is wrong without the defect, and that the defect breaks one of these promises.
fn caught(careless: Careless, runs: impl Fn(Option<Careless>), promises: &[Promise]) {
    runs(None);
    assert!(breaks(|| runs(Some(careless)), promises), "{careless:?} was not caught");
}

/// Whether this panics with a message that one of these promises was broken.
fn breaks(f: impl FnOnce(), promises: &[Promise]) -> bool {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(f)).err();
    let said = panic.and_then(|panic| panic.downcast::<String>().ok());
    said.is_some_and(|said| promises.iter().any(|promise| said.contains(promise.words())))
}
