//! Additions of the third generation of worlds: items that expire by AWS's clock, old reads, omissions, late writes,
//! more manual edits, runs that start apart, and settings that change between runs.
//!
//! All of it draws from a separate source, so the worlds of older generations stay the same.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use wafsync::model::policy::Action;
use wafsync::model::settings::{MaxAdditions, MaxRemovals, OnRejection};
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, When};

use crate::chance::Chance;
use crate::genesis::{self, UNWANTED};
use crate::observer::{Expiry, Observer};
use crate::world::{self, NOW, World};

/// Reads that can show an older state or omit something.
const READS: [&str; 6] = ["ListIPSets", "GetIPSet", "ListRuleGroups", "GetRuleGroup", "ListWebACLs", "GetWebACL"];

/// More consecutive reads than a run makes.
const FOR_LONG: usize = 1000;

/// Additional settings of the account.
pub(crate) fn config(config: Config, chance: &mut Chance) -> Config {
    let skew = if chance.one_in(3) { i64::try_from(chance.below(21_600)).unwrap_or_default() - 10_800 } else { 0 };
    Config { empty_list_pages: chance.one_in(4), epoch: Some(NOW + skew), ..config }
}

/// Gives some items an expiry, of every kind.
pub(crate) fn expiries(aws: &Aws, observer: &Observer, chance: &mut Chance) {
    for key in observer.keys() {
        if chance.one_in(5) && key != "growth" {
            expire(aws, observer, &key, chance);
        }
    }
}

fn expire(aws: &Aws, observer: &Observer, key: &str, chance: &mut Chance) {
    let date = aws.date().unwrap_or(NOW);
    let within = |chance: &mut Chance, end: usize| i64::try_from(chance.below(end)).unwrap_or_default();
    let bad = [
        json!({"N": "0"}),
        json!({"N": "-5"}),
        json!({"N": (date - 6 * 366 * 86_400).to_string()}),
        json!({"N": "253402300800"}),
        json!({"S": "tomorrow"}),
    ];
    let expiry = match chance.below(8) {
        0 => Expiry::At(date - 1 - within(chance, 86_400)),
        1..=3 => Expiry::At(date + within(chance, 40)),
        4 => Expiry::At(date + 1500 + within(chance, 7200)),
        5 => Expiry::At(253_402_300_799),
        6 => Expiry::At(date + 86_400),
        _ => Expiry::Bad(chance.pick(&bad).clone()),
    };
    let cidrs = observer.item(key);
    let cidrs: Vec<&str> = cidrs.iter().map(String::as_str).collect();
    observer.put_item_until(aws, key, &cidrs, &[], Some(expiry));
}

/// Makes some kinds of reads old or incomplete for a while, each independently, and some writes late.
pub(crate) fn reads(world: &World, chance: &mut Chance) {
    let names: Vec<String> = {
        let sets = world.aws.ip_sets().into_iter().map(|set| set.name);
        let groups = world.aws.rule_groups().into_iter().map(|group| group.name);
        sets.chain(groups).filter(|name| name.starts_with("wafsync-")).collect()
    };
    for _ in 0..chance.below(4) {
        let operation = *chance.pick(&READS);
        let age = match chance.below(4) {
            0 => Duration::from_mins(20 + chance.draw_below(80)),
            _ => Duration::from_millis(500 + chance.draw_below(60_000)),
        };
        let kind = match chance.below(4) {
            0 if !names.is_empty() => FaultKind::Omits(chance.pick(&names).clone()),
            _ => FaultKind::Old(age),
        };
        let times = [1, 1, 2, 5, FOR_LONG];
        world.aws.fail(Fault {
            operation: Some(operation.to_owned()),
            target: None,
            skip: chance.below(8),
            times: *chance.pick(&times),
            when: When::Before,
            kind: kind.clone(),
        });
        // Sometimes a resource that a list omits is missing in reads as well.
        if let (FaultKind::Omits(_), true) = (&kind, chance.one_in(2)) {
            let other =
                if operation.ends_with("Group") || operation.ends_with("Groups") { "GetRuleGroup" } else { "GetIPSet" };
            let fault =
                Fault { operation: Some(other.to_owned()), target: None, skip: 0, times: 3, when: When::Before, kind };
            world.aws.fail(fault);
        }
    }
    if chance.one_in(5) {
        let operation = *chance.pick(&["UpdateIPSet", "CreateIPSet", "UpdateRuleGroup", "CreateRuleGroup"]);
        let kind = FaultKind::Late(Duration::from_millis(500 + chance.draw_below(60_000)));
        let operation = Some(operation.to_owned());
        world.aws.fail(Fault { operation, target: None, skip: chance.below(3), times: 1, when: When::Before, kind });
    }
}

/// Makes others edit WAF and the table by hand at some later calls.
pub(crate) fn hands(world: &World, chance: &mut Chance) {
    let at: Vec<usize> = (0..chance.below(4)).map(|_| chance.below(40)).collect();
    let mut later = Chance::new(chance.draw());
    world.at_calls(at, move |aws, observer| hand(aws, observer, &mut later));
}

