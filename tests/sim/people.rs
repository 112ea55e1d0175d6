//! Additions of the seventh generation of worlds: web ACLs that refer to some of our rule groups only and are edited during
//! runs, and runs that begin while the writes of a killed one are under way.
//!
//! All of it draws from a separate source, so the worlds of older generations stay the same.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use wafsync_test_aws::{Aws, Fault, FaultKind, RuleGroupView, When};

use crate::chance::Chance;
use crate::genesis;
use crate::world::World;

/// The web ACLs of a world that has any.
const WEB_ACLS: [&str; 2] = ["edge", "inner"];

/// The operations that write.
const WRITES: [&str; 4] = ["UpdateIPSet", "CreateIPSet", "UpdateRuleGroup", "CreateRuleGroup"];

/// Adds web ACLs, each of which refers to some of our rule groups.
pub(crate) fn attach(world: &mut World, chance: &mut Chance) {
    if !chance.one_in(3) {
        return;
    }
    let named = &WEB_ACLS[..=chance.below(WEB_ACLS.len())];
    let there: BTreeSet<String> = world.aws.web_acls().into_iter().map(|acl| acl.name).collect();
    for name in named {
        let groups = ours(&world.aws).into_iter().filter(|_| !chance.one_in(4));
        let rules = Value::Array((0..).zip(groups).map(|(at, group)| genesis::group_rule(&group, at)).collect());
        if there.contains(*name) {
            world.aws.edit_web_acl(name, |now| *now = rules);
        } else {
            world.aws.put_web_acl("REGIONAL", name, "Block", rules);
        }
    }
    world.settings.waf.web_acls = named.iter().map(ToString::to_string).collect();
    world.tell();
}

fn ours(aws: &Aws) -> Vec<RuleGroupView> {
    aws.rule_groups().into_iter().filter(|group| group.name.starts_with("wafsync-")).collect()
}

/// Makes people edit web ACLs at some later calls.
pub(crate) fn hands(world: &World, chance: &mut Chance) {
    let at: Vec<usize> = (0..chance.below(3)).map(|_| chance.below(40)).collect();
    let mut later = Chance::new(chance.draw());
    world.at_calls(at, move |aws, observer| observer.by_hand(aws, |aws| edit(aws, &mut later)));
}

/// Attaches one of our rule groups to a web ACL, or takes it out, or overrides it.
fn edit(aws: &Aws, chance: &mut Chance) {
    let (acls, groups) = (aws.web_acls(), ours(aws));
    if acls.is_empty() || groups.is_empty() {
        return;
    }
    let (acl, group) = (chance.pick(&acls), chance.pick(&groups));
    let overrides = chance.one_in(3);
    aws.edit_web_acl(&acl.name, |rules| {
        let Some(rules) = rules.as_array_mut() else { return };
        let before = rules.len();
        let is_it = |rule: &Value| rule["Statement"]["RuleGroupReferenceStatement"]["ARN"] == group.arn;
        if overrides {
            let theirs = rules.iter_mut().filter(|rule| is_it(rule));
            theirs.for_each(|rule| rule["OverrideAction"] = json!({"Count": {}}));
            return;
        }
        rules.retain(|rule| !is_it(rule));
        if rules.len() == before {
            rules.push(genesis::group_rule(group, before));
        }
    });
}

/// Makes some writes of a run take effect late, which is killed meanwhile.
pub(crate) fn late_writes(world: &World, chance: &mut Chance) {
    for _ in 0..chance.below(3) {
        world.aws.fail(Fault {
            operation: Some((*chance.pick(&WRITES)).to_owned()),
            target: None,
            skip: chance.below(3),
            times: 1,
            when: When::Before,
            kind: FaultKind::Late(Duration::from_millis(500 + chance.draw_below(60_000))),
        });
    }
}

/// Lets a little time pass after a run was killed: the next one does not exceed AWS's rates with it, and begins while its
/// writes are under way.
pub(crate) async fn soon(chance: &mut Chance) {
    tokio::time::sleep(Duration::from_millis(1500 + chance.draw_below(30_000))).await;
}
