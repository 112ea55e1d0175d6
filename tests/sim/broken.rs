//! The observer is proven to see: each defect on purpose is caught by some seed, and by what it is said to break.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use serde_json::json;
use wafsync::defects::{self, Defect};
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use crate::observer::Promise;
use crate::seeds::relive;
use crate::tally::NO_DIGEST;
use crate::watching::DIRECT;
use crate::world::{World, small};

/// Seeds that are tried before a defect counts as unseen.
const TRIES: u64 = 374;

/// Every defect that chance finds, the first seed that has been seen to find it, and the promise that it breaks.
const DEFECTS: [(Defect, u64, Promise); 23] = [
    (Defect::RemovesBeforeAdding, 5, Promise::AddsFirst),
    (Defect::ReplacesAtOnce, 11, Promise::NoGap),
    (Defect::WiresBeforeStripping, 1, Promise::NoLeak),
    (Defect::IgnoresMarks, 4, Promise::Foreign),
    (Defect::IgnoresAdoption, 1, Promise::AdoptedRemoval),
    (Defect::SkipsTheSecondScan, 0, Promise::SecondScan),
    (Defect::ScansTooEarly, 0, Promise::SecondScan),
    (Defect::SkipsGuards, 30, Promise::MaxRemovals),
    (Defect::IgnoresRejections, 0, Promise::Rejections),
    (Defect::FetchesTokensLate, 0, Promise::TokenOfItsRound),
    (Defect::FetchesTokensLate, 2, Promise::ScanAfterRead),
    (Defect::FetchesGroupTokensLate, 0, Promise::TokenOfItsRound),
    (Defect::RetriesUnpaced, 2, Promise::Pace),
    (Defect::ForgetsLostAnswers, 84, Promise::WritesCounted),
    (Defect::SaysEnforced, 6, Promise::Enforced),
    (Defect::SaysDone, 2, Promise::InForce),
    (Defect::WritesIdly, 0, Promise::IdleWrite),
    (Defect::DefersForever, 0, Promise::Converges),
    (Defect::EmptiesFamilies, 2, Promise::EmptyFamily),
    (Defect::IgnoresRuleChanges, 24, Promise::RuleMeaning),
    (Defect::IgnoresRuleChanges, 25, Promise::OtherTable),
    (Defect::IgnoresRuleChanges, 1, Promise::ForeignReference),
    (Defect::FillsHeldSets, 4, Promise::AdoptedMark),
];

/// What some scenario below proves.
const BY_SCENARIO: [Promise; 3] = [Promise::EmptyTable, Promise::NoLockOut, Promise::FailedInPassing];

#[test]
fn every_defect_is_caught() {
    // A defect is one of its thread.
    let halves = [0, 1].map(|half| {
        let rows = DEFECTS.into_iter().skip(half).step_by(2);
        std::thread::spawn(move || {
            rows.filter(|(defect, from, promise)| !is_caught(*defect, *from, *promise)).collect::<Vec<_>>()
        })
    });
    let unseen: Vec<(Defect, u64, Promise)> = halves.into_iter().flat_map(|half| half.join().unwrap()).collect();
    assert!(unseen.is_empty(), "no seed below {TRIES} caught these: {unseen:?}");
}

fn is_caught(defect: Defect, from: u64, promise: Promise) -> bool {
    defects::set(Some(defect));
    let caught = (from..TRIES).chain(0..from).find(|seed| breaks(|| drop(relive(*seed)), &[promise]));
    defects::set(None);
    println!("{defect:?} breaks {promise:?}: seed {caught:?}");
    caught.is_some()
}

#[test]
fn whatever_the_observer_can_say_is_proven() {
    let by_defect = DEFECTS.iter().map(|(_, _, promise)| *promise);
    let proven: Vec<Promise> = by_defect.chain(BY_SCENARIO).chain(DIRECT).collect();
    let unproven: Vec<&Promise> = Promise::ALL.iter().filter(|promise| !proven.contains(promise)).collect();
    assert!(unproven.is_empty(), "{unproven:?}");
}

