//! What people and their tools do to tables, and wafsync never does: `CreateTable`, `PutItem`, `GetItem`, `DeleteItem`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Item, Table, Tables, place_and_name, position, projection};
use crate::wire::{ApiError, Done};

/// The maximum size of an item, in bytes.
const MAX_ITEM_BYTES: usize = 400 * 1_024;
/// The maximum length of a partition key, in bytes.
const MAX_KEY_BYTES: usize = 2_048;
/// Bytes per write unit.
const WRITE_UNIT_BYTES: usize = 1_024;

impl Tables {
    /// Creates a table with a partition key alone, which is a string. It is active at once.
    pub(crate) fn create_table(
        &mut self,
        request: &Map<String, Value>,
        region: &str,
        account: &str,
    ) -> Result<Done, ApiError> {
        let members = ["TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput"];
        accept(request, &members)?;
        let (_, name) = place_and_name(request, region)?;
        let key = partition_key(request)?;
        let throughput = request.get("ProvisionedThroughput").is_some();
        match request.get("BillingMode").and_then(Value::as_str).unwrap_or("PROVISIONED") {
            "PAY_PER_REQUEST" if throughput => Err(invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            )),
            "PROVISIONED" if !throughput => Err(invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            )),
            "PAY_PER_REQUEST" | "PROVISIONED" => Ok(()),
            other => Err(ApiError::validation(format!(
                "1 validation error detected: Value '{other}' at 'billingMode' failed to satisfy constraint: Member must \
                 satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"
            ))),
        }?;
        let entry = (region.to_owned(), name.to_owned());
        if self.0.contains_key(&entry) {
            return Err(ApiError::dynamo("ResourceInUseException", format!("Table already exists: {name}")));
        }
        let table = self.0.entry(entry).or_insert_with(|| Table { key, ..Table::default() });
        Ok(Done::wrote(&json!({ "TableDescription": table.description(name, region, account, "CREATING") })))
    }

    pub(crate) fn put_item(&mut self, request: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        accept(request, &["TableName", "Item", "ReturnValues", "ReturnConsumedCapacity"])?;
        let (name, table) = self.write(request, region)?;
        let attributes = structure(request, "Item")?;
        attributes.values().try_for_each(check_value)?;
        let key = table.key_of(attributes, &|key| invalid(&format!("Missing the key {key} in the item")))?;
        let item = Item::new(&Value::Object(attributes.clone()));
        if item.size > MAX_ITEM_BYTES {
            return Err(ApiError::validation("Item size has exceeded the maximum allowed size"));
        }
        let size = item.size;
        let before = table.items.insert(position(&key), item);
        let size = before.as_ref().map_or(size, |before| before.size.max(size));
        written(request, &name, before, size)
    }

    pub(crate) fn delete_item(&mut self, request: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        accept(request, &["TableName", "Key", "ReturnValues", "ReturnConsumedCapacity"])?;
        let (name, table) = self.write(request, region)?;
        let key = table.whole_key(request)?;
        let before = table.items.remove(&position(&key));
        let size = before.as_ref().map_or(0, |before| before.size);
        written(request, &name, before, size)
    }

    pub(crate) fn get_item(&self, request: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        accept(request, &["TableName", "Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"])?;
        let (_, table) = self.read(request, region)?;
        let (key, projection) = (table.whole_key(request)?, projection(request)?);
        let item = table.items.get(&position(&key)).map(|item| item.value(projection.as_ref()));
        Ok(Done::read(item.map_or_else(|| json!({}), |item| json!({ "Item": item })).to_string()))
    }

    /// The table that a request writes to, with its name.
    fn write(&mut self, request: &Map<String, Value>, region: &str) -> Result<(String, &mut Table), ApiError> {
        let name = self.read(request, region)?.0.to_owned();
        let table = self.0.get_mut(&(region.to_owned(), name.clone()));
        Ok((name, table.expect("it was just read")))
    }
}

impl Table {
    /// The partition key among these attributes.
    fn key_of(&self, attributes: &Map<String, Value>, missing: &dyn Fn(&str) -> ApiError) -> Result<String, ApiError> {
        let name = &self.key;
        let (kind, value) =
            attributes.get(name).and_then(|value| value.as_object()?.iter().next()).ok_or_else(|| missing(name))?;
        match (kind.as_str(), value.as_str()) {
            ("S", Some("")) => Err(ApiError::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
                 string value. Key: {name}"
            ))),
            ("S", Some(key)) if key.len() > MAX_KEY_BYTES => {
                Err(invalid(&format!("Size of hashkey has exceeded the maximum size limit of {MAX_KEY_BYTES} bytes")))
            }
            ("S", Some(key)) => Ok(key.to_owned()),
            (kind, _) => Err(invalid(&format!("Type mismatch for key {name} expected: S actual: {kind}"))),
        }
    }

    /// `Key`, which has the partition key and nothing else.
    fn whole_key(&self, request: &Map<String, Value>) -> Result<String, ApiError> {
        let other = || ApiError::validation("The provided key element does not match the schema");
        let key = structure(request, "Key")?;
        key.values().try_for_each(check_value)?;
        if key.len() != 1 {
            return Err(other());
        }
        self.key_of(key, &|_| other())
    }
}

