//! Splits an answer into the one long list in it and the rest, which names the next page: the sooner it is found, the sooner
//! the next page comes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::item::without_blanks;

/// The most bytes to read in search of the end of a list, before all of the answer is.
const SEARCHED: usize = 64 * 1024;

/// The answer with an empty list in place of the one at `path`, and the position of that one, without looking into it: whoever
/// reads the list sees whether it is one. `None` if the answer has no such list, or is not JSON.
pub(super) fn split(json: &[u8], path: &[&str]) -> Option<(Vec<u8>, Range<usize>)> {
    split_fast(json, path).or_else(|| split_slowly(json, path))
}

/// The same for an answer as AWS writes it. `None` says nothing about it.
///
/// A bracket ends the list if what follows ends the objects around the list, and the answer with them. Within a list or a text
/// in an answer that is JSON, no bracket is followed by that: it would leave brackets or quotation marks without their partners.
fn split_fast(json: &[u8], path: &[&str]) -> Option<(Vec<u8>, Range<usize>)> {
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut rest = json;
    for name in path {
        let mut known = Vec::new();
        rest = without_blanks(rest).strip_prefix(b"{")?;
        loop {
            let (member, value) = name_of(rest)?;
            let is_on_path = member == *name;
            known.push(member);
            if is_on_path {
                rest = value;
                break;
            }
            rest = without_blanks(after_value(value)?).strip_prefix(b",")?;
        }
        names.push(known);
    }
    let list = without_blanks(rest);
    let start = json.len() - list.len();
    let (mut end, mut searched) = (start, 0);
    list.strip_prefix(b"[")?;
    loop {
        end += memchr::memchr(b']', json.get(end..)?)? + 1;
        let mut after = json.get(end..)?;
        let length = after.len();
        if let Some(further) = ends(&mut after, path.len()) {
            for (depth, name) in further {
                names.get_mut(depth)?.push(name);
            }
            let unique = names.iter_mut().all(|names| {
                names.sort_unstable();
                names.is_sorted_by(|a, b| a < b)
            });
            let rest = [json.get(..start)?, b"[]", json.get(end..)?].concat();
            return unique.then_some((rest, start..end));
        }
        searched += length - after.len();
        if searched > SEARCHED {
            return None;
        }
    }
}

/// If `json` is further members of `depth` nested objects, and the ends of these: the names of the members, and how deep each
/// is. Else `json` is left at what cannot be that.
fn ends(json: &mut &[u8], depth: usize) -> Option<Vec<(usize, String)>> {
    let mut names = Vec::new();
    for depth in (0..depth).rev() {
        loop {
            *json = without_blanks(json);
            if let Some(rest) = json.strip_prefix(b"}") {
                *json = rest;
                break;
            }
            let (name, value) = name_of(json.strip_prefix(b",")?)?;
            *json = after_value(value)?;
            names.push((depth, name));
        }
    }
    *json = without_blanks(json);
    json.is_empty().then_some(names)
}

/// The name of the member that `json` begins with, and its value with what follows.
fn name_of(json: &[u8]) -> Option<(String, &[u8])> {
    // Numbers would be read, too.
    let json = without_blanks(json);
    if !json.starts_with(b"\"") {
        return None;
    }
    let mut names = serde_json::Deserializer::from_slice(json).into_iter::<String>();
    let name = names.next()?.ok()?;
    Some((name, without_blanks(json.get(names.byte_offset()..)?).strip_prefix(b":")?))
}

/// What follows the value that `json` begins with.
fn after_value(json: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    json.get(values.byte_offset()..)
}

/// The same for every answer, by walking through all of it.
fn split_slowly(json: &[u8], path: &[&str]) -> Option<(Vec<u8>, Range<usize>)> {
    let (name, path) = path.split_first()?;
    let Members(members) = serde_json::from_slice(json).ok()?;
    let mut rest = Vec::from(b"{");
    let mut found = None;
    for (member, value) in members {
        if rest.len() > 1 {
            rest.push(b',');
        }
        serde_json::to_writer(&mut rest, &member).ok()?;
        rest.push(b':');
        if member != *name {
            rest.extend_from_slice(value.get().as_bytes());
            continue;
        }
        let value = value.get().as_bytes();
        let start = value.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
        if !path.is_empty() {
            let (inner, list) = split_slowly(value, path)?;
            rest.extend(inner);
            found = Some(start + list.start..start + list.end);
        } else if value.starts_with(b"[") {
            rest.extend_from_slice(b"[]");
            found = Some(start..start + value.len());
        } else {
            return None;
        }
    }
    rest.push(b'}');
    Some((rest, found?))
}

