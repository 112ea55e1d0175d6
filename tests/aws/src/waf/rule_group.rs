//! Rule groups: immutable capacity, and references to IP sets that must exist and be available.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::entity::{Described, NewEntity, Place};
use super::rule::{self, Weighed};
use super::{Waf, validate};
use crate::fault;
use crate::wire::{ApiError, Done};

/// The maximum capacity of a rule group, in WCU.
const MAX_CAPACITY: i64 = 5_000;

/// The content of a rule group.
#[derive(Clone, Debug)]
pub(crate) struct RuleGroup {
    pub(crate) capacity: i64,
    pub(crate) description: Option<String>,
    /// The rules as an array, as they were sent.
    pub(crate) rules: Value,
    pub(crate) visibility: Value,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Described for RuleGroup {
    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

impl Waf {
    pub(crate) fn get_rule_group(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let (entity, version) = if let Some(arn) = validate::optional_text(body, "ARN", 20..=2048, |_| true)? {
            self.rule_groups.read_by_arn(region, arn, self.now)?
        } else {
            let place = validate::place(body, region)?;
            self.rule_groups.read(&place, validate::name(body)?, validate::id(body)?, self.now)?
        };
        let group = &version.content;
        Ok(Done::read(
            json!({
                "RuleGroup": {
                    "Name": entity.name,
                    "Id": entity.id,
                    "ARN": entity.arn,
                    "Capacity": group.capacity,
                    "Description": group.description.as_deref().unwrap_or_default(),
                    "Rules": group.rules,
                    "VisibilityConfig": group.visibility,
                    "LabelNamespace": format!("awswaf:{}:rulegroup:{}:", self.config.account, entity.name),
                },
                "LockToken": version.token,
            })
            .to_string(),
        ))
    }

    pub(crate) fn create_rule_group(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let name = validate::name(body)?;
        let description = validate::description(body)?;
        let capacity = validate::optional_integer(body, "Capacity", 1, i64::MAX)?
            .ok_or_else(|| validate::constraint("capacity", "null", "not be null"))?;
        let visibility = rule::visibility(body)?;
        let tags = validate::tags(body)?;
        let weighed = rule::weigh(body)?;
        if self.rule_groups.is_taken(&place, name) {
            return Err(fault::duplicate());
        }
        if self.rule_groups.count(&place) >= self.config.max_rule_groups || capacity > MAX_CAPACITY {
            return Err(fault::limit_exceeded());
        }
        self.check_references(&weighed, &place)?;
        check_capacity(&weighed, capacity)?;
        let (id, token) = (self.uuid(), self.uuid());
        let entity = self.rule_groups.add(NewEntity {
            account: &self.config.account,
            name,
            place: &place,
            id,
            token: token.clone(),
            content: RuleGroup { capacity, description, rules: rules_of(body), visibility, tags },
            now: self.now,
            lag: self.config.read_lag,
            propagation: self.config.propagation,
        });
        Ok(Done::wrote(&json!({
            "Summary": {
                "Name": entity.name,
                "Id": entity.id,
                "ARN": entity.arn,
                "Description": body.get("Description").and_then(Value::as_str).unwrap_or_default(),
                "LockToken": token,
            },
        })))
    }

    pub(crate) fn update_rule_group(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let (name, id) = (validate::name(body)?, validate::id(body)?);
        let token = validate::lock_token(body)?;
        let description = validate::description(body)?;
        let visibility = rule::visibility(body)?;
        let weighed = rule::weigh(body)?;
        let next = self.uuid();
        let entity = self.rule_groups.find_to_update(&place, name, id)?;
        entity.check_token(token)?;
        let before = (*entity.newest().content).clone();
        self.check_references(&weighed, &place)?;
        check_capacity(&weighed, before.capacity)?;
        let content = RuleGroup { description, rules: rules_of(body), visibility, ..before };
        let entity = self.rule_groups.find_to_update(&place, name, id)?;
        entity.replace(content, next.clone(), self.now, self.config.read_lag);
        Ok(Done::wrote(&json!({ "NextLockToken": next })))
    }

    pub(crate) fn check_capacity(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let weighed = rule::weigh(body)?;
        self.check_references(&weighed, &place)?;
        Ok(Done::read(json!({ "Capacity": weighed.capacity }).to_string()))
    }

    pub(super) fn check_references(&self, weighed: &Weighed, place: &Place) -> Result<(), ApiError> {
        if weighed.references > self.config.group_references {
            return Err(fault::limit_exceeded());
        }
        for arn in &weighed.ip_sets {
            let set = self.ip_sets.by_arn(arn).filter(|set| set.place == *place).ok_or_else(fault::no_such_item)?;
            if set.available_from > self.now {
                return Err(fault::unavailable());
            }
        }
        Ok(())
    }
}

pub(super) fn rules_of(body: &Map<String, Value>) -> Value {
    body.get("Rules").filter(|rules| rules.is_array()).cloned().unwrap_or_else(|| json!([]))
}

fn check_capacity(weighed: &Weighed, capacity: i64) -> Result<(), ApiError> {
    if weighed.capacity <= capacity {
        return Ok(());
    }
    let reason = "You exceeded the capacity limit for a rule group or web ACL.";
    Err(ApiError::parameter("RULE_GROUP", weighed.capacity.to_string(), reason))
}
