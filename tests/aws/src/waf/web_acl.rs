//! Web ACLs: created by hand or by people, and read. wafsync never writes one.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::entity::{Described, NewEntity, Scope};
use super::rule_group::rules_of;
use super::{Waf, rule, validate};
use crate::fault;
use crate::wire::{ApiError, Done};

/// The maximum capacity of a web ACL, in WCU.
const MAX_CAPACITY: i64 = 5_000;

/// The content of a web ACL.
#[derive(Clone, Debug)]
pub(crate) struct WebAcl {
    /// `Allow` or `Block`.
    pub(crate) default_action: String,
    pub(crate) rules: Value,
    /// The rule groups that Firewall Manager runs before and after the rules.
    pub(crate) firewall_manager: [Value; 2],
    /// ARNs of the resources that it protects.
    pub(crate) resources: Vec<String>,
}

impl Described for WebAcl {
    fn description(&self) -> Option<&str> {
        None
    }
}

/// Resource types, and a part of the ARNs of their resources.
const RESOURCE_TYPES: [(&str, &str); 7] = [
    ("APPLICATION_LOAD_BALANCER", ":elasticloadbalancing:"),
    ("API_GATEWAY", ":apigateway:"),
    ("APPSYNC", ":appsync:"),
    ("COGNITO_USER_POOL", ":cognito-idp:"),
    ("APP_RUNNER_SERVICE", ":apprunner:"),
    ("VERIFIED_ACCESS_INSTANCE", ":verified-access-instance/"),
    ("AMPLIFY", ":amplify:"),
];

impl Waf {
    /// Lists the resources of a web ACL. Without a type, WAF lists load balancers.
    pub(crate) fn list_resources_for_web_acl(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let arn = validate::optional_text(body, "WebACLArn", 20..=2048, |_| true)?.unwrap_or_default();
        let wanted = validate::optional_text(body, "ResourceType", 1..=64, |_| true)?;
        let wanted = wanted.unwrap_or("APPLICATION_LOAD_BALANCER");
        let (_, part) = RESOURCE_TYPES.iter().find(|(name, _)| *name == wanted).ok_or_else(|| {
            ApiError::parameter("RESOURCE_TYPE", wanted, "You specified a resource type that isn\u{2019}t valid")
        })?;
        let (_, version) = self.web_acls.read_by_arn(region, arn, self.now)?;
        let resources: Vec<&String> = version.content.resources.iter().filter(|arn| arn.contains(part)).collect();
        Ok(Done::read(json!({ "ResourceArns": resources }).to_string()))
    }

    pub(crate) fn get_web_acl(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let (entity, version) = if let Some(arn) = validate::optional_text(body, "ARN", 20..=2048, |_| true)? {
            self.web_acls.read_by_arn(region, arn, self.now)?
        } else {
            let place = validate::place(body, region)?;
            self.web_acls.read(&place, validate::name(body)?, validate::id(body)?, self.now)?
        };
        let acl = &version.content;
        let [first, last] = &acl.firewall_manager;
        Ok(Done::read(
            json!({
                "WebACL": {
                    "Name": entity.name,
                    "Id": entity.id,
                    "ARN": entity.arn,
                    "DefaultAction": { acl.default_action.as_str(): {} },
                    "Description": "",
                    "Rules": acl.rules,
                    "VisibilityConfig": super::visibility_of(&entity.name),
                    "PreProcessFirewallManagerRuleGroups": first,
                    "PostProcessFirewallManagerRuleGroups": last,
                    "ManagedByFirewallManager": false,
                    "LabelNamespace": format!("awswaf:{}:webacl:{}:", self.config.account, entity.name),
                },
                "LockToken": version.token,
            })
            .to_string(),
        ))
    }

    pub(crate) fn create_web_acl(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let name = validate::name(body)?;
        let default = rule::only_member(body.get("DefaultAction").unwrap_or(&Value::Null), "DEFAULT_ACTION")?;
        let ("Allow" | "Block", _) = default else {
            return Err(ApiError::parameter("DEFAULT_ACTION", default.0, "The default action is Allow or Block."));
        };
        rule::visibility(body)?;
        let group = |arn: &str| self.rule_groups.by_arn(arn).filter(|group| group.place == place);
        let weighed = rule::weigh_web_acl(body, |arn| Some(group(arn)?.newest().content.capacity))?;
        if self.web_acls.is_taken(&place, name) {
            return Err(fault::duplicate());
        }
        if weighed.capacity > MAX_CAPACITY {
            return Err(fault::limit_exceeded());
        }
        self.check_references(&weighed, &place)?;
        let none = || Value::Array(Vec::new());
        let content = WebAcl {
            default_action: default.0.to_owned(),
            rules: rules_of(body),
            firewall_manager: [none(), none()],
            resources: Vec::new(),
        };
        let (id, token) = (self.uuid(), self.uuid());
        let entity = self.web_acls.add(NewEntity {
            account: &self.config.account,
            name,
            place: &place,
            id,
            token: token.clone(),
            content,
            now: self.now,
            lag: self.config.read_lag,
            propagation: self.config.propagation,
        });
        Ok(Done::wrote(&json!({
            "Summary": {
                "Name": entity.name, "Id": entity.id, "ARN": entity.arn, "Description": "", "LockToken": token,
            },
        })))
    }

    /// Makes a web ACL protect a resource, which belongs to one web ACL at a time. It is a write without a lock token.
    pub(crate) fn associate_web_acl(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let arn = validate::text(body, "WebACLArn", 20..=2048, |_| true)?;
        let resource = validate::text(body, "ResourceArn", 20..=2048, |_| true)?;
        if !RESOURCE_TYPES.iter().any(|(_, part)| resource.contains(part)) {
            let reason = "The ARN isn\u{2019}t valid. A valid ARN begins with arn:";
            return Err(ApiError::parameter("RESOURCE_ARN", resource, reason));
        }
        let (entity, _) = self.web_acls.read_by_arn(region, arn, self.now)?;
        if entity.place.scope == Scope::CloudFront {
            let reason = "A distribution names its web ACL itself.";
            return Err(ApiError::parameter("RESOURCE_ARN", resource, reason));
        }
        for entity in self.web_acls.in_region_mut(region) {
            let (mut content, token) = ((*entity.newest().content).clone(), entity.newest().token.clone());
            content.resources.retain(|held| held != resource);
            if entity.arn == arn {
                content.resources.push(resource.to_owned());
            }
            entity.replace(content, token, self.now, Duration::ZERO);
        }
        Ok(Done::wrote(&json!({})))
    }
}
