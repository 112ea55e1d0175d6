//! The decisions of a plan, one at a time.

use super::*;
use crate::model::web_acl::{UnreadWebAcl, WebAcl};

const A: &str = "203.0.113.1/32";
const B: &str = "203.0.113.2/32";
const C: &str = "203.0.113.3/32";

fn cidrs(list: &[&str]) -> Cidrs {
    let mut cidrs: Vec<Cidr> = list.iter().map(|text| Cidr::parse(text).unwrap()).collect();
    cidrs.sort_unstable();
    cidrs.into()
}

/// A managed IP set that no rule refers to, with a true sum.
fn set(name: &str, list: &[&str]) -> Shard {
    let cidrs = cidrs(list);
    Shard {
        name: name.into(),
        id: name.into(),
        arn: arn(name),
        family: Family::Ipv4,
        adopted: false,
        mark: Some(Mark { fingerprint: Some(cidrs.fingerprint()) }),
        token: LockToken(String::new()),
        cidrs,
        group: None,
        created: false,
    }
}

fn adopted(list: &[&str]) -> Shard {
    Shard { adopted: true, mark: None, ..set("offices", list) }
}

/// Two rule groups. The first refers to the sets that have a group, and to these others.
fn current(shards: Vec<Shard>, others: &[&str]) -> Current {
    let wired = shards.iter().filter(|shard| shard.group.is_some()).map(|shard| shard.name.clone());
    let references = wired.chain(others.iter().map(ToString::to_string)).collect();
    let group = |number, references| {
        rule_group(number, &Group { references, edited: false, table: target().table_tag(Some(ACCOUNT)) })
    };
    let groups = vec![group(1, references), group(2, Vec::new())];
    Current { shards, groups, account: Some(ACCOUNT.into()), ..Current::default() }
}

fn wired(shard: Shard) -> Shard {
    Shard { group: Some(0), ..shard }
}

/// What a plan rests on besides what WAF holds.
struct Rest<'a> {
    wanted: &'a [&'a str],
    earlier: &'a [&'a [&'a str]],
    held: &'a [&'a str],
    proven: bool,
    at_start: Option<&'a Current>,
    waiting: &'a [&'a str],
    keeps_foreign: bool,
}

