//! DynamoDB: tables ordered by a hash of the key, `Scan` of a table and `Query` of one partition key.
//!
//! `edit` has what people and their tools do to a table.
//!
//! An item is stored as the JSON text of its attributes, so that a million items are small and fast to send.

mod edit;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;

use serde_json::{Map, Value, json};

use crate::wire::{ApiError, Done};

/// The partition key of tables that are created by hand.
const KEY_ATTRIBUTE: &str = "id";
/// Bytes per read unit of a consistent read. Other reads cost half as much.
const READ_UNIT_BYTES: usize = 4_096;
/// Reserved words that a table like ours might use. Expressions need placeholders for them.
const RESERVED: [&str; 12] =
    ["data", "date", "items", "key", "keys", "name", "region", "status", "timestamp", "ttl", "values", "zone"];
/// Unsupported members of a request. They are rejected, not ignored.
const UNSUPPORTED: [&str; 9] = [
    "AttributesToGet",
    "ConditionalOperator",
    "FilterExpression",
    "IndexName",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
    "ScanIndexForward",
    "Select",
];
/// The only supported key condition: the partition key equals a value.
const KEY_CONDITION: &str = "#a0 = :key";
/// The maximum number of segments of a scan.
const MAX_SEGMENTS: i64 = 1_000_000;

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Tables(BTreeMap<(String, String), Table>);

/// The position of an item: the hash of its partition key, then the whole key.
type Position = (u64, String);

#[derive(Debug)]
struct Table {
    /// The attribute that is the partition key, a string.
    key: String,
    items: BTreeMap<Position, Item>,
}

impl Default for Table {
    fn default() -> Self {
        Self { key: KEY_ATTRIBUTE.to_owned(), items: BTreeMap::new() }
    }
}

impl Table {
    fn description(&self, name: &str, region: &str, account: &str, status: &str) -> Value {
        json!({
            "TableName": name,
            "TableArn": format!("arn:aws:dynamodb:{region}:{account}:table/{name}"),
            "TableStatus": status,
            "KeySchema": [{ "AttributeName": self.key, "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": self.key, "AttributeType": "S" }],
            "ItemCount": self.items.len(),
            "TableSizeBytes": self.items.values().map(|item| item.size).sum::<usize>(),
        })
    }
}

#[derive(Debug)]
struct Item {
    /// The name of each attribute, with its name and value as JSON text.
    attributes: Box<[(Box<str>, Box<str>)]>,
    /// The size in bytes, as DynamoDB counts it.
    size: usize,
}

impl Item {
    fn new(item: &Value) -> Self {
        let attributes = item.as_object().expect("an item is a JSON object");
        let size = attributes.iter().map(|(name, value)| name.len() + size_of_value(value)).sum();
        let text = |name: &str, value: &Value| format!("{}:{value}", Value::from(name)).into();
        let attributes = attributes.iter().map(|(name, value)| (name.as_str().into(), text(name, value))).collect();
        Self { attributes, size }
    }

    fn value(&self, projection: Option<&BTreeSet<String>>) -> Value {
        let mut json = String::new();
        self.push_json(&mut json, projection);
        serde_json::from_str(&json).expect("it is made of JSON")
    }

    fn push_json(&self, json: &mut String, projection: Option<&BTreeSet<String>>) {
        json.push('{');
        let mut separator = "";
        for (name, text) in &self.attributes {
            if projection.is_none_or(|names| names.contains(name.as_ref())) {
                json.push_str(separator);
                json.push_str(text);
                separator = ",";
            }
        }
        json.push('}');
    }
}

