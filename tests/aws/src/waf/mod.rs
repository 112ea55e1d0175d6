//! WAF: its IP sets, rule groups and web ACLs, and the operations on them.

pub(crate) mod entity;
pub(crate) mod ip_set;
mod rule;
pub(crate) mod rule_group;
mod validate;
pub(crate) mod web_acl;

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::entity::{Collection, Described, List, NewEntity, Place, Scope};
use self::ip_set::IpSet;
use self::rule_group::RuleGroup;
use self::web_acl::WebAcl;
use crate::config::Config;
use crate::wire::{ApiError, Done};

/// The state of WAF in all regions.
#[derive(Debug)]
pub(crate) struct Waf {
    pub(crate) config: Config,
    /// When the current call arrived.
    pub(crate) now: Instant,
    random: fastrand::Rng,
    pub(crate) ip_sets: Collection<IpSet>,
    pub(crate) rule_groups: Collection<RuleGroup>,
    pub(crate) web_acls: Collection<WebAcl>,
}

/// The kind of rate limit of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Read,
    Write,
}

/// The published rate limit of an operation. `None` if the stand-in does not support the operation.
pub(crate) fn rate_of(operation: &str) -> Option<Rate> {
    match operation {
        "GetIPSet"
        | "ListIPSets"
        | "GetRuleGroup"
        | "ListRuleGroups"
        | "GetWebACL"
        | "ListWebACLs"
        | "ListResourcesForWebACL" => Some(Rate::Read),
        "CreateIPSet" | "UpdateIPSet" | "CreateRuleGroup" | "UpdateRuleGroup" | "CheckCapacity" | "CreateWebACL"
        | "AssociateWebACL" => Some(Rate::Write),
        _ => None,
    }
}

impl Waf {
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        Self {
            random: fastrand::Rng::with_seed(config.seed),
            config,
            now,
            ip_sets: Collection::new("ipset"),
            rule_groups: Collection::new("rulegroup"),
            web_acls: Collection::new("webacl"),
        }
    }

    /// Runs an operation. `None` if it is not supported.
    pub(crate) fn call(
        &mut self,
        operation: &str,
        body: &Map<String, Value>,
        region: &str,
    ) -> Option<Result<Done, ApiError>> {
        Some(match operation {
            "GetIPSet" => self.get_ip_set(body, region),
            "CreateIPSet" => self.create_ip_set(body, region),
            "UpdateIPSet" => self.update_ip_set(body, region),
            "ListIPSets" => self.list(&self.ip_sets, "IPSets", body, region),
            "GetRuleGroup" => self.get_rule_group(body, region),
            "CreateRuleGroup" => self.create_rule_group(body, region),
            "UpdateRuleGroup" => self.update_rule_group(body, region),
            "ListRuleGroups" => self.list(&self.rule_groups, "RuleGroups", body, region),
            "GetWebACL" => self.get_web_acl(body, region),
            "ListWebACLs" => self.list(&self.web_acls, "WebACLs", body, region),
            "ListResourcesForWebACL" => self.list_resources_for_web_acl(body, region),
            "CheckCapacity" => self.check_capacity(body, region),
            "CreateWebACL" if self.config.for_people => self.create_web_acl(body, region),
            "AssociateWebACL" if self.config.for_people => self.associate_web_acl(body, region),
            _ => return None,
        })
    }

    fn list<C: Described>(
        &self,
        collection: &Collection<C>,
        field: &'static str,
        body: &Map<String, Value>,
        region: &str,
    ) -> Result<Done, ApiError> {
        let page = collection.page(&List {
            body,
            place: &validate::place(body, region)?,
            field,
            longest_page: self.config.list_page,
            empty_pages: self.config.empty_list_pages,
            always_marker: self.config.always_next_marker,
            now: self.now,
        })?;
        Ok(Done::read(page.to_string()))
    }

    /// Whether a read of this resource or list, which showed this token, is older than the newest state.
    pub(crate) fn reads_lag_behind(&self, operation: &str, target: &str, shown: Option<&str>) -> bool {
        let newest = match operation {
            "ListIPSets" => return !self.ip_sets.is_up_to_date(self.now),
            "ListRuleGroups" => return !self.rule_groups.is_up_to_date(self.now),
            "ListWebACLs" => return !self.web_acls.is_up_to_date(self.now),
            "GetIPSet" => self.ip_sets.by_name(target).map(|set| &set.newest().token),
            "GetRuleGroup" => self.rule_groups.by_name(target).map(|group| &group.newest().token),
            "GetWebACL" => self.web_acls.by_name(target).map(|acl| &acl.newest().token),
            _ => return false,
        };
        shown.is_some() && newest.map(String::as_str) != shown
    }

    /// The next id or lock token.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = self.random.u128(..);
        let hex = format!("{bits:032x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default().to_owned());
        parts.join("-")
    }

    /// Creates a resource by hand, visible and available at once.
    pub(crate) fn by_hand<'a, C>(&mut self, scope: &str, name: &'a str, content: C) -> HandMade<'a, C> {
        let scope = Scope::parse(scope).unwrap_or_else(|| panic!("no such scope: {scope}"));
        let region = match scope {
            Scope::Regional => self.config.region.clone(),
            Scope::CloudFront => "us-east-1".to_owned(),
        };
        HandMade { name, place: Place { region, scope }, id: self.uuid(), token: self.uuid(), content }
    }
}

/// A resource created by hand, before it is added to its collection.
pub(crate) struct HandMade<'a, C> {
    name: &'a str,
    place: Place,
    id: String,
    token: String,
    content: C,
}

impl<C: Described> HandMade<'_, C> {
    /// Adds it to its collection and returns its ARN.
    pub(crate) fn put(self, account: &str, now: Instant, into: &mut Collection<C>) -> String {
        assert!(!into.is_taken(&self.place, self.name), "created by hand twice: {}", self.name);
        let birth = NewEntity {
            account,
            name: self.name,
            place: &self.place,
            id: self.id,
            token: self.token,
            content: self.content,
            now,
            lag: Duration::ZERO,
            propagation: Duration::ZERO,
        };
        into.add(birth).arn.clone()
    }
}

/// The `VisibilityConfig` of resources created by hand.
pub(crate) fn visibility_of(metric: &str) -> Value {
    json!({ "SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": metric })
}
