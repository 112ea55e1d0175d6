//! One item of the table to the CIDRs that it asks for. (interface; bodies to come)
use std::collections::BTreeSet;

use crate::cidr::{Cidr, PerFamily};

/// An attribute's value, as far as wafsync looks at it. The shell converts the SDK's type into this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `S`
    Text(String),
    /// `N`, as its text
    Number(String),
    /// `SS`
    TextSet(Vec<String>),
    /// `L`
    List(Vec<Attribute>),
    /// any other type, by its name for people ("binary", "map", "boolean", "null", "number set", ...)
    Other(&'static str),
}

/// The attributes of one item that wafsync asked for; `None` where the item lacks it.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// `--key-attribute`
    pub key: Option<Attribute>,
    /// `--cidr-attribute`
    pub cidrs: Option<Attribute>,
    /// `--expiry-attribute`
    pub expiry: Option<Attribute>,
}

/// How items are to be read.
#[derive(Clone, Debug)]
pub struct ItemRules {
    /// Whether `--expiry-attribute` was given.
    pub expires: bool,
    /// Now, in seconds since the epoch.
    pub now: i64,
    /// `--widest-ipv4`, `--widest-ipv6`.
    pub widest: PerFamily<u8>,
    /// `--max-per-item`.
    pub max_per_item: usize,
    /// `--ignore-item`.
    pub ignored: BTreeSet<String>,
}
/// Something in the table that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The key of the item ("" if it has none).
    pub key: String,
    /// The offending value, cut to 128 characters.
    pub value: String,
    /// Why.
    pub reason: RejectionReason,
    /// Whether `--ignore-item` names it: reported, but holds nothing back.
    pub ignored: bool,
}
/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionReason {}

/// Everything that one complete scan showed.
#[derive(Clone, Debug, Default)]
pub struct TableView {
    /// one (cidr, key index) per CIDR and item
    pub entries: Vec<(Cidr, u32)>,
    /// keys of items, by index: kept compactly
    pub keys: Vec<Box<str>>,
    /// what was rejected, in table order
    pub rejections: Vec<Rejection>,
    /// items read
    pub items: u64,
    /// pages read
    pub pages: u64,
    /// read capacity units
    pub consumed_capacity: f64,
    /// expired items
    pub expired: u64,
    /// items that ask for nothing
    pub empty: u64,
}