/// Everything may be removed that the table does not ask for.
const fn wanting_only<'a>(wanted: &'a [&'a str]) -> Rest<'a> {
    Rest { wanted, earlier: &[], held: &[], proven: true, at_start: None, waiting: &[], keeps_foreign: false }
}

fn planned(current: &Current, rest: &Rest<'_>) -> Plan {
    let desired = wanting(rest.wanted);
    let earlier: Vec<Desired> = rest.earlier.iter().map(|scan| wanting(*scan)).collect();
    let diff = Diff::new(&desired, &earlier, &[], current);
    let target = target();
    let basis = Basis {
        desired: &desired,
        current,
        at_start: rest.at_start,
        diff: &diff,
        target: &target,
        policy: &POLICY,
        limits: LIMITS,
    };
    let held: Vec<Cidr> = cidrs(rest.held).iter().collect();
    let waiting: Vec<Cidr> = cidrs(rest.waiting).iter().collect();
    let Rest { proven, keeps_foreign, .. } = *rest;
    Plan::new(basis, Restraint { held: &held, waiting: &waiting, closed: &[], proven, keeps_foreign })
}

/// Each change as a line, and what is deferred.
fn lines(current: &Current, rest: &Rest<'_>) -> (Vec<String>, Vec<String>) {
    let plan = planned(current, rest);
    let line = |change: &Change| {
        let mut line = format!("{:?} {}", change.stage, change.write.target());
        for (sign, list) in [('+', &change.add), ('-', &change.remove)] {
            line.extend(list.iter().map(|cidr| format!(" {sign}{cidr}")));
        }
        for (sign, names) in [('+', &change.refer), ('-', &change.unrefer), ('~', &change.relies_on)] {
            line.extend(names.iter().map(|name| format!(" {sign}{name}")));
        }
        line
    };
    (plan.changes.iter().map(line).collect(), plan.deferred.iter().map(ToString::to_string).collect())
}

fn expect(current: &Current, rest: &Rest<'_>, changes: &[&str], deferred: &[&str]) {
    let (planned, left) = lines(current, rest);
    assert_eq!((planned.as_slice(), left.as_slice()), (&*strings(changes), &*strings(deferred)));
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn a_removal_goes_only_if_it_is_proven_and_not_held() {
    let current = current(vec![wired(set("wafsync-ipv4-000", &[A, B]))], &[]);
    let rest = wanting_only(&[A]);
    expect(&current, &rest, &["Remove wafsync-ipv4-000 -203.0.113.2/32"], &[]);
    expect(&current, &Rest { held: &[B], ..wanting_only(&[A]) }, &[], &[]);
    expect(&current, &Rest { proven: false, ..wanting_only(&[A]) }, &[], &[B]);
    expect(&current, &Rest { proven: false, held: &[B], ..wanting_only(&[A]) }, &[], &[]);
    expect(&current, &Rest { earlier: &[&[A, B]], ..wanting_only(&[A]) }, &[], &[B]);
}

#[test]
fn an_adopted_set_takes_no_addition_while_a_removal_from_it_waits() {
    let current = current(vec![wired(adopted(&[A, B]))], &[]);
    let rest = wanting_only(&[A, C]);
    expect(&current, &rest, &["Add offices +203.0.113.3/32 -203.0.113.2/32"], &[]);
    let elsewhere = ["Add wafsync-ipv4-000 +203.0.113.3/32", "Wire wafsync-1 +wafsync-ipv4-000"];
    expect(&current, &Rest { proven: false, ..wanting_only(&[A, C]) }, &elsewhere, &[B]);
    expect(&current, &Rest { earlier: &[&[A, B]], ..wanting_only(&[A, C]) }, &elsewhere, &[B]);
    // Without a removal that waits, it takes additions like any other set.
    let unproven = Rest { proven: false, ..wanting_only(&[A, B, C]) };
    expect(&current, &unproven, &["Add offices +203.0.113.3/32"], &[]);
    // A set that is managed already has nothing to keep back.
    let managed = super::cases::current(vec![wired(set("wafsync-ipv4-000", &[A, B]))], &[]);
    let unproven = Rest { proven: false, ..wanting_only(&[A, C]) };
    expect(&managed, &unproven, &["Add wafsync-ipv4-000 +203.0.113.3/32"], &[B]);
}

#[test]
fn an_adopted_set_is_wired_with_all_its_contents_and_one_that_was_given_back_is_not() {
    let kept = Rest { held: &[B], ..wanting_only(&[A]) };
    expect(&current(vec![adopted(&[A, B])], &[]), &kept, &["Wire wafsync-1 +offices"], &[]);
    let given_back = Shard { adopted: true, ..set("offices", &[A, B]) };
    let (changes, _) = lines(&current(vec![given_back], &[]), &kept);
    assert!(!changes.iter().any(|change| change.contains("+offices")), "{changes:?}");
}

#[test]
fn unwired_sets_are_stripped_before_a_rule_refers_to_them_but_adopted_ones_afterwards() {
    let rest = wanting_only(&[A]);
    let strip = ["Strip wafsync-ipv4-000 -203.0.113.2/32", "Wire wafsync-1 +wafsync-ipv4-000"];
    expect(&current(vec![set("wafsync-ipv4-000", &[A, B])], &[]), &rest, &strip, &[]);
    let remove = ["Wire wafsync-1 +offices", "Remove offices -203.0.113.2/32"];
    expect(&current(vec![adopted(&[A, B])], &[]), &rest, &remove, &[]);
    let given_back = Shard { adopted: true, ..set("offices", &[A, B]) };
    let strip = ["Strip offices -203.0.113.2/32", "Wire wafsync-1 +offices"];
    expect(&current(vec![given_back], &[]), &rest, &strip, &[]);
}

#[test]
fn a_set_that_the_table_has_come_to_agree_with_is_sealed() {
    let edited = |list, written: &[&str]| Shard {
        mark: Some(Mark { fingerprint: Some(cidrs(written).fingerprint()) }),
        ..wired(set("wafsync-ipv4-000", list))
    };
    let rest = wanting_only(&[A, B]);
    expect(&current(vec![edited(&[A, B], &[A])], &[]), &rest, &["Add wafsync-ipv4-000"], &[]);
    expect(&current(vec![edited(&[A, B], &[A, B])], &[]), &rest, &[], &[]);
    let says_nothing = Shard { mark: Some(Mark { fingerprint: None }), ..edited(&[A, B], &[]) };
    expect(&current(vec![says_nothing], &[]), &rest, &[], &[]);
    let kept = Rest { held: &[C], ..wanting_only(&[A, B]) };
    expect(&current(vec![edited(&[A, B, C], &[A])], &[]), &kept, &[], &[]);
}

#[test]
fn a_full_set_relies_on_another_only_for_what_that_had_in_force_when_the_run_began() {
    let wide = "203.0.113.0/31";
    let others = ["203.0.113.8/32", "203.0.113.9/32", "203.0.113.10/32"];
    let hosts = ["203.0.113.0/32", "203.0.113.1/32"];
    let full = || wired(set("wafsync-ipv4-000", &[&[wide], &others[..]].concat()));
    let other = |list: &[&str]| set("wafsync-ipv4-001", list);
    let wanted = [&hosts[..], &others[..]].concat();
    let now = current(vec![full(), wired(other(&hosts))], &[]);
    let beginning = |other: Shard| current(vec![full(), other], &[]);

    let as_now = beginning(wired(other(&hosts)));
    let rest = Rest { at_start: Some(&as_now), ..wanting_only(&wanted) };
    expect(&now, &rest, &["Remove wafsync-ipv4-000 -203.0.113.0/31 ~wafsync-ipv4-001"], &[]);
    for before in [wired(other(&[])), other(&hosts)] {
        let before = beginning(before);
        expect(&now, &Rest { at_start: Some(&before), ..wanting_only(&wanted) }, &[], &[wide]);
    }
}

/// A web ACL that refers to the rule groups with these numbers.
fn acl(groups: &[usize]) -> WebAcl {
    WebAcl {
        name: "rancher".into(),
        arn: arn("rancher"),
        refers_to: groups.iter().map(|number| arn(&target().group_name(*number))).collect(),
        overridden: Vec::new(),
    }
}

fn unread() -> UnreadWebAcl {
    UnreadWebAcl { name: "rancher".into(), message: String::new(), hint: None, lasting: false }
}

/// A full set in the first rule group, of which one CIDR can leave if it relies on a set in the other rule group, or in
/// the same one.
fn relying(full: Shard, same_group: bool) -> Current {
    let other = Shard {
        group: Some(usize::from(!same_group)),
        ..set("wafsync-ipv4-001", &["203.0.113.0/32", "203.0.113.1/32"])
    };
    let full =
        Shard { cidrs: cidrs(&["203.0.113.0/31", "203.0.113.8/32", "203.0.113.9/32", "203.0.113.10/32"]), ..full };
    let mut shards = vec![wired(full), other];
    shards.sort_by(|a, b| a.name.cmp(&b.name));
    let mut current = current(shards, &[]);
    for (index, group) in current.groups.iter_mut().enumerate() {
        let here = current.shards.iter().filter(|shard| shard.group == Some(index));
        group.rule = rule_group(
            1,
            &Group { references: here.map(|shard| shard.name.clone()).collect(), edited: false, table: None },
        )
        .rule;
    }
    current
}

/// What the table asks for then.
const RELYING: [&str; 5] = ["203.0.113.0/32", "203.0.113.1/32", "203.0.113.8/32", "203.0.113.9/32", "203.0.113.10/32"];

/// Whether the CIDR leaves the full set.
fn leaves(current: &Current) -> bool {
    let plan = planned(current, &wanting_only(&RELYING));
    let relies = plan.changes.iter().any(|change| change.relies_on == ["wafsync-ipv4-001"]);
    assert_ne!(relies, plan.deferred == cidrs(&["203.0.113.0/31"]).iter().collect::<Vec<_>>(), "{plan:#?}");
    relies
}

#[test]
fn a_set_relies_on_one_that_every_web_acl_lets_in_as_well() {
    let full = || set("wafsync-ipv4-000", &[]);
    let elsewhere = |acls: Option<Vec<WebAcl>>| Current { web_acls: acls, ..relying(full(), false) };
    assert!(leaves(&elsewhere(None)));
    assert!(leaves(&elsewhere(Some(vec![acl(&[1, 2]), acl(&[2])]))));
    assert!(!leaves(&elsewhere(Some(vec![acl(&[1, 2]), acl(&[1])]))));
    // One whose rule group does not let in by its rule is no help.
    let mut counting = elsewhere(None);
    counting.groups[1].rule = GroupRule::Edited { references: vec![arn("wafsync-ipv4-001")], seen: String::new() };
    assert!(!leaves(&counting));
    // As many as are told apart; then one more, and the last one matters.
    assert!(leaves(&elsewhere(Some(vec![acl(&[1, 2]); 64]))));
    let many = |last| vec![acl(&[1, 2]); 64].into_iter().chain([last]).collect();
    assert!(!leaves(&elsewhere(Some(many(acl(&[1]))))));
    assert!(leaves(&Current { web_acls: Some(many(acl(&[1]))), ..relying(full(), true) }));
    // One that could not be read may refer to any of them.
    let some_unread =
        |same| Current { web_acls: Some(Vec::new()), unread_web_acls: vec![unread()], ..relying(full(), same) };
    assert!(!leaves(&some_unread(false)));
    assert!(leaves(&some_unread(true)));
}

#[test]
fn a_set_in_two_rule_groups_relies_on_one_that_is_let_in_by_both() {
    let mut current = Current { web_acls: Some(vec![acl(&[2])]), ..relying(set("wafsync-ipv4-000", &[]), true) };
    assert!(leaves(&current));
    current.groups[1].rule =
        rule_group(2, &Group { references: vec!["wafsync-ipv4-000".into()], edited: false, table: None }).rule;
    assert!(!leaves(&current));
    let before = current.clone();
    current.groups[1].rule = current.groups[0].rule.clone();
    assert!(leaves(&current));
    assert!(leaves(&Current { web_acls: Some(vec![acl(&[1, 2])]), ..current.clone() }));
    // A web ACL lets in one by both, and the other by none.
    let mut apart = Current { web_acls: Some(vec![acl(&[1, 2])]), ..current.clone() };
    let of = |number, name: &str| {
        rule_group(number, &Group { references: vec![name.to_owned()], edited: false, table: None })
    };
    apart.groups = vec![of(1, "wafsync-ipv4-000"), of(2, "wafsync-ipv4-000"), of(3, "wafsync-ipv4-001")];
    apart.shards[1].group = Some(2);
    assert!(!leaves(&apart));
    // The other is let in by both only since the run began.
    let rest = Rest { at_start: Some(&before), ..wanting_only(&RELYING) };
    assert_eq!(planned(&current, &rest).changes, []);
}

#[test]
fn an_adopted_set_relies_on_others_only_once_every_web_acl_refers_to_its_rule_group() {
    let full = Shard { adopted: true, ..set("offices", &[]) };
    let of = |web_acls, unread_web_acls| Current { web_acls, unread_web_acls, ..relying(full.clone(), true) };
    assert!(leaves(&of(None, vec![])));
    assert!(leaves(&of(Some(vec![acl(&[1])]), vec![])));
    assert!(!leaves(&of(Some(vec![acl(&[1]), acl(&[])]), vec![])));
    assert!(!leaves(&of(Some(vec![acl(&[1])]), vec![unread()])));
}

#[test]
fn a_new_set_goes_to_a_rule_group_that_every_web_acl_refers_to() {
    let rest = wanting_only(&[A]);
    for (web_acls, group) in [
        (None, "wafsync-1"),
        (Some(vec![acl(&[1, 2])]), "wafsync-1"),
        (Some(vec![acl(&[2])]), "wafsync-2"),
        (Some(vec![acl(&[1, 2]), acl(&[2])]), "wafsync-2"),
    ] {
        let current = Current { web_acls, ..current(Vec::new(), &[]) };
        let wire = format!("Wire {group} +wafsync-ipv4-000");
        expect(&current, &rest, &["Add wafsync-ipv4-000 +203.0.113.1/32", &wire], &[]);
    }
}

/// Both rule groups refer to both sets, which are full.
fn doubled() -> Current {
    let sets = ["wafsync-ipv4-000", "wafsync-ipv4-001"].into_iter().zip(NINE.chunks(4));
    let mut current = current(sets.map(|(name, hosts)| wired(set(name, hosts))).collect(), &[]);
    current.groups[1].rule = current.groups[0].rule.clone();
    current
}

/// What both sets hold, and one more.
const NINE: [&str; 9] = [
    "203.0.113.0/32",
    "203.0.113.1/32",
    "203.0.113.2/32",
    "203.0.113.3/32",
    "203.0.113.4/32",
    "203.0.113.5/32",
    "203.0.113.6/32",
    "203.0.113.7/32",
    "203.0.113.8/32",
];

#[test]
fn a_double_reference_makes_room_where_there_is_no_other() {
    let changes = [
        "Add wafsync-ipv4-002 +203.0.113.8/32",
        "Unwire wafsync-2 +wafsync-ipv4-002 -wafsync-ipv4-000 ~wafsync-ipv4-000",
    ];
    expect(&doubled(), &wanting_only(&NINE), &changes, &[]);
    // It stays while nothing needs its place.
    expect(&doubled(), &wanting_only(&NINE[..8]), &[], &[]);
    let mut roomy = doubled();
    roomy.groups[1].rule = current(vec![wired(set("wafsync-ipv4-000", &[]))], &[]).groups[0].rule.clone();
    let changes = ["Add wafsync-ipv4-002 +203.0.113.8/32", "Wire wafsync-2 +wafsync-ipv4-002"];
    expect(&roomy, &wanting_only(&NINE), &changes, &[]);
}

#[test]
fn a_double_reference_stays_where_the_other_does_not_replace_it_for_sure() {
    let for_some = Current { web_acls: Some(vec![acl(&[2])]), ..doubled() };
    let unknown = Current { web_acls: Some(Vec::new()), unread_web_acls: vec![unread()], ..doubled() };
    let mut edited = doubled();
    edited.groups[0].rule = GroupRule::Standard {
        policy: RulePolicy { action: Action::Count, forwarded: None },
        labels: Vec::new(),
        references: edited.groups[0].rule.references().to_vec(),
        tidy: true,
    };
    for current in [&for_some, &unknown, &edited] {
        let plan = planned(current, &wanting_only(&NINE));
        assert!(plan.changes.iter().all(|change| change.unrefer.is_empty()), "{plan:#?}");
        assert_eq!(plan.unplaced, cidrs(&["203.0.113.8/32"]).iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_double_reference_stays_if_the_other_lets_in_the_same_clients_only_since_the_run_began() {
    let drops = |before: &Current, now: &Current| {
        let rest = Rest { at_start: Some(before), ..wanting_only(&NINE) };
        planned(now, &rest).changes.iter().any(|change| !change.unrefer.is_empty())
    };
    let behind = |acls: Vec<WebAcl>| Current { web_acls: Some(acls), ..doubled() };
    assert!(drops(&doubled(), &doubled()));
    assert!(drops(&behind(vec![acl(&[1, 2])]), &behind(vec![acl(&[1, 2])])));
    assert!(!drops(&behind(vec![acl(&[2])]), &behind(vec![acl(&[1, 2])])), "attached since");
    assert!(!drops(&behind(vec![]), &behind(vec![acl(&[1, 2])])), "unread at first");
    let mut before = doubled();
    before.groups[0].rule = GroupRule::Empty;
    assert!(!drops(&before, &doubled()), "wired since");
    before.groups[0].rule =
        GroupRule::Edited { references: doubled().groups[0].rule.references().to_vec(), seen: String::new() };
    assert!(!drops(&before, &doubled()), "put right since");
}

#[test]
fn what_needs_no_place_of_a_double_reference_does_not_wait_for_it() {
    let sets =
        [wired(set("wafsync-ipv4-000", &NINE[..4])), Shard { group: Some(1), ..set("wafsync-ipv4-001", &NINE[4..8]) }];
    let mut current = current(sets.into(), &[]);
    let first = vec!["wafsync-ipv4-000".to_owned()];
    current.groups[0].rule = rule_group(1, &Group { references: first, edited: false, table: None }).rule;
    let both = vec!["wafsync-ipv4-000".to_owned(), "wafsync-ipv4-001".to_owned()];
    current.groups[1].rule = rule_group(2, &Group { references: both, edited: false, table: None }).rule;
    let wanted = [&NINE[..], &["2001:db8::/48"]].concat();
    let changes = ["Add wafsync-ipv4-002 +203.0.113.8/32", "Wire wafsync-1 +wafsync-ipv4-002"];
    expect(&current, &wanting_only(&wanted), &changes, &[]);
}

#[test]
fn a_reference_to_a_foreign_set_is_dropped_last_and_named() {
    let current = current(vec![wired(set("wafsync-ipv4-000", &[A]))], &["foreign"]);
    expect(&current, &wanting_only(&[A]), &["Unwire wafsync-1 -arn:foreign ~wafsync-ipv4-000"], &[]);
    // It relies on all of ours, also on those that are made before.
    let full = super::cases::current(vec![wired(set("wafsync-ipv4-000", &NINE[4..8]))], &["foreign"]);
    let changes = [
        "Add wafsync-ipv4-001 +203.0.113.3/32",
        "Unwire wafsync-1 +wafsync-ipv4-001 -arn:foreign ~wafsync-ipv4-000 ~wafsync-ipv4-001",
    ];
    expect(&full, &wanting_only(&[&NINE[4..8], &[C]].concat()), &changes, &[]);
}

#[test]
fn an_empty_table_agrees_with_no_set_that_a_hand_has_emptied() {
    let emptied = Shard { cidrs: Cidrs::default(), ..set("wafsync-ipv4-000", &[A]) };
    let current = current(vec![wired(emptied), wired(set("wafsync-ipv4-001", &[B]))], &[]);
    expect(&current, &wanting_only(&[B]), &["Add wafsync-ipv4-000"], &[]);
    expect(&current, &Rest { held: &[B], ..wanting_only(&[]) }, &[], &[]);
}

/// The first rule group refers to a full set and to a foreign one.
fn beside_foreign() -> Current {
    current(vec![wired(set("wafsync-ipv4-000", &NINE[..4]))], &["foreign"])
}

#[test]
fn a_reference_to_a_foreign_set_stays_while_what_it_lets_in_may_have_no_other_place() {
    let dropped = "Unwire wafsync-1 -arn:foreign ~wafsync-ipv4-000";
    let four = || wanting_only(&NINE[..4]);
    assert!(!planned(&beside_foreign(), &four()).keeps_foreign);
    expect(&beside_foreign(), &four(), &[dropped], &[]);
    // A scan is missing, an addition waits, or an earlier scan asks for more.
    let more: Vec<&str> = NINE[..5].to_vec();
    for rest in [
        Rest { proven: false, ..four() },
        Rest { waiting: &NINE[4..5], ..wanting_only(&more) },
        Rest { keeps_foreign: true, ..four() },
    ] {
        assert!(planned(&beside_foreign(), &rest).keeps_foreign);
        expect(&beside_foreign(), &rest, &[], &[]);
    }
    // There is no room for all.
    let names = ["wafsync-ipv4-000", "wafsync-ipv4-001"];
    let mut full =
        current(names.into_iter().zip(NINE.chunks(4)).map(|(name, hosts)| wired(set(name, hosts))).collect(), &[]);
    full.groups[1].rule = beside_foreign().groups[0].rule.clone();
    full.groups[1].rule = GroupRule::Standard {
        policy: POLICY,
        labels: Vec::new(),
        references: vec![arn("foreign"), arn("other")],
        tidy: true,
    };
    let mut eighteen = NINE.to_vec();
    eighteen.extend(["203.0.113.9/32", "203.0.113.10/32", "203.0.113.11/32", "203.0.113.12/32"]);
    eighteen.extend(["203.0.113.13/32", "203.0.113.14/32", "203.0.113.15/32", "198.51.100.1/32"]);
    let plan = planned(&full, &wanting_only(&eighteen));
    assert!(plan.keeps_foreign && !plan.unplaced.is_empty(), "{plan:#?}");
    assert!(plan.changes.iter().all(|change| change.unrefer.is_empty()), "{plan:#?}");
    // Without one, there is nothing to keep.
    let ours = current(vec![wired(set("wafsync-ipv4-000", &NINE[..4]))], &[]);
    assert!(!planned(&ours, &Rest { keeps_foreign: true, ..four() }).keeps_foreign);
}

/// The references of a rule group after its change in this plan.
fn references_after(plan: &Plan, group: &str) -> Option<Vec<String>> {
    let change = plan.changes.iter().find(|change| change.write.target() == group)?;
    let Write::UpdateRuleGroup { spec, .. } = &change.write else { return None };
    Some(spec.references.iter().map(|reference| reference.name.clone()).collect())
}

#[test]
fn a_kept_reference_to_a_foreign_set_takes_a_place_and_stays_in_what_is_written() {
    let keeping = |wanted| Rest { keeps_foreign: true, ..wanting_only(wanted) };
    // Its rule group is full with it.
    let changes = ["Add wafsync-ipv4-001 +203.0.113.4/32", "Wire wafsync-2 +wafsync-ipv4-001"];
    expect(&beside_foreign(), &keeping(&NINE[..5]), &changes, &[]);
    let mut only = beside_foreign();
    only.groups[0].rule = rule_group(1, &Group { references: vec!["foreign".into()], edited: false, table: None }).rule;
    only.shards.clear();
    let plan = planned(&only, &keeping(&NINE[..1]));
    assert_eq!(references_after(&plan, "wafsync-1"), Some(strings(&["arn:foreign", "wafsync-ipv4-000"])));
}

#[test]
fn an_edited_rule_with_a_kept_reference_to_a_foreign_set_stays_as_it_is() {
    // It also refers to a set of the other rule group, and there is no other place for a further one.
    let mut edited = doubled();
    let references = vec![arn("wafsync-ipv4-000"), arn("foreign")];
    edited.groups[1].rule = GroupRule::Edited { references, seen: String::new() };
    let kept = planned(&edited, &Rest { keeps_foreign: true, ..wanting_only(&NINE) });
    assert_eq!((references_after(&kept, "wafsync-2"), kept.unplaced.len()), (None, 1), "{kept:#?}");
    let mut counting = edited.clone();
    counting.groups[1].rule = GroupRule::Standard {
        policy: RulePolicy { action: Action::Count, forwarded: None },
        labels: Vec::new(),
        references: edited.groups[1].rule.references().to_vec(),
        tidy: true,
    };
    let kept = planned(&counting, &Rest { keeps_foreign: true, ..wanting_only(&NINE) });
    assert_eq!((references_after(&kept, "wafsync-2"), kept.unplaced.len()), (None, 1), "{kept:#?}");
    let put_right = planned(&edited, &wanting_only(&NINE));
    assert_eq!(references_after(&put_right, "wafsync-2"), Some(strings(&["wafsync-ipv4-000", "wafsync-ipv4-002"])));
}