/// The approximate size of an attribute value in bytes, as DynamoDB counts it.
fn size_of_value(value: &Value) -> usize {
    let Some((kind, content)) = value.as_object().and_then(|value| value.iter().next()) else {
        panic!("not an attribute value: {value}");
    };
    match (kind.as_str(), content) {
        ("N", Value::String(number)) => number.len().div_ceil(2) + 1,
        (_, Value::String(text)) => text.len(),
        ("L", Value::Array(list)) => 3 + list.iter().map(|value| 1 + size_of_value(value)).sum::<usize>(),
        (_, Value::Array(set)) => set.iter().filter_map(Value::as_str).map(str::len).sum(),
        (_, Value::Object(map)) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + size_of_value(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// The part of a key before `#` is the partition key. It alone determines the hash, so items that share it are
/// neighbors.
fn position(key: &str) -> Position {
    let partition = key.split('#').next().unwrap_or(key);
    let fnv = partition
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // FNV leaves the high bits of short keys alike, and segments are split by the high bits.
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29), key.to_owned())
}

impl Tables {
    pub(crate) fn create(&mut self, region: &str, name: &str) {
        self.0.entry((region.to_owned(), name.to_owned())).or_default();
    }

    /// The table `NAME`, or `REGION/NAME` if several regions have one of that name.
    fn by_hand(&mut self, table: &str) -> &mut Table {
        let (region, name) = table.split_once('/').map_or((None, table), |(region, name)| (Some(region), name));
        self.0
            .iter_mut()
            .find(|(place, _)| place.1 == name && region.is_none_or(|region| place.0 == region))
            .map_or_else(|| panic!("no such table: {table}"), |(_, table)| table)
    }

    pub(crate) fn put(&mut self, table: &str, key: &str, item: &Value) {
        self.by_hand(table).items.insert(position(key), Item::new(item));
    }

    pub(crate) fn delete(&mut self, table: &str, key: &str) {
        self.by_hand(table).items.remove(&position(key));
    }

    pub(crate) fn clear(&mut self, table: &str) {
        self.by_hand(table).items.clear();
    }

    /// The values of a string attribute, in scan order.
    pub(crate) fn strings(&mut self, table: &str, attribute: &str) -> Vec<String> {
        let items = self.by_hand(table).items.values();
        items
            .filter_map(|item| item.attributes.iter().find(|(name, _)| name.as_ref() == attribute))
            .filter_map(|(_, text)| serde_json::from_str::<Value>(&format!("{{{text}}}")).ok())
            .filter_map(|item| item.get(attribute)?.get("S")?.as_str().map(str::to_owned))
            .collect()
    }

    fn read(&self, request: &Map<String, Value>, region: &str) -> Result<(&str, &Table), ApiError> {
        let (place, name) = place_and_name(request, region)?;
        let found = self.0.get_key_value(&(place.to_owned(), name.to_owned())).filter(|_| place == region);
        let missing = || ApiError::dynamo("ResourceNotFoundException", "Requested resource not found");
        found.map(|(place, table)| (place.1.as_str(), table)).ok_or_else(missing)
    }

    pub(crate) fn describe(&self, request: &Map<String, Value>, region: &str, account: &str) -> Result<Done, ApiError> {
        let (name, table) = self.read(request, region)?;
        let description = table.description(name, region, account, "ACTIVE");
        Ok(Done::read(json!({ "Table": description }).to_string()))
    }

    /// One page of a scan, at most `page_bytes` long. With `empty_pages`, every second page is empty.
    pub(crate) fn scan(
        &self,
        request: &Map<String, Value>,
        region: &str,
        page_bytes: usize,
        empty_pages: bool,
    ) -> Result<Done, ApiError> {
        let (name, table) = self.read(request, region)?;
        reject_unsupported(request)?;
        if request.contains_key("ExpressionAttributeValues") {
            return Err(ApiError::validation("The stand-in does not support ExpressionAttributeValues in a scan"));
        }
        let projection = projection(request)?;
        let limit = limit(request)?;
        let segment = Segment::read(request)?;
        let start = start_key(request, &table.key)?;
        if let Some(start) = &start
            && !segment.holds(start)
        {
            return Err(ApiError::validation(
                "The provided starting key is invalid: it is outside the segment of this scan",
            ));
        }

        let mut page = Page { json: String::from("{\"Items\":["), bytes: 0, count: 0, last: None };
        match &start {
            // An invented key right after the last one. No item lies between the two.
            Some((_, key)) if empty_pages && !key.ends_with('\0') => {
                page.last = Some(format!("{key}{}", if key.contains('#') { "\0" } else { "#\0" }));
            }
            _ => {
                let from = start.map_or(Bound::Included((segment.first(), String::new())), Bound::Excluded);
                let items = table.items.range((from, Bound::Unbounded)).take_while(|(place, _)| segment.holds(place));
                page.fill(items, limit, page_bytes, projection.as_ref());
            }
        }
        Ok(Done::read(page.finish(&table.key, capacity(request, name))))
    }

    /// One page of the items with the requested partition key.
    pub(crate) fn query(
        &self,
        request: &Map<String, Value>,
        region: &str,
        page_bytes: usize,
    ) -> Result<Done, ApiError> {
        let (name, table) = self.read(request, region)?;
        reject_unsupported(request)?;
        let projection = projection(request)?;
        let (limit, start) = (limit(request)?, start_key(request, &table.key)?);
        let expression = request.get("KeyConditionExpression").and_then(Value::as_str).unwrap_or_default();
        let asked = request.get("ExpressionAttributeNames").and_then(|names| names["#a0"].as_str());
        if expression != KEY_CONDITION || asked != Some(&table.key) {
            return Err(ApiError::validation(format!("Query condition missed key schema element: {}", table.key)));
        }
        let values = request.get("ExpressionAttributeValues").and_then(Value::as_object);
        let key = values.filter(|values| values.len() == 1).and_then(|values| values.get(":key")?.get("S")?.as_str());
        let key = key.ok_or_else(|| ApiError::validation("Invalid KeyConditionExpression: :key is not a string"))?;
        if key.is_empty() {
            return Err(ApiError::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty string value. Key: {}",
                table.key
            )));
        }
        let own = format!("{}:{}", Value::from(table.key.as_str()), json!({ "S": key }));
        let has_key = |item: &Item| item.attributes.iter().any(|(_, text)| **text == *own);
        let (hash, _) = position(key);
        let from = start.map_or(Bound::Included((hash, String::new())), Bound::Excluded);
        let items = table.items.range((from, Bound::Unbounded)).take_while(|((place, _), _)| *place == hash);
        let mut page = Page { json: String::from("{\"Items\":["), bytes: 0, count: 0, last: None };
        page.fill(items.filter(|(_, item)| has_key(item)), limit, page_bytes, projection.as_ref());
        Ok(Done::read(page.finish(&table.key, capacity(request, name))))
    }
}

