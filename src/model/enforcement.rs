//! Enforcement: which of our rule groups each named web ACL lets clients in by.

use crate::model::current::{Current, RuleGroup};
use crate::model::web_acl::WebAcl;

/// How one web ACL treats our rule groups that refer to IP sets, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// The web ACL's name.
    pub web_acl: String,
    /// The rule groups that let clients in.
    pub referred: Vec<String>,
    /// The rule groups that do not.
    pub missing: Vec<String>,
    /// The rule groups of `missing` that it refers to, with an override that disables them.
    pub overridden: Vec<String>,
}

/// The enforcement of every web ACL that was read.
#[must_use]
pub fn enforcement(current: &Current) -> Vec<Enforcement> {
    let has_shards = |index: usize| current.shards.iter().any(|shard| shard.group == Some(index));
    let of = |acl: &WebAcl| {
        let groups = current.groups.iter().enumerate().filter(|(index, _)| has_shards(*index));
        let (referred, missing): (Vec<_>, Vec<_>) =
            groups.map(|(_, group)| group).partition(|group| acl.refers_to.contains(&group.arn));
        let names = |groups: Vec<&RuleGroup>| groups.iter().map(|group| group.name.clone()).collect();
        let overridden = missing.iter().copied().filter(|group| acl.overridden.contains(&group.arn)).collect();
        Enforcement {
            web_acl: acl.name.clone(),
            referred: names(referred),
            missing: names(missing),
            overridden: names(overridden),
        }
    };
    current.web_acls.iter().flatten().map(of).collect()
}