#[test]
fn a_table_without_an_entry_that_counts_like_any_other_is_caught_where_a_leftover_is_stripped() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
            let leftover = ("wafsync-ipv4-004", ["203.0.113.7/32"], Some("wafsync wafsync sum"));
            world.by_hand(|aws| drop(aws.put_ip_set("REGIONAL", leftover.0, "IPV4", &leftover.1, leftover.2)));
            world.later().await;
            world.observer.delete_item(&world.aws, "a");
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Defect::IgnoresEmptyTables, lives, &[Promise::EmptyTable]);
}

#[test]
fn an_approval_of_whatever_is_planned_is_caught_where_more_would_go_than_one_run_may_remove() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.item("b", &["198.51.100.2/32", "198.51.100.3/32", "198.51.100.4/32", "198.51.100.5/32"]);
            world.converges().await;
            world.later().await;
            world.observer.delete_item(&world.aws, "b");
            let mut process = world.process("run");
            process.settings.guards.approve = Some(NO_DIGEST.to_owned());
            world.apply(&process).await;
            world.sound();
        });
    };
    caught(Defect::TakesAnyApproval, lives, &[Promise::MaxRemovals]);
}

#[test]
fn a_run_that_gives_up_on_what_passes_is_caught_where_a_write_is_refused_for_its_pace() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(small(), &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
            world.later().await;
            world.item("b", &["198.51.100.2/32"]);
            // As many as one call tries.
            world.aws.fail(Fault { times: 3, ..once("UpdateIPSet", 0, FaultKind::Throttled) });
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Defect::NeverPlansAgain, lives, &[Promise::FailedInPassing]);
}

#[test]
fn a_rule_group_of_somebody_else_in_our_place_is_caught_where_it_is_written() {
    let lives = || {
        in_a_runtime(async {
            let mut world = World::new(small(), &[]);
            // One rule group is all that is needed.
            world.settings.waf.limits.max_ip_sets = 2;
            world.aws.put_rule_group("REGIONAL", "wafsync-1", 120, Some("Not yours"), json!([]));
            world.foreign_stays(&[]);
            world.item("a", &["198.51.100.1/32"]);
            world.apply(&world.process("run")).await;
            world.sound();
        });
    };
    caught(Defect::WritesForeignGroups, lives, &[Promise::Foreign]);
}

#[test]
fn a_list_of_which_only_the_first_page_is_read_is_caught_where_groups_stand_on_the_second() {
    let lives = || {
        in_a_runtime(async {
            let world = World::new(Config { list_page: 2, ..small() }, &[]);
            world.item("a", &["198.51.100.1/32"]);
            world.converges().await;
        });
    };
    caught(Defect::IgnoresMarkers, lives, &[Promise::Converges, Promise::PartialReason]);
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
    caught(Defect::TrustsShortScans, lives, &[Promise::NoLockOut]);
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
    caught(Defect::BelievesOneAnswer, lives, &[Promise::NoLockOut]);
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
    caught(Defect::ForgetsEarlierRounds, lives, &[Promise::MaxRemovals]);
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
    caught(Defect::RetriesStalePlans, lives, &[Promise::NoLockOut]);
}

fn in_a_runtime(lives: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(lives);
}

/// A fault of one attempt of this operation, after so many that go through.
fn once(operation: &str, skip: usize, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip, times: 1, when: When::Before, kind }
}

/// Without the defect nothing is wrong, with it one of these promises is broken.
fn caught(defect: Defect, lives: impl Fn(), promises: &[Promise]) {
    lives();
    defects::set(Some(defect));
    let caught = breaks(&lives, promises);
    defects::set(None);
    assert!(caught, "{defect:?} was not caught");
}

/// Whether this panics and says that one of these promises was broken.
fn breaks(f: impl FnOnce(), promises: &[Promise]) -> bool {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(f)).err();
    let said = panic.and_then(|panic| panic.downcast::<String>().ok());
    said.is_some_and(|said| promises.iter().any(|promise| said.contains(promise.words())))
}
