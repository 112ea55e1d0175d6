//! Lifts the one long list out of an answer before the SDK decodes it.
//!
//! The SDK allocates a map for every item and a string for every address, tens of thousands per answer. Here the list
//! stays JSON, which the caller reads without copying. The SDK decodes the rest of the answer and still distinguishes
//! errors from results.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most bytes to allocate at once, whatever length an answer claims.
const FIRST_ROOM: u64 = 4 * 1024 * 1024;

/// Lifts a list out of the answer to one call.
#[derive(Clone, Debug)]
pub(super) struct Lift {
    /// The path of members to the list.
    path: &'static [&'static str],
    lifted: Arc<Mutex<Option<Lifted>>>,
}

/// A lifted list: JSON within its answer.
#[derive(Debug)]
pub(super) struct Lifted {
    body: Vec<u8>,
    list: Range<usize>,
}

impl Lifted {
    /// The list that was lifted out of the answer, as JSON.
    pub(super) fn json(&self) -> &[u8] {
        self.body.get(self.list.clone()).unwrap_or_default()
    }
}

impl Lift {
    pub(super) fn new(path: &'static [&'static str]) -> Self {
        Self { path, lifted: Arc::default() }
    }

    /// Takes the lifted list; `None` if the answer had no such list or was not JSON: then the SDK has decoded all of it.
    pub(super) fn take(&self) -> Option<Lifted> {
        self.lifted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The body for the SDK.
    async fn read(self, mut body: SdkBody) -> Result<Frame<Bytes>, BoxError> {
        let room = body.size_hint().lower().min(FIRST_ROOM);
        let mut whole = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                whole.extend_from_slice(data);
            }
        }
        let Some((rest, list)) = split(&whole, self.path) else { return Ok(Frame::data(whole.into())) };
        *self.lifted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Lifted { body: whole, list });
        Ok(Frame::data(rest.into()))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Lift {
    fn name(&self) -> &'static str {
        "Lift"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A retry replaces the list of an earlier attempt.
        drop(self.take());
        let response = context.response_mut();
        if response.status().is_success() {
            let body = response.take_body();
            let rest = futures_util::stream::once(self.clone().read(body));
            *response.body_mut() = SdkBody::from_body_1_x(StreamBody::new(rest));
        }
        Ok(())
    }
}

/// The answer with an empty list in place of the one at `path`, and the position of that one.
fn split(json: &[u8], path: &[&str]) -> Option<(Vec<u8>, Range<usize>)> {
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
            let (inner, list) = split(value, path)?;
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

    proptest! {
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
