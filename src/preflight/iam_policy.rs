//! The least-privilege IAM policy of an installation: the calls and resources of each command.
//!
//! Sources: the Service Authorization Reference, "Actions, resources, and condition keys for AWS WAF V2" and "… for
//! Amazon DynamoDB".
//!
//! An IP set is read only if its name is like ours or if it is adopted. One with another name that a rule of ours refers to
//! needs no permission: its ARN shows that it is foreign.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::model::cidr::Family;
use crate::model::settings::{Scope, Settings};

/// The command that a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `plan`: read.
    Plan,
    /// `apply`: read and write.
    Apply,
    /// `check`: what the others read, and what only the preflight reads.
    Check,
}

/// The resources that a policy names.
#[derive(Clone, Debug)]
pub struct IamScope {
    /// `--table`: a name or an ARN.
    pub table: String,
    /// The table's Region, if the settings have it.
    pub table_region: Option<String>,
    /// The Region of the environment, if there is one.
    pub region: Option<String>,
    /// `--name`
    pub name: String,
    /// `--scope`
    pub scope: Scope,
    /// `--web-acl`: names or ARNs.
    pub web_acls: Vec<String>,
    /// `--adopt`: names of IP sets.
    pub adopt: BTreeSet<String>,
    /// The number of rule groups for `--max-ip-sets`.
    pub rule_groups: usize,
}

impl IamScope {
    /// The resources of a run with these settings in this Region.
    #[must_use]
    pub fn of(settings: &Settings, region: Option<&str>) -> Self {
        Self {
            table: settings.table.table.clone(),
            table_region: settings.table.region.clone(),
            region: region.map(ToOwned::to_owned),
            name: settings.waf.name.clone(),
            scope: settings.waf.scope,
            web_acls: settings.waf.web_acls.clone(),
            adopt: settings.waf.adopt.clone(),
            rule_groups: settings.waf.limits.rule_groups(),
        }
    }
}

