//! Rules: their structure, the IP sets that they refer to, and their capacity units (WCU).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::validate::{self, constraint};
use crate::fault;
use crate::wire::ApiError;

/// The weight of a plain reference. Sources say 1 or 2; this is the stricter value.
const IP_SET_REFERENCE_WCU: i64 = 2;
/// The additional weight of a forwarded header in position ANY.
const FORWARDED_ANY_WCU: i64 = 4;
/// The weight of all other statements.
const OTHER_STATEMENT_WCU: i64 = 10;
/// The number of labels that weigh one unit.
const LABELS_PER_WCU: usize = 5;
/// Words that a label must not contain.
const RESERVED_LABEL_WORDS: [&str; 8] =
    ["awswaf", "aws", "waf", "rulegroup", "webacl", "regexpatternset", "ipset", "managed"];
/// The members of `Action` in a rule.
const ACTIONS: [&str; 5] = ["Allow", "Block", "Count", "Captcha", "Challenge"];

/// The result of checking valid rules.
#[derive(Debug, Default)]
pub(crate) struct Weighed {
    /// Web ACL capacity units.
    pub(crate) capacity: i64,
    /// ARNs of the IP sets, in order, with repetitions.
    pub(crate) ip_sets: Vec<String>,
    /// Reference statements, to IP sets and to regex pattern sets.
    pub(crate) references: usize,
}

/// Checks and weighs `Rules` of a rule group, which may be absent.
pub(crate) fn weigh(body: &Map<String, Value>) -> Result<Weighed, ApiError> {
    let mut weighed = Weighed::default();
    for rule in rules(body)? {
        weighed.plain(rule)?;
    }
    Ok(weighed)
}

/// Checks and weighs `Rules` of a web ACL, which may be absent, and may refer to rule groups of a capacity.
pub(crate) fn weigh_web_acl(
    body: &Map<String, Value>,
    capacity_of: impl Fn(&str) -> Option<i64>,
) -> Result<Weighed, ApiError> {
    let mut weighed = Weighed::default();
    for rule in rules(body)? {
        match statement(rule)?.get("RuleGroupReferenceStatement") {
            None => weighed.plain(rule)?,
            Some(reference) => {
                override_action(rule)?;
                let reference = object(reference, "RuleGroupReferenceStatement")?;
                let arn = validate::text(reference, "ARN", 20..=2048, |text| !text.trim().is_empty())?;
                weighed.capacity += capacity_of(arn).ok_or_else(fault::no_such_item)?;
                weighed.references += 1;
            }
        }
    }
    Ok(weighed)
}

/// The rules, each with a name and a priority of its own.
fn rules(body: &Map<String, Value>) -> Result<Vec<&Map<String, Value>>, ApiError> {
    let rules = match body.get("Rules") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(rules)) => rules,
        Some(other) => return Err(constraint("rules", &other.to_string(), "be a list")),
    };
    let (mut priorities, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut checked = Vec::new();
    for rule in rules {
        let rule = object(rule, "rules")?;
        let name = validate::name(rule)?;
        let priority = validate::optional_integer(rule, "Priority", 0, i64::from(i32::MAX))?
            .ok_or_else(|| constraint("priority", "null", "not be null"))?;
        visibility(rule)?;
        if !names.insert(name) {
            return Err(ApiError::parameter("RULE", name, "Your rule names are not unique."));
        }
        if !priorities.insert(priority) {
            return Err(ApiError::parameter("RULE", priority.to_string(), "Your rule priorities are not unique."));
        }
        checked.push(rule);
    }
    Ok(checked)
}

fn statement(rule: &Map<String, Value>) -> Result<&Value, ApiError> {
    rule.get("Statement").ok_or_else(|| constraint("rules.statement", "null", "not be null"))
}

/// Reads `VisibilityConfig`, which rules and rule groups must have.
pub(crate) fn visibility(body: &Map<String, Value>) -> Result<Value, ApiError> {
    let config = body.get("VisibilityConfig").unwrap_or(&Value::Null);
    let fields = object(config, "visibilityConfig")?;
    for switch in ["SampledRequestsEnabled", "CloudWatchMetricsEnabled"] {
        if !fields.get(switch).is_some_and(Value::is_boolean) {
            return Err(constraint(switch, "null", "not be null"));
        }
    }
    // The documented alphabet is narrower than the model's pattern, `^[\w#:\.\-/]+$`.
    let metric = validate::text(fields, "MetricName", 1..=128, validate::is_name)?;
    if metric == "All" || metric == "Default_Action" {
        return Err(ApiError::parameter("METRIC_NAME", metric, "The metric name is reserved."));
    }
    Ok(config.clone())
}

fn object<'a>(value: &'a Value, member: &str) -> Result<&'a Map<String, Value>, ApiError> {
    value.as_object().ok_or_else(|| constraint(member, &value.to_string(), "be a structure"))
}

/// The only member of a structure that must have exactly one.
pub(crate) fn only_member<'a>(value: &'a Value, field: &'static str) -> Result<(&'a str, &'a Value), ApiError> {
    let members: Vec<_> = object(value, field)?.iter().filter(|(_, value)| !value.is_null()).collect();
    match members.as_slice() {
        [(name, value)] => Ok((name, value)),
        _ => Err(none_or_multiple(field)),
    }
}

fn none_or_multiple(field: &'static str) -> ApiError {
    let reason = "You have used none or multiple values for a field that requires exactly one value.";
    ApiError::parameter(field, field, reason)
}

