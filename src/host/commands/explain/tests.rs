//! What `--wait` reads again, and when, against the stand-in under a paused clock.

use aws_config::SdkConfig;
use serde_json::json;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, Phase, When};

use super::*;
use crate::cli::{self, Invocation};
use crate::host::session::{self, Session};
use crate::report::Command;

const TABLE: &str = "clusters";

/// An account in which `cluster-1` is in force, as seen by `explain` with some arguments.
struct World {
    aws: Aws,
    sdk: SdkConfig,
    settings: Settings,
    question: Question,
}

impl World {
    async fn new(args: &[&str]) -> Self {
        let aws = Aws::new(Config::default());
        aws.create_table("eu-central-1", TABLE);
        let line = ["wafsync", "explain", "--table=clusters"].iter().chain(args).map(std::ffi::OsString::from);
        let Invocation::Explain { settings, question, .. } = cli::parse(line, []).unwrap().invocation else {
            panic!("not an explain")
        };
        let world = Self { sdk: session::tests::sdk(&aws), aws, settings, question };
        world.item("cluster-1", "203.0.113.1");
        world.apply().await;
        world.aws.clear_log();
        world
    }

    fn item(&self, key: &str, address: &str) {
        self.aws.put_item(TABLE, key, json!({"id": {"S": key}, "ips": {"S": address}}));
    }

    /// A run of another process, which scans once: nothing is removed.
    async fn apply(&self) {
        let mut session = Session::new(self.sdk.clone(), self.settings.clone()).unwrap();
        let finished = Box::pin(session.run(Command::Apply, 0, &Signal::default().stop(None))).await;
        assert_eq!(finished.document.outcome, Outcome::Changed, "{}", finished.document.reason);
    }

    /// The exit code, while `others` do something.
    async fn explain(&self, others: impl Future<Output = ()>) -> u8 {
        self.interruptible(&Signal::default(), others).await.unwrap()
    }

    /// The exit code or the error, while `others` do something such as to raise the signal.
    async fn interruptible(&self, signal: &Signal, others: impl Future<Output = ()>) -> Result<u8, String> {
        let connection = Connection::with_access(self.sdk.clone(), &self.settings, Access::Check).unwrap();
        let explainer = Explainer::new(&self.settings, &connection);
        let (answers, ()) = tokio::join!(Box::pin(explainer.answer(&self.question, signal)), others);
        answers.map(|answers| answers.exit_code()).map_err(|obstacle| obstacle.text)
    }

    fn fail(&self, operation: &str, times: usize, kind: FaultKind) {
        let (operation, target, when) = (Some(operation.to_owned()), None, When::Before);
        self.aws.fail(Fault { operation, target, skip: 0, times, when, kind });
    }

    fn calls(&self, operation: &str) -> usize {
        self.aws.log().iter().filter(|call| call.operation == operation).count()
    }
}

