//! The effect of a write on what WAF holds, as values.

use crate::aws::{ReadCache, Receipt};
use crate::model::current::{Current, GroupRule, RuleGroup, Shard};
use crate::model::naming;
use crate::model::spec::{IpSetSpec, RuleGroupSpec};
use crate::planning::change::Write;

/// Applies a confirmed write to the run's view of WAF.
pub(super) fn take_over(current: &mut Current, write: &Write, receipt: &Receipt, installation: &str) {
    let Receipt { id, arn, token } = receipt.clone();
    if current.account.is_none() {
        current.account = naming::account_of(&arn).map(ToOwned::to_owned);
    }
    match write {
        Write::CreateIpSet(spec) => {
            let IpSetSpec { name, family, cidrs, description } = spec.clone();
            let mark = naming::mark(&description, installation);
            current.shards.push(Shard {
                name,
                id,
                arn,
                family,
                adopted: false,
                mark,
                token,
                cidrs,
                group: None,
                created: true,
            });
            current.shards.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Write::UpdateIpSet { spec, .. } => {
            for shard in current.shards.iter_mut().filter(|shard| shard.id == id) {
                shard.cidrs = spec.cidrs.clone();
                shard.mark = naming::mark(&spec.description, installation);
                shard.token = token.clone();
            }
        }
        Write::CreateRuleGroup(spec) => {
            let group = RuleGroup {
                number: naming::group_number(&spec.name, installation).unwrap_or(usize::MAX),
                name: spec.name.clone(),
                id,
                arn,
                token,
                capacity: spec.capacity,
                table: table(spec, installation),
                rule: rule(spec),
            };
            current.groups.push(group);
            current.groups.sort_by_key(|group| group.number);
        }
        Write::UpdateRuleGroup { spec, .. } => {
            for group in current.groups.iter_mut().filter(|group| group.id == id) {
                group.rule = rule(spec);
                group.table = table(spec, installation);
                group.token = token.clone();
            }
        }
    }
    for shard in &mut current.shards {
        shard.group = current.groups.iter().position(|group| group.rule.references().contains(&shard.arn));
    }
}

/// Removes from the state at the start what is not there now. If it comes back, AWS has to propagate it anew.
pub(super) fn keep_what_stays(at_start: &mut Current, now: &Current) {
    for acl in at_start.web_acls.iter_mut().flatten() {
        let now = now.web_acls.iter().flatten().find(|now| now.arn == acl.arn);
        acl.refers_to.retain(|group| now.is_some_and(|now| now.refers_to.contains(group)));
    }
    for group in &mut at_start.groups {
        let now = now.groups.iter().find(|now| now.arn == group.arn);
        group.rule = what_stays(&group.rule, now.map_or(&GroupRule::Empty, |now| &now.rule));
    }
    let groups = &at_start.groups;
    at_start.shards.retain_mut(|then| {
        let Some(now) = now.shards.iter().find(|now| now.arn == then.arn) else { return false };
        then.group = groups.iter().position(|group| group.rule.references().contains(&then.arn));
        if then.token != now.token {
            if then.cidrs.iter().any(|cidr| !now.cidrs.contains(cidr)) {
                then.cidrs = then.cidrs.iter().filter(|cidr| now.cidrs.contains(*cidr)).collect();
            }
            then.token.clone_from(&now.token);
        }
        true
    });
}

/// The references that a rule had and has. One with another meaning counts as edited.
fn what_stays(then: &GroupRule, now: &GroupRule) -> GroupRule {
    let references = then.references().iter().filter(|arn| now.references().contains(arn)).cloned().collect();
    match (then, now) {
        (
            GroupRule::Standard { policy, labels, tidy, .. },
            GroupRule::Standard { policy: policy_now, labels: labels_now, .. },
        ) if policy == policy_now && labels == labels_now => {
            GroupRule::Standard { policy: policy.clone(), labels: labels.clone(), references, tidy: *tidy }
        }
        _ => GroupRule::Edited { references, seen: String::new() },
    }
}

/// Adds a confirmed write to the cache: a list that shows the receipt's token then proves the contents without a read.
pub(super) fn remember(cache: &mut ReadCache, current: &Current, write: &Write, receipt: &Receipt) {
    match write {
        Write::CreateIpSet(spec) | Write::UpdateIpSet { spec, .. } => cache.wrote_ip_set(spec, receipt),
        Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } => {
            if let Some(group) = current.groups.iter().find(|group| group.id == receipt.id) {
                cache.wrote_rule_group(spec, group.rule.clone(), group.capacity, receipt);
            }
        }
    }
}

/// Whether a read shows everything that this write sets, under a newer token than the one it replaces.
pub(super) fn shows(write: &Write, current: &Current, installation: &str) -> bool {
    let set_as = |shard: &Shard, spec: &IpSetSpec| {
        shard.cidrs == spec.cidrs && shard.mark == naming::mark(&spec.description, installation)
    };
    let group_as =
        |group: &RuleGroup, spec: &RuleGroupSpec| group.rule == rule(spec) && group.table == table(spec, installation);
    match write {
        Write::CreateIpSet(spec) => current.shards.iter().any(|shard| shard.name == spec.name && set_as(shard, spec)),
        Write::UpdateIpSet { id, token, spec } => {
            current.shards.iter().any(|shard| shard.id == *id && shard.token != *token && set_as(shard, spec))
        }
        Write::CreateRuleGroup(spec) => {
            current.groups.iter().any(|group| group.name == spec.name && group_as(group, spec))
        }
        Write::UpdateRuleGroup { id, token, spec, .. } => {
            current.groups.iter().any(|group| group.id == *id && group.token != *token && group_as(group, spec))
        }
    }
}

/// The table tag in a group's description after this write.
fn table(spec: &RuleGroupSpec, installation: &str) -> Option<String> {
    naming::group_table(&spec.description.to_string(), installation).flatten()
}

/// The rule of a group after this write.
fn rule(spec: &RuleGroupSpec) -> GroupRule {
    if spec.references.is_empty() {
        return GroupRule::Empty;
    }
    GroupRule::Standard {
        policy: spec.policy.clone(),
        labels: spec.policy.labels(&spec.rule_name),
        references: spec.references.iter().filter_map(|reference| reference.arn.clone()).collect(),
        tidy: true,
    }
}

#[cfg(test)]
pub(super) mod tests;