/// Checks the action. A plain rule has an `Action`. References to rule groups, which have an `OverrideAction`, are not
/// allowed in a group.
fn action(rule: &Map<String, Value>) -> Result<(), ApiError> {
    let present = |member: &str| rule.get(member).filter(|value| !value.is_null());
    match (present("Action"), present("OverrideAction")) {
        (Some(action), None) => {
            let (name, _) = only_member(action, "RULE_ACTION")?;
            if ACTIONS.contains(&name) { Ok(()) } else { Err(none_or_multiple("RULE_ACTION")) }
        }
        (None, Some(_)) => {
            let reason = "An override action is for rules that refer to a rule group.";
            Err(ApiError::parameter("OVERRIDE_ACTION", "OverrideAction", reason))
        }
        _ => Err(none_or_multiple("RULE_ACTION")),
    }
}

/// Checks the override of a rule that refers to a rule group, which must have one and no `Action`.
fn override_action(rule: &Map<String, Value>) -> Result<(), ApiError> {
    let present = |member: &str| rule.get(member).filter(|value| !value.is_null());
    match (present("Action"), present("OverrideAction")) {
        (None, Some(action)) => match only_member(action, "OVERRIDE_ACTION")? {
            ("None" | "Count", _) => Ok(()),
            _ => Err(none_or_multiple("OVERRIDE_ACTION")),
        },
        (Some(_), _) => {
            let reason = "A rule that refers to a rule group has an override action.";
            Err(ApiError::parameter("RULE_ACTION", "Action", reason))
        }
        (None, None) => Err(none_or_multiple("OVERRIDE_ACTION")),
    }
}

/// Checks the labels of a rule and returns their weight.
fn labels(rule: &Map<String, Value>) -> Result<i64, ApiError> {
    let labels = match rule.get("RuleLabels") {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::Array(labels)) => labels,
        Some(other) => return Err(constraint("ruleLabels", &other.to_string(), "be a list")),
    };
    let allowed = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
    for label in labels {
        let name = validate::text(object(label, "ruleLabels")?, "Name", 1..=1024, allowed)?;
        if name.split(':').any(|word| RESERVED_LABEL_WORDS.contains(&word)) {
            return Err(ApiError::parameter("LABEL_MATCH_STATEMENT", name, "The label uses a reserved word."));
        }
    }
    Ok(i64::try_from(labels.len().div_ceil(LABELS_PER_WCU)).unwrap_or(i64::from(u32::MAX)))
}

impl Weighed {
    /// Adds a rule that refers to no rule group.
    fn plain(&mut self, rule: &Map<String, Value>) -> Result<(), ApiError> {
        action(rule)?;
        self.capacity += labels(rule)?;
        self.statement(statement(rule)?)
    }

    fn statement(&mut self, statement: &Value) -> Result<(), ApiError> {
        let (kind, content) = only_member(statement, "STATEMENT")?;
        match kind {
            "IPSetReferenceStatement" => self.ip_set_reference(object(content, "IPSetReferenceStatement")?),
            "OrStatement" => self.combination(content, "OR_STATEMENT"),
            "AndStatement" => self.combination(content, "AND_STATEMENT"),
            "NotStatement" => {
                let inner = object(content, "NotStatement")?.get("Statement").unwrap_or(&Value::Null);
                self.statement(inner)
            }
            "RegexPatternSetReferenceStatement" => {
                self.references += 1;
                self.capacity += OTHER_STATEMENT_WCU;
                Ok(())
            }
            "RuleGroupReferenceStatement" | "ManagedRuleGroupStatement" => {
                let reason = "A rule group cannot refer to a rule group.";
                Err(ApiError::parameter("RULE_GROUP_REFERENCE_STATEMENT", kind, reason))
            }
            "LabelMatchStatement" | "GeoMatchStatement" => {
                self.capacity += 1;
                Ok(())
            }
            _ => {
                self.capacity += OTHER_STATEMENT_WCU;
                Ok(())
            }
        }
    }

    fn combination(&mut self, content: &Value, field: &'static str) -> Result<(), ApiError> {
        let statements = object(content, field)?.get("Statements").and_then(Value::as_array);
        let statements = statements.ok_or_else(|| constraint("statements", "null", "not be null"))?;
        if statements.len() < 2 {
            let reason = "You haven't met a minimum requirement for a threshold setting.";
            return Err(ApiError::parameter(field, statements.len().to_string(), reason));
        }
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn ip_set_reference(&mut self, reference: &Map<String, Value>) -> Result<(), ApiError> {
        let arn = validate::text(reference, "ARN", 20..=2048, |text| !text.trim().is_empty())?;
        self.references += 1;
        self.capacity += IP_SET_REFERENCE_WCU;
        self.ip_sets.push(arn.to_owned());
        let config = match reference.get("IPSetForwardedIPConfig") {
            None | Some(Value::Null) => return Ok(()),
            Some(config) => object(config, "iPSetForwardedIPConfig")?,
        };
        let header = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        validate::text(config, "HeaderName", 1..=255, header)?;
        validate::text(config, "FallbackBehavior", 1..=16, |text| ["MATCH", "NO_MATCH"].contains(&text))?;
        let position = validate::text(config, "Position", 1..=16, |text| ["FIRST", "LAST", "ANY"].contains(&text))?;
        if position == "ANY" {
            self.capacity += FORWARDED_ANY_WCU;
        }
        Ok(())
    }
}
