//! The observer is proven to see: each careless program is caught by some seed or scenario, and by the promise that it
//! breaks.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use serde_json::json;
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::careless::Careless;
use crate::observer::Promise;
use crate::seeds::relive_carelessly;
use crate::watching::DIRECT;
use crate::world::{World, small};

/// Seeds that are tried before carelessness counts as unseen.
const TRIES: u64 = 374;

/// Whatever chance finds, the first seed that was seen to find it, and the promise that is broken.
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
    (Careless::KeepsNoPace, 0, Promise::Pace),
    (Careless::ForgetsWebAcls, 2, Promise::Enforced),
    (Careless::ForgetsAlways, 2, Promise::InForce),
    (Careless::FetchesTokensLate, 0, Promise::TokenOfItsRound),
    (Careless::FetchesTokensLate, 5, Promise::ScanAfterRead),
    (Careless::RepeatsUpdates, 0, Promise::IdleWrite),
    (Careless::RepeatsUpdates, 0, Promise::WritesCounted),
    (Careless::OverlooksStrangers, 21, Promise::NoLeak),
    (Careless::GivesUpWhenThrottled, 18, Promise::FailedInPassing),
    (Careless::IgnoresMarkers, 0, Promise::PartialReason),
];

/// What the scenarios below prove.
const BY_SCENARIO: [Promise; 3] = [Promise::NoLockOut, Promise::AdoptedMark, Promise::ForeignReference];

/// What a defect inside the program proves, and the first seed that was seen to find it.
const INSIDE: [(Inside, u64, Promise); 2] =
    [(Inside::RemovesBeforeAdding, 5, Promise::AddsFirst), (Inside::ReplacesAtOnce, 11, Promise::NoGap)];

/// The defects that the feature `broken-on-purpose` compiles in.
#[derive(Clone, Copy, Debug)]
enum Inside {
    RemovesBeforeAdding,
    ReplacesAtOnce,
}

#[test]
fn carelessness_is_caught() {
    let halves = [0, 1].map(|half| {
        let rows = BY_SEED.iter().copied().skip(half).step_by(2);
        std::thread::spawn(move || {
            let lives = |careless| move |seed| relive_carelessly(seed, careless);
            rows.filter(|(careless, from, promise)| !is_caught(careless, lives(*careless), *from, *promise))
                .collect::<Vec<_>>()
        })
    });
    let unseen: Vec<_> = halves.into_iter().flat_map(|half| half.join().unwrap()).collect();
    assert!(unseen.is_empty(), "no seed below {TRIES} caught these: {unseen:?}");
}

#[cfg(feature = "broken-on-purpose")]
#[test]
fn defects_on_purpose_are_caught() {
    use wafsync::defects::{self, Defect};

    use crate::seeds::{Generation, relive_in};

    for (inside, from, promise) in INSIDE {
        let defect = match inside {
            Inside::RemovesBeforeAdding => Defect::RemovesBeforeAdding,
            Inside::ReplacesAtOnce => Defect::ReplacesAtOnce,
        };
        defects::set(Some(defect));
        let caught = is_caught(&defect, |seed| drop(relive_in(Generation::Third, seed, false)), from, promise);
        defects::set(None);
        assert!(caught, "no seed below {TRIES} caught {defect:?}");
    }
}

/// Whether some seed sees it, tried first of all from the one that saw it once.
fn is_caught(what: &dyn std::fmt::Debug, lives: impl Fn(u64), from: u64, promise: Promise) -> bool {
    let caught = (from..TRIES).chain(0..from).find(|seed| breaks(|| lives(*seed), &[promise]));
    println!("{what:?} breaks {promise:?}: seed {caught:?}");
    caught.is_some()
}

