//! What `--wait` reads again, and when, against the stand-in under a paused clock.

use aws_config::SdkConfig;
use serde_json::json;
use wafsync_test_aws::{Aws, Config};

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
        let connection = Connection::with_access(self.sdk.clone(), &self.settings, Access::Check).unwrap();
        let (explainer, signal) = (Explainer::new(&self.settings, &connection), Signal::default());
        let (answers, ()) = tokio::join!(Box::pin(explainer.answer(&self.question, &signal)), others);
        answers.map_err(|obstacle| obstacle.text).unwrap().exit_code()
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
