//! The world that a seed creates: the table, the state of WAF, and what others do during a run.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use wafsync::model::policy::Action;
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, RuleGroupView, When};

use crate::careless::Careless;
use crate::chance::Chance;
use crate::faults::{KINDS_AT_FIRST, OPERATIONS, kinds};
use crate::observer::Observer;
use crate::richer;
use crate::seeds::Generation;
use crate::world::{World, small};

/// The maximum number of IP sets of an installation: enough for everything that a seed can ask for.
const MAX_IP_SETS: usize = 8;

const KEYS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// Addresses that are never wanted.
pub(crate) const UNWANTED: [&str; 4] =
    ["203.0.113.200/32", "203.0.113.201/32", "203.0.113.202/32", "2001:db8:bad::/48"];

/// A CIDR that a cluster may ask for. Some are neighbors or nested, and both families occur.
pub(crate) fn cidr(chance: &mut Chance) -> String {
    match chance.below(10) {
        0 => format!("198.51.100.{}/31", 2 * chance.below(4)),
        1 => "198.51.100.0/30".to_owned(),
        2 | 3 => format!("2001:db8:{}::/48", chance.below(3)),
        _ => format!("198.51.100.{}/32", chance.below(8)),
    }
}

/// The addresses to ask `explain` about: some that a cluster may ask for, and unwanted ones.
pub(crate) fn addresses(chance: &mut Chance) -> Vec<String> {
    let mut asked: BTreeSet<String> = (0..4).map(|_| cidr(chance)).collect();
    asked.insert((*chance.pick(&UNWANTED)).to_owned());
    asked.into_iter().collect()
}

/// The CIDRs of one item: few, and without duplicates.
fn cidrs(chance: &mut Chance) -> Vec<String> {
    let some: BTreeSet<String> = (0..chance.below(4)).map(|_| cidr(chance)).collect();
    some.into_iter().collect()
}

fn put(aws: &Aws, observer: &Observer, key: &str, cidrs: &[String], bad: bool) {
    let cidrs: Vec<&str> = cidrs.iter().map(String::as_str).collect();
    let bad: &[&str] = if bad { &["54.123.456.78/32"] } else { &[] };
    observer.put_item(aws, key, &cidrs, bad);
}

/// A world in which `operation` is called at some time, and how long new sets are unavailable in it.
pub(crate) async fn world(
    chance: &mut Chance,
    operation: &str,
    careless: Option<Careless>,
    mut richer: Option<&mut Chance>,
    mut richest: Option<&mut Chance>,
) -> (World, Duration) {
    let adopting = chance.one_in(4);
    let acl = operation.contains("WebACL") || chance.one_in(6);
    let mut args = Vec::new();
    if adopting {
        args.push("--adopt=offices");
    }
    if chance.one_in(4) {
        args.push("--always=192.0.2.77/32");
    }
    if chance.one_in(4) {
        args.push("--on-rejection=skip");
    }
    if chance.one_in(5) {
        args.push("--segments=2");
    }
    let mut config = config(chance);
    if let Some(richer) = &mut richer {
        config = richer::config(config, richer);
        args.push("--expiry-attribute=expires");
    }
    let propagation = config.propagation;
    let mut world = World::new(config, &args);
    world.careless = careless;
    if richest.as_mut().is_some_and(|richest| richest.one_in(4)) {
        world.settings.waf.policy.action = Action::Count;
        world.tell();
    }
    world.settings.waf.limits.max_ip_sets = MAX_IP_SETS;
    world.aws.put_ip_set("REGIONAL", "foreign", "IPV4", &["192.0.2.0/24"], None);
    world.aws.put_rule_group("REGIONAL", "other-rules", 10, None, json!([]));
    let foreign = chance.one_in(5);
    if foreign {
        world.aws.put_ip_set("REGIONAL", "wafsync-ipv4-001", "IPV4", &["203.0.113.210/32"], Some("Not yours"));
    }
    world.set_foreign(if foreign { &["wafsync-ipv4-001"] } else { &[] });

    put(&world.aws, &world.observer, "steady", &["198.51.100.200/32".to_owned()], false);
    for key in KEYS.iter().take(2 + chance.below(4)) {
        put(&world.aws, &world.observer, key, &cidrs(chance), false);
    }
    if let Some(richer) = &mut richer {
        richer::expiries(&world.aws, &world.observer, richer);
    }
    // Reads and updates of a resource need one. Otherwise the run may be a first run.
    let first = operation == "CreateRuleGroup" || (!operation.starts_with("Get") && chance.one_in(6));
    if !first || operation.starts_with("Update") {
        let adopted = std::mem::take(&mut world.settings.waf.adopt);
        world.converges().await;
        world.settings.waf.adopt = adopted;
        past(&world, chance, operation);
    }
    if adopting {
        let held = ["198.51.100.1/32", "203.0.113.220/32"];
        world.aws.put_ip_set("REGIONAL", "offices", "IPV4", &held, Some("Offices"));
    }
    if acl {
        web_acl(&mut world, chance);
    }
    world.settings.table.aggregate = chance.one_in(4);
    // The change that the next run is about.
    for _ in 0..=chance.below(3) {
        change(&world.aws, &world.observer, chance);
    }
    if operation == "CreateIPSet" || operation == "CreateRuleGroup" {
        let some: Vec<String> = (20..29).map(|host| format!("198.51.100.{}/32", 2 * host)).collect();
        put(&world.aws, &world.observer, "growth", &some, false);
    }
    if operation.starts_with("Update") {
        // An empty table would block every write.
        put(&world.aws, &world.observer, "growth", &["198.51.100.60/32".to_owned()], false);
    }
    if operation == "UpdateIPSet" {
        let marked =
            world.aws.ip_sets().into_iter().find(|set| is_ours(&world.aws, &set.name) && set.version == "IPV4");
        if let Some(set) = marked {
            world.by_hand(|aws| aws.edit_ip_set(&set.name, Vec::clear));
        }
    }
    (world, propagation)
}

