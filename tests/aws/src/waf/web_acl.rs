//! Web ACLs: made by hand and read, never written through the API.

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
}

impl Described for WebAcl {
    fn description(&self) -> Option<&str> {
        None
    }
}

impl Waf {
    pub(crate) fn get_web_acl(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let (entity, version) = if let Some(arn) = validate::optional_text(body, "ARN", 20..=2048, |_| true)? {
            self.web_acls.read_by_arn(region, arn, self.now)?
        } else {
            let place = validate::place(body, region)?;
            self.web_acls.read(&place, validate::name(body)?, validate::id(body)?, self.now)?
        };
        let acl = &version.content;
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
                    "ManagedByFirewallManager": false,
                    "LabelNamespace": format!("awswaf:{}:webacl:{}:", self.config.account, entity.name),
                },
                "LockToken": version.token,
            })
            .to_string(),
        ))
    }
}
