//! Reads items of the table into the CIDRs that they ask for.
//!
//! A value that cannot be used becomes a [`Rejection`], never an error and never a guess. It does not affect other values
//! of its item. This module does not know the SDK: the shell passes [`Item`]s.

pub(crate) mod part;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::cidr::{Cidr, Family, ParseError, PerFamily};
use crate::model::entries::Entries;
use crate::model::keys::Keys;
use crate::model::settings::TableSettings;

/// Maximum length of a rejected value, in characters.
pub const REJECTED_VALUE_CHARS: usize = 128;

/// The latest expiry: the last second of the year 9999. A greater number is in milliseconds or a mistake.
pub const LATEST_EXPIRY: f64 = 253_402_300_799.0;

/// The oldest expiry: five years ago, in seconds. `DynamoDB`'s TTL ignores older values ("Using time to live" in the
/// `DynamoDB` guide), and people write such values, or zero, to mean "never".
pub const OLDEST_EXPIRY: f64 = 157_680_000.0;

/// The value of an attribute, as far as wafsync uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `S`
    Text(String),
    /// `N`, as text
    Number(String),
    /// `SS`
    TextSet(Vec<String>),
    /// `L`
    List(Vec<Attribute>),
    /// `B`, in base64, as DynamoDB's API has it
    Binary(String),
    /// Any other type, by name.
    Other(&'static str),
}

impl Attribute {
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number(_) => "number",
            Self::TextSet(_) => "string set",
            Self::List(_) => "list",
            Self::Binary(_) => "binary",
            Self::Other(name) => name,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Binary(text) => text,
            _ => "",
        }
    }
}

/// The attributes of one item that wafsync requests; `None` where the item lacks one.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// `--key-attribute`
    pub key: Option<Attribute>,
    /// `--cidr-attribute`
    pub cidrs: Option<Attribute>,
    /// `--expiry-attribute`
    pub expiry: Option<Attribute>,
}

/// The settings for reading items.
#[derive(Clone, Debug)]
pub struct ItemRules {
    /// `--cidr-attribute`, for messages.
    pub cidr_attribute: Arc<str>,
    /// `--expiry-attribute`, for messages.
    pub expiry_attribute: Option<Arc<str>>,
    /// AWS's time in seconds since the epoch; `None` if unknown: then nothing expires.
    pub now: Option<i64>,
    /// `--widest-ipv4`, `--widest-ipv6`: the shortest prefix lengths.
    pub widest: PerFamily<u8>,
    /// `--max-per-item`
    pub max_per_item: usize,
    /// `--ignore-item`
    pub ignored: BTreeSet<String>,
}

impl ItemRules {
    /// The rules for these settings. `now`: AWS's time in seconds since the epoch; without it nothing expires.
    #[must_use]
    pub fn new(settings: &TableSettings, now: Option<i64>) -> Self {
        Self {
            cidr_attribute: settings.cidr_attribute.as_str().into(),
            expiry_attribute: settings.expiry_attribute.as_deref().map(Arc::from),
            now,
            widest: settings.widest,
            max_per_item: settings.max_per_item,
            ignored: settings.ignored_items.clone(),
        }
    }
}

/// An item or value in the table that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// The key of the item, empty if it has none. All rejections of an item share it: copies of a long key could take a
    /// hundred times its size in the table.
    #[serde(serialize_with = "shared_text")]
    pub key: Arc<str>,
    /// The value, cut to [`REJECTED_VALUE_CHARS`] and not escaped.
    pub value: Box<str>,
    /// The reason.
    #[serde(serialize_with = "as_sentence")]
    pub reason: RejectionReason,
    /// Whether `--ignore-item` names the item: then the rejection is reported but holds nothing back.
    pub ignored: bool,
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn as_sentence<S: Serializer>(reason: &RejectionReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}

/// Why an item or value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionReason {
    /// The item lacks the attribute that holds the addresses.
    Missing {
        /// The attribute.
        attribute: Arc<str>,
    },
    /// The attribute is of a type that cannot hold addresses.
    WrongType {
        /// The attribute.
        attribute: Arc<str>,
        /// Its type.
        found: &'static str,
    },
    /// The text looks like JSON but is invalid.
    NotJson {
        /// The parser's message, with the position.
        problem: Box<str>,
    },
    /// The text is JSON, but not an array.
    NotAnArray,
    /// An element of the array or list is not a string.
    NotAString {
        /// Its type.
        found: &'static str,
    },
    /// Not a CIDR.
    NotACidr(ParseError),
    /// A CIDR wider than allowed.
    TooWide {
        /// The family.
        family: Family,
        /// The shortest prefix length allowed.
        widest: u8,
    },
    /// No client has such an address.
    NotAClient {
        /// The purpose of the addresses.
        what: &'static str,
    },
    /// The item asks for more than `--max-per-item`.
    TooMany {
        /// The number that it asks for.
        values: usize,
        /// The number that is allowed.
        allowed: usize,
    },
    /// `DynamoDB` would ignore this expiry.
    Expiry {
        /// The attribute.
        attribute: Arc<str>,
        /// The problem.
        problem: ExpiryProblem,
    },
}

