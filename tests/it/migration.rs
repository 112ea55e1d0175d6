//! From the event-driven Lambda to wafsync without a gap, and back: the ways that `docs/operations.md` describes, played
//! through.
//!
//! The Lambda writes one IP set from the events of the table's stream, and the web ACL refers to that set directly.

use serde_json::{Value, json};
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Phase};

use crate::world::{World, ended, ip, ips, reference_to, texts};

const WEB_ACL: &str = "rancher";
/// The set of the Lambda.
const SET: &str = "clusters";
const SETTINGS: [&str; 4] = ["--web-acl", WEB_ACL, "--adopt", SET];
/// It is no longer wanted, but the event of its deletion was lost.
const STALE: &str = "203.0.113.99/32";

/// The web ACL's current rules.
fn front(aws: &Aws) -> Value {
    let mut front = Value::Null;
    aws.edit_web_acl(WEB_ACL, |rules| front = rules.clone());
    front
}

/// Every address that the web ACL lets in: by its own reference to an IP set, or through a rule group.
fn let_in(aws: &Aws, front: &Value) -> Vec<String> {
    let mut rules = front.to_string();
    for group in aws.rule_groups() {
        if rules.contains(&group.arn) {
            rules += &group.rules.to_string();
        }
    }
    let referred = aws.ip_sets().into_iter().filter(|set| rules.contains(&set.arn));
    let mut addresses: Vec<String> = referred.flat_map(|set| set.addresses).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Fails at the first call of AWS after which one of these addresses is not let in.
fn never_locked_out(world: &World, wanted: Vec<String>) {
    world.aws.on_call(move |aws, call| {
        if call.phase == Phase::After {
            let let_in = let_in(aws, &front(aws));
            for address in &wanted {
                assert!(let_in.contains(address), "{address} is locked out after {} {}", call.operation, call.target);
            }
        }
    });
}

/// What the Lambda does with an event: it reads the set, puts the address in, and writes it without a description.
fn lambda_hears_of(world: &World, address: &str) {
    world.aws.edit_ip_set(SET, |set| set.push(address.to_owned()));
    world.aws.describe_ip_set(SET, None);
}

/// The Lambda's set, and the web ACL with the rule that refers to it, which is returned. The events of the fourth item and
/// of a deletion were lost.
fn the_article(world: &World) -> Value {
    world.items(1..=4);
    let before = [ip(1), ip(2), ip(3), STALE.to_owned()];
    let set = world.aws.put_ip_set("REGIONAL", SET, "IPV4", &before.each_ref().map(String::as_str), None);
    let direct = json!({
        "Name": "clusters",
        "Priority": 10,
        "Action": {"Allow": {}},
        "Statement": {"IPSetReferenceStatement": {"ARN": set}},
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"},
    });
    world.aws.put_web_acl("REGIONAL", WEB_ACL, "Block", json!([direct]));
    direct
}

/// The rule groups, beside the rules that are there.
fn attach_rule_groups(world: &World) {
    let groups = ["wafsync-1", "wafsync-2"].map(|name| world.aws.rule_group(name).unwrap().arn);
    world.aws.edit_web_acl(WEB_ACL, |rules| {
        let references = groups.iter().zip(0..).map(|(group, priority)| reference_to(group, priority));
        rules.as_array_mut().unwrap().extend(references);
    });
}

#[tokio::test(start_paused = true)]
async fn the_lambda_of_the_article_is_replaced_without_a_gap() {
    let mut world = World::new(&SETTINGS);
    let direct = the_article(&world);
    let before = [ip(1), ip(2), ip(3), STALE.to_owned()];
    never_locked_out(&world, ips(1..=3));

    // 1. Look. What the Lambda has missed shows, and nothing is written.
    let plan = world.plan().await;
    assert_eq!((plan.outcome, texts(&plan.held)), (Outcome::Planned, vec![STALE.to_owned()]));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), before);

    // 2. Apply: the set is wired to the rule group, to which nothing refers yet; what would go from it is held.
    let adopted = world.next_apply().await;
    assert_eq!((ended(&adopted), texts(&adopted.held)), ((Outcome::Held, 3, 3), vec![STALE.to_owned()]));
    assert_eq!(world.in_force(), [ips(1..=4), vec![STALE.to_owned()]].concat());
    assert_eq!(let_in(&world.aws, &front(&world.aws)), before);

    // 3. Approve what the table does not want.
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!((approved.outcome, approved.guard.verdict.as_str()), (Outcome::Unenforced, "approved"));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=3));

    // 4. Attach the rule groups beside the old rule. The address that the Lambda had missed gets in.
    attach_rule_groups(&world);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=4));
    never_locked_out(&world, ips(1..=4));
    world.set(&SETTINGS);
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);

    // Until it is switched off the Lambda goes on writing, and what it writes is no drift.
    world.items(5..=5);
    lambda_hears_of(&world, &ip(5));
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=5));

    // 5. Switch the Lambda off, then take the old rule out.
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().retain(|rule| *rule != direct));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=5));
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);

    // The Lambda's last write took the mark off the set, so one more removal from it has to be approved.
    world.no_items(5..=5);
    let held = world.next_apply().await;
    assert_eq!((ended(&held), texts(&held.held)), ((Outcome::Held, 0, 0), vec![ip(5)]));
    world.set_approval().await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.set(&SETTINGS);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=4));

    // From here on clusters come and go without the Lambda and without a person.
    world.items(6..=6);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), [ips(1..=4), ips(6..=6)].concat());
    world.no_items(6..=6);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=4));

    // The way back for one address: what the log says was removed is wanted again.
    world.set(&[&SETTINGS[..], &["--always", &ip(6)]].concat());
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), [ips(1..=4), ips(6..=6)].concat());
    world.later().await;
    world.settled().await;

    // `--adopt` stays: without it the set is foreign, and dropping it needs approval.
    world.set(&["--web-acl", WEB_ACL, "--always", &ip(6)]);
    assert_eq!(world.next_apply().await.outcome, Outcome::Blocked);
}

