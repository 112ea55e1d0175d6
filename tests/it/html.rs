//! The page of `plan --output html`: its contents, and the pages that `tests/html/run` opens in a browser.

use std::path::Path;

use serde_json::json;
use wafsync::report::{Command, Document, html};

use crate::pages::{a_hundred_sets, settled_world};
use crate::world::{TABLE, World, reference_to};

/// The page of a plan. It is also written to where `tests/html/run` looks for it.
async fn page(world: &World, name: &str) -> String {
    let run = world.run(Command::Plan).await;
    let document = Document::new(&run, &world.settings);
    let approving = crate::world::approving();
    let page = html::render(&document, crate::world::context(Command::Plan, &run, &approving));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.html")), &page).unwrap();
    page
}

/// Asserts that the page has no URL, so nothing is fetched, and that no foreign text is markup.
#[track_caller]
fn assert_self_contained(page: &str) {
    for outside in ["http:", "https:", "url(", "@import", "src=", "<img", "<iframe", "<form", "onclick="] {
        let found = page.find(outside).map(|at| page.get(at.saturating_sub(60)..).unwrap_or(page));
        assert!(found.is_none_or(|text| text.contains("&lt;")), "{outside}: {found:?}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains(|c: char| c != '\n' && c.is_control()));
}

#[tokio::test(start_paused = true)]
async fn a_held_plan_has_its_map_its_changes_and_the_approval() {
    let mut world = settled_world(&[]).await;
    world.set(&["--web-acl=front", "--web-acl=side"]);
    let group = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([reference_to(&group, 0)]));
    world.aws.put_web_acl("REGIONAL", "side", "Block", json!([]));
    for number in 8..20 {
        world.aws.delete_item(TABLE, &format!("cluster-{number:02}"));
    }
    world.item("cluster-07", &["198.51.100.7/32"]);
    world.item("bad", &["10.0.0.5/24", "54.123.456.78/32"]);
    let page = page(&world, "held").await;
    assert_self_contained(&page);
    for part in [
        "13 removals need approval",
        "13 of 20 IPv4 CIDRs would be removed",
        "Web ACL side does not enforce wafsync-1 (no reference)",
        "href=\"#set-wafsync-ipv4-000\"",
        "cluster-07",
        "host bits are set",
        "203.0.113.7–203.0.113.19",
        "wafsync apply --table=clusters --approve sha256:",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_sets_and_ten_thousand_changes_fit_one_page() {
    let page = page(&a_hundred_sets(&["--max-removals=100%"]).await, "hundred").await;
    assert_self_contained(&page);
    assert_eq!(page.matches("<a class=\"cell").count(), 100);
    assert_eq!(
        (page.matches("<code class=\"remove\">").count(), page.matches("set-wafsync-ipv4-").count()),
        (5_000, 200)
    );
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[tokio::test(start_paused = true)]
async fn an_emptied_table_says_how_many_addresses_are_locked_out() {
    let world = settled_world(&[]).await;
    world.aws.clear_table(TABLE);
    let page = page(&world, "blocked").await;
    assert_eq!(page.matches("Approving locks out all 22 addresses.").count(), 1, "{page}");
    assert!(page.contains("<p class=\"lead grave\">Approving locks out all 22 addresses. Only if"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn foreign_text_is_escaped() {
    let world = settled_world(&[]).await;
    for (number, key) in [
        "<img src=x onerror=\"reached=1\">",
        "</script><script>reached=1</script>",
        "'\"><b>bold</b>&amp;",
        "\u{202e}\u{1b}[2Jgpj",
    ]
    .into_iter()
    .enumerate()
    {
        world.item(key, &[&format!("198.51.100.{number}/32"), key]);
    }
    let page = page(&world, "foreign").await;
    assert!(page.contains("&lt;img src=x onerror=&quot;reached=1&quot;&gt;"), "{page}");
    assert_eq!((page.matches("<script").count(), page.matches("<b>bold").count()), (1, 0));
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
}