/// A problem with an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryProblem {
    /// It is not a number.
    NotANumber,
    /// It is zero or negative.
    NotPositive,
    /// It is more than [`OLDEST_EXPIRY`] in the past.
    TooOld,
    /// It is later than [`LATEST_EXPIRY`].
    TooLate,
}

impl fmt::Display for ExpiryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a number of seconds since 1970",
            Self::NotPositive => "is zero or negative, which DynamoDB's TTL ignores",
            Self::TooOld => "is more than five years in the past, which DynamoDB's TTL ignores",
            Self::TooLate => "is after the year 9999; it must be in seconds since 1970",
        })
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { attribute } => write!(f, "the attribute {attribute} is missing"),
            Self::WrongType { attribute, found } => {
                write!(f, "the attribute {attribute} is {}, not a string, string set or list of strings", one(found))
            }
            Self::NotJson { problem } => write!(f, "not valid JSON: {problem}"),
            Self::NotAnArray => f.write_str("JSON, but not an array of strings"),
            Self::NotAString { found } => write!(f, "an element is {}, not a string", one(found)),
            Self::NotACidr(error) => error.fmt(f),
            Self::TooWide { family, widest } => {
                write!(f, "wider than /{widest}, the widest that --widest-{family} allows")
            }
            Self::NotAClient { what } => write!(f, "no client has this address: {what}"),
            Self::TooMany { values, allowed } => {
                write!(f, "the item asks for {values} CIDRs, --max-per-item allows {allowed}: all of it is rejected")
            }
            Self::Expiry { attribute, problem } => {
                write!(f, "the attribute {attribute} {problem}: the item counts as not expired")
            }
        }
    }
}

/// The type with its article.
fn one(found: &str) -> String {
    match found {
        "null" => found.to_owned(),
        "array" | "object" => format!("an {found}"),
        _ => format!("a {found}"),
    }
}

/// A CIDR and the item that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The CIDR.
    pub cidr: Cidr,
    item: u32,
}

impl From<(Cidr, u32)> for Entry {
    fn from((cidr, item): (Cidr, u32)) -> Self {
        Self { cidr, item }
    }
}

/// The result of one complete scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableView {
    entries: Entries,
    keys: Keys,
    /// What cannot be used, by key and value once the view is sorted. A report shares it: it can be as long as the table.
    pub rejections: Arc<Vec<Rejection>>,
    /// Items read.
    pub items: u64,
    /// Pages read.
    pub pages: u64,
    /// Read capacity units consumed.
    pub consumed_capacity: f64,
    /// Items past their expiry.
    pub expired: u64,
    /// Valid items that ask for nothing.
    pub empty: u64,
    /// Items without a usable key: the attribute is missing, or none of string, number, and binary.
    pub unnamed: u64,
    /// A buffer for the CIDRs of one item.
    plain: Vec<Cidr>,
    /// The first time after which an item since the newest mark gives something else.
    until: Option<f64>,
    /// For each key of an earlier view, whether the entries of its item were taken over.
    taken: Vec<bool>,
}

impl TableView {
    /// Reads an item.
    pub fn read(&mut self, item: &Item, rules: &ItemRules) {
        self.items += 1;
        let key = item.key.as_ref().map_or("", Attribute::text);
        self.unnamed += u64::from(key.is_empty());
        let mut found = Found { cidrs: Vec::new(), rejected: Vec::new() };
        if let Some(expiry) = found.expiry(item.expiry.as_ref(), rules)
            && self.has_expired(expiry)
        {
            return;
        }
        found.addresses(item.cidrs.as_ref(), rules);
        if found.cidrs.is_empty() && found.rejected.is_empty() {
            self.empty += 1;
        }
        self.take(key, &mut found.cidrs);
        let ignored = rules.ignored.contains(key);
        if !found.rejected.is_empty() {
            let key: Arc<str> = key.into();
            let rejection = |(value, reason)| Rejection { key: Arc::clone(&key), value, reason, ignored };
            Arc::make_mut(&mut self.rejections).extend(found.rejected.into_iter().map(rejection));
        }
    }

