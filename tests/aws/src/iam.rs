//! The IAM actions and resources of a call, and whether a policy allows them. Conditions are not supported.
//!
//! Source: the Service Authorization Reference of AWS WAF V2 and of Amazon `DynamoDB`.

use serde_json::Value;

use crate::state::Attempt;

/// An action and a resource.
pub type Call = (String, String);

const ACCOUNT: &str = "111122223333";

/// What an attempt must be allowed to do: its action on its own resource and, for a rule group, on each IP set that the
/// group refers to.
#[must_use]
pub fn calls(attempt: &Attempt) -> Vec<Call> {
    let Attempt { operation, target, request, region, .. } = attempt;
    let scope = if request.get("Scope").is_some_and(|scope| scope == "CLOUDFRONT") { "global" } else { "regional" };
    let place = format!("arn:aws:wafv2:{region}:{ACCOUNT}:{scope}");
    let own = |kind: &str| match request.get("ARN").and_then(Value::as_str) {
        Some(arn) => arn.to_owned(),
        None => format!("{place}/{kind}/{target}/0d0e0f00"),
    };
    let action = |name: &str| format!("wafv2:{name}");
    let tagged = request.get("Tags").is_some();
    let (resource, further) = match operation.as_str() {
        "Scan" | "Query" | "DescribeTable" => {
            let table = format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{target}");
            return vec![(format!("dynamodb:{operation}"), table)];
        }
        // `GetCallerIdentity` cannot be denied.
        "GetCallerIdentity" => return Vec::new(),
        "GetWebACL" | "ListResourcesForWebACL" => (own("webacl"), Vec::new()),
        list if list.starts_with("List") => ("*".to_owned(), Vec::new()),
        group if group.ends_with("RuleGroup") => (own("rulegroup"), references(request)),
        _ => (own("ipset"), Vec::new()),
    };
    let mut calls = vec![(action(operation), resource.clone())];
    calls.extend(tagged.then(|| (action("TagResource"), resource)));
    calls.extend(further.into_iter().map(|arn| (action(operation), arn)));
    calls
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("IPSetReferenceStatement").and_then(|reference| reference["ARN"].as_str());
            own.map(ToOwned::to_owned).into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Whether a policy document allows a call.
#[must_use]
pub fn allows(policy: &Value, (action, resource): &Call) -> bool {
    let any = |list: &Value, text: &str| {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).any(|g| matches(g, text))
    };
    let mut statements = policy["Statement"].as_array().into_iter().flatten();
    statements.any(|statement| any(&statement["Action"], action) && any(&statement["Resource"], resource))
}

/// Whether a text matches a pattern. `*` is any text, `?` is one character.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|from| text.get(from..).is_some_and(|rest| matches(&pattern[1..], rest))),
        Some(wanted) => text
            .strip_prefix(|c| wanted == '?' || c == wanted)
            .is_some_and(|rest| matches(&pattern[wanted.len_utf8()..], rest)),
    }
}
