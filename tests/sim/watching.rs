//! The observer notices what no defect of ours comes to do: calls that are never to be made, and what belongs to others.

use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::types::{DefaultAction, Scope};
use serde_json::json;

use crate::world::{World, small};

/// A world in step, and a caller of which a run is under way: whoever holds the client can do what wafsync never does.
async fn under_way() -> (World, Client) {
    let world = World::new(small(), &[]);
    world.aws.put_ip_set("REGIONAL", "somebody-elses", "IPV4", &["192.0.2.0/24"], None);
    world.aws.put_web_acl("REGIONAL", "edge", "Block", json!([]));
    world.item("a", &["198.51.100.1/32"]);
    world.converges().await;
    world.foreign_stays(&[]);
    world.later().await;
    world.observer.begin(&world.aws, "run", false);
    let waf = Client::new(&world.sdk("run"));
    (world, waf)
}

#[track_caller]
fn noticed(world: &World, words: &str) {
    let broken = world.observer.broken(&world.aws);
    assert!(broken.iter().any(|found| found.contains(words)), "{broken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delete_call_is_noticed_also_if_it_is_refused() {
    let (world, waf) = under_way().await;
    let refused = waf.delete_ip_set().name("wafsync-ipv4-000").id("id").scope(Scope::Regional).lock_token("t");
    assert!(refused.send().await.is_err());
    noticed(&world, "DeleteIPSet is never to be called");
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_web_acl_is_noticed_also_if_it_is_refused() {
    let (world, waf) = under_way().await;
    let refused = waf.update_web_acl().name("edge").id("id").scope(Scope::Regional).lock_token("t");
    let refused = refused.default_action(DefaultAction::builder().build());
    assert!(refused.send().await.is_err());
    noticed(&world, "UpdateWebACL is never to be called");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_set_or_web_acl_that_changes_is_noticed() {
    for touch in [
        |world: &World| world.aws.describe_ip_set("somebody-elses", Some("touched")),
        |world: &World| world.aws.edit_web_acl("edge", |rules| *rules = json!([{"Name": "touched"}])),
    ] {
        let (world, waf) = under_way().await;
        touch(&world);
        waf.list_ip_sets().scope(Scope::Regional).send().await.unwrap();
        noticed(&world, "foreign resources changed");
    }
}
