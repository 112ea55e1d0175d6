//! Proves that the observer notices what no imitated defect does: forbidden calls, changes of foreign resources, and
//! false reports.

use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::types::{DefaultAction, IpAddressVersion, Scope};
use serde_json::{Value, json};
use wafsync::model::settings::MaxAdditions;

use crate::observer::{Checked, Errand, Explained, Promise};
use crate::world::{TABLE, World, small};

/// Promises that are proven here, without a defect in the program.
pub(crate) const DIRECT: [Promise; 19] = [
    Promise::NeverCalled,
    Promise::KnownCaller,
    Promise::Foreign,
    Promise::TokenOfItsRead,
    Promise::WrittenOnce,
    Promise::FewestWrites,
    Promise::ExitCode,
    Promise::WritesPlanned,
    Promise::NothingWritten,
    Promise::SomethingWritten,
    Promise::Unenforced,
    Promise::HeldStands,
    Promise::HeldAdds,
    Promise::HeldReason,
    Promise::BlockedReason,
    Promise::PartialReason,
    Promise::FailedReason,
    Promise::Explains,
    Promise::Checks,
];

/// A converged world and the client of a caller whose run is in progress. The client can do what wafsync never does.
async fn under_way() -> (World, Client) {
    let world = World::new(small(), &[]);
    world.aws.put_ip_set("REGIONAL", "foreign", "IPV4", &["192.0.2.0/24"], None);
    // Named like ours, but foreign.
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-007", "IPV4", &["192.0.2.1/32"], Some("Not yours"));
    world.aws.put_rule_group("REGIONAL", "other-rules", 120, Some("Not yours"), json!([]));
    world.aws.put_web_acl("REGIONAL", "edge", "Block", json!([]));
    world.item("a", &["198.51.100.1/32"]);
    world.converges().await;
    world.set_foreign(&["wafsync-ipv4-007"]);
    world.later().await;
    world.observer.begin(&world.aws, "run", Errand { max_ip_sets: 6, ..Errand::default() });
    let waf = Client::new(&world.sdk("run"));
    (world, waf)
}

async fn scan(world: &World) {
    aws_sdk_dynamodb::Client::new(&world.sdk("run")).scan().table_name(TABLE).send().await.unwrap();
}

