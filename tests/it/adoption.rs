//! Taking over a hand-made IP set with `--adopt`.

use wafsync::run::outcome::Outcome;

use wafsync_test_aws::{FaultKind, When};

use crate::world::{World, changes, ended, ip, texts};

/// A hand-made set with an address that the table wants and one that it does not.
fn world() -> World {
    let world = World::new(&["--adopt", "offices"]);
    world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &[&ip(1), "203.0.113.0/24"], Some("Offices"));
    world.items(1..=3);
    world
}

#[tokio::test(start_paused = true)]
async fn removals_from_an_unmarked_set_are_held_and_nothing_is_added_to_it() {
    let mut world = world();
    let held = world.apply().await;
    let expected = [
        format!("create_ip_set wafsync-ipv4-000 +{} +{}", ip(2), ip(3)),
        "create_rule_group wafsync-1 +offices +wafsync-ipv4-000".to_owned(),
        "create_rule_group wafsync-2".to_owned(),
    ];
    assert_eq!(changes(&held), expected);
    assert_eq!((ended(&held), texts(&held.held)), ((Outcome::Held, 3, 3), vec!["203.0.113.0/24".to_owned()]));
    let reason = "1 CIDR would be removed from the adopted IP set offices, which wafsync does not manage yet";
    assert_eq!(held.guard.reasons, [reason]);
    assert_eq!(world.aws.ip_set("offices").unwrap().description.as_deref(), Some("Offices"));

    world.items(4..=4);
    let still = world.next_apply().await;
    assert_eq!(changes(&still), [format!("update_ip_set wafsync-ipv4-000 +{}", ip(4))]);
    assert_eq!(ended(&still), (Outcome::Held, 1, 1));

    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!(changes(&approved), ["update_ip_set offices -203.0.113.0/24"]);
    assert_eq!((ended(&approved), approved.guard.verdict.as_str()), ((Outcome::Changed, 1, 1), "approved"));
    assert!(world.aws.ip_set("offices").unwrap().description.unwrap().starts_with("wafsync wafsync sum:"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_without_unwanted_addresses_is_adopted_without_approval() {
    let world = world();
    world.aws.edit_ip_set("offices", |set| set.retain(|address| *address == ip(1)));
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 3, 3), "{}", document.reason);
    assert_eq!(
        changes(&document),
        [
            format!("update_ip_set offices +{} +{}", ip(2), ip(3)),
            "create_rule_group wafsync-1 +offices".to_owned(),
            "create_rule_group wafsync-2".to_owned()
        ]
    );
    world.later().await;
    world.settled().await;
    // The set is marked now, so this removal is like any other.
    world.no_items(1..=1);
    let next = world.next_apply().await;
    assert_eq!((ended(&next), next.guard.verdict.as_str()), ((Outcome::Changed, 1, 1), "pass"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_named_like_ours_needs_the_same_approval() {
    let mut world = World::new(&["--adopt", "wafsync-ipv4-000"]);
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-000", "IPV4", &[&ip(1), "203.0.113.0/24"], Some("Offices"));
    world.items(1..=2);
    let first = world.apply().await;
    assert_eq!((ended(&first), texts(&first.held)), ((Outcome::Held, 3, 3), vec!["203.0.113.0/24".to_owned()]));
    // A rule of ours refers to it now, but nothing has been approved.
    world.items(3..=3);
    let second = world.next_apply().await;
    assert_eq!(changes(&second), [format!("update_ip_set wafsync-ipv4-001 +{}", ip(3))]);
    assert_eq!((ended(&second), texts(&second.held)), ((Outcome::Held, 1, 1), vec!["203.0.113.0/24".to_owned()]));
    assert_eq!(world.aws.ip_set("wafsync-ipv4-000").unwrap().description.as_deref(), Some("Offices"));

    world.set_approval().await;
    let approved = world.next_apply().await;
    assert_eq!(changes(&approved), ["update_ip_set wafsync-ipv4-000 -203.0.113.0/24"]);
    assert_eq!((ended(&approved), approved.guard.verdict.as_str()), ((Outcome::Changed, 1, 1), "approved"));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn adopting_a_missing_set_fails() {
    let world = World::new(&["--adopt", "offices"]);
    let document = world.apply().await;
    let error =
        "ListIPSets offices: there is no IP set of this name to adopt; hint: check --adopt, --scope and AWS_REGION";
    assert_eq!((document.outcome, document.error.as_deref()), (Outcome::Failed, Some(error)));
    assert_eq!(world.aws.rule_groups().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_set_to_adopt_that_an_old_list_omits_is_listed_again() {
    let world = world();
    world.fail_times("ListIPSets", 2, When::Before, FaultKind::Omits("offices".into()));
    let document = world.apply().await;
    assert_eq!((ended(&document), texts(&document.held)), ((Outcome::Held, 3, 3), vec!["203.0.113.0/24".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_set_to_adopt_that_stays_omitted_fails_within_about_a_minute_without_a_write() {
    let world = world();
    world.fail_times("ListIPSets", 1000, When::Before, FaultKind::Omits("offices".into()));
    let began = tokio::time::Instant::now();
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Failed, 0, 0), "{}", document.reason);
    assert_eq!(world.calls("ListIPSets"), 6);
    assert!((60..70).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_set_named_like_ours_is_not_written_and_its_number_is_skipped() {
    let world = World::new(&[]);
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-000", "IPV4", &["203.0.113.0/24"], Some("foreign"));
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV6", &[], Some("wafsync wafsync sum:1 entries:0"));
    world.items(1..=1);
    let document = world.apply().await;
    assert_eq!(changes(&document)[0], format!("create_ip_set wafsync-ipv4-002 +{}", ip(1)));
    assert_eq!(world.in_force(), [ip(1)]);
    world.later().await;
    world.settled().await;
}
