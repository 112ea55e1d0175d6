//! Text and Markdown reports: one whole page of each kind of run.

use wafsync::report::{Command, Context, Document, html, markdown, text};
use wafsync_test_aws::{Config, Fault, FaultKind, When};

use serde_json::json;

use crate::world::{TABLE, World, reference_to};

/// Both reports of a run. No line of the text is wider than a terminal, except commands to paste.
async fn pages(world: &World, command: Command) -> String {
    let run = world.run(command).await;
    let document = Document::new(&run, &world.settings);
    let approving = crate::world::approving();
    let context = crate::world::context(command, &run, &approving);
    let text = text::render(&document, context);
    for line in text.lines().filter(|line| !line.contains(" --approve ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    crate::rendered::assert_harmless(&markdown::render(&document, context));
    let name = if command == Command::Plan { "plan" } else { "apply" };
    format!("{name}\n\n{text}\n\n======== Markdown ========\n\n{}", markdown::render(&document, context))
}

/// Twenty clusters with one address each, all in force. Two also have an IPv6 network.
pub(crate) async fn settled_world(args: &[&str]) -> World {
    let world = World::new(args);
    for number in 0..20 {
        let ipv4 = format!("203.0.113.{number}/32");
        let ipv6 = format!("2001:db8:{number}::/48");
        let ips = if number < 2 { vec![ipv4.as_str(), ipv6.as_str()] } else { vec![ipv4.as_str()] };
        world.item(&format!("cluster-{number:02}"), &ips);
    }
    world.apply().await;
    world.later().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_first_run() {
    let world = World::new(&[]);
    for number in 0..20 {
        world.item(&format!("cluster-{number:02}"), &[&format!("203.0.113.{number}/32")]);
    }
    world.item("shared", &["203.0.113.0/32", "2001:db8:7::/48"]);
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn a_first_run_applied() {
    let world = World::new(&[]);
    world.item("cluster-a", &["198.51.100.7/32", "2001:db8:7::/48"]);
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do() {
    let world = settled_world(&[]).await;
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do_for_an_empty_table_and_an_empty_waf() {
    let world = World::new(&[]);
    world.apply().await;
    world.later().await;
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn one_change() {
    let world = settled_world(&[]).await;
    world.item("cluster-07", &["198.51.100.7/32"]);
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

/// A hundred IP sets of a hundred addresses, half of which are replaced: ten thousand changes.
pub(crate) async fn a_hundred_sets(args: &[&str]) -> World {
    let world =
        World::with(Config { set_capacity: 100, ..Config::default() }, &[&["--max-per-item=100"], args].concat());
    let addresses = |item: u32, from: u32| -> Vec<String> {
        (from..from + 50).map(|host| format!("198.{}.{}.{}/32", 18 + item / 200, item % 200, host * 2)).collect()
    };
    let fill = |item: u32, from| {
        let addresses = addresses(item, from);
        world.item(&format!("edge-{item:04}"), &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    };
    (0..200).for_each(|item| fill(item, 0));
    world.apply().await;
    world.later().await;
    (0..200).filter(|item| item % 2 == 1).for_each(|item| fill(item, 60));
    world
}

/// Lines of three terminal screens, without the prompts.
const THREE_SCREENS: usize = 3 * 24 - 2;

/// Maximum size of a readable pull request comment, in bytes.
const SHORT_ENOUGH: usize = 20_000;

#[tokio::test(start_paused = true)]
async fn a_hundred_sets_and_ten_thousand_changes_fit_three_screens_and_a_comment() {
    for (args, command) in [(["--max-removals=100%"], Command::Plan), (["--max-removals=10%"], Command::Apply)] {
        let world = a_hundred_sets(&args).await;
        let run = world.run(command).await;
        let document = Document::new(&run, &world.settings);
        assert_eq!(document.ip_sets.len(), 100);
        let approving = crate::world::approving();
        let context = crate::world::context(command, &run, &approving);
        let text = text::render(&document, context);
        assert!(text.lines().count() <= THREE_SCREENS, "{} lines:\n{text}", text.lines().count());
        let page = markdown::render(&document, context);
        assert!(page.len() < SHORT_ENOUGH, "{} bytes:\n{page}", page.len());
        let full = text::render(&document, Context { full: true, ..context });
        let all = document.changes.iter().map(|change| change.add.len() + change.remove.len()).sum::<usize>();
        assert!(full.lines().count() > all, "{} lines for {all} changes", full.lines().count());
        insta::assert_snapshot!(format!("a_hundred_sets-{}", document.outcome), format!("{text}\n{page}"));
    }
}

#[tokio::test(start_paused = true)]
async fn many_removals_are_held() {
    let world = settled_world(&[]).await;
    for number in 5..20 {
        world.aws.delete_item(TABLE, &format!("cluster-{number:02}"));
    }
    world.item("cluster-new", &["198.51.100.7/32"]);
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn an_empty_table_is_blocked() {
    let world = settled_world(&[]).await;
    world.aws.clear_table(TABLE);
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn rejections_hold_removals_and_each_stays_on_one_line() {
    let world = settled_world(&["--ignore-item=known"]).await;
    world.item("cluster-07", &["54.123.456.78/32"]);
    world.item("known", &["0.0.0.0/0"]);
    world.item("host bits", &["203.0.113.9/24"]);
    world.item("terminal\u{1b}[2J|`<b>", &["\u{1b}]0;title\u{7}\u{202e}"]);
    let numbers = json!({"id": {"S": "numbers"}, "ips": {"N": "7"}});
    world.aws.put_item(TABLE, "numbers", numbers);
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn a_split_network_that_does_not_fit_its_set_is_deferred() {
    let world = World::with(Config { set_capacity: 2, ..Config::default() }, &[]);
    world.item("cluster-a", &["203.0.113.0/28"]);
    world.item("cluster-b", &["198.51.100.7/32"]);
    world.apply().await;
    world.later().await;
    world.item("cluster-a", &["203.0.113.0/29", "203.0.113.8/29"]);
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn a_hand_edit_is_drift() {
    let world = settled_world(&[]).await;
    world.aws.edit_ip_set("wafsync-ipv4-000", |addresses| addresses.push("192.0.2.66/32".to_owned()));
    world.aws.edit_ip_set("wafsync-ipv6-000", |addresses| drop(addresses.pop()));
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn a_web_acl_without_references_is_unenforced() {
    let world = World::new(&["--web-acl=front", "--web-acl=side"]);
    world.aws.put_web_acl("REGIONAL", "front", "Block", json!([]));
    world.aws.put_web_acl("REGIONAL", "side", "Block", json!([]));
    world.item("cluster-a", &["198.51.100.7/32"]);
    world.apply().await;
    let group = world.aws.rule_group("wafsync-1").unwrap().arn;
    world.aws.edit_web_acl("side", |rules| *rules = json!([reference_to(&group, 0)]));
    world.later().await;
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_write_is_failed() {
    let world = settled_world(&[]).await;
    world.item("cluster-new", &["198.51.100.7/32", "2001:db8:77::/48"]);
    world.aws.fail(Fault {
        operation: Some("UpdateIPSet".to_owned()),
        target: Some("wafsync-ipv6-000".to_owned()),
        skip: 0,
        times: usize::MAX,
        when: When::Before,
        kind: FaultKind::AccessDenied,
    });
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_plan_prints_only_the_log() {
    let world = World::new(&[]);
    world.aws.fail(Fault {
        operation: Some("Scan".to_owned()),
        target: None,
        skip: 0,
        times: usize::MAX,
        when: When::Before,
        kind: FaultKind::AccessDenied,
    });
    insta::assert_snapshot!(pages(&world, Command::Plan).await);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_is_partial() {
    let world = settled_world(&[]).await;
    world.item("cluster-new", &["198.51.100.7/32", "2001:db8:77::/48"]);
    let signal = world.signal.clone();
    world.aws.on_call(move |_, call| {
        if call.operation == "UpdateIPSet" {
            signal.raise();
        }
    });
    insta::assert_snapshot!(pages(&world, Command::Apply).await);
}

#[tokio::test(start_paused = true)]
async fn a_plan_for_one_item_shows_its_changes() {
    let world = settled_world(&[]).await;
    world.item("cluster-07", &["203.0.113.7/32", "198.51.100.7/32", "10.0.0.5/24"]);
    let run = world.run(Command::Plan).await;
    let document = Document::new(&run, &world.settings);
    let approving = crate::world::approving();
    let items = ["cluster-07".to_owned(), "typo".to_owned()];
    let context = Context { items: &items, ..crate::world::context(Command::Plan, &run, &approving) };
    insta::assert_snapshot!(text::render(&document, context));
    insta::assert_snapshot!("one-item-markdown", markdown::render(&document, context));
    let html = html::render(&document, context);
    let section = html.split("<h2 id=\"asked\">").nth(1).and_then(|rest| rest.split("</section>").next()).unwrap();
    for expected in
        ["cluster-07", "to add to wafsync-ipv4-000", "in WAF", "rejected: host bits are set", "no such item"]
    {
        assert!(section.contains(expected), "{expected}: {section}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_web_acl_is_named_in_every_report() {
    let mut world = settled_world(&[]).await;
    world.aws.put_web_acl("REGIONAL", "front", "Block", serde_json::json!([]));
    world.set(&["--web-acl=front"]);
    world.fail("GetWebACL", When::Before, FaultKind::AccessDenied);
    let run = world.run(Command::Plan).await;
    let document = Document::new(&run, &world.settings);
    let approving = crate::world::approving();
    let context = crate::world::context(Command::Plan, &run, &approving);
    let told = "Web ACL front could not be read: GetWebACL front: AccessDeniedException";
    let text = text::render(&document, context);
    assert!(text.contains(told) && !text.contains("none was looked at"), "{text}");
    let markdown = markdown::render(&document, context);
    assert!(markdown.contains(told) && !markdown.contains("No web ACL was looked at"), "{markdown}");
    let html = html::render(&document, context);
    assert!(html.contains(told) && !html.contains("No web ACL was looked at"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn colors_do_not_change_the_text() {
    let world = settled_world(&[]).await;
    (5..20).for_each(|number| world.aws.delete_item(TABLE, &format!("cluster-{number:02}")));
    world.item("cluster-new", &["198.51.100.7/32"]);
    world.item("bad", &["10.0.0.5/24"]);
    let run = world.run(Command::Plan).await;
    let document = Document::new(&run, &world.settings);
    let approving = crate::world::approving();
    let plain = crate::world::context(Command::Plan, &run, &approving);
    let colored = text::render(&document, Context { color: true, ..plain });
    let stripped: String = colored
        .split('\u{1b}')
        .enumerate()
        .map(|(index, part)| match index {
            0 => part,
            _ => part.split_once('m').unwrap().1,
        })
        .collect();
    assert_eq!(stripped, text::render(&document, plain));
    for painted in ["\u{1b}[33m!", "\u{1b}[32m", "\u{1b}[1m\u{1b}[33mHELD"] {
        assert!(colored.contains(painted), "{painted:?}: {colored:?}");
    }
}
