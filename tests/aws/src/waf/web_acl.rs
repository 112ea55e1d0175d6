//! Web ACLs: created by hand and read, never written through the API.

use serde_json::{Map, Value, json};

use super::entity::Described;
use super::{Waf, validate};
use crate::wire::{ApiError, Done};

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
}
