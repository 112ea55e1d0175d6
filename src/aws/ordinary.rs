//! Recognizes an ordinary item without parsing it. Nearly all are: a key, a text of addresses, and perhaps an expiry, without
//! whitespace.
//!
//! An item that is not recognized here is not wrong. It has to be parsed.

use memchr::memchr2;
use serde_json::Value;

use crate::model::settings::TableSettings;

/// The form of an ordinary item: `{"id":{"S":"edge-1"},"ips":{"S":"[\"198.51.100.7/32\"]"}}`, its members in any order, and
/// an expiry among them where that is configured: `"expires":{"N":"1900000000"}`.
#[derive(Debug)]
pub(super) struct Form(Option<Starts>);

/// The text before each value.
#[derive(Debug)]
struct Starts {
    key: Box<[u8]>,
    cidrs: Box<[u8]>,
    expiry: Option<Box<[u8]>>,
}

/// An ordinary item.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ordinary<'json, 'text> {
    pub(super) key: &'json str,
    pub(super) cidrs: &'text str,
    pub(super) expiry: Option<&'json str>,
    /// What follows the item.
    pub(super) rest: &'json [u8],
}

impl Form {
    pub(super) fn new(settings: &TableSettings) -> Self {
        let TableSettings { key_attribute: key, cidr_attribute: cidrs, expiry_attribute: expiry, .. } = settings;
        let start = |name: &String, kind| format!("{}:{{\"{kind}\":\"", Value::from(name.as_str())).into_bytes().into();
        // Two settings may name the same attribute.
        let differ = key != cidrs && expiry.as_ref().is_none_or(|expiry| expiry != key && expiry != cidrs);
        Self(differ.then(|| Starts {
            key: start(key, 'S'),
            cidrs: start(cidrs, 'S'),
            expiry: expiry.as_ref().map(|expiry| start(expiry, 'N')),
        }))
    }

    /// The item that `json` begins with, if it is ordinary. `buffer` holds a text that has escapes.
    pub(super) fn item<'json: 'text, 'text>(
        &self,
        json: &'json [u8],
        buffer: &'text mut Vec<u8>,
    ) -> Option<Ordinary<'json, 'text>> {
        let starts = self.0.as_ref()?;
        let (mut key, mut cidrs, mut expiry, mut buffer) = (None, None, None, Some(buffer));
        let mut rest = json.strip_prefix(b"{")?;
        loop {
            // A member that comes twice is not ordinary.
            if let Some(text) = rest.strip_prefix(&*starts.key).filter(|_| key.is_none()) {
                let (text, after) = plain(text)?;
                (key, rest) = (Some(text), after);
            } else if let Some(text) = rest.strip_prefix(&*starts.cidrs) {
                let (text, after) = unescaped(text, buffer.take()?)?;
                (cidrs, rest) = (Some(text), after);
            } else {
                let start = starts.expiry.as_ref().filter(|_| expiry.is_none())?;
                let (text, after) = plain(rest.strip_prefix(&**start)?)?;
                (expiry, rest) = (Some(text), after);
            }
            rest = rest.strip_prefix(b"\"}")?;
            match rest.split_first()? {
                (b',', after) => rest = after,
                (b'}', after) => {
                    rest = after;
                    break;
                }
                _ => return None,
            }
        }
        let text = std::str::from_utf8;
        let expiry = expiry.map(text).transpose().ok()?;
        Some(Ordinary { key: text(key?).ok()?, cidrs: text(cidrs?).ok()?, expiry, rest })
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