    /// Fast path for an item whose addresses are plain IPv4 CIDRs, one or a JSON array of them, as nearly all are. `expiry`: the
    /// number of its expiry, if it has one. Returns `false` if they are anything else: then use [`TableView::read`].
    pub fn read_plain(&mut self, key: &str, cidrs: &str, expiry: Option<&str>, rules: &ItemRules) -> bool {
        if let Some(expiry) = expiry.filter(|_| rules.expiry_attribute.is_some()) {
            let Ok(expiry) = Expiry::judge(expiry, rules) else { return false };
            if self.has_expired(expiry) {
                self.items += 1;
                self.unnamed += u64::from(key.is_empty());
                return true;
            }
        }
        let mut found = std::mem::take(&mut self.plain);
        found.clear();
        let is_plain = plain(cidrs.as_bytes(), rules, &mut found).is_some();
        if is_plain {
            self.items += 1;
            self.unnamed += u64::from(key.is_empty());
            self.take(key, &mut found);
        }
        self.plain = found;
        is_plain
    }

    /// Whether both have the same contents.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let of = |view: &Self| Self { plain: Vec::new(), until: None, ..view.clone() };
        of(self) == of(other)
    }

    /// Counts an item that is past its expiry.
    fn has_expired(&mut self, expiry: Expiry) -> bool {
        self.until = Some(self.until.map_or(expiry.until, |until| until.min(expiry.until)));
        self.expired += u64::from(expiry.is_past);
        expiry.is_past
    }

    /// Adds the CIDRs of the item with this key.
    fn take(&mut self, key: &str, cidrs: &mut Vec<Cidr>) {
        if cidrs.is_empty() {
            return;
        }
        cidrs.sort_unstable();
        cidrs.dedup();
        let item = self.keys.push(key);
        for cidr in cidrs {
            self.entries.push(*cidr, item);
        }
    }

    /// Sorts the view, so that it can be searched and does not depend on the order in which parallel segments arrive.
    pub(crate) fn sort(&mut self) {
        self.entries.sort();
        self.keys.finish();
        let reason = |rejection: &Rejection| rejection.reason.to_string();
        // Equal ones are the same, and a stable sort needs half as much memory again.
        Arc::make_mut(&mut self.rejections).sort_unstable_by(|a, b| {
            (&a.key, &a.value).cmp(&(&b.key, &b.value)).then_with(|| reason(a).cmp(&reason(b)))
        });
    }

    /// Forgets which item asks for what.
    pub(super) fn forget_items(&mut self) {
        self.entries = Entries::default();
        self.keys = Keys::default();
    }

    /// What is asked for: by CIDR once the view is sorted.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().map(Entry::from)
    }

    /// How many entries there are.
    #[must_use]
    pub const fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The CIDRs of one family that are asked for, in order, a doubled one as often as it is asked for.
    pub(super) fn cidrs(&self, family: Family) -> impl Iterator<Item = Cidr> {
        self.entries.cidrs(family)
    }

    /// The entries whose CIDRs have an address in common with `cidr`, the wider ones first.
    pub(super) fn overlapping(&self, cidr: Cidr) -> impl Iterator<Item = Entry> {
        let wider = (1..cidr.prefix()).filter_map(move |prefix| cidr.widened(prefix));
        let around = wider.flat_map(|wider| self.entries.of(wider));
        around.chain(self.entries.within(cidr)).map(Entry::from)
    }

    /// The key of the item that asks for this.
    #[must_use]
    pub fn key(&self, entry: Entry) -> String {
        let mut found = String::new();
        self.keys.visit([entry.item], |_, key| key.clone_into(&mut found));
        found
    }

    /// Looks up the keys of entries, all of them in one go.
    pub(super) fn keys_of<T>(&self, mut entries: Vec<(Entry, T)>, mut found: impl FnMut(&T, &str)) {
        entries.sort_by_key(|(entry, _)| entry.item);
        // One number each, so both walk side by side.
        let mut at = entries.iter();
        self.keys.visit(entries.iter().map(|(entry, _)| entry.item), |number, key| {
            if let Some((_, with)) = at.find(|(entry, _)| entry.item == number) {
                found(with, key);
            }
        });
    }

    /// The entries of the items with this key.
    pub(super) fn entries_of(&self, key: &str) -> impl Iterator<Item = Entry> {
        let items = self.keys.find(key);
        self.entries().filter(move |entry| items.binary_search(&entry.item).is_ok())
    }

    /// How many rejections may hold removals back.
    #[must_use]
    pub fn rejections_that_hold(&self) -> usize {
        self.rejections.iter().filter(|rejection| !rejection.ignored).count()
    }
}

