//! The constraints of WAF's model: lengths, patterns, required members. A violation is a `ValidationException`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::entity::{Place, Scope};
use crate::wire::ApiError;

/// The error of the service framework for a member that violates a constraint.
pub(crate) fn constraint(member: &str, value: &str, wanted: &str) -> ApiError {
    let value: String = value.chars().take(100).collect();
    ApiError::validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {wanted}"
    ))
}

/// The text of an optional member, which may be absent or null.
pub(crate) fn optional_text<'a>(
    body: &'a Map<String, Value>,
    member: &str,
    length: RangeInclusive<usize>,
    pattern: impl Fn(&str) -> bool,
) -> Result<Option<&'a str>, ApiError> {
    match body.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            if !length.contains(&text.chars().count()) {
                let wanted = format!("have length between {} and {}", length.start(), length.end());
                return Err(constraint(member, text, &wanted));
            }
            if !pattern(text) {
                return Err(constraint(member, text, "satisfy regular expression pattern"));
            }
            Ok(Some(text))
        }
        Some(other) => Err(constraint(member, &other.to_string(), "be a string")),
    }
}

/// The text of a required member.
pub(crate) fn text<'a>(
    body: &'a Map<String, Value>,
    member: &str,
    length: RangeInclusive<usize>,
    pattern: impl Fn(&str) -> bool,
) -> Result<&'a str, ApiError> {
    optional_text(body, member, length, pattern)?.ok_or_else(|| constraint(member, "null", "not be null"))
}

/// The number of an optional member, which may be absent or null.
pub(crate) fn optional_integer(
    body: &Map<String, Value>,
    member: &str,
    least: i64,
    most: i64,
) -> Result<Option<i64>, ApiError> {
    match body.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(constraint(member, &value.to_string(), &format!("be between {least} and {most}"))),
        },
    }
}

/// Whether a text matches `^[\w\-]+$`.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Whether a text matches `^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`.
pub(crate) fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-'))
}

/// Whether a text matches `^[\w+=:#@/\-,\.][\w+=:#@/\-,\.\s]+[\w+=:#@/\-,\.]$`.
fn is_description(text: &str) -> bool {
    let solid = |c: char| c.is_ascii_alphanumeric() || "_+=:#@/-,.".contains(c);
    text.chars().count() >= 3
        && text.starts_with(solid)
        && text.ends_with(solid)
        && text.chars().all(|c| solid(c) || c.is_ascii_whitespace())
}

/// The name of an entity.
pub(crate) fn name(body: &Map<String, Value>) -> Result<&str, ApiError> {
    text(body, "Name", 1..=128, is_name)
}

/// The id of an entity.
pub(crate) fn id(body: &Map<String, Value>) -> Result<&str, ApiError> {
    text(body, "Id", 1..=36, is_uuid)
}

/// The lock token of an update.
pub(crate) fn lock_token(body: &Map<String, Value>) -> Result<&str, ApiError> {
    text(body, "LockToken", 1..=36, is_uuid)
}

/// The optional description.
pub(crate) fn description(body: &Map<String, Value>) -> Result<Option<String>, ApiError> {
    Ok(optional_text(body, "Description", 3..=256, is_description)?.map(str::to_owned))
}

/// Scope and region. The global scope is valid only in `us-east-1`.
pub(crate) fn place(body: &Map<String, Value>, region: &str) -> Result<Place, ApiError> {
    let scope = text(body, "Scope", 1..=10, |text| Scope::parse(text).is_some())?;
    let scope = Scope::parse(scope).ok_or_else(|| constraint("scope", scope, "be a scope"))?;
    if scope == Scope::CloudFront && region != "us-east-1" {
        return Err(ApiError::parameter("SCOPE_VALUE", "CLOUDFRONT", "The scope is not valid."));
    }
    Ok(Place { region: region.to_owned(), scope })
}

/// The tags of a new entity.
pub(crate) fn tags(body: &Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let list = match body.get("Tags") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(constraint("tags", &other.to_string(), "be a list")),
    };
    if list.is_empty() || list.len() > 50 {
        return Err(constraint("tags", &list.len().to_string(), "have length between 1 and 50"));
    }
    let allowed = |text: &str| {
        text.chars().all(|c| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c))
    };
    let mut tags = BTreeMap::new();
    for tag in list {
        let tag = tag.as_object().ok_or_else(|| constraint("tags", &tag.to_string(), "be a structure"))?;
        let key = text(tag, "Key", 1..=128, allowed)?;
        let value = text(tag, "Value", 0..=256, allowed)?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::parameter("TAG_KEYS", key, "Tag keys that start with aws: are reserved."));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(ApiError::parameter("TAGS", key, "Tag keys must be distinct."));
        }
    }
    Ok(tags)
}
