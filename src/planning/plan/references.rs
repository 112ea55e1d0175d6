//! References to shards: which web ACLs let them in by these, and which of several to one shard are not needed.
//!
//! Overlapping runs can leave references to one shard in several rule groups.

use super::{Basis, WEB_ACLS};
use crate::model::current::{Current, RuleGroup, Shard};
use crate::model::web_acl::WebAcl;

/// Shards that this group refers to although they count as another group's. The references stay while there is room.
pub(super) fn double<'a>(current: &'a Current, index: usize, group: &RuleGroup) -> impl Iterator<Item = &'a Shard> {
    let refers = move |shard: &&Shard| shard.group != Some(index) && refers_to(group, shard);
    current.shards.iter().filter(refers)
}

/// Those of [`double`] that stay in force without this reference: the group that they count as lets in the same clients, and
/// has done so since the run began.
pub(super) fn spare<'a>(basis: Basis<'a>, index: usize, group: &RuleGroup) -> Vec<&'a Shard> {
    let lets_in = mask(basis.current, group);
    let is_enough = |shard: &&Shard| {
        let own = shard.group.and_then(|own| basis.current.groups.get(own));
        own.and_then(|own| surely_by(basis, own, shard)).is_some_and(|surely| lets_in & !surely == 0)
    };
    double(basis.current, index, group).filter(is_enough).collect()
}

/// The web ACLs that may let in what this shard holds. An old read can hide the reference to it.
pub(super) fn may_let_in(current: &Current, shard: &Shard) -> u128 {
    let hidden = shard.group.is_none() && shard.is_in_force();
    let groups = current.groups.iter().filter(|group| hidden || refers_to(group, shard));
    groups.fold(0, |all, group| all | mask(current, group))
}

/// The web ACLs that have surely let in what this shard holds since the run began.
pub(super) fn surely_let_in(basis: Basis<'_>, shard: &Shard) -> u128 {
    basis.current.groups.iter().filter_map(|group| surely_by(basis, group, shard)).fold(0, |all, mask| all | mask)
}

/// Whether all named web ACLs are known to refer to the rule group of this shard; true if none is named.
pub(super) fn is_enforced(current: &Current, shard: &Shard) -> bool {
    let group = shard.group.and_then(|group| current.groups.get(group));
    current.unread_web_acls.is_empty() && referred(current, group)
}

/// Whether all named web ACLs that were read refer to this group; true if none is named.
pub(super) fn referred(current: &Current, group: Option<&RuleGroup>) -> bool {
    let refers = |acl: &WebAcl| group.is_some_and(|group| acl.refers_to.contains(&group.arn));
    current.web_acls.as_ref().is_none_or(|acls| acls.iter().all(refers))
}

/// The web ACLs that have let in this shard by this group since the run began; `None` if the group may have let in nobody.
fn surely_by(basis: Basis<'_>, group: &RuleGroup, shard: &Shard) -> Option<u128> {
    let start = basis.at_start.unwrap_or(basis.current);
    let then = start.groups.iter().find(|then| then.arn == group.arn)?;
    let has_let_in =
        [group, then].iter().all(|at| refers_to(at, shard) && at.rule.lets_in(basis.policy, &basis.target.name));
    let referred_then = |acl: &WebAcl| {
        let then = start.web_acls.iter().flatten().find(|then| then.arn == acl.arn);
        then.is_some_and(|then| then.refers_to.contains(&group.arn))
    };
    has_let_in.then(|| mask_of(basis.current, group, referred_then))
}

/// The named web ACLs that refer to this group: a bit for each, and one for those that are not known; all bits if none is
/// named.
fn mask(current: &Current, group: &RuleGroup) -> u128 {
    mask_of(current, group, |_| true)
}

/// The same, of those web ACLs for which `counts` holds.
fn mask_of(current: &Current, group: &RuleGroup, counts: impl Fn(&WebAcl) -> bool) -> u128 {
    let Some(acls) = &current.web_acls else { return u128::MAX };
    let bits = (0..WEB_ACLS).map(|bit| 1_u128 << bit);
    let referring = bits.zip(acls).filter(|(_, acl)| acl.refers_to.contains(&group.arn) && counts(acl));
    // One that could not be read, or has no bit, may refer to any group, and not to another one.
    let is_unknown = !current.unread_web_acls.is_empty() || acls.len() > WEB_ACLS;
    let of_its_own = if is_unknown { 1 << (WEB_ACLS + group.number % WEB_ACLS) } else { 0 };
    referring.fold(of_its_own, |all, (bit, _)| all | bit)
}

fn refers_to(group: &RuleGroup, shard: &Shard) -> bool {
    group.rule.references().contains(&shard.arn)
}
