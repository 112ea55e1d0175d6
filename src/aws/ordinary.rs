//! Recognizes an ordinary item without parsing it. Nearly all are: a key and a text of addresses, without whitespace.
//!
//! An item that is not recognized here is not wrong. It has to be parsed.

use memchr::memchr2;
use serde_json::Value;

use crate::model::settings::TableSettings;

/// The two forms of an ordinary item: `{"id":{"S":"edge-1"},"ips":{"S":"[\"198.51.100.7/32\"]"}}`, or the other way around.
#[derive(Debug)]
pub(super) struct Forms {
    /// The text before the key and the text before the addresses; `None` if two settings name the same attribute.
    key_first: Option<[Box<[u8]>; 2]>,
    cidrs_first: Option<[Box<[u8]>; 2]>,
}

/// The end of an item, after the second text.
const END: &[u8] = b"\"}}";

/// An ordinary item.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ordinary<'json, 'text> {
    pub(super) key: &'json str,
    pub(super) cidrs: &'text str,
    /// What follows the item.
    pub(super) rest: &'json [u8],
}

impl Forms {
    pub(super) fn new(settings: &TableSettings) -> Self {
        let TableSettings { key_attribute: key, cidr_attribute: cidrs, expiry_attribute: expiry, .. } = settings;
        let differ = key != cidrs && expiry.as_ref().is_none_or(|expiry| expiry != key && expiry != cidrs);
        let around = |first: &String, second: &String| {
            let member = |name: &String| format!("{}:{{\"S\":\"", Value::from(name.as_str()));
            let texts = [format!("{{{}", member(first)), format!("\"}},{}", member(second))];
            differ.then(|| texts.map(|text| text.into_bytes().into()))
        };
        Self { key_first: around(key, cidrs), cidrs_first: around(cidrs, key) }
    }

    /// The item that `json` begins with, if it is ordinary. `buffer` holds a text that has escapes.
    pub(super) fn item<'json: 'text, 'text>(
        &self,
        json: &'json [u8],
        buffer: &'text mut Vec<u8>,
    ) -> Option<Ordinary<'json, 'text>> {
        if let Some([first, second]) = &self.key_first
            && let Some(json) = json.strip_prefix(&**first)
        {
            let (key, json) = plain(json)?;
            let (cidrs, json) = unescaped(json.strip_prefix(&**second)?, buffer)?;
            return Ordinary::new(key, cidrs, json);
        }
        let [first, second] = self.cidrs_first.as_ref()?;
        let (cidrs, json) = unescaped(json.strip_prefix(&**first)?, buffer)?;
        let (key, json) = plain(json.strip_prefix(&**second)?)?;
        Ordinary::new(key, cidrs, json)
    }
}

impl<'json, 'text> Ordinary<'json, 'text> {
    fn new(key: &'json [u8], cidrs: &'text [u8], json: &'json [u8]) -> Option<Self> {
        let (key, cidrs) = (std::str::from_utf8(key).ok()?, std::str::from_utf8(cidrs).ok()?);
        Some(Self { key, cidrs, rest: json.strip_prefix(END)? })
    }
}

/// The text up to the quotation mark, without escapes, and the mark with what follows.
fn plain(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = json.split_at_checked(memchr2(b'"', b'\\', json)?)?;
    (rest.starts_with(b"\"") && has_no_controls(text)).then_some((text, rest))
}

/// The same with escaped quotation marks, as JSON within JSON has them.
fn unescaped<'json: 'text, 'text>(json: &'json [u8], buffer: &'text mut Vec<u8>) -> Option<(&'text [u8], &'json [u8])> {
    let (mut text, mut rest) = json.split_at_checked(memchr2(b'"', b'\\', json)?)?;
    if rest.starts_with(b"\"") {
        return has_no_controls(text).then_some((text, rest));
    }
    buffer.clear();
    loop {
        buffer.extend_from_slice(text);
        if rest.starts_with(b"\"") {
            break;
        }
        rest = rest.strip_prefix(b"\\\"")?;
        buffer.push(b'"');
        (text, rest) = rest.split_at_checked(memchr2(b'"', b'\\', rest)?)?;
    }
    has_no_controls(buffer).then_some((buffer, rest))
}

/// JSON has to escape control characters. The minimum of all is faster than looking for one.
fn has_no_controls(text: &[u8]) -> bool {
    text.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= b' '
}