#[track_caller]
fn noticed(world: &World, promise: Promise) {
    let broken = world.observer.broken(&world.aws);
    assert!(broken.iter().any(|found| found.starts_with(promise.words())), "{promise:?}: {broken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delete_call_is_noticed_even_if_it_is_rejected() {
    let (world, waf) = under_way().await;
    let refused = waf.delete_ip_set().name("wafsync-ipv4-000").id("id").scope(Scope::Regional).lock_token("t");
    assert!(refused.send().await.is_err());
    noticed(&world, Promise::NeverCalled);
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_web_acl_is_noticed_even_if_it_is_rejected() {
    let (world, waf) = under_way().await;
    let refused = waf.update_web_acl().name("edge").id("id").scope(Scope::Regional).lock_token("t");
    let refused = refused.default_action(DefaultAction::builder().build());
    assert!(refused.send().await.is_err());
    noticed(&world, Promise::NeverCalled);
    noticed(&world, Promise::TokenOfItsRead);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_foreign_resource_is_noticed() {
    for touch in [
        |world: &World| world.aws.describe_ip_set("foreign", Some("touched")),
        |world: &World| world.aws.describe_ip_set("wafsync-ipv4-007", Some("touched")),
        |world: &World| world.aws.edit_rule_group("other-rules", |rules| *rules = json!([{"Name": "touched"}])),
        |world: &World| world.aws.edit_web_acl("edge", |rules| *rules = json!([{"Name": "touched"}])),
    ] {
        let (world, waf) = under_way().await;
        touch(&world);
        waf.list_ip_sets().scope(Scope::Regional).send().await.unwrap();
        noticed(&world, Promise::Foreign);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_outside_of_any_run_is_noticed() {
    let (world, _) = under_way().await;
    Client::new(&world.sdk("unknown")).list_ip_sets().scope(Scope::Regional).send().await.unwrap();
    noticed(&world, Promise::KnownCaller);
}

#[tokio::test(start_paused = true)]
async fn unnecessary_writes_are_noticed() {
    let (world, waf) = under_way().await;
    scan(&world).await;
    let create = waf.create_ip_set().name("wafsync-ipv4-005").scope(Scope::Regional).description("wafsync wafsync sum");
    create.ip_address_version(IpAddressVersion::Ipv4).addresses("198.51.100.1/32").send().await.unwrap();
    for content in ["198.51.100.2/32", "198.51.100.3/32"] {
        let set = world.aws.ip_set("wafsync-ipv4-005").unwrap();
        world.later().await;
        let update = waf.update_ip_set().name(set.name).id(set.id).scope(Scope::Regional).lock_token(set.lock_token);
        update.description("wafsync wafsync sum").addresses(content).send().await.unwrap();
    }
    world
        .observer
        .end("run", Some(&json!({"outcome": "changed", "writes": {"done": 3, "planned": 3}, "exit_code": 0})));
    noticed(&world, Promise::WrittenOnce);
    noticed(&world, Promise::FewestWrites);
}

/// Asserts what the observer finds if a run that read everything and wrote nothing reports this. `more` is wanted in
/// addition.
async fn says(said: Value, promise: Promise, more: Option<&str>) {
    let (world, _) = under_way().await;
    world.observer.end("run", None);
    if let Some(more) = more {
        world.item("more", &[more]);
    }
    world.later().await;
    world.observer.begin(&world.aws, "run", Errand { max_ip_sets: 6, ..Errand::default() });
    scan(&world).await;
    world.observer.end("run", Some(&said));
    noticed(&world, promise);
}

#[tokio::test(start_paused = true)]
async fn a_false_report_is_noticed() {
    let said = |outcome: &str, exit_code: u8, done: u8| json!({"outcome": outcome, "exit_code": exit_code, "writes": {"done": done, "planned": 0}});
    says(said("converged", 3, 0), Promise::ExitCode, None).await;
    says(said("changed", 0, 1), Promise::WritesPlanned, None).await;
    says(said("changed", 0, 0), Promise::SomethingWritten, None).await;
    says(said("unenforced", 3, 0), Promise::Unenforced, None).await;
    says(said("held", 3, 0), Promise::HeldReason, None).await;
    says(said("held", 3, 0), Promise::HeldAdds, Some("198.51.100.9/32")).await;
    let mut held = said("held", 3, 0);
    held["held"] = json!(["198.51.100.1/32"]);
    says(held, Promise::HeldStands, None).await;
    says(said("blocked", 3, 0), Promise::BlockedReason, None).await;
    says(said("partial", 4, 0), Promise::PartialReason, None).await;
    says(said("failed", 1, 0), Promise::FailedReason, None).await;
}

#[tokio::test(start_paused = true)]
async fn additions_held_within_a_percentage_are_noticed() {
    let (mut world, _) = under_way().await;
    world.observer.end("run", None);
    world.settings.guards.max_additions = Some(MaxAdditions::Percent(100.0));
    world.tell();
    world.item("more", &["198.51.100.9/32"]);
    world.later().await;
    world.observer.begin(&world.aws, "run", Errand { max_ip_sets: 6, ..Errand::default() });
    scan(&world).await;
    let held =
        json!({"outcome": "held", "exit_code": 3, "writes": {"done": 0, "planned": 0}, "held": ["198.51.100.9/32"]});
    world.observer.end("run", Some(&held));
    noticed(&world, Promise::HeldReason);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_denies_its_writes_is_noticed() {
    let (world, waf) = under_way().await;
    let create = waf.create_ip_set().name("wafsync-ipv4-005").scope(Scope::Regional).description("wafsync wafsync sum");
    create.ip_address_version(IpAddressVersion::Ipv4).set_addresses(Some(Vec::new())).send().await.unwrap();
    world.observer.end("run", Some(&json!({"outcome": "converged", "writes": {"done": 0}, "exit_code": 0})));
    noticed(&world, Promise::NothingWritten);
}

#[tokio::test(start_paused = true)]
async fn false_answers_are_noticed() {
    let (world, _) = under_way().await;
    let explained = Explained { address: "198.51.100.1/32".to_owned(), wanted: true, in_force: true };
    let checked = Checked { bad_rule: false, missing: false };
    let ask = || world.observer.begin(&world.aws, "asks", Errand { max_ip_sets: 6, ..Errand::default() });
    world.observer.end("run", None);
    world.by_hand(|aws| aws.edit_web_acl("edge", |rules| *rules = json!([])));
    world.later().await;
    ask();
    world.observer.explained("asks", &[Explained { in_force: false, ..explained.clone() }]);
    ask();
    world.observer.checked("asks", checked);
    world.assert_sound();
    ask();
    world.observer.explained("asks", &[explained]);
    noticed(&world, Promise::Explains);
    world.by_hand(|aws| aws.edit_rule_group("wafsync-1", |rules| rules[0]["Action"] = json!({"Block": {}})));
    world.later().await;
    ask();
    world.observer.checked("asks", checked);
    noticed(&world, Promise::Checks);
}
