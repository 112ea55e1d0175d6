//! Whole documents: what programs get to read. What people get is in `pages`.

use serde_json::json;
use wafsync::report::{Command, Outcome};

use crate::world::{TABLE, World, ip, reference_to};

/// A world in which one plan shows nearly everything.
async fn busy() -> World {
    let mut world = World::new(&["--key-attribute", "id"]);
    world.items(1..=12);
    world.item("six", &["2001:db8:1::/48", "2001:db8:2::/48"]);
    world.apply().await;
    let arn = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&arn, 0)]));
    world.aws.put_web_acl("REGIONAL", "back", "Block", json!([]));
    world.set(&["--web-acl", "front", "--web-acl", "back"]);
    world.no_items(1..=7);
    world.items(21..=32);
    world.item("twin", &[&ip(21)]);
    world.item("bad", &["54.123.456.78/32", "10.0.0.5/24", "203.0.113.1"]);
    world.aws.put_item(TABLE, "evil", json!({"id": {"S": "evil\u{1b}[31m|`\u{202e}"}, "ips": {"S": "<b>no</b>"}}));
    world.aws.edit_ip_set("wafsync-ipv6-000", |set| set.push("2001:db8:ffff::/48".to_owned()));
    world.later().await;
    world
}

#[tokio::test(start_paused = true)]
async fn the_json_of_a_plan_is_this() {
    let world = busy().await;
    insta::assert_snapshot!("plan-json", serde_json::to_string_pretty(&world.plan().await).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_json_of_an_apply_is_this() {
    let world = busy().await;
    insta::assert_snapshot!("apply-json", serde_json::to_string_pretty(&world.apply().await).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_json_of_a_failure_is_this() {
    let mut world = World::new(&[]);
    world.settings.table.table = "typo".to_owned();
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Failed);
    insta::assert_snapshot!("failed-json", serde_json::to_string_pretty(&document).unwrap());
}

#[tokio::test(start_paused = true)]
async fn every_line_fits_eighty_columns() {
    for command in [Command::Plan, Command::Apply] {
        let text = busy().await.text(command).await;
        for line in text.lines().filter(|line| !line.contains("--approve")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(!text.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'));
    }
}

#[tokio::test(start_paused = true)]
async fn every_line_fits_also_where_names_and_keys_are_long_or_wide() {
    let name = format!("--name={}", "n".repeat(60));
    let world = World::new(&[&name]);
    let keys = ["k".repeat(90), "集群".repeat(30), format!("a {}", "\u{202e}".repeat(40))];
    for (number, key) in keys.iter().enumerate() {
        let ips = [format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:111{number}"), format!("198.51.100.{number}")];
        let ips = ips.each_ref().map(String::as_str);
        world.item(key, &ips);
        world.item(&format!("{key}2"), &ips);
    }
    let text = world.text(Command::Plan).await;
    for line in text.lines() {
        assert!(textwrap::core::display_width(line) <= 80, "{line}");
    }
    assert!(text.contains("  kkkkkkkk") && text.contains('…'), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_same_world_gives_the_same_document_byte_for_byte() {
    let document = || async { serde_json::to_string(&busy().await.apply().await).unwrap() };
    assert_eq!(document().await, document().await);
}