async fn seconds(count: u64) {
    // The clock is paused: this takes no real time.
    tokio::time::sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn while_an_address_is_not_in_force_the_table_is_not_scanned_again() {
    let world = World::new(&["203.0.113.2", "--wait=1h"]).await;
    let registered_then_applied = async {
        seconds(65).await;
        assert_eq!((world.calls("Scan"), world.calls("GetIPSet")), (1, 1), "one look at all of it");
        assert!(world.calls("ListIPSets") >= 6, "{}", world.calls("ListIPSets"));
        world.item("cluster-2", "203.0.113.2");
        world.apply().await;
    };
    assert_eq!(world.explain(registered_then_applied).await, 0);
    assert_eq!(world.calls("Scan"), 3, "the first look, the run, and the look before the answer");
}

#[tokio::test(start_paused = true)]
async fn the_table_is_read_again_before_it_says_yes() {
    let world = World::new(&["203.0.113.2", "--wait=2m"]).await;
    world.item("cluster-2", "203.0.113.2");
    let applied_then_deleted = async {
        seconds(25).await;
        world.apply().await;
        world.aws.delete_item(TABLE, "cluster-2");
    };
    assert_eq!(world.explain(applied_then_deleted).await, 6, "in force, but no longer wanted");
}

#[tokio::test(start_paused = true)]
async fn the_last_look_reads_the_table_again() {
    let world = World::new(&["203.0.113.2", "--wait=2m"]).await;
    let registered = async {
        seconds(25).await;
        world.item("cluster-2", "203.0.113.2");
    };
    assert_eq!(world.explain(registered).await, 5, "wanted by now, but not in force");
    assert_eq!(world.calls("Scan"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_force_and_not_wanted_waits_for_the_table() {
    let world = World::new(&["203.0.113.1", "--wait=1h"]).await;
    world.aws.delete_item(TABLE, "cluster-1");
    let registered = async {
        seconds(45).await;
        world.item("cluster-2", "203.0.113.1");
    };
    assert_eq!(world.explain(registered).await, 0);
    assert!(world.calls("Scan") >= 5, "{}", world.calls("Scan"));
}

#[tokio::test(start_paused = true)]
async fn items_beside_an_address_are_read_by_their_keys_and_the_table_again_before_the_answer() {
    let world = World::new(&["203.0.113.2", "--item=cluster-3", "--wait=1h"]).await;
    world.item("cluster-2", "203.0.113.2");
    let registered_then_applied = async {
        seconds(65).await;
        assert_eq!((world.calls("Scan"), world.calls("DescribeTable")), (1, 1));
        assert!(world.calls("Query") >= 5, "{}", world.calls("Query"));
        world.item("cluster-3", "203.0.113.3");
        world.apply().await;
    };
    assert_eq!(world.explain(registered_then_applied).await, 0);
    assert_eq!(world.calls("Scan"), 3, "the first look, the run, and the look before the answer");
}

#[tokio::test(start_paused = true)]
async fn an_item_beside_an_address_may_move_while_it_waits() {
    let world = World::new(&["203.0.113.1", "--item=cluster-2", "--wait=1h"]).await;
    world.item("cluster-2", "203.0.113.2");
    let moved_then_applied = async {
        seconds(25).await;
        world.item("cluster-2", "203.0.113.3");
        world.apply().await;
    };
    assert_eq!(world.explain(moved_then_applied).await, 0);
    assert_eq!(world.calls("Scan"), 3, "the first look, the run, and the look before the answer");
}

#[tokio::test(start_paused = true)]
async fn an_address_beside_an_item_that_is_deleted_in_between_is_no_yes() {
    let world = World::new(&["203.0.113.1", "--item=cluster-2", "--wait=2m"]).await;
    world.item("cluster-2", "203.0.113.2");
    let applied_then_deleted = async {
        seconds(25).await;
        world.apply().await;
        world.aws.delete_item(TABLE, "cluster-1");
    };
    assert_eq!(world.explain(applied_then_deleted).await, 6, "the address is no longer wanted");
}

#[tokio::test(start_paused = true)]
async fn items_beside_an_address_are_scanned_for_where_they_cannot_be_read_by_key() {
    let world = World::new(&["203.0.113.1", "--item=cluster-2", "--wait=1h"]).await;
    world.fail("Query", usize::MAX, FaultKind::AccessDenied);
    let registered = async {
        seconds(45).await;
        assert!(world.calls("Scan") >= 4, "{}", world.calls("Scan"));
        world.item("cluster-2", "203.0.113.2");
        world.apply().await;
    };
    assert_eq!(world.explain(registered).await, 0);
    assert_eq!(world.calls("Query"), 1, "it is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_signal_gives_the_last_answer_also_in_the_middle_of_a_look() {
    for delay in [Duration::ZERO, Duration::from_secs(3)] {
        let world = World::new(&["203.0.113.2", "--wait=1h"]).await;
        let signal = Signal::default();
        let raised = async {
            seconds(5).await;
            world.fail("ListIPSets", usize::MAX, FaultKind::Slow(delay));
            seconds(6).await;
            signal.raise();
        };
        assert_eq!(world.interruptible(&signal, raised).await, Ok(7), "{delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_in_the_first_look_gives_no_answer() {
    let world = World::new(&["203.0.113.1", "--wait=1h"]).await;
    world.fail("ListIPSets", usize::MAX, FaultKind::Slow(Duration::from_secs(3)));
    let signal = Signal::default();
    let raised = async {
        seconds(1).await;
        signal.raise();
    };
    let error = world.interruptible(&signal, raised).await.unwrap_err();
    assert!(error.ends_with("stopped by a signal"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_while_the_table_is_read_again_is_no_yes() {
    let world = World::new(&["203.0.113.2", "--wait=1h"]).await;
    world.item("cluster-2", "203.0.113.2");
    let signal = Signal::default();
    let (raised, mut scans) = (signal.clone(), 0);
    world.aws.on_call(move |_, call| {
        scans += usize::from(call.operation == "Scan" && call.phase == Phase::Before);
        // The first look, the run, and the look that would say yes.
        if scans == 3 {
            raised.raise();
        }
    });
    let applied = async {
        seconds(5).await;
        world.apply().await;
    };
    assert_eq!(world.interruptible(&signal, applied).await, Ok(5), "what it saw before the address was in force");
}

#[tokio::test(start_paused = true)]
async fn while_web_acls_cannot_be_listed_for_a_moment_the_answer_is_not_yes() {
    let world = World::new(&["203.0.113.1", "--wait=1h"]).await;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.fail("ListWebACLs", 20, FaultKind::Unavailable503);
    assert_eq!(world.explain(async {}).await, 5, "no web ACL refers to the rule groups");
}