/// The Region and the name of the table in a request.
fn place_and_name<'a>(request: &'a Map<String, Value>, region: &'a str) -> Result<(&'a str, &'a str), ApiError> {
    let given = request.get("TableName").and_then(Value::as_str).unwrap_or_default();
    let (place, name) = match given.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", "aws", "dynamodb", region, _, resource] => {
            (*region, resource.strip_prefix("table/").unwrap_or(resource))
        }
        _ => (region, given),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !(3..=255).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(ApiError::validation(format!("Invalid table name: {given}")));
    }
    Ok((place, name))
}

fn reject_unsupported(request: &Map<String, Value>) -> Result<(), ApiError> {
    match UNSUPPORTED.iter().find(|member| request.contains_key(**member)) {
        Some(member) => Err(ApiError::validation(format!("The stand-in does not support {member}"))),
        None => Ok(()),
    }
}

/// The maximum number of items on a page.
fn limit(request: &Map<String, Value>) -> Result<usize, ApiError> {
    match integer(request, "Limit")? {
        None => Ok(usize::MAX),
        Some(limit) => usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
            ApiError::validation("1 validation error detected: Value at 'limit' must be greater than or equal to 1")
        }),
    }
}

/// The table whose consumed capacity is to be reported, and whether the read is consistent.
fn capacity<'a>(request: &Map<String, Value>, table: &'a str) -> Option<(&'a str, bool)> {
    let consistent = request.get("ConsistentRead").and_then(Value::as_bool).unwrap_or(false);
    let wants_capacity = request.get("ReturnConsumedCapacity").and_then(Value::as_str) == Some("TOTAL");
    wants_capacity.then_some((table, consistent))
}

/// A page of a scan that is being written.
struct Page {
    json: String,
    bytes: usize,
    count: usize,
    last: Option<String>,
}