/// Edits a set, a rule, a description, or the expiry of an item.
fn hand(aws: &Aws, observer: &Observer, chance: &mut Chance) {
    let kind = chance.below(9);
    let keys = observer.keys();
    if kind == 0 && !keys.is_empty() {
        let key = chance.pick(&keys).clone();
        return expire(aws, observer, &key, chance);
    }
    let sets: Vec<String> =
        aws.ip_sets().into_iter().map(|set| set.name).filter(|name| genesis::is_ours(aws, name)).collect();
    let groups = aws.rule_groups().into_iter().filter(|group| group.name.starts_with("wafsync-"));
    let groups: Vec<String> = groups.filter(|group| group.rules.get(0).is_some()).map(|group| group.name).collect();
    if sets.is_empty() || groups.is_empty() {
        return;
    }
    let (set, group) = (chance.pick(&sets).clone(), chance.pick(&groups).clone());
    let fits = |cidr: &&&str| cidr.contains(':') == set.contains("ipv6");
    let unwanted: Vec<&str> = UNWANTED.iter().filter(fits).copied().collect();
    let wanted = genesis::cidr(chance);
    let planted = chance.below(4);
    observer.by_hand(aws, |aws| match kind {
        1 => aws.edit_ip_set(&set, |cidrs| unwanted.iter().for_each(|cidr| genesis::add(cidrs, cidr))),
        2 if wanted.contains(':') == set.contains("ipv6") => {
            aws.edit_ip_set(&set, |cidrs| genesis::add(cidrs, &wanted));
        }
        3 => aws.edit_ip_set(&set, |cidrs| drop((!cidrs.is_empty()).then(|| cidrs.remove(planted % cidrs.len())))),
        4 => aws.edit_ip_set(&set, Vec::clear),
        5 => aws.describe_ip_set(&set, ["edited", "wafsync wafsync sum"].get(planted).copied()),
        6 => genesis::drop_reference(aws, &set),
        7 => aws.describe_rule_group(&group, Some("wafsync wafsync 2")),
        8 => aws.edit_rule_group(&group, |rules| {
            if let Some(rule) = rules.get_mut(0) {
                match planted {
                    0 => rule["Action"] = json!({"Block": {}}),
                    1 => rule["RuleLabels"] = json!([{"Name": "hand"}]),
                    2 => rule["Name"] = json!("renamed"),
                    _ => rule["Priority"] = json!(7),
                }
            }
        }),
        _ => {}
    });
}

/// Changes the settings of the installation.
pub(crate) fn change_settings(world: &mut World, chance: &mut Chance, richest: Option<&mut Chance>) {
    if let Some(chance) = richest
        && chance.one_in(4)
    {
        let settings = &mut world.settings;
        match chance.below(3) {
            0 => {
                settings.waf.policy.action = match settings.waf.policy.action {
                    Action::Allow => Action::Count,
                    Action::Count => Action::Allow,
                };
            }
            1 => settings.table.settle = Duration::from_secs(1 + chance.draw_below(20)),
            _ if world.aws.web_acls().is_empty() => {}
            _ => {
                let named = std::mem::take(&mut settings.waf.web_acls);
                if named.is_empty() {
                    settings.waf.web_acls = vec!["edge".to_owned()];
                }
            }
        }
        world.tell();
    }
    if !chance.one_in(3) {
        return;
    }
    let settings = &mut world.settings;
    match chance.below(6) {
        0 => settings.table.aggregate = !settings.table.aggregate,
        1 => {
            let always: &[&str] = if settings.table.always.is_empty() { &["--always=192.0.2.77/32"] } else { &[] };
            settings.table.always = world::settings(always).table.always;
        }
        2 => {
            settings.guards.on_rejection = match settings.guards.on_rejection {
                OnRejection::Hold => OnRejection::Skip,
                OnRejection::Skip | OnRejection::Abort => OnRejection::Hold,
            };
        }
        3 => settings.guards.max_removals = MaxRemovals::Count(chance.below(6)),
        4 if world.aws.ip_set("offices").is_some() => {
            let adopted = std::mem::take(&mut settings.waf.adopt);
            if adopted.is_empty() {
                settings.waf.adopt = BTreeSet::from(["offices".to_owned()]);
            }
        }
        _ => settings.table.segments = 3 - settings.table.segments.min(2),
    }
    world.tell();
}

/// Changes the limits `--max-additions` and `--min-addresses` of the installation, or removes them.
pub(crate) fn limits(world: &mut World, chance: &mut Chance, shares: Option<&mut Chance>) {
    let guards = &mut world.settings.guards;
    guards.max_additions = chance.one_in(3).then(|| MaxAdditions::Count(chance.below(4)));
    if let Some(shares) = shares
        && guards.max_additions.is_some()
        && shares.one_in(2)
    {
        guards.max_additions = Some(MaxAdditions::Percent(*shares.pick(&[0.0, 25.0, 50.0, 100.0])));
    }
    guards.min_addresses = if chance.one_in(3) { 1 + chance.below(6) } else { 0 };
    world.tell();
}

/// The delay between the first of several runs and each other one.
pub(crate) fn apart(chance: &mut Chance) -> Duration {
    if chance.one_in(3) { Duration::ZERO } else { Duration::from_millis(chance.draw_below(9000)) }
}
