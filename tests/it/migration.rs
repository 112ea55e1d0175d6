//! Migration from the event-driven Lambda function to wafsync and back without a gap, as `docs/operations.md` describes
//! it.
//!
//! The function writes one IP set from the events of the table's stream, and the web ACL refers to that set directly.

use serde_json::{Value, json};
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Aws, Phase};

use crate::world::{World, ended, ip, ips, reference_to, texts};

const WEB_ACL: &str = "rancher";
/// The IP set of the function.
const SET: &str = "clusters";
const SETTINGS: [&str; 4] = ["--web-acl", WEB_ACL, "--adopt", SET];
/// An address that is no longer wanted, but whose deletion event was lost.
const STALE: &str = "203.0.113.99/32";

/// The web ACL's current rules.
fn front(aws: &Aws) -> Value {
    let mut front = Value::Null;
    aws.edit_web_acl(WEB_ACL, |rules| front = rules.clone());
    front
}

/// Every address that the web ACL allows, through its own reference to an IP set or through a rule group.
fn allowed_by(aws: &Aws, front: &Value) -> Vec<String> {
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

/// Fails after the first AWS call that leaves one of these addresses locked out.
fn never_locked_out(world: &World, wanted: Vec<String>) {
    world.aws.on_call(move |aws, call| {
        if call.phase == Phase::After {
            let allowed_by = allowed_by(aws, &front(aws));
            for address in &wanted {
                assert!(
                    allowed_by.contains(address),
                    "{address} is locked out after {} {}",
                    call.operation,
                    call.target
                );
            }
        }
    });
}

/// Handles an event as the function does: reads the set, adds the address, and writes it without a description.
fn lambda_handles(world: &World, address: &str) {
    world.aws.edit_ip_set(SET, |set| set.push(address.to_owned()));
    world.aws.describe_ip_set(SET, None);
}

/// Creates the function's IP set and the web ACL with the rule that refers to it, and returns that rule. The events of
/// the fourth item and of a deletion were lost.
fn lambda_installation(world: &World) -> Value {
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

/// Adds the rule groups to the existing rules.
fn attach_rule_groups(world: &World) {
    let groups = ["wafsync-1", "wafsync-2"].map(|name| world.aws.rule_group(name).unwrap().arn);
    world.aws.edit_web_acl(WEB_ACL, |rules| {
        let references = groups.iter().zip(0..).map(|(group, priority)| reference_to(group, priority));
        rules.as_array_mut().unwrap().extend(references);
    });
}

#[tokio::test(start_paused = true)]
async fn the_lambda_function_is_replaced_without_a_gap() {
    let mut world = World::new(&SETTINGS);
    let direct = lambda_installation(&world);
    let before = [ip(1), ip(2), ip(3), STALE.to_owned()];
    never_locked_out(&world, ips(1..=3));

    // 1. Plan. It shows the changes that the function missed, and nothing is written.
    let plan = world.plan().await;
    assert_eq!((plan.outcome, texts(&plan.held)), (Outcome::Planned, vec![STALE.to_owned()]));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), before);

    // 2. Apply. The rule group refers to the set, but no web ACL refers to the rule group yet. Removals from the set
    // are held.
    let adopted = world.next_apply().await;
    assert_eq!((ended(&adopted), texts(&adopted.held)), ((Outcome::Held, 3, 3), vec![STALE.to_owned()]));
    assert_eq!(world.in_force(), [ips(1..=4), vec![STALE.to_owned()]].concat());
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), before);

    // 3. Approve the removal of what the table does not want.
    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!((approved.outcome, approved.guard.verdict.as_str()), (Outcome::Unenforced, "approved"));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=3));

    // 4. Attach the rule groups next to the old rule. The address that the function missed gets access.
    attach_rule_groups(&world);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=4));
    never_locked_out(&world, ips(1..=4));
    world.set(&SETTINGS);
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);

    // The function keeps writing until it is switched off, and its writes are not drift.
    world.items(5..=5);
    lambda_handles(&world, &ip(5));
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=5));

    // 5. Switch the function off, then remove the old rule.
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().retain(|rule| *rule != direct));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=5));
    assert_eq!(world.next_apply().await.outcome, Outcome::Converged);

    // The function's last write removed the mark from the set, so one more removal from it has to be approved.
    world.no_items(5..=5);
    let held = world.next_apply().await;
    assert_eq!((ended(&held), texts(&held.held)), ((Outcome::Held, 0, 0), vec![ip(5)]));
    world.set_approval().await;
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    world.set(&SETTINGS);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=4));

    // From now on clusters come and go without the function and without approval.
    world.items(6..=6);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), [ips(1..=4), ips(6..=6)].concat());
    world.no_items(6..=6);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=4));

    // Restores one address: the log names it as removed, and it is wanted again.
    world.set(&[&SETTINGS[..], &["--always", &ip(6)]].concat());
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), [ips(1..=4), ips(6..=6)].concat());
    world.later().await;
    world.settled().await;

    // `--adopt` stays: without it the set is foreign, and dropping it needs approval.
    world.set(&["--web-acl", WEB_ACL, "--always", &ip(6)]);
    assert_eq!(world.next_apply().await.outcome, Outcome::Blocked);
}

#[tokio::test(start_paused = true)]
async fn the_lambda_function_is_restored_without_a_gap() {
    let mut world = World::new(&SETTINGS);
    let direct = lambda_installation(&world);
    world.next_apply().await;
    world.set_approval().await;
    world.next_apply().await;
    attach_rule_groups(&world);
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().retain(|rule| *rule != direct));
    world.set(&SETTINGS);
    world.items(5..=5);
    assert_eq!(world.next_apply().await.outcome, Outcome::Changed);
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=5));

    // wafsync is stopped and does not run again. The old rule is added next to the references.
    world.aws.edit_web_acl(WEB_ACL, |rules| rules.as_array_mut().unwrap().push(direct.clone()));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=5));

    // On its own, the old rule would lock out clients that wafsync allowed through its own set.
    let only_the_old_rule = json!([direct]);
    assert!(!allowed_by(&world.aws, &only_the_old_rule).contains(&ip(4)));

    // The event mapping is enabled before the function reads the table, so that no change falls between the two.
    world.items(6..=6);
    lambda_handles(&world, &ip(6));
    world.aws.edit_ip_set(SET, |set| *set = ips(1..=6));
    assert_eq!(world.aws.ip_set(SET).unwrap().addresses, ips(1..=6));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=6));

    // Only then are the references removed.
    world.aws.edit_web_acl(WEB_ACL, |rules| *rules = only_the_old_rule.clone());
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), ips(1..=6));

    // The remaining sets and rule groups allow no one.
    world.no_items(4..=4);
    world.aws.edit_ip_set(SET, |set| set.retain(|address| *address != ip(4)));
    assert!(world.in_force().contains(&ip(4)));
    assert_eq!(allowed_by(&world.aws, &front(&world.aws)), [ips(1..=3), ips(5..=6)].concat());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "198.51.100.101/32 is locked out after")]
async fn a_gap_is_detected() {
    let world = World::new(&[]);
    world.items(1..=1);
    world.aws.put_web_acl("REGIONAL", WEB_ACL, "Block", json!([]));
    never_locked_out(&world, ips(1..=1));
    world.apply().await;
}