#[tokio::test(start_paused = true)]
async fn the_lambda_of_the_article_takes_over_again_without_a_gap() {
    let mut world = World::new(&SETTINGS);
    let direct = the_article(&world);
    world.next_apply().await;
    world.set_approval().await;
    world.next_apply().await;
    attach_rule_groups(&world);
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().retain(|rule| *rule != direct));
    world.set(&SETTINGS);
    world.items(5..=5);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=5));

    // wafsync is stopped: from here on nothing of it runs. The old rule comes back beside the references.
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().push(direct.clone()));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=5));

    // Alone it would lock out clients that wafsync let in by its own set.
    let only_the_old_rule = json!([direct]);
    assert!(!let_in(&world.aws, &only_the_old_rule).contains(&ip(4)));

    // Its mapping is switched on first, so that nothing falls between the table that it reads and the events.
    world.items(6..=6);
    lambda_hears_of(&world, &ip(6));
    world.aws.edit_ip_set(SET, |set| *set = ips(1..=6));
    assert_eq!(world.aws.ip_set(SET).unwrap().addresses, ips(1..=6));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=6));

    // Only then the references go.
    world.aws.edit_web_acl(WEB_ACL, |rules| *rules = only_the_old_rule.clone());
    assert_eq!(let_in(&world.aws, &front(&world.aws)), ips(1..=6));

    // The remaining sets and rule groups let no one in.
    world.no_items(4..=4);
    world.aws.edit_ip_set(SET, |set| set.retain(|address| *address != ip(4)));
    assert!(world.in_force().contains(&ip(4)));
    assert_eq!(let_in(&world.aws, &front(&world.aws)), [ips(1..=3), ips(5..=6)].concat());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "198.51.100.101/32 is locked out after")]
async fn a_gap_would_be_seen() {
    let world = World::new(&[]);
    world.items(1..=1);
    world.aws.put_web_acl("REGIONAL", WEB_ACL, "Block", json!([]));
    never_locked_out(&world, ips(1..=1));
    world.apply().await;
}
