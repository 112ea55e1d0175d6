use super::*;
use crate::model::cidr::{Cidr, Family};
use crate::model::current::LockToken;
use crate::model::fingerprint::Fingerprint;
use crate::model::policy::{Action, RulePolicy};
use crate::model::spec::Reference;
use crate::model::web_acl::WebAcl;
use crate::planning::rule_changes::tests::{ACCOUNT, target};

const A: &str = "198.51.100.1/32";
const B: &str = "198.51.100.2/32";

/// The specification of an IP set of ours with these CIDRs and a true description.
pub(in crate::run) fn set(name: &str, cidrs: &[&str]) -> IpSetSpec {
    let cidrs: Vec<Cidr> = cidrs.iter().map(|text| Cidr::parse(text).unwrap()).collect();
    let description = naming::set_description("wafsync", Fingerprint::of(cidrs.iter().copied()));
    IpSetSpec { name: name.to_owned(), family: Family::Ipv4, cidrs: cidrs.into(), description }
}

/// The specification of a rule group of ours that refers to these IP sets.
pub(in crate::run) fn group(name: &str, sets: &[&str]) -> RuleGroupSpec {
    let reference = |set: &&str| Reference { name: (*set).to_owned(), arn: Some(arn("ipset", set)) };
    RuleGroupSpec {
        name: name.to_owned(),
        rule_name: "wafsync".to_owned(),
        description: target().group_description(Some(ACCOUNT)),
        capacity: 120,
        policy: RulePolicy { action: Action::Allow, forwarded: None },
        references: sets.iter().map(reference).collect(),
    }
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:wafv2:eu-central-1:{ACCOUNT}:regional/{kind}/{name}/id-{name}")
}

/// AWS's answer to a write of this name.
pub(in crate::run) fn receipt(kind: &str, name: &str, token: &str) -> Receipt {
    Receipt { id: format!("id-{name}"), arn: arn(kind, name), token: LockToken(token.to_owned()) }
}

pub(in crate::run) fn update_set(token: &str, spec: IpSetSpec) -> Write {
    Write::UpdateIpSet { id: format!("id-{}", spec.name), token: LockToken(token.to_owned()), spec }
}

pub(in crate::run) fn update_group(token: &str, spec: RuleGroupSpec) -> Write {
    Write::UpdateRuleGroup { id: format!("id-{}", spec.name), token: LockToken(token.to_owned()), spec, rewrite: false }
}

/// WAF after these writes, each with the token `1`, `2`, and so on.
pub(in crate::run) fn after(writes: &[Write]) -> Current {
    let mut current = Current::default();
    for (number, write) in (1..).zip(writes) {
        let kind = if write.kind().is_of_ip_set() { "ipset" } else { "rulegroup" };
        take_over(&mut current, write, &receipt(kind, write.target(), &format!("{number}")), "wafsync");
    }
    current
}

#[test]
fn a_created_set_is_not_in_force_until_a_rule_group_refers_to_it() {
    let create = Write::CreateIpSet(set("wafsync-ipv4-000", &[A]));
    let current = after(std::slice::from_ref(&create));
    let shard = &current.shards[0];
    assert_eq!((shard.name.as_str(), shard.token.0.as_str(), shard.group), ("wafsync-ipv4-000", "1", None));
    assert!(shard.created && !shard.is_in_force());
    assert_eq!(shard.mark.and_then(|mark| mark.fingerprint), Some(Fingerprint::of(shard.cidrs.iter())));
    assert_eq!(current.account.as_deref(), Some(ACCOUNT), "learned from the ARN");

    let current = after(&[create, Write::CreateRuleGroup(group("wafsync-1", &["wafsync-ipv4-000"]))]);
    assert_eq!(current.shards[0].group, Some(0));
    assert!(current.shards[0].is_in_force());
    assert_eq!(current.groups[0].number, 1);
    assert_eq!(current.groups[0].table, target().table_tag(Some(ACCOUNT)));
}

