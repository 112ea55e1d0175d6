//! Ordinary changes of an allow-list: it grows, changes, and shrinks a little.

use wafsync::run::outcome::Outcome;
use wafsync_test_aws::Config;

use crate::world::{World, changes, ended, ips};

/// IP sets of three addresses, rule groups of two references, at most six sets in three groups.
fn small() -> World {
    World::with(Config { set_capacity: 3, group_references: 2, ..Config::default() }, &["--max-ip-sets", "6"])
}

#[tokio::test(start_paused = true)]
async fn growth_beyond_a_set_and_a_rule_group() {
    let world = small();
    world.items(1..=3);
    let first = world.apply().await;
    let expected = [
        "create_ip_set wafsync-ipv4-000 +198.51.100.101/32 +198.51.100.102/32 +198.51.100.103/32",
        "create_rule_group wafsync-1 +wafsync-ipv4-000",
        "create_rule_group wafsync-2",
        "create_rule_group wafsync-3",
    ];
    assert_eq!(
        (changes(&first).as_slice(), ended(&first)),
        (&expected.map(String::from)[..], (Outcome::Changed, 4, 4))
    );

    world.items(4..=4);
    let second = world.next_apply().await;
    let expected =
        ["create_ip_set wafsync-ipv4-001 +198.51.100.104/32", "update_rule_group wafsync-1 +wafsync-ipv4-001"];
    assert_eq!(changes(&second), expected);
    assert_eq!(ended(&second), (Outcome::Changed, 2, 2));

    world.items(5..=6);
    let third = world.next_apply().await;
    assert_eq!(changes(&third), ["update_ip_set wafsync-ipv4-001 +198.51.100.105/32 +198.51.100.106/32"]);

    world.items(7..=7);
    let fourth = world.next_apply().await;
    let expected =
        ["create_ip_set wafsync-ipv4-002 +198.51.100.107/32", "update_rule_group wafsync-2 +wafsync-ipv4-002"];
    assert_eq!(changes(&fourth), expected);
    let groups: Vec<_> =
        fourth.ip_sets.iter().map(|set| (set.addresses, set.free, set.rule_group.as_deref())).collect();
    assert_eq!(groups, [(3, 0, Some("wafsync-1")), (3, 0, Some("wafsync-1")), (1, 2, Some("wafsync-2"))]);
    assert_eq!(world.in_force(), ips(1..=7));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do_is_no_write_and_one_scan() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.apply().await;
    let again = world.next_apply().await;
    assert_eq!(ended(&again), (Outcome::Converged, 0, 0));
    assert_eq!(again.reason, "nothing to do: WAF holds exactly what the table asks for");
    let calls: Vec<String> = world.aws.log().into_iter().map(|attempt| attempt.operation).collect();
    let writes = |call: &&String| call.starts_with("Update") || call.starts_with("Create");
    assert_eq!((calls.iter().filter(writes).count(), world.calls("Scan")), (0, 1));
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_that_ends_empty_stays_wired_for_growth() {
    let mut world = World::new(&["--max-removals", "100"]);
    world.items(1..=2);
    world.item("six", &["2001:db8:1::/48"]);
    world.apply().await;
    world.aws.delete_item("clusters", "six");
    world.set_approval().await;
    let gone = world.next_apply().await;
    assert_eq!(changes(&gone), ["update_ip_set wafsync-ipv6-000 -2001:db8:1::/48"]);
    assert_eq!(gone.outcome, Outcome::Changed, "{}", gone.reason);
    world.later().await;
    world.settled().await;
    world.item("six", &["2001:db8:2::/48"]);
    let back = world.next_apply().await;
    assert_eq!(changes(&back), ["update_ip_set wafsync-ipv6-000 +2001:db8:2::/48"]);
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_stays_while_one_of_two_items_wants_it() {
    let world = World::new(&[]);
    world.item("a", &["198.51.100.7"]);
    world.item("b", &["198.51.100.7/32", "203.0.113.1"]);
    world.apply().await;
    assert_eq!(world.in_force(), ["198.51.100.7/32", "203.0.113.1/32"]);
    world.aws.delete_item("clusters", "a");
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0));
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_host_that_is_read_back_expanded_is_not_written_again() {
    let world = World::new(&[]);
    world.item("a", &["2001:db8::1", "2001:DB8:0:0:1::/80", "2001:db8:ffff::/48"]);
    world.apply().await;
    world.later().await;
    world.settled().await;
    let again = world.next_apply().await;
    assert_eq!(ended(&again), (Outcome::Converged, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn lists_with_a_marker_on_every_page_are_read_to_the_end() {
    let config =
        Config { set_capacity: 2, group_references: 2, list_page: 2, always_next_marker: true, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "6"]);
    world.items(1..=9);
    let document = world.apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 8, 8), "{}", document.reason);
    world.later().await;
    world.settled().await;
    assert!(world.calls("ListIPSets") >= 3);
}

#[tokio::test(start_paused = true)]
async fn created_resources_have_a_description_and_tags() {
    let world = World::new(&["--tag", "team=edge"]);
    world.items(1..=1);
    world.apply().await;
    let set = world.aws.ip_set("wafsync-ipv4-000").unwrap();
    let description = set.description.unwrap();
    assert!(description.starts_with("wafsync wafsync sum:") && description.ends_with(" entries:1"), "{description}");
    let tags: Vec<_> = set.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("managed-by", "wafsync"), ("team", "edge")]);
    let group = world.aws.rule_group("wafsync-1").unwrap();
    assert_eq!(group.tags, set.tags);
    assert_eq!(group.capacity, 120);
    assert!(group.description.unwrap().starts_with("wafsync wafsync table:"));
    world.later().await;
    world.settled().await;
}