/// The policy document. The same scope always gives the same document, byte for byte.
///
/// An unknown account or Region becomes `*`.
#[must_use]
pub fn policy(access: Access, scope: &IamScope) -> Value {
    let place = Place::of(scope);
    let statements: Vec<Value> = [
        table(access, scope),
        lists(access, scope),
        ip_sets(access, &place.ip_sets(scope)),
        adopted(access, &place.adopted(scope)),
        rule_groups(access, &place.rule_groups(scope)),
        web_acls(access, scope, &place.web_acls(access, scope)),
    ]
    .into_iter()
    .flatten()
    .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// `None` if there is no resource: a statement needs one.
fn statement(id: &str, actions: &[&str], resources: &[String]) -> Option<Value> {
    (!resources.is_empty()).then(|| json!({ "Sid": id, "Effect": "Allow", "Action": actions, "Resource": resources }))
}

fn table(access: Access, scope: &IamScope) -> Option<Value> {
    let actions: &[&str] = match access {
        Access::Plan | Access::Apply => &["dynamodb:Scan"],
        Access::Check => &["dynamodb:Scan", "dynamodb:Query", "dynamodb:DescribeTable"],
    };
    statement("ReadTable", actions, &[table_arn(scope)])
}

/// The actions that do not support resources.
fn lists(access: Access, scope: &IamScope) -> Option<Value> {
    let mut actions = vec!["wafv2:ListIPSets", "wafv2:ListRuleGroups"];
    // A web ACL is read by its ARN; one that is named must be looked up first.
    if looks_through(access, scope) || scope.web_acls.iter().any(|web_acl| !is_arn(web_acl)) {
        actions.push("wafv2:ListWebACLs");
    }
    statement("ListWaf", &actions, &["*".to_owned()])
}

/// Writing a rule group needs permission on each IP set that it refers to; creating with tags needs permission to tag.
fn ip_sets(access: Access, arns: &[String]) -> Option<Value> {
    let actions: &[&str] = match access {
        Access::Plan | Access::Check => &["wafv2:GetIPSet"],
        Access::Apply => &[
            "wafv2:GetIPSet",
            "wafv2:CreateIPSet",
            "wafv2:UpdateIPSet",
            "wafv2:TagResource",
            "wafv2:CreateRuleGroup",
            "wafv2:UpdateRuleGroup",
        ],
    };
    statement("IpSets", actions, arns)
}

/// Like [`ip_sets`], but they exist and their tags stay.
fn adopted(access: Access, arns: &[String]) -> Option<Value> {
    let actions: &[&str] = match access {
        Access::Plan | Access::Check => &["wafv2:GetIPSet"],
        Access::Apply => &["wafv2:GetIPSet", "wafv2:UpdateIPSet", "wafv2:CreateRuleGroup", "wafv2:UpdateRuleGroup"],
    };
    statement("AdoptedIpSets", actions, arns)
}

fn rule_groups(access: Access, arns: &[String]) -> Option<Value> {
    let actions: &[&str] = match access {
        Access::Plan | Access::Check => &["wafv2:GetRuleGroup"],
        Access::Apply => &["wafv2:GetRuleGroup", "wafv2:CreateRuleGroup", "wafv2:UpdateRuleGroup", "wafv2:TagResource"],
    };
    statement("RuleGroups", actions, arns)
}

/// Whether the preflight searches for web ACLs, because none is named.
fn looks_through(access: Access, scope: &IamScope) -> bool {
    matches!(access, Access::Check) && scope.web_acls.is_empty()
}

/// Web ACLs, which no command writes.
fn web_acls(access: Access, scope: &IamScope, arns: &[String]) -> Option<Value> {
    let actions: &[&str] = match (access, scope.scope) {
        // WAF does not list the distributions of a web ACL for CloudFront.
        (Access::Check, Scope::Regional) => &["wafv2:GetWebACL", "wafv2:ListResourcesForWebACL"],
        (Access::Plan | Access::Apply, _) | (Access::Check, Scope::Cloudfront) => &["wafv2:GetWebACL"],
    };
    statement("ReadWebAcls", actions, arns)
}

fn table_arn(scope: &IamScope) -> String {
    if is_arn(&scope.table) {
        return scope.table.clone();
    }
    let region = scope.table_region.as_deref().or(scope.region.as_deref());
    let (partition, account) = (partition(scope), account(scope));
    format!("arn:{partition}:dynamodb:{}:{account}:table/{}", region.unwrap_or("*"), scope.table)
}

/// The prefix of all ARNs in WAF: `arn:aws:wafv2:REGION:ACCOUNT:SCOPE`.
struct Place(String);

impl Place {
    fn of(scope: &IamScope) -> Self {
        let (region, word) = match scope.scope {
            Scope::Cloudfront => (Some("us-east-1"), "global"),
            Scope::Regional => (web_acl_part(scope, 3).or(scope.region.as_deref()), "regional"),
        };
        Self(format!("arn:{}:wafv2:{}:{}:{word}", partition(scope), region.unwrap_or("*"), account(scope)))
    }

    fn ip_sets(&self, scope: &IamScope) -> Vec<String> {
        // Exactly three digits: `*` would include another installation whose name begins with this one's.
        Family::ALL.map(|family| format!("{}/ipset/{}-{family}-???/*", self.0, scope.name)).to_vec()
    }

    fn adopted(&self, scope: &IamScope) -> Vec<String> {
        scope.adopt.iter().map(|name| format!("{}/ipset/{name}/*", self.0)).collect()
    }

    fn rule_groups(&self, scope: &IamScope) -> Vec<String> {
        (1..=scope.rule_groups).map(|number| format!("{}/rulegroup/{}-{number}/*", self.0, scope.name)).collect()
    }

    fn web_acls(&self, access: Access, scope: &IamScope) -> Vec<String> {
        if looks_through(access, scope) {
            return vec![format!("{}/webacl/*", self.0)];
        }
        let arn = |web_acl: &String| {
            if is_arn(web_acl) { web_acl.clone() } else { format!("{}/webacl/{web_acl}/*", self.0) }
        };
        scope.web_acls.iter().map(arn).collect()
    }
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// The account from an ARN: a web ACL's, which is certainly ours, otherwise the table's.
fn account(scope: &IamScope) -> &str {
    web_acl_part(scope, 4).or_else(|| arn_part(&scope.table, 4)).unwrap_or("*")
}

/// The partition, from any ARN or Region: an installation never spans two.
fn partition(scope: &IamScope) -> &str {
    let of_region = || scope.region.as_deref().or(scope.table_region.as_deref()).map(partition_of);
    web_acl_part(scope, 1).or_else(|| arn_part(&scope.table, 1)).or_else(of_region).unwrap_or("aws")
}

fn web_acl_part(scope: &IamScope, index: usize) -> Option<&str> {
    scope.web_acls.iter().find_map(|web_acl| arn_part(web_acl, index))
}

/// A part of an ARN `arn:PARTITION:SERVICE:REGION:ACCOUNT:…`, counted from 0; `None` if it is a name.
fn arn_part(text: &str, index: usize) -> Option<&str> {
    if is_arn(text) { text.split(':').nth(index) } else { None }
}

fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/clusters";
    const WEB_ACL: &str =
        "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/front/11111111-2222-3333-4444-555555555555";

    fn scope() -> IamScope {
        IamScope {
            table: TABLE.to_owned(),
            table_region: Some("eu-west-1".to_owned()),
            region: Some("eu-central-1".to_owned()),
            name: "wafsync".to_owned(),
            scope: Scope::Regional,
            web_acls: vec!["front".to_owned()],
            adopt: BTreeSet::from(["by-hand".to_owned()]),
            rule_groups: 2,
        }
    }

    /// What IAM would say: some statement allows the action on the resource.
    fn allows(policy: &Value, action: &str, resource: &str) -> bool {
        let any = |statement: &Value, key: &str, text: &str| {
            statement[key].as_array().unwrap().iter().any(|pattern| matches(pattern.as_str().unwrap(), text))
        };
        policy["Statement"].as_array().unwrap().iter().any(|statement| {
            statement["Effect"] == "Allow" && any(statement, "Action", action) && any(statement, "Resource", resource)
        })
    }

    /// `*` is any text, slashes and colons included; `?` is one character.
    fn matches(pattern: &str, text: &str) -> bool {
        match pattern.chars().next() {
            None => text.is_empty(),
            Some('*') => {
                matches(&pattern[1..], text)
                    || text.chars().next().is_some_and(|first| matches(pattern, &text[first.len_utf8()..]))
            }
            Some(wanted) => text.chars().next().is_some_and(|first| {
                (wanted == '?' || wanted == first) && matches(&pattern[wanted.len_utf8()..], &text[first.len_utf8()..])
            }),
        }
    }

    fn waf(path: &str) -> String {
        format!("arn:aws:wafv2:eu-central-1:111122223333:regional/{path}/11111111-2222-3333-4444-555555555555")
    }

    #[test]
    fn the_policies_of_the_commands_are_these() {
        for (name, access) in [("plan", Access::Plan), ("apply", Access::Apply), ("check", Access::Check)] {
            let text = serde_json::to_string_pretty(&policy(access, &scope())).unwrap();
            insta::assert_snapshot!(format!("iam-policy-{name}"), text);
        }
    }

    #[test]
    fn plan_and_check_can_write_nothing() {
        for access in [Access::Plan, Access::Check] {
            let policy = policy(access, &scope());
            for statement in policy["Statement"].as_array().unwrap() {
                for action in statement["Action"].as_array().unwrap() {
                    let (_, verb) = action.as_str().unwrap().split_once(':').unwrap();
                    let reads =
                        ["Get", "List", "Scan", "Query", "Describe", "Check"].iter().any(|read| verb.starts_with(read));
                    assert!(reads, "{verb}");
                }
            }
        }
    }

    #[test]
    fn apply_can_do_its_work_and_no_more() {
        let policy = policy(Access::Apply, &scope());
        for (action, resource) in [
            ("dynamodb:Scan", TABLE.to_owned()),
            ("wafv2:ListIPSets", "*".to_owned()),
            ("wafv2:ListWebACLs", "*".to_owned()),
            ("wafv2:CreateIPSet", waf("ipset/wafsync-ipv6-099")),
            ("wafv2:UpdateIPSet", waf("ipset/wafsync-ipv4-000")),
            ("wafv2:TagResource", waf("ipset/wafsync-ipv4-000")),
            ("wafv2:UpdateRuleGroup", waf("ipset/wafsync-ipv4-000")),
            ("wafv2:UpdateRuleGroup", waf("ipset/by-hand")),
            ("wafv2:CreateRuleGroup", waf("rulegroup/wafsync-2")),
            ("wafv2:TagResource", waf("rulegroup/wafsync-1")),
            ("wafv2:UpdateIPSet", waf("ipset/by-hand")),
            ("wafv2:GetWebACL", waf("webacl/front")),
        ] {
            assert!(allows(&policy, action, &resource), "{action} {resource}");
        }
        for (action, resource) in [
            ("dynamodb:DeleteItem", TABLE.to_owned()),
            ("dynamodb:Scan", format!("{TABLE}2")),
            ("wafv2:DeleteIPSet", waf("ipset/wafsync-ipv4-000")),
            ("wafv2:UpdateWebACL", waf("webacl/front")),
            ("wafv2:GetWebACL", waf("webacl/other")),
            ("wafv2:CreateIPSet", waf("ipset/by-hand")),
            ("wafv2:TagResource", waf("ipset/by-hand")),
            ("wafv2:UpdateIPSet", waf("ipset/stranger")),
            ("wafv2:UpdateIPSet", waf("ipset/wafsync-ipv4-ipv4-000")),
            ("wafv2:UpdateRuleGroup", waf("rulegroup/wafsync-3")),
            ("wafv2:UpdateRuleGroup", waf("rulegroup/wafsync-10")),
            ("wafv2:UpdateIPSet", waf("ipset/wafsync-ipv4-000").replace("eu-central-1", "eu-west-1")),
            ("wafv2:UpdateIPSet", waf("ipset/wafsync-ipv4-000").replace("111122223333", "444455556666")),
        ] {
            assert!(!allows(&policy, action, &resource), "{action} {resource}");
        }
    }

    #[test]
    fn web_acls_given_by_arn_need_not_be_listed() {
        let scope =
            IamScope { web_acls: vec![WEB_ACL.to_owned()], region: None, table: "clusters".to_owned(), ..scope() };
        let policy = policy(Access::Apply, &scope);
        assert!(!allows(&policy, "wafv2:ListWebACLs", "*"));
        assert!(allows(&policy, "wafv2:GetWebACL", WEB_ACL));
        assert!(allows(&policy, "wafv2:UpdateIPSet", &waf("ipset/wafsync-ipv4-000")));
        assert!(
            !allows(&policy, "wafv2:UpdateIPSet", &waf("ipset/wafsync-ipv4-000").replace("eu-central-1", "eu-west-1")),
            "the ARN of the web ACL tells the Region"
        );
        assert!(!allows(&policy, "dynamodb:Scan", &TABLE.replace("111122223333", "444455556666")));
    }

    #[test]
    fn only_a_preflight_without_a_named_web_acl_may_read_them_all() {
        let none = IamScope { web_acls: Vec::new(), ..scope() };
        let reads = |access, scope: &IamScope| {
            let policy = policy(access, scope);
            let (list, front) = ("wafv2:ListWebACLs", waf("webacl/front"));
            [allows(&policy, list, "*"), allows(&policy, "wafv2:GetWebACL", &front)]
        };
        assert_eq!(reads(Access::Check, &none), [true, true]);
        assert_eq!(reads(Access::Apply, &none), [false, false]);
        let policy = policy(Access::Check, &none);
        assert!(allows(&policy, "wafv2:ListResourcesForWebACL", &waf("webacl/front")));
        let elsewhere = waf("webacl/front").replace("eu-central-1", "eu-west-1");
        assert!(!allows(&policy, "wafv2:GetWebACL", &elsewhere));
        let other = IamScope { web_acls: vec!["other".to_owned()], ..scope() };
        assert_eq!(reads(Access::Check, &other), [true, false]);
    }

    #[test]
    fn what_is_not_known_is_a_star() {
        let scope = IamScope {
            table: "clusters".to_owned(),
            table_region: None,
            region: None,
            web_acls: Vec::new(),
            adopt: BTreeSet::new(),
            ..scope()
        };
        let text = serde_json::to_string_pretty(&policy(Access::Plan, &scope)).unwrap();
        insta::assert_snapshot!("iam-policy-unknown", text);
    }

    #[test]
    fn cloudfront_is_global_and_in_us_east_1() {
        let scope = IamScope { scope: Scope::Cloudfront, ..scope() };
        let policy = policy(Access::Check, &scope);
        let web_acl = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/front/11111111-2222-3333-4444-555555555555";
        assert!(allows(&policy, "wafv2:GetWebACL", web_acl));
        assert!(!allows(&policy, "wafv2:ListResourcesForWebACL", web_acl));
        assert!(allows(&policy, "dynamodb:DescribeTable", TABLE));
    }

    #[test]
    fn the_partition_follows_the_region() {
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
            let scope = IamScope {
                table: "clusters".to_owned(),
                table_region: None,
                region: Some(region.to_owned()),
                ..scope()
            };
            let policy = policy(Access::Apply, &scope);
            for (service, action, path) in [
                ("dynamodb", "dynamodb:Scan", "table/clusters"),
                ("wafv2", "wafv2:UpdateIPSet", "regional/ipset/wafsync-ipv4-000/id"),
            ] {
                let arn = format!("arn:{partition}:{service}:{region}:111122223333:{path}");
                assert!(allows(&policy, action, &arn), "{arn}");
            }
        }
    }

    #[test]
    fn the_largest_policy_fits_a_managed_policy_of_aws() {
        let web_acls: Vec<String> = (0..2).map(|number| format!("{}{number}", "w".repeat(127))).collect();
        let scope = IamScope { name: "n".repeat(100), web_acls, rule_groups: 20, ..scope() };
        // IAM does not count white space; a managed policy has at most 6,144 characters.
        assert!(policy(Access::Apply, &scope).to_string().len() <= 6144);
    }
}