impl Page {
    fn fill<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a Position, &'a Item)>,
        limit: usize,
        page_bytes: usize,
        projection: Option<&BTreeSet<String>>,
    ) {
        let mut read: Option<&str> = None;
        for ((_, key), item) in items {
            let full = self.count == limit || (self.count > 0 && self.bytes + item.size > page_bytes);
            if full {
                self.last = read.map(str::to_owned);
                return;
            }
            if self.count > 0 {
                self.json.push(',');
            }
            item.push_json(&mut self.json, projection);
            self.bytes += item.size;
            self.count += 1;
            read = Some(key);
        }
        // When the limit ends a page exactly at the end of the table, DynamoDB does not know that the table ends there.
        if self.count == limit {
            self.last = read.map(str::to_owned);
        }
    }

    fn finish(mut self, key_attribute: &str, capacity: Option<(&str, bool)>) -> String {
        write!(self.json, "],\"Count\":{0},\"ScannedCount\":{0}", self.count).expect("a string takes all text");
        if let Some(key) = self.last {
            let key = json!({ key_attribute: { "S": key } });
            write!(self.json, ",\"LastEvaluatedKey\":{key}").expect("a string takes all text");
        }
        if let Some((table, consistent)) = capacity {
            let blocks = u32::try_from(self.bytes.div_ceil(READ_UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
            let units = f64::from(blocks) * if consistent { 1.0 } else { 0.5 };
            let consumed = json!({ "TableName": table, "CapacityUnits": units });
            write!(self.json, ",\"ConsumedCapacity\":{consumed}").expect("a string takes all text");
        }
        self.json.push('}');
        self.json
    }
}

/// One of the equal parts of the range of hashes.
struct Segment {
    index: u128,
    total: u128,
}

impl Segment {
    fn read(request: &Map<String, Value>) -> Result<Self, ApiError> {
        let (index, total) = match (integer(request, "Segment")?, integer(request, "TotalSegments")?) {
            (None, None) => (0, 1),
            (Some(index), Some(total)) => (index, total),
            _ => return Err(ApiError::validation("Segment and TotalSegments must be given together")),
        };
        if !(1..=MAX_SEGMENTS).contains(&total) || !(0..total).contains(&index) {
            return Err(ApiError::validation(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments, at most 1000000",
            ));
        }
        Ok(Self { index: index.unsigned_abs().into(), total: total.unsigned_abs().into() })
    }

    fn holds(&self, position: &Position) -> bool {
        (u128::from(position.0) * self.total) >> 64 == self.index
    }

    /// The lowest hash in the segment.
    fn first(&self) -> u64 {
        u64::try_from((self.index << 64).div_ceil(self.total)).unwrap_or(u64::MAX)
    }
}

fn integer(request: &Map<String, Value>, member: &str) -> Result<Option<i64>, ApiError> {
    match request.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_i64().map(Some).ok_or_else(|| ApiError::validation(format!("{member} is not an integer")))
        }
    }
}

fn start_key(request: &Map<String, Value>, attribute: &str) -> Result<Option<Position>, ApiError> {
    let Some(key) = request.get("ExclusiveStartKey").filter(|key| !key.is_null()) else {
        return Ok(None);
    };
    let text = key.as_object().filter(|key| key.len() == 1).and_then(|_| key.get(attribute)?.get("S")?.as_str());
    let text = text.ok_or_else(|| ApiError::validation("The provided starting key is invalid"))?;
    Ok(Some(position(text)))
}

/// The attribute names in `ProjectionExpression`, with placeholders resolved.
fn projection(request: &Map<String, Value>) -> Result<Option<BTreeSet<String>>, ApiError> {
    let refuse = |reason: String| ApiError::validation(format!("Invalid ProjectionExpression: {reason}"));
    let empty = Map::new();
    let placeholders = request.get("ExpressionAttributeNames").and_then(Value::as_object).unwrap_or(&empty);
    let Some(expression) = request.get("ProjectionExpression").and_then(Value::as_str) else {
        let message = "ExpressionAttributeNames can only be specified when using expressions";
        return if placeholders.is_empty() { Ok(None) } else { Err(ApiError::validation(message)) };
    };
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    for part in expression.split(',').map(str::trim) {
        let name = if part.starts_with('#') {
            used.insert(part);
            let name = placeholders.get(part).and_then(Value::as_str);
            name.ok_or_else(|| refuse(format!("An expression attribute name used is not defined: {part}")))?
        } else {
            let word = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !word || !part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(refuse(format!("Syntax error; token: \"{part}\"")));
            }
            if RESERVED.contains(&part.to_ascii_lowercase().as_str()) {
                return Err(refuse(format!("Attribute name is a reserved keyword; reserved keyword: {part}")));
            }
            part
        };
        if !names.insert(name.to_owned()) {
            return Err(refuse(format!("Two document paths overlap with each other: {name}")));
        }
    }
    if let Some(unused) = placeholders.keys().find(|placeholder| !used.contains(placeholder.as_str())) {
        let message = format!("Value provided in ExpressionAttributeNames unused in expressions: keys: {{{unused}}}");
        return Err(ApiError::validation(message));
    }
    Ok(Some(names))
}
