//! Reads a page of a scan from JSON straight into the view, without intermediate values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::known::{Known, Walk};
use super::ordinary::{Form, Ordinary};
use crate::model::item::{Attribute, Item, ItemRules, TableView, without_blanks};
use crate::model::settings::TableSettings;

/// Reads the items of a page into `view` and returns their number. `known`: what was read before, which need not be read again.
///
/// # Errors
///
/// If it is not a list of items as `DynamoDB` writes them; `view` may then have some of them.
pub(super) fn read(
    json: &[u8],
    settings: &TableSettings,
    rules: &ItemRules,
    view: &mut TableView,
    known: Option<&mut Known>,
) -> Result<u64, serde_json::Error> {
    let (form, mut walk, mut buffer, mut items) = (Form::new(settings), Walk::new(known), Vec::new(), 0);
    let mut reader =
        Reader { settings, rules, view, key: Slot::default(), cidrs: Slot::default(), expiry: Slot::default() };
    let mut rest = without_blanks(json).strip_prefix(b"[").ok_or_else(|| custom("not a list of items"))?;
    if without_blanks(rest).starts_with(b"]") {
        rest = without_blanks(rest);
    } else {
        loop {
            if let Some((taken, after)) = walk.take_over(rest, rules, reader.view) {
                items += taken;
                rest = after;
            } else {
                rest = match form.item(rest, &mut buffer) {
                    Some(item) => reader.read_ordinary(&item),
                    None => reader.parse_item(rest)?,
                };
                items += 1;
                walk.has_read(rest, rules, reader.view);
            }
            match without_blanks(rest).strip_prefix(b",") {
                Some(next) => rest = next,
                None => break,
            }
        }
        walk.end(rest, rules, reader.view);
        rest = without_blanks(rest);
    }
    match rest.strip_prefix(b"]").map(without_blanks) {
        Some([]) => Ok(items),
        _ => Err(custom("the list of items does not end as a list does")),
    }
}

fn custom(problem: &str) -> serde_json::Error {
    serde_json::Error::custom(problem)
}

struct Reader<'a> {
    settings: &'a TableSettings,
    rules: &'a ItemRules,
    view: &'a mut TableView,
    key: Slot,
    cidrs: Slot,
    expiry: Slot,
}

/// A buffer for the value of one attribute, reused for all items.
#[derive(Clone, Debug, Default)]
struct Slot {
    found: Found,
    text: String,
}

#[derive(Clone, Debug, Default)]
enum Found {
    #[default]
    Nothing,
    /// A string, in the buffer.
    Text,
    Other(Attribute),
}

impl Slot {
    fn plain(&self) -> Option<&str> {
        matches!(self.found, Found::Text).then_some(&*self.text)
    }

    fn take(&mut self) -> Option<Attribute> {
        match std::mem::take(&mut self.found) {
            Found::Nothing => None,
            Found::Text => Some(Attribute::Text(self.text.clone())),
            Found::Other(attribute) => Some(attribute),
        }
    }
}

impl Reader<'_> {
    /// Adds an ordinary item to the view, and returns what follows it.
    fn read_ordinary<'j>(&mut self, item: &Ordinary<'j, '_>) -> &'j [u8] {
        if !self.view.read_plain(item.key, item.cidrs, item.expiry, self.rules) {
            let text = |text: &str| Some(Attribute::Text(text.to_owned()));
            let expiry = item.expiry.map(|expiry| Attribute::Number(expiry.to_owned()));
            self.view.read(&Item { key: text(item.key), cidrs: text(item.cidrs), expiry }, self.rules);
        }
        item.rest
    }

    /// Adds the item that `json` begins with to the view, whatever it looks like, and returns what follows it.
    fn parse_item<'j>(&mut self, json: &'j [u8]) -> Result<&'j [u8], serde_json::Error> {
        let mut values = serde_json::Deserializer::from_slice(json).into_iter::<&RawValue>();
        let item = values.next().ok_or_else(|| custom("an item is missing"))??;
        let rest = json.get(values.byte_offset()..).unwrap_or_default();
        OneItem(self).deserialize(&mut serde_json::Deserializer::from_str(item.get()))?;
        self.read_item();
        Ok(rest)
    }

    /// Adds the item in the slots to the view.
    fn read_item(&mut self) {
        if let (Some(key), Some(cidrs), Found::Nothing) = (self.key.plain(), self.cidrs.plain(), &self.expiry.found)
            && self.view.read_plain(key, cidrs, None, self.rules)
        {
            (self.key.found, self.cidrs.found) = (Found::Nothing, Found::Nothing);
            return;
        }
        let item = Item { key: self.key.take(), cidrs: self.cidrs.take(), expiry: self.expiry.take() };
        self.view.read(&item, self.rules);
    }
}