#[test]
fn an_update_changes_contents_description_and_token_of_its_set_alone() {
    let current = after(&[
        Write::CreateIpSet(set("wafsync-ipv4-000", &[A])),
        Write::CreateIpSet(set("wafsync-ipv4-001", &[A])),
        update_set("1", set("wafsync-ipv4-000", &[A, B])),
    ]);
    assert_eq!(current.shards.iter().map(|shard| shard.cidrs.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(current.shards.iter().map(|shard| shard.token.0.as_str()).collect::<Vec<_>>(), ["3", "2"]);
    let shard = &current.shards[0];
    assert_eq!(shard.mark.and_then(|mark| mark.fingerprint), Some(Fingerprint::of(shard.cidrs.iter())));
}

#[test]
fn a_reference_that_an_update_drops_unwires_its_set() {
    let current = after(&[
        Write::CreateIpSet(set("wafsync-ipv4-000", &[A])),
        Write::CreateRuleGroup(group("wafsync-1", &["wafsync-ipv4-000"])),
        update_group("2", group("wafsync-1", &[])),
    ]);
    assert_eq!(current.groups[0].rule, GroupRule::Empty);
    assert_eq!(current.shards[0].group, None);
}

#[test]
fn sets_and_groups_stay_sorted() {
    let current = after(&[
        Write::CreateIpSet(set("wafsync-ipv4-001", &[])),
        Write::CreateIpSet(set("wafsync-ipv4-000", &[])),
        Write::CreateRuleGroup(group("wafsync-10", &[])),
        Write::CreateRuleGroup(group("wafsync-2", &[])),
    ]);
    assert_eq!(
        current.shards.iter().map(|shard| shard.name.as_str()).collect::<Vec<_>>(),
        ["wafsync-ipv4-000", "wafsync-ipv4-001"]
    );
    assert_eq!(current.groups.iter().map(|group| group.number).collect::<Vec<_>>(), [2, 10]);
}

#[test]
fn a_read_shows_an_update_only_with_a_new_token_and_all_that_it_writes() {
    let name = "wafsync-ipv4-000";
    let current = after(&[Write::CreateIpSet(set(name, &[A, B]))]);
    let shows = |write: &Write| shows(write, &current, "wafsync");
    assert!(shows(&update_set("0", set(name, &[A, B]))));
    assert!(!shows(&update_set("1", set(name, &[A, B]))), "the token that the update replaces");
    assert!(!shows(&update_set("0", set(name, &[A]))), "other contents");
    let description = naming::set_description("wafsync", Fingerprint::of([]));
    assert!(!shows(&update_set("0", IpSetSpec { description, ..set(name, &[A, B]) })), "another description");
    assert!(shows(&Write::CreateIpSet(set(name, &[A, B]))));
    assert!(!shows(&Write::CreateIpSet(set("wafsync-ipv4-001", &[A, B]))), "another name");
}

#[test]
fn a_read_shows_a_rule_group_only_with_its_rule_as_wafsync_writes_it() {
    let write = update_group("0", group("wafsync-1", &["wafsync-ipv4-000"]));
    let mut current = after(&[Write::CreateRuleGroup(group("wafsync-1", &["wafsync-ipv4-000"]))]);
    assert!(shows(&write, &current, "wafsync"));
    assert!(!shows(&update_group("0", group("wafsync-1", &[])), &current, "wafsync"));
    assert!(!shows(&update_group("1", group("wafsync-1", &["wafsync-ipv4-000"])), &current, "wafsync"));
    let count = RulePolicy { action: Action::Count, forwarded: None };
    let counting = RuleGroupSpec { policy: count, ..group("wafsync-1", &["wafsync-ipv4-000"]) };
    assert!(!shows(&update_group("0", counting), &current, "wafsync"), "another action");
    if let GroupRule::Standard { tidy, .. } = &mut current.groups[0].rule {
        *tidy = false;
    }
    assert!(!shows(&write, &current, "wafsync"), "renamed by hand");
}

#[test]
fn of_the_state_at_the_start_stays_what_every_read_since_has_shown() {
    let writes = |sets: &[&str]| {
        [
            Write::CreateIpSet(set("a", &[A])),
            Write::CreateIpSet(set("b", &[B])),
            Write::CreateRuleGroup(group("wafsync-1", sets)),
        ]
    };
    let both = || after(&writes(&["a", "b"]));
    let lets_in = |current: &Current| current.groups[0].rule.lets_in(&group("", &[]).policy, "wafsync");
    let references = |current: &Current| current.groups[0].rule.references().len();

    let mut start = both();
    keep_what_stays(&mut start, &after(&writes(&["b"])));
    keep_what_stays(&mut start, &both());
    let wired: Vec<Option<usize>> = start.shards.iter().map(|shard| shard.group).collect();
    assert_eq!((references(&start), lets_in(&start), wired), (1, true, vec![None, Some(0)]));

    let mut start = both();
    let mut edited = both();
    edited.groups[0].rule =
        GroupRule::Edited { references: edited.groups[0].rule.references().to_vec(), seen: String::new() };
    keep_what_stays(&mut start, &edited);
    keep_what_stays(&mut start, &both());
    assert_eq!((references(&start), lets_in(&start)), (2, false));

    let acl = |groups: &[&str]| WebAcl {
        name: "front".to_owned(),
        arn: "arn:front".to_owned(),
        refers_to: groups.iter().map(ToString::to_string).collect(),
        overridden: Vec::new(),
    };
    let behind = |acls: Vec<WebAcl>| Current { web_acls: Some(acls), ..both() };
    let mut start = behind(vec![acl(&["one", "two"])]);
    keep_what_stays(&mut start, &behind(vec![acl(&["two"])]));
    keep_what_stays(&mut start, &behind(vec![acl(&["one", "two"])]));
    assert_eq!(start.web_acls, Some(vec![acl(&["two"])]));
    keep_what_stays(&mut start, &behind(Vec::new()));
    assert_eq!(start.web_acls, Some(vec![acl(&[])]), "it could not be read");

    let mut start = both();
    keep_what_stays(&mut start, &Current::default());
    assert_eq!((start.shards.len(), references(&start)), (0, 0));
}