/// What one item gives.
struct Found {
    cidrs: Vec<Cidr>,
    rejected: Vec<(Box<str>, RejectionReason)>,
}

impl Found {
    /// The expiry of the item. One that cannot be used counts as never, so that what is wanted stays.
    fn expiry(&mut self, expiry: Option<&Attribute>, rules: &ItemRules) -> Option<Expiry> {
        let (expiry, attribute) = (expiry?, rules.expiry_attribute.as_ref()?);
        let judged = match expiry {
            Attribute::Number(number) => Expiry::judge(number, rules),
            _ => Err(ExpiryProblem::NotANumber),
        };
        let reject = |problem| {
            let value = match expiry.text() {
                "" => expiry.type_name(),
                text => text,
            };
            self.reject(value, RejectionReason::Expiry { attribute: attribute.clone(), problem });
        };
        judged.map_err(reject).ok()
    }

    fn addresses(&mut self, attribute: Option<&Attribute>, rules: &ItemRules) {
        let name = || rules.cidr_attribute.clone();
        match attribute {
            None => self.reject("", RejectionReason::Missing { attribute: name() }),
            Some(Attribute::Text(text)) => self.text(text, rules),
            Some(Attribute::TextSet(texts)) => {
                if self.fits(texts.len(), rules) {
                    for text in texts {
                        self.cidr(text, rules);
                    }
                }
            }
            Some(Attribute::List(list)) => {
                if self.fits(list.len(), rules) {
                    for element in list {
                        match element {
                            Attribute::Text(text) => self.cidr(text, rules),
                            other => {
                                self.reject(other.text(), RejectionReason::NotAString { found: other.type_name() });
                            }
                        }
                    }
                }
            }
            Some(other @ (Attribute::Number(_) | Attribute::Binary(_) | Attribute::Other(_))) => {
                let found = other.type_name();
                self.reject(other.text(), RejectionReason::WrongType { attribute: name(), found });
            }
        }
    }

    /// A string that holds a JSON array of strings, or one CIDR.
    fn text(&mut self, text: &str, rules: &ItemRules) {
        let text = text.trim();
        if !text.starts_with(['[', '{', '"']) {
            if self.fits(1, rules) {
                self.cidr(text, rules);
            }
            return;
        }
        match serde_json::from_str(text) {
            Err(error) => self.reject(text, RejectionReason::NotJson { problem: error.to_string().into() }),
            Ok(Value::Array(values)) => {
                if self.fits(values.len(), rules) {
                    for value in &values {
                        match value {
                            Value::String(text) => self.cidr(text, rules),
                            other => {
                                let found = json_type(other);
                                self.reject(&other.to_string(), RejectionReason::NotAString { found });
                            }
                        }
                    }
                }
            }
            Ok(_) => self.reject(text, RejectionReason::NotAnArray),
        }
    }

    fn fits(&mut self, values: usize, rules: &ItemRules) -> bool {
        let allowed = rules.max_per_item;
        if values > allowed {
            self.reject("", RejectionReason::TooMany { values, allowed });
        }
        values <= allowed
    }

    fn cidr(&mut self, text: &str, rules: &ItemRules) {
        match allowed(text.trim(), rules) {
            Ok(cidr) => self.cidrs.push(cidr),
            Err(reason) => self.reject(text, reason),
        }
    }

    fn reject(&mut self, value: &str, reason: RejectionReason) {
        self.rejected.push((value.chars().take(REJECTED_VALUE_CHARS).collect(), reason));
    }
}

/// An expiry that can be used.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    is_past: bool,
    /// The last time, in seconds since the epoch, at which it is judged the same.
    until: f64,
}

impl Expiry {
    /// Judges an expiry in seconds since the epoch.
    fn judge(expiry: &str, rules: &ItemRules) -> Result<Self, ExpiryProblem> {
        let now = rules.now.map_or(f64::NEG_INFINITY, exact);
        match expiry.parse::<f64>() {
            Err(_) => Err(ExpiryProblem::NotANumber),
            Ok(seconds) if !seconds.is_finite() => Err(ExpiryProblem::NotANumber),
            Ok(seconds) if seconds <= 0.0 => Err(ExpiryProblem::NotPositive),
            Ok(seconds) if seconds < now - OLDEST_EXPIRY => Err(ExpiryProblem::TooOld),
            Ok(seconds) if seconds > LATEST_EXPIRY => Err(ExpiryProblem::TooLate),
            // A second less, because a sum is rounded.
            Ok(seconds) if now > seconds => Ok(Self { is_past: true, until: seconds + OLDEST_EXPIRY - 1.0 }),
            Ok(seconds) => Ok(Self { is_past: false, until: seconds }),
        }
    }
}