/// Reads one item into the slots.
struct OneItem<'r, 'a>(&'r mut Reader<'a>);

impl<'de> DeserializeSeed<'de> for OneItem<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneItem<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Reader { settings, key, cidrs, expiry, .. } = self.0;
        // Two settings may name the same attribute.
        let names = [Some(&settings.key_attribute), Some(&settings.cidr_attribute), settings.expiry_attribute.as_ref()];
        while let Some(asked) = map.next_key_seed(Which(names))? {
            let mut slots = [&mut *key, &mut *cidrs, &mut *expiry].into_iter().zip(asked).filter(|(_, asked)| *asked);
            let Some((first, _)) = slots.next() else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(Into(first))?;
            for (other, _) in slots {
                other.clone_from(first);
            }
        }
        Ok(())
    }
}

/// The index of an attribute among the requested names.
struct Which<'a>([Option<&'a String>; 3]);

impl<'de> DeserializeSeed<'de> for Which<'_> {
    type Value = [bool; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<[bool; 3], D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Which<'_> {
    type Value = [bool; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an attribute")
    }

    fn visit_str<E>(self, name: &str) -> Result<[bool; 3], E> {
        Ok(self.0.map(|asked| asked.is_some_and(|asked| asked == name)))
    }
}

/// Reads the value of an attribute, `{"S": "text"}`, into a slot.
struct Into<'a>(&'a mut Slot);

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of an attribute")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let kind = map.next_key_seed(Kind)?.ok_or_else(|| A::Error::custom("the value of an attribute is empty"))?;
        self.0.found = if kind == "S" {
            map.next_value_seed(Text(&mut self.0.text))?;
            Found::Text
        } else {
            Found::Other(attribute(kind, map.next_value()?).map_err(A::Error::custom)?)
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("the value of an attribute has two types")),
        }
    }
}

/// The type of a value, by `DynamoDB`'s letters.
struct Kind;

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Kind {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type of an attribute")
    }

    fn visit_str<E>(self, kind: &str) -> Result<&'static str, E> {
        let known = ["S", "N", "SS", "L", "B", "BOOL", "BS", "M", "NS", "NULL"];
        Ok(known.into_iter().find(|known| *known == kind).unwrap_or_default())
    }
}

/// Reads a string into an existing buffer.
struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.clear();
        self.0.push_str(text);
        Ok(())
    }
}

/// Converts a value that is not a plain string.
fn attribute(kind: &str, value: Value) -> Result<Attribute, &'static str> {
    Ok(match (kind, value) {
        ("S", Value::String(text)) => Attribute::Text(text),
        ("N", Value::String(number)) => Attribute::Number(number),
        ("SS", Value::Array(texts)) => Attribute::TextSet(texts.into_iter().map(text).collect::<Result<_, _>>()?),
        ("L", Value::Array(list)) => Attribute::List(list.into_iter().map(element).collect::<Result<_, _>>()?),
        ("B", Value::String(base64)) => Attribute::Binary(base64),
        ("S" | "N" | "SS" | "L" | "B", _) => return Err("the value of an attribute is not of its type"),
        ("BOOL", _) => Attribute::Other("boolean"),
        ("BS", _) => Attribute::Other("binary set"),
        ("M", _) => Attribute::Other("map"),
        ("NS", _) => Attribute::Other("number set"),
        ("NULL", _) => Attribute::Other("null"),
        _ => Attribute::Other("value of an unknown type"),
    })
}

fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("an element of a string set is not a string"),
    }
}

/// Converts an element of a list. Nested lists hold no addresses, so their contents do not matter.
fn element(value: Value) -> Result<Attribute, &'static str> {
    let Value::Object(members) = value else { return Err("an element of a list is not a value") };
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some((kind, _)), None) if kind == "L" => Ok(Attribute::Other("list")),
        (Some((kind, value)), None) => attribute(&kind, value),
        _ => Err("an element of a list is not a value of one type"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cli::{self, Invocation};
    use crate::model::cidr::PerFamily;

    pub(in crate::aws) fn settings(arguments: &[&str]) -> TableSettings {
        let line = ["wafsync", "plan", "--table=clusters"].iter().chain(arguments).map(std::ffi::OsString::from);
        match cli::parse(line, []).unwrap().invocation {
            Invocation::Plan { settings, .. } => settings.table,
            _ => panic!("not a plan"),
        }
    }

    pub(in crate::aws) fn rules() -> ItemRules {
        ItemRules {
            cidr_attribute: "ips".into(),
            expiry_attribute: Some("expires".into()),
            now: Some(1_800_000_000),
            widest: PerFamily { ipv4: 24, ipv6: 48 },
            max_per_item: 3,
            ignored: BTreeSet::new(),
        }
    }

    /// The items as values, one after the other.
    fn naive(items: &[Value], settings: &TableSettings) -> TableView {
        let mut view = TableView::default();
        for item in items {
            let take = |name: &str| {
                let value = item.get(name)?.as_object().unwrap().clone();
                let (kind, value) = value.into_iter().next().unwrap();
                Some(attribute(&kind, value).unwrap())
            };
            let expiry = settings.expiry_attribute.as_deref().and_then(take);
            let item = Item { key: take(&settings.key_attribute), cidrs: take(&settings.cidr_attribute), expiry };
            view.read(&item, &rules());
        }
        view
    }

    fn texts() -> impl Strategy<Value = String> {
        let cidr = prop_oneof![
            4 => (any::<[u8; 4]>(), prop_oneof![Just(32), 8_u8..=32]).prop_map(|([a, b, c, d], p)| format!("{a}.{b}.{c}.{d}/{p}")),
            4 => (1_u8..224, any::<u8>()).prop_map(|(a, d)| format!("{a}.0.113.{d}/32")),
            1 => Just("2001:db8::/48".to_owned()),
            1 => "[ \\x0c0-9./]{0,12}",
        ];
        let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\u{c}"), 1 => Just("\n\t")];
        let list = prop::collection::vec((cidr, blank), 0..5).prop_map(|cidrs| {
            let cidrs: Vec<String> =
                cidrs.iter().map(|(cidr, blank)| format!("{blank}{}{blank}", Value::from(cidr.as_str()))).collect();
            format!("[{}]", cidrs.join(","))
        });
        prop_oneof![3 => list, 1 => any::<String>(), 1 => "[0-9./ ]{0,20}"]
    }

    /// Values of which most are expiries around the time of the answer.
    fn expiries() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            4 => (-3_i64..4).prop_map(|after| (1_800_000_000 + after).to_string()),
            1 => (-3_i64..4).prop_map(|after| (1_642_320_000 + after).to_string()),
            1 => any::<f64>().prop_map(|number| number.to_string()),
            1 => "[0-9eE.+-]{0,12}",
        ];
        prop_oneof![4 => texts.prop_map(|text| json!({"N": text})), 1 => values()]
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            6 => texts().prop_map(|text| json!({"S": text})),
            1 => (0_u64..4_000_000_000).prop_map(|number| json!({"N": number.to_string()})),
            1 => prop::collection::vec(texts(), 0..4).prop_map(|texts| json!({"SS": texts})),
            1 => prop::collection::vec(texts(), 0..4).prop_map(|texts| {
                json!({"L": texts.iter().map(|text| json!({"S": text})).chain([json!({"L": [5]})]).collect::<Vec<_>>()})
            }),
            1 => Just(json!({"M": {"ips": {"S": "[]"}}})),
            1 => Just(json!({"NULL": true})),
        ]
    }

    proptest! {
        #[test]
        fn a_page_is_read_as_its_items_one_by_one_are(
            items in prop::collection::vec(
                (prop::option::of(values()), prop::option::of(values()), prop::option::of(expiries())), 0..6),
            one_attribute: bool,
        ) {
            let arguments: &[&str] =
                if one_attribute { &["--key-attribute=ips"] } else { &["--expiry-attribute=expires"] };
            let settings = settings(arguments);
            let items: Vec<Value> = items.into_iter().map(|(id, ips, expires)| {
                let members = [("id", id), ("ips", ips), ("expires", expires)];
                members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
            }).collect();
            let mut view = TableView::default();
            let json = Value::from(items.clone()).to_string();
            prop_assert_eq!(read(json.as_bytes(), &settings, &rules(), &mut view, None).unwrap(), view.items);
            prop_assert_eq!(view.items, u64::try_from(items.len()).unwrap());
            prop_assert!(view.is_same(&naive(&items, &settings)), "{view:?}");
        }
    }

    #[test]
    fn an_item_is_read_alike_in_every_order_and_spelling_and_the_usual_ones_need_no_parsing() {
        let (id, ips) = (r#""id":{"S":"edge-1"}"#, r#""ips":{"S":"[\"198.51.100.7/32\"]"}"#);
        let (expires, never) = (r#""expires":{"N":"1900000000"}"#, r#""expires":{"NULL":true}"#);
        let escaped = r#""ips":{"S":"[\u0022198.51.100.7\/32\"]"}"#;
        let settings = settings(&["--expiry-attribute=expires"]);
        let view = |item: &str| {
            let mut view = TableView::default();
            assert_eq!(
                read(format!("[{item}]").as_bytes(), &settings, &rules(), &mut view, None).unwrap(),
                1,
                "{item}"
            );
            view
        };
        let expected = view(&format!("{{{id},{ips}}}"));
        for (item, ordinary) in [
            (format!("{{{id},{ips}}}"), true),
            (format!("{{{ips},{id}}}"), true),
            (format!("{{{id}, {ips}}}"), false),
            (format!("{{{id},{escaped}}}"), false),
            (format!("{{{escaped},{id}}}"), false),
            (format!("{{{expires},{id},{ips}}}"), true),
            (format!("{{{id},{expires},{ips}}}"), true),
            (format!("{{{ips},{id},{expires}}}"), true),
            (format!("{{{ips},{id},{expires},{expires}}}"), false),
            (format!("{{{id},{ips},{ips}}}"), false),
            (format!("{{{id},{id},{ips}}}"), false),
            (format!("{{{id},{ips},\"more\":{{\"S\":\"\"}}}}"), false),
        ] {
            let is_recognized = Form::new(&settings).item(item.as_bytes(), &mut Vec::new()).is_some();
            assert_eq!(is_recognized, ordinary, "{item}");
            assert!(view(&item).is_same(&expected), "{item}");
        }
        assert_eq!(Form::new(&settings).item(format!("{{{id},{expires}}}").as_bytes(), &mut Vec::new()), None);
        assert_eq!(view(&format!("{{{id},{ips},{never}}}")).rejections.len(), 1);
    }

    #[test]
    fn what_dynamodb_does_not_write_is_an_error() {
        for json in [
            "",
            "{}",
            "[1]",
            r#"[{"id": "a"}]"#,
            r#"[{"id": {}}]"#,
            r#"[{"id": {"S": 1}}]"#,
            r#"[{"id": {"S": "a", "N": "1"}}]"#,
            r#"[{"ips": {"SS": [1]}}]"#,
            r#"[{"ips": {"L": [1]}}]"#,
            r#"[{"ips": {"L": [{}]}}]"#,
            r#"[{"ips": {"N": 1}}]"#,
            r#"[{"id": {"S": "\ud800"}}]"#,
            "[] []",
        ] {
            let read = read(json.as_bytes(), &settings(&[]), &rules(), &mut TableView::default(), None);
            assert!(read.is_err(), "{json}");
        }
    }
}