fn config(chance: &mut Chance) -> Config {
    let seconds = |chance: &mut Chance, many, end| {
        if chance.one_in(many) { Duration::from_secs(1 + chance.draw_below(end)) } else { Duration::ZERO }
    };
    Config {
        seed: chance.draw(),
        list_page: if chance.one_in(3) { 2 } else { 100 },
        always_next_marker: chance.one_in(3),
        empty_scan_pages: chance.one_in(4),
        propagation: seconds(chance, 4, 400),
        read_lag: seconds(chance, 5, 8),
        ..small()
    }
}

/// Changes to WAF since the last run, by people, attackers and killed runs.
fn past(world: &World, chance: &mut Chance, operation: &str) {
    let ours: Vec<String> =
        world.aws.ip_sets().into_iter().map(|set| set.name).filter(|name| is_ours(&world.aws, name)).collect();
    for _ in 0..chance.below(3) {
        edit(&world.aws, &world.observer, &ours, chance);
    }
    if operation == "UpdateRuleGroup" || chance.one_in(5) {
        // A run was killed before it wired this set, or an attacker created it: the description begins like ours.
        let planted = [UNWANTED[0], "198.51.100.4/32"];
        let name = format!("wafsync-ipv4-00{}", 6 + chance.below(2));
        world.by_hand(|aws| drop(aws.put_ip_set("REGIONAL", &name, "IPV4", &planted, Some("wafsync wafsync sum"))));
    }
}

pub(crate) fn is_ours(aws: &Aws, name: &str) -> bool {
    aws.ip_set(name).is_some_and(|set| set.description.is_some_and(|text| text.starts_with("wafsync wafsync ")))
}

/// Edits one of our IP sets, or the rule of one of our groups, by hand.
fn edit(aws: &Aws, observer: &Observer, ours: &[String], chance: &mut Chance) {
    if ours.is_empty() {
        return;
    }
    let name = chance.pick(ours).clone();
    let family_fits = |cidr: &str| cidr.contains(':') == name.contains("ipv6");
    let unwanted = *chance.pick(&UNWANTED);
    let wanted = cidr(chance);
    let kind = chance.below(8);
    observer.by_hand(aws, |aws| match kind {
        0..=2 if family_fits(unwanted) => aws.edit_ip_set(&name, |cidrs| add(cidrs, unwanted)),
        3 if family_fits(&wanted) => aws.edit_ip_set(&name, |cidrs| add(cidrs, &wanted)),
        4 => aws.edit_ip_set(&name, |cidrs| drop(cidrs.pop())),
        5 => aws.describe_ip_set(&name, Some("edited")),
        6 => rename_rule(aws),
        7 => drop_reference(aws, &name),
        _ => {}
    });
}

pub(crate) fn add(cidrs: &mut Vec<String>, cidr: &str) {
    if cidrs.len() < small().set_capacity && !cidrs.iter().any(|known| known == cidr) {
        cidrs.push(cidr.to_owned());
    }
}

fn rename_rule(aws: &Aws) {
    if aws.rule_group("wafsync-1").is_some() {
        aws.edit_rule_group("wafsync-1", |rules| {
            if let Some(rule) = rules.get_mut(0) {
                rule["Name"] = json!("renamed");
            }
        });
    }
}

/// Removes the only reference of a group by hand, with its rule.
pub(crate) fn drop_reference(aws: &Aws, set: &str) {
    let Some(set) = aws.ip_set(set) else { return };
    for group in aws.rule_groups() {
        if group.name.starts_with("wafsync-") && group.rules.to_string().contains(&set.arn) {
            aws.edit_rule_group(&group.name, |rules| *rules = json!([]));
        }
    }
}