/// The members of a JSON object, with raw values.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    // With duplicates, leave the answer to the SDK.
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("a member comes twice"));
                    }
                    members.push((name.into(), value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn lifted(answer: &str, path: &[&str]) -> Option<(Value, Value)> {
        let (rest, list) = split(answer.as_bytes(), path)?;
        let value = |json| serde_json::from_slice(json).unwrap();
        Some((value(&rest), value(&answer.as_bytes()[list])))
    }

    #[test]
    fn a_list_is_taken_out_of_the_middle_of_an_answer() {
        let answer = r#" {"Count": 2, "Items" : [ {"a": {"S": "]}\""}}, 1 ], "LastEvaluatedKey": {"id": {"S": "x"}}}"#;
        let rest = json!({"Count": 2, "Items": [], "LastEvaluatedKey": {"id": {"S": "x"}}});
        assert_eq!(lifted(answer, &["Items"]), Some((rest, json!([{"a": {"S": "]}\""}}, 1]))));
        let nested = r#"{"IPSet": {"Addresses": ["198.51.100.7/32"], "Name": "n"}, "LockToken": "t"}"#;
        let rest = json!({"IPSet": {"Addresses": [], "Name": "n"}, "LockToken": "t"});
        assert_eq!(lifted(nested, &["IPSet", "Addresses"]), Some((rest, json!(["198.51.100.7/32"]))));
    }

    #[test]
    fn what_is_no_such_answer_is_left_to_the_sdk() {
        for answer in [
            "",
            "{}",
            "[]",
            "nonsense",
            r#"{"Items": null}"#,
            r#"{"Items": {}}"#,
            r#"{"Items": [}"#,
            r#"{"Items": [], "Items": []}"#,
            r#"{"Items": []} {}"#,
            r#"{"IPSet": 1}"#,
        ] {
            assert_eq!(lifted(answer, &["Items"]), None, "{answer}");
            assert_eq!(lifted(answer, &["IPSet", "Addresses"]), None, "{answer}");
        }
    }

    /// Whether the fast split finds the list, which the slow one finds too, and as it does.
    fn is_found_fast(answer: &str, path: &[&str]) -> bool {
        let Some((rest, list)) = split_fast(answer.as_bytes(), path) else { return false };
        let value = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
        let (slow, place) = split_slowly(answer.as_bytes(), path).expect(answer);
        assert_eq!((value(&rest), list), (value(&slow), place), "{answer}");
        true
    }

    #[test]
    fn the_end_of_a_list_is_found_whatever_looks_like_it() {
        for answer in [
            r#"{"Items":[],"LastEvaluatedKey":{"id":{"S":"],\"a\":1}"}}}"#,
            r#"{"Items":[{"ips":{"S":"],"}},{"ips":{"S":"]}"}}],"Count":2}"#,
            r#"{"Items":[{"ips":{"L":[{"L":[]}]}},{"ips":{"M":{"a":{"SS":["]"]}}}}] , "Count":2 } "#,
            r#"{"Count":0,"More":[[1],{"Items":[2]}],"Items":[],"Also":[3],"Items2":[[4]]}"#,
            r#"{"Items":[{"a":{"S":"\\"}},{"b":{"S":"]}"}}]}"#,
        ] {
            assert!(is_found_fast(answer, &["Items"]), "{answer}");
        }
        let nested =
            r#"{"A":[],"IPSet":{"ARN":"a","Addresses":["192.0.2.1/32"],"Tags":[1],"Id":"i"},"LockToken":"]}}"}"#;
        assert!(is_found_fast(nested, &["IPSet", "Addresses"]));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{},:\"\\\\a ]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop_oneof![Just("Items".to_owned()), "[\\]}\"a]{0,3}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_list_is_found_fast_where_it_is_and_nowhere_else(
            members in prop::collection::vec((prop_oneof![Just("Items".to_owned()), "[\\]}a]{0,2}"], json()), 0..5),
            list in prop::collection::vec(json(), 0..3),
            nested: bool,
        ) {
            let mut members: serde_json::Map<String, Value> = members.into_iter().collect();
            let has_list = members.get("Items").is_some_and(Value::is_array);
            let text = Value::from(members.clone()).to_string();
            prop_assert_eq!(is_found_fast(&text, &["Items"]), has_list);
            members.insert("Items".into(), list.into());
            let (answer, path): (Value, &[&str]) =
                if nested { (json!({"a": [1], "b": members, "c": [[]]}), &["b", "Items"]) } else { (members.into(), &["Items"]) };
            for text in [answer.to_string(), serde_json::to_string_pretty(&answer).unwrap()] {
                prop_assert!(is_found_fast(&text, path), "{}", text);
            }
        }

        #[test]
        fn any_members_stay_as_they_are(names in prop::collection::btree_map(any::<String>(), any::<String>(), 0..5)) {
            let mut answer: serde_json::Map<String, Value> =
                names.into_iter().map(|(name, text)| (name, json!([text, {"Items": [1]}]))).collect();
            answer.insert("Items".into(), json!([{"id": {"S": "x"}}]));
            let text = Value::from(answer.clone()).to_string();
            let list = answer.insert("Items".into(), json!([])).unwrap();
            prop_assert_eq!(lifted(&text, &["Items"]), Some((answer.into(), list)));
        }
    }
}