#[test]
fn whatever_the_observer_can_say_is_proven() {
    let by_seed = BY_SEED.iter().map(|(_, _, promise)| *promise);
    let inside = INSIDE.iter().map(|(_, _, promise)| *promise);
    let proven: Vec<Promise> = by_seed.chain(inside).chain(BY_SCENARIO).chain(DIRECT).collect();
    let unproven: Vec<&Promise> = Promise::ALL.iter().filter(|promise| !proven.contains(promise)).collect();
    assert!(unproven.is_empty(), "{unproven:?}");
}

#[test]
fn a_list_of_which_only_the_first_page_is_read_is_caught_where_groups_are_on_the_second() {
    let lives = |careless| {
        in_a_runtime(async {
            let mut world = World::new(Config { list_page: 2, ..small() }, &[]);
            world.careless = careless;
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
        });
    };
    caught(Careless::IgnoresMarkers, lives, &[Promise::Converges, Promise::PartialReason]);
}

#[test]
fn a_mark_that_is_imagined_is_caught_where_an_adopted_set_is_filled_while_removals_are_held() {
    let lives = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &["--adopt=offices"]);
            let held = ["198.51.100.1/32", "203.0.113.220/32"];
            world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &held, Some("Offices"));
            world.item("a", &["198.51.100.1/32"]);
            // A rule of ours refers to it from now on; removals that are not approved wait.
            world.apply(&world.process("run")).await;
            world.later().await;
            world.careless = careless;
            world.observer.put_item(&world.aws, "bad", &[], &["54.123.456.78/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Careless::ImaginesMarks, lives, &[Promise::AdoptedMark]);
}

#[test]
fn an_approval_of_what_was_not_seen_is_caught_where_a_foreign_reference_goes() {
    let lives = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &[]);
            world.aws.put_ip_set("REGIONAL", "somebody-elses", "IPV4", &["192.0.2.0/24"], None);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
            world.by_hand(|aws| {
                let foreign = json!({"IPSetReferenceStatement": {"ARN": aws.ip_set("somebody-elses").unwrap().arn}});
                aws.edit_rule_group("wafsync-1", |rules| {
                    let ours = rules[0]["Statement"].clone();
                    rules[0]["Statement"] = json!({"OrStatement": {"Statements": [ours, foreign]}});
                });
            });
            world.later().await;
            world.careless = careless;
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Careless::ApprovesUnseen, lives, &[Promise::ForeignReference]);
}

#[test]
fn trust_in_short_scans_is_caught_where_both_scans_are_short() {
    let lives = |careless| {
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
            world.sound();
        });
    };
    caught(Careless::TrustsShortScans, lives, &[Promise::NoLockOut]);
}

#[test]
fn a_plan_that_is_sent_again_after_a_conflict_is_caught_where_another_run_has_added_meanwhile() {
    let lives = |careless| {
        in_a_runtime(async {
            let mut world = World::new(small(), &[]);
            world.careless = careless;
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32"]);
            world.converges().await;
            world.later().await;
            world.observer.delete_item(&world.aws, "a");
            // Its first two attempts are given up, so the third one comes after the other run's write whatever chance says.
            world.aws.fail(Fault { times: 2, ..once("UpdateIPSet", 0, FaultKind::Slow(Duration::from_secs(10))) });
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
    caught(Careless::RetriesStalePlans, lives, &[Promise::NoLockOut]);
}

fn in_a_runtime(lives: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(lives);
}

/// A fault of one attempt of this operation, after this many that succeed.
fn once(operation: &str, skip: usize, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip, times: 1, when: When::Before, kind }
}

/// With care nothing is wrong, without it one of these promises is broken.
fn caught(careless: Careless, lives: impl Fn(Option<Careless>), promises: &[Promise]) {
    lives(None);
    assert!(breaks(|| lives(Some(careless)), promises), "{careless:?} was not caught");
}

/// Whether this panics and says that one of these promises was broken.
fn breaks(f: impl FnOnce(), promises: &[Promise]) -> bool {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(f)).err();
    let said = panic.and_then(|panic| panic.downcast::<String>().ok());
    said.is_some_and(|said| promises.iter().any(|promise| said.contains(promise.words())))
}
