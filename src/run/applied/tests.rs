use super::*;
use crate::planning::change::Stage;
use crate::run::effect::tests::{after, group, set, update_group, update_set};

const A: &str = "198.51.100.1/32";
const B: &str = "198.51.100.2/32";
const SET: &str = "wafsync-ipv4-000";

#[test]
fn a_confirmed_write_settles_the_unsure_ones_that_it_replaces() {
    let mut applied = Applied { unsure: vec![update_set("1", set(SET, &[A]))], ..Applied::default() };
    applied.confirm(update_set("1", set(SET, &[B])));
    assert_eq!((applied.done.len(), applied.unsure.len()), (1, 0));
}

#[test]
fn writes_with_another_token_another_target_or_of_another_kind_stay_unsure() {
    let unsure = vec![
        update_set("0", set(SET, &[A])),
        update_set("1", set("wafsync-ipv4-001", &[A])),
        update_group("1", group(SET, &[])),
        Write::CreateIpSet(set(SET, &[A])),
    ];
    let mut applied = Applied { unsure, ..Applied::default() };
    applied.confirm(update_set("1", set(SET, &[B])));
    assert_eq!((applied.done.len(), applied.unsure.len()), (1, 4));
}

#[test]
fn a_write_whose_answer_was_lost_counts_as_done_once_a_read_shows_it() {
    let shown = update_set("1", set(SET, &[A, B]));
    let missing = update_set("7", set("wafsync-ipv4-001", &[A]));
    let mut applied = Applied { unsure: vec![shown.clone(), missing.clone()], ..Applied::default() };
    let current = after(&[Write::CreateIpSet(set(SET, &[A])), shown.clone()]);
    assert_eq!(applied.acknowledge(&current, "wafsync"), [Origin::of(&shown)]);
    assert_eq!((applied.done, applied.unsure), (vec![shown], vec![missing]));
}

#[test]
fn a_write_that_was_sent_twice_without_an_answer_counts_once() {
    let sent = update_set("1", set(SET, &[A, B]));
    let mut applied = Applied { unsure: vec![sent.clone(), sent.clone()], ..Applied::default() };
    let current = after(&[Write::CreateIpSet(set(SET, &[A])), sent.clone()]);
    assert_eq!(applied.acknowledge(&current, "wafsync"), [Origin::of(&sent)]);
    assert_eq!((applied.done, applied.unsure), (vec![sent], vec![]));
}

#[test]
fn writes_are_counted_by_kind() {
    let done = vec![
        Write::CreateIpSet(set(SET, &[A])),
        Write::CreateIpSet(set("wafsync-ipv4-001", &[A])),
        update_group("1", group("wafsync-1", &[SET])),
    ];
    let applied = Applied { done, ..Applied::default() };
    assert_eq!(
        applied.writes().into_iter().collect::<Vec<_>>(),
        [(WriteKind::CreateIpSet, 2), (WriteKind::UpdateRuleGroup, 1)]
    );
}

#[test]
fn a_change_was_written_if_a_write_of_its_kind_and_target_is_done() {
    let applied = Applied { done: vec![update_set("1", set(SET, &[A]))], ..Applied::default() };
    let change = |write| Change {
        stage: Stage::Add,
        write,
        add: [].into(),
        remove: [].into(),
        relies_on: vec![],
        refer: vec![],
        unrefer: vec![],
    };
    assert!(applied.wrote(&change(update_set("1", set(SET, &[A])))));
    assert!(!applied.wrote(&change(Write::CreateIpSet(set(SET, &[A])))));
    assert!(!applied.wrote(&change(update_set("1", set("wafsync-ipv4-001", &[A])))));
}