/// Seconds since the epoch.
#[expect(clippy::cast_precision_loss, reason = "seconds of this epoch are exact in a double")]
const fn exact(time: i64) -> f64 {
    time as f64
}

/// Appends the CIDRs of a JSON array of plain IPv4 CIDRs, or of one such CIDR; `None` if it is anything else, or if
/// anything in it has to be looked at more closely.
fn plain(text: &[u8], rules: &ItemRules, found: &mut Vec<Cidr>) -> Option<()> {
    let Some(mut rest) = text.strip_prefix(b"[") else {
        found.push(plain_cidr(text, rules)?);
        return (rules.max_per_item > 0).then_some(());
    };
    loop {
        rest = without_blanks(rest).strip_prefix(b"\"")?;
        let end = rest.iter().take(LONGEST_PLAIN + 1).position(|byte| *byte == b'"')?;
        let (cidr, after) = rest.split_at_checked(end)?;
        found.push(plain_cidr(cidr, rules)?);
        match without_blanks(after.get(1..)?).split_first()? {
            (b',', after) => rest = after,
            (b']', []) => break,
            _ => return None,
        }
    }
    (found.len() <= rules.max_per_item).then_some(())
}

/// Without what JSON takes for blanks in front.
pub(crate) fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| b" \t\n\r".contains(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

/// Characters of the longest plain IPv4 CIDR.
const LONGEST_PLAIN: usize = 18;

/// A plain IPv4 CIDR that may be asked for; `None` says nothing about it.
fn plain_cidr(text: &[u8], rules: &ItemRules) -> Option<Cidr> {
    let cidr = Cidr::ordinary(text)?;
    // Every reserved range lies in these, and no CIDR of /8 or longer lies across their borders.
    let far_from_reserved = matches!(cidr.octets(), Ok([1..=126 | 128..=168 | 170..=223, ..]));
    (far_from_reserved && cidr.prefix() >= rules.widest.ipv4.max(8)).then_some(cidr)
}

fn allowed(text: &str, rules: &ItemRules) -> Result<Cidr, RejectionReason> {
    let reserved = |cidr: Cidr| reserved().into_iter().find(|(reserved, _)| reserved.overlaps(cidr));
    let cidr = Cidr::parse(text).map_err(|error| match error {
        // Neither of the two readings could be used.
        ParseError::HostBits { host, .. } if let Some((_, what)) = reserved(host) => {
            RejectionReason::NotAClient { what }
        }
        other => RejectionReason::NotACidr(other),
    })?;
    let widest = *rules.widest.get(cidr.family());
    // A wide range only happens to overlap some of them.
    if cidr.prefix() < widest {
        Err(RejectionReason::TooWide { family: cidr.family(), widest })
    } else if let Some((_, what)) = reserved(cidr) {
        Err(RejectionReason::NotAClient { what })
    } else {
        Ok(cidr)
    }
}

/// What no client connects from (IANA's special-purpose address registries). Private addresses are not among them: an
/// internal load balancer sees those.
fn reserved() -> impl IntoIterator<Item = (Cidr, &'static str)> {
    let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let v6 = |first| IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0));
    [
        (v4(0, 0, 0, 0), 8, "\"this network\", 0.0.0.0/8"),
        (v4(127, 0, 0, 0), 8, "loopback, 127.0.0.0/8"),
        (v4(169, 254, 0, 0), 16, "link-local, 169.254.0.0/16"),
        (v4(224, 0, 0, 0), 4, "multicast, 224.0.0.0/4"),
        (v4(255, 255, 255, 255), 32, "broadcast, 255.255.255.255"),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128, "unspecified, ::"),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 128, "loopback, ::1"),
        (IpAddr::V6(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()), 96, "IPv4-mapped, ::ffff:0:0/96"),
        (v6(0xfe80), 10, "link-local, fe80::/10"),
        (v6(0xff00), 8, "multicast, ff00::/8"),
    ]
    .into_iter()
    .filter_map(|(address, prefix, what)| Some((Cidr::new(address, prefix)?, what)))
}

const fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