/// Edits a rule group of ours by hand: its action, its references, or the table in its description.
pub(crate) fn edit_rules(world: &World, chance: &mut Chance) {
    let ours = world.aws.rule_groups().into_iter().filter(|group| group.name.starts_with("wafsync-"));
    let ours: Vec<_> = ours.filter(|group| group.rules.get(0).is_some()).collect();
    let Some(group) = ours.get(chance.below(ours.len().max(1))) else { return };
    let foreign = world.aws.ip_set("foreign").map(|set| set.arn);
    let kind = chance.below(3);
    world.by_hand(|aws| match kind {
        0 => aws.describe_rule_group(&group.name, Some("wafsync wafsync table:00000000")),
        1 => aws.edit_rule_group(&group.name, |rules| rules[0]["Action"] = json!({"Count": {}})),
        _ => aws.edit_rule_group(&group.name, |rules| {
            let plain = json!({"IPSetReferenceStatement": {"ARN": foreign}});
            let statement = rules[0]["Statement"].clone();
            let parts = statement.pointer("/OrStatement/Statements").and_then(Value::as_array).cloned();
            let mut parts = parts.unwrap_or_else(|| vec![statement]);
            parts.retain(|part| part.get("IPSetReferenceStatement").is_some());
            parts.push(plain);
            rules[0]["Statement"] =
                if parts.len() == 1 { parts[0].clone() } else { json!({"OrStatement": {"Statements": parts}}) };
        }),
    });
}

/// A web ACL that refers to some of the rule groups, or to none.
fn web_acl(world: &mut World, chance: &mut Chance) {
    let keep = !chance.one_in(3);
    let groups: Vec<Value> = world
        .aws
        .rule_groups()
        .iter()
        .filter(|group| keep && group.name.starts_with("wafsync-"))
        .enumerate()
        .map(|(priority, group)| group_rule(group, priority))
        .collect();
    // With labels the default action would be Allow, with a rule that blocks requests without a label. Only `check`
    // looks at that.
    let default = if world.settings.waf.policy.action == Action::Count { "Allow" } else { "Block" };
    world.aws.put_web_acl("REGIONAL", "edge", default, Value::Array(groups));
    world.settings.waf.web_acls = vec!["edge".to_owned()];
}

/// A rule of a web ACL that refers to this rule group.
pub(crate) fn group_rule(group: &RuleGroupView, priority: usize) -> Value {
    json!({
        "Name": group.name,
        "Priority": priority,
        "Statement": {"RuleGroupReferenceStatement": {"ARN": group.arn}},
        "OverrideAction": {"None": {}},
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"},
    })
}

/// Changes the table: an item is added, removed, changed, or written under a new key.
fn change(aws: &Aws, observer: &Observer, chance: &mut Chance) {
    let key = *chance.pick(&KEYS);
    match chance.below(8) {
        0 => observer.delete_item(aws, key),
        1 => put(aws, observer, key, &cidrs(chance), true),
        2 => {
            // The key of the item changes: the new row is written first, then the old one is deleted. A scan may see
            // neither.
            let cidrs = observer.item(key);
            let moved = format!("{key}#{}", chance.below(4));
            put(aws, observer, &moved, &cidrs, false);
            observer.delete_item(aws, key);
        }
        3 => {
            for key in KEYS.iter().chain(&["steady"]).filter(|_| !chance.one_in(5)) {
                observer.delete_item(aws, key);
            }
        }
        _ => put(aws, observer, key, &cidrs(chance), false),
    }
}

/// A random fault, of the kinds in this generation.
pub(crate) fn fault(chance: &mut Chance, generation: Generation) -> Fault {
    let mut kinds = kinds();
    if generation == Generation::First {
        kinds.truncate(KINDS_AT_FIRST);
    }
    let slow = [2, 8, 14, 40].map(|seconds| FaultKind::Slow(Duration::from_secs(seconds)));
    let kind = if chance.one_in(6) { chance.pick(&slow).clone() } else { chance.pick(&kinds).1.clone() };
    Fault {
        operation: (!chance.one_in(3)).then(|| (*chance.pick(&OPERATIONS)).to_owned()),
        target: None,
        skip: chance.below(6),
        times: if chance.one_in(3) { 1 + chance.below(12) } else { 1 },
        when: if chance.one_in(2) { When::Before } else { When::After },
        kind,
    }
}

/// Makes others edit the table and WAF at some later calls.
pub(crate) fn interfere(world: &World, chance: &mut Chance) {
    let at: Vec<usize> = (0..chance.below(4)).map(|_| chance.below(25)).collect();
    let mut later = Chance::new(chance.draw());
    world.at_calls(at, move |aws, observer| {
        if later.one_in(3) {
            let sets = aws.ip_sets().into_iter().map(|set| set.name);
            let ours: Vec<String> = sets.filter(|name| is_ours(aws, name)).collect();
            edit(aws, observer, &ours, &mut later);
        } else {
            change(aws, observer, &mut later);
        }
    });
}
