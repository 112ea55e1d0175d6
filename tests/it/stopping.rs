//! A run that has to stop does so at a safe point and reports what is left. The next run continues from there.

use std::collections::BTreeSet;
use std::time::Duration;

use wafsync::report::Command;
use wafsync::run::outcome::Outcome;
use wafsync_test_aws::{Config, FaultKind, Phase, When};

use crate::world::{World, changes, ended, ip, ips};

/// Raises the signal at this attempt, counted from the start of the run.
fn stop_at(world: &World, attempt: usize, phase: Phase) {
    let signal = world.signal.clone();
    let mut seen = 0;
    world.aws.on_call(move |_, call| {
        if call.phase == phase {
            seen += 1;
            if seen == attempt {
                signal.raise();
            }
        }
    });
}

/// A first run, then one with every kind of write: creations, updates that add, wiring, removals.
async fn world() -> World {
    let config = Config { set_capacity: 4, group_references: 2, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "6"]);
    world.items(1..=8);
    world.apply().await;
    world.no_items(1..=2);
    world.items(9..=13);
    world.item("six", &["2001:db8:1::/48"]);
    world.later().await;
    world.aws.clear_log();
    world
}

#[tokio::test(start_paused = true)]
async fn a_signal_at_any_call_stops_the_run_and_the_next_one_continues() {
    let mut partial = 0;
    for phase in [Phase::Before, Phase::After] {
        for attempt in 1..=30 {
            let mut world = world().await;
            stop_at(&world, attempt, phase);
            let document = world.apply().await;
            if document.outcome == Outcome::Changed {
                continue;
            }
            partial += 1;
            assert_eq!(document.outcome, Outcome::Partial, "{attempt}: {}", document.reason);
            assert!(document.reason.starts_with("partial: stopped by a signal"), "{attempt}: {}", document.reason);
            let calls = world.aws.log().len();
            assert!(calls <= attempt + 8, "{attempt}: {calls} calls were made after the signal");
            world.signal = wafsync::stop::Signal::default();
            let next = world.next_apply().await;
            let changed = matches!(next.outcome, Outcome::Changed | Outcome::Converged);
            assert!(changed, "{attempt}: {:?}: {}", next.outcome, next.reason);
            let mut expected = ips(3..=13);
            expected.push("2001:db8:1::/48".to_owned());
            let mut in_force = world.in_force();
            in_force.sort_by_key(|cidr| cidr.contains(':'));
            assert_eq!(in_force, expected, "{attempt}");
            world.later().await;
            world.settled().await;
        }
    }
    assert!(partial > 20, "{partial}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_at_any_moment_stops_the_run_in_time_and_the_next_one_continues() {
    for seconds in (2..=60).step_by(2) {
        let mut world = world().await;
        world.settings.run.deadline = Duration::from_secs(seconds);
        let began = tokio::time::Instant::now();
        let document = world.apply().await;
        assert!(began.elapsed() <= Duration::from_secs(seconds), "{seconds}: {:?}", began.elapsed());
        if document.outcome != Outcome::Changed {
            assert_eq!(document.outcome, Outcome::Partial, "{seconds}: {}", document.reason);
        }
        world.settings.run.deadline = Duration::from_mins(30);
        let next = world.next_apply().await;
        assert!(matches!(next.outcome, Outcome::Changed | Outcome::Converged), "{seconds}: {}", next.reason);
        world.later().await;
        world.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_the_settling_time_ends_the_run() {
    let world = World::new(&[]);
    world.items(1..=3);
    world.apply().await;
    world.no_items(1..=1);
    world.later().await;
    let signal = world.signal.clone();
    let raise = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        signal.raise();
    };
    let began = tokio::time::Instant::now();
    let (document, ()) = tokio::join!(world.apply(), raise);
    assert_eq!((ended(&document), began.elapsed().as_secs()), ((Outcome::Partial, 0, 0), 10), "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=3));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_a_killed_run_left_unwired_is_wired_by_the_next() {
    let config = Config { set_capacity: 2, ..Config::default() };
    let mut world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=2);
    world.apply().await;
    world.items(3..=4);
    world.later().await;
    let signal = world.signal.clone();
    world.once("CreateIPSet", Phase::After, move |_, _| signal.raise());
    let killed = world.apply().await;
    assert_eq!(ended(&killed), (Outcome::Partial, 2, 1), "{}", killed.reason);
    assert_eq!(killed.reason, "partial: stopped by a signal; 1 write was made, 1 left to the next run");
    // Nothing was read since, but the report includes what was written.
    let sets: Vec<_> =
        killed.ip_sets.iter().map(|set| (set.name.as_str(), set.addresses, set.rule_group.as_deref())).collect();
    assert_eq!(sets, [("wafsync-ipv4-000", 2, Some("wafsync-1")), ("wafsync-ipv4-001", 2, None)]);
    assert_eq!(killed.current.ipv4, 4);
    assert_eq!(world.in_force(), ips(1..=2));
    world.signal = wafsync::stop::Signal::default();
    let next = world.next_apply().await;
    assert_eq!(ended(&next), (Outcome::Changed, 1, 1));
    assert_eq!(world.in_force(), ips(1..=4));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn unwanted_addresses_in_an_unwired_set_are_removed_before_it_is_wired() {
    let config = Config { set_capacity: 3, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=3);
    world.apply().await;
    let description = Some("wafsync wafsync planted");
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &["203.0.113.66/32", &ip(4)], description);
    world.items(4..=5);
    world.aws.on_call(|aws, call| {
        if call.phase == Phase::After {
            let wired = aws.rule_group("wafsync-1").unwrap().rules.to_string();
            let set = aws.ip_set("wafsync-ipv4-001").unwrap();
            let unwanted = set.addresses.contains(&"203.0.113.66/32".to_owned());
            assert!(!(wired.contains(&set.arn) && unwanted), "an unwanted address came into force");
        }
    });
    let document = world.next_apply().await;
    assert_eq!(
        (ended(&document), document.guard.verdict.as_str()),
        ((Outcome::Changed, 2, 2), "pass"),
        "{}",
        document.reason
    );
    assert_eq!(world.in_force(), ips(1..=5));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_unwired_set_edited_before_it_is_filled_is_read_again_before_it_is_wired() {
    let config = Config { set_capacity: 3, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=3);
    world.apply().await;
    let description = Some("wafsync wafsync left over");
    world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &[&ip(4)], description);
    world.items(4..=5);
    world.once("UpdateIPSet", Phase::Before, |aws, _| {
        aws.edit_ip_set("wafsync-ipv4-001", |set| set.push("203.0.113.66/32".to_owned()));
    });
    world.aws.on_call(|aws, call| {
        if call.phase == Phase::After {
            let wired = aws.rule_group("wafsync-1").unwrap().rules.to_string();
            let set = aws.ip_set("wafsync-ipv4-001").unwrap();
            let unwanted = set.addresses.contains(&"203.0.113.66/32".to_owned());
            assert!(!(wired.contains(&set.arn) && unwanted), "an unwanted address came into force");
        }
    });
    let document = world.next_apply().await;
    assert_eq!(document.outcome, Outcome::Changed, "{}", document.reason);
    assert_eq!(world.in_force(), ips(1..=5));
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_in_two_sets_is_never_removed_from_both() {
    let config = Config { set_capacity: 4, ..Config::default() };
    let world = World::with(config, &["--max-ip-sets", "4"]);
    world.items(1..=6);
    world.apply().await;
    world.aws.edit_ip_set("wafsync-ipv4-001", |set| set.push(ip(1)));
    let sealed = world.next_apply().await;
    assert_eq!(
        (ended(&sealed), changes(&sealed)),
        ((Outcome::Changed, 1, 1), vec!["update_ip_set wafsync-ipv4-001".to_owned()])
    );
    assert_eq!(ended(&world.next_apply().await), (Outcome::Converged, 0, 0), "a spare copy is not a reason to write");
    world.items(7..=7);
    world.aws.on_call(|aws, call| {
        let holds = |name: &str| aws.ip_set(name).unwrap().addresses.contains(&ip(1));
        assert!(call.phase == Phase::Before || holds("wafsync-ipv4-000") || holds("wafsync-ipv4-001"));
    });
    let document = world.next_apply().await;
    assert_eq!(ended(&document), (Outcome::Changed, 1, 1));
    let in_force: BTreeSet<String> = world.in_force().into_iter().collect();
    assert_eq!(in_force, ips(1..=7).into_iter().collect(), "the copy stays while there is room");
    world.later().await;
    world.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_cut_off_by_the_deadline_has_an_unknown_effect() {
    let world = World::new(&["--deadline", "10s", "--settle", "1s"]);
    world.items(1..=5);
    world.apply().await;
    world.later().await;
    world.items(6..=6);
    world.fail("UpdateIPSet", When::After, FaultKind::Never);
    let began = tokio::time::Instant::now();
    let document = world.apply().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(ended(&document), (Outcome::Partial, 1, 0));
    assert_eq!(
        document.reason,
        "partial: stopped before the deadline; no write was confirmed, the effect of 1 is unknown"
    );
    assert_eq!(world.in_force(), ips(1..=6));
    world.later().await;
    world.settled().await;
}

/// A run with one address to remove, which the guard holds, and one to add, whose write gets no answer before the deadline.
async fn held_and_cut_off() -> World {
    let world = World::new(&["--deadline", "10s", "--settle", "1s", "--max-removals", "0"]);
    world.items(1..=5);
    world.apply().await;
    world.later().await;
    world.no_items(5..=5);
    world.items(6..=6);
    world.fail("UpdateIPSet", When::After, FaultKind::Never);
    world
}

#[tokio::test(start_paused = true)]
async fn a_held_run_that_was_cut_off_says_what_is_unknown_and_why() {
    let made = "no write was confirmed, the effect of 1 is unknown";
    let open = "not finished: stopped before the deadline";
    let world = held_and_cut_off().await;
    let document = world.apply().await;
    assert_eq!(document.outcome, Outcome::Held);
    assert_eq!(document.reason, format!("held: 1 removal waits for approval; {made}; {open}"));
    assert_eq!(world.in_force(), ips(1..=6));
    let text = held_and_cut_off().await.text(Command::Apply).await;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("HELD: {made}; 1 removal waits for approval; {open}")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_read_cut_off_by_the_deadline_is_not_a_failure() {
    let world = World::new(&["--deadline", "10s", "--settle", "1s"]);
    world.items(1..=5);
    world.fail("Scan", When::Before, FaultKind::Never);
    let document = world.apply().await;
    assert_eq!(
        (ended(&document), document.reason.as_str()),
        ((Outcome::Partial, 0, 0), "partial: stopped before the deadline; no write was made")
    );
}