/// The answer to a write of an item.
fn written(request: &Map<String, Value>, table: &str, before: Option<Item>, size: usize) -> Result<Done, ApiError> {
    let mut answer = Map::new();
    match (request.get("ReturnValues").and_then(Value::as_str).unwrap_or("NONE"), before) {
        ("ALL_OLD", Some(before)) => {
            answer.insert("Attributes".to_owned(), before.value(None));
        }
        ("NONE" | "ALL_OLD", _) => {}
        _ => return Err(ApiError::validation("ReturnValues can only be ALL_OLD or NONE")),
    }
    if request.get("ReturnConsumedCapacity").and_then(Value::as_str) == Some("TOTAL") {
        let units = f64::from(u32::try_from(size.div_ceil(WRITE_UNIT_BYTES).max(1)).unwrap_or(u32::MAX));
        answer.insert("ConsumedCapacity".to_owned(), json!({ "TableName": table, "CapacityUnits": units }));
    }
    Ok(Done::wrote(&Value::Object(answer)))
}

/// The only partition key that the stand-in supports: one string.
fn partition_key(request: &Map<String, Value>) -> Result<String, ApiError> {
    let list = |member: &str| request.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (schema, definitions) = (list("KeySchema"), list("AttributeDefinitions"));
    let defined: BTreeSet<String> = definitions.iter().map(|entry| text(entry, "AttributeName")).collect();
    let keys: BTreeSet<String> = schema.iter().map(|entry| text(entry, "AttributeName")).collect();
    if let Some(key) = keys.iter().find(|key| !defined.contains(*key)) {
        return Err(invalid(&format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{key}], AttributeDefinitions: [{}]",
            defined.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        )));
    }
    if keys.len() != defined.len() {
        return Err(invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ));
    }
    match (schema, definitions) {
        ([key], [definition])
            if text(key, "KeyType") == "HASH"
                && text(definition, "AttributeType") == "S"
                && !text(key, "AttributeName").is_empty() =>
        {
            Ok(text(key, "AttributeName"))
        }
        _ => Err(ApiError::validation("The stand-in supports a partition key alone, of type S")),
    }
}

/// Rejects members that the stand-in does not support.
fn accept(request: &Map<String, Value>, members: &[&str]) -> Result<(), ApiError> {
    match request.keys().find(|member| !members.contains(&member.as_str())) {
        Some(member) => Err(ApiError::validation(format!("The stand-in does not support {member}"))),
        None => Ok(()),
    }
}

fn structure<'a>(request: &'a Map<String, Value>, member: &str) -> Result<&'a Map<String, Value>, ApiError> {
    request.get(member).and_then(Value::as_object).ok_or_else(|| {
        ApiError::validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            member.to_ascii_lowercase()
        ))
    })
}

/// Checks an attribute value: one type, and a value that fits it.
fn check_value(value: &Value) -> Result<(), ApiError> {
    let types = value.as_object().map(|value| value.iter().collect::<Vec<_>>()).unwrap_or_default();
    let [(kind, content)] = types.as_slice() else {
        let finding = if types.is_empty() { "is empty" } else { "has more than one datatypes set" };
        let message = format!("Supplied AttributeValue {finding}, must contain exactly one of the supported datatypes");
        return Err(ApiError::validation(message));
    };
    let set = |is_valid: &dyn Fn(&str) -> bool| {
        let words: Vec<&str> = content.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        let distinct: BTreeSet<&str> = words.iter().copied().collect();
        Some(!words.is_empty() && distinct.len() == words.len() && words.iter().all(|word| is_valid(word)))
    };
    let number = |text: &str| text.len() <= 40 && text.parse::<f64>().is_ok_and(f64::is_finite);
    let fits = match (kind.as_str(), *content) {
        ("S" | "B", Value::String(_)) | ("BOOL", Value::Bool(_)) | ("NULL", Value::Bool(true)) => Some(true),
        ("N", Value::String(text)) => Some(number(text)),
        ("SS" | "BS", _) => set(&|_| true),
        ("NS", _) => set(&number),
        ("L", Value::Array(list)) => return list.iter().try_for_each(check_value),
        ("M", Value::Object(map)) => return map.values().try_for_each(check_value),
        _ => None,
    };
    match fits {
        Some(true) => Ok(()),
        Some(false) => Err(invalid(&format!("The value of type {kind} is not valid: {content}"))),
        None => Err(ApiError::framework("SerializationException", format!("Unexpected value of type {kind}"))),
    }
}

fn invalid(finding: &str) -> ApiError {
    ApiError::validation(format!("One or more parameter values were invalid: {finding}"))
}
