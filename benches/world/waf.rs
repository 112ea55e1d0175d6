//! WAF as an earlier run left it, for benches of the pure core: one target, full IP sets, and rule groups that refer to them.

use wafsync::model::cidr::Family;
use wafsync::model::cidrs::Cidrs;
use wafsync::model::current::{Current, GroupRule, LockToken, RuleGroup, Shard};
use wafsync::model::fingerprint::Mark;
use wafsync::model::naming::{Target, set_name};
use wafsync::model::policy::RulePolicy;

/// The AWS account of all resources.
const ACCOUNT: &str = "111122223333";

/// IP sets per rule group.
const REFERENCES: usize = 50;

pub(crate) fn target() -> Target {
    Target {
        scope: "regional",
        region: "eu-central-1".into(),
        name: "wafsync".into(),
        table: "eu-central-1/clusters".into(),
        table_account: None,
    }
}

/// IP sets with these contents, in force with this policy by `groups` rule groups.
pub(crate) fn in_force(contents: impl IntoIterator<Item = Cidrs>, groups: usize, policy: &RulePolicy) -> Current {
    let shards: Vec<Shard> = contents.into_iter().enumerate().map(|(index, cidrs)| shard(index, cidrs)).collect();
    let groups = (0..groups).map(|index| group(index, &shards, policy)).collect();
    Current { shards, groups, account: Some(ACCOUNT.to_owned()), ..Current::default() }
}

fn shard(index: usize, cidrs: Cidrs) -> Shard {
    Shard {
        name: set_name("wafsync", Family::Ipv4, index),
        id: format!("set-{index}"),
        arn: format!("arn:set-{index}"),
        family: Family::Ipv4,
        adopted: false,
        mark: Some(Mark { fingerprint: Some(cidrs.fingerprint()) }),
        token: LockToken("token".into()),
        cidrs,
        group: Some(index / REFERENCES),
        created: false,
    }
}

fn group(index: usize, shards: &[Shard], policy: &RulePolicy) -> RuleGroup {
    let number = index + 1;
    let referred = shards.iter().filter(|shard| shard.group == Some(index));
    RuleGroup {
        number,
        name: target().group_name(number),
        id: format!("group-{number}"),
        arn: format!("arn:group-{number}"),
        token: LockToken("token".into()),
        capacity: 120,
        table: target().table_tag(Some(ACCOUNT)),
        rule: GroupRule::Standard {
            policy: policy.clone(),
            labels: policy.labels("wafsync"),
            references: referred.map(|shard| shard.arn.clone()).collect(),
            tidy: true,
        },
    }
}
