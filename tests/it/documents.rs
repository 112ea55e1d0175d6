//! Whole JSON documents. Text and Markdown are in `pages`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wafsync::report::Command;
use wafsync::run::outcome::Outcome;

use crate::world::{TABLE, World, ip, reference_to};

/// A world whose plan shows nearly everything.
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
async fn the_json_of_a_plan() {
    let world = busy().await;
    insta::assert_snapshot!("plan-json", serde_json::to_string_pretty(&world.plan().await).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_json_of_an_apply() {
    let world = busy().await;
    insta::assert_snapshot!("apply-json", serde_json::to_string_pretty(&world.apply().await).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_json_of_a_failure() {
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
async fn every_line_fits_even_if_names_and_keys_are_long_or_wide() {
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

/// Collects every key in `value`: joined by dots, with `[]` after a list.
pub(crate) fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        Value::Array(list) => {
            found.insert(format!("{path}[]"));
            list.iter()
                .filter(|element| element.is_object())
                .for_each(|element| keys(element, &format!("{path}[]"), found));
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

/// The keys that this section of the page describes.
pub(crate) fn described(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../docs/json.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(keys, _)| keys);
    rows.flat_map(|keys| keys.split(", ")).map(|key| key.trim_matches('`').to_owned()).collect()
}

fn assert_described(heading: &str, documents: &[Value]) {
    let mut found = BTreeSet::new();
    for document in documents {
        keys(document, "", &mut found);
    }
    assert_eq!(found, described(heading));
}

#[tokio::test(start_paused = true)]
async fn the_documentation_of_the_json_describes_exactly_its_keys() {
    let run = serde_json::to_value(&busy().await.apply().await).unwrap();
    let mut world = World::new(&[]);
    world.settings.table.table = "typo".to_owned();
    let failed = serde_json::to_value(&world.apply().await).unwrap();
    assert_described("A run", &[run, failed]);

    let world = busy().await;
    world.item("host-bits", &["2001:db8:1::1/47"]);
    let explanation = world.explain("2001:db8:1::1").await;
    let obstructed = crate::explain::with_obstacles().await;
    let explanations = [explanation, obstructed].map(|answer| serde_json::to_value(answer).unwrap());
    assert_described("An explanation", &explanations);
    let report = crate::check::check(&World::new(&[])).await;
    assert_described("A preflight", &[serde_json::to_value(&report).unwrap()]);
}
