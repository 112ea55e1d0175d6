//! Any item becomes entries or rejections, each with the key of its item, and every output of it is free of control
//! characters. Any CIDR reads back as itself.
//!
//! The input is text: the key, the type of the attribute (`S`, `SS`, `L`, `N`, anything else), the expiry (empty: none)
//! and the value, of which each line is an element of a set or list.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use wafsync::model::cidr::{Cidr, PerFamily};
use wafsync::model::item::{Attribute, Item, ItemRules, REJECTED_VALUE_CHARS, TableView};
use wafsync::model::naming;
use wafsync::text;

/// The value of `--max-per-item`.
const MOST: usize = 100;

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(4, '\n');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (key, kind, expiry, value) = (part(), part(), part(), part());
    let texts = || value.lines().map(str::to_owned);
    let cidrs = match kind.as_str() {
        "S" => Attribute::Text(value.clone()),
        "SS" => Attribute::TextSet(texts().collect()),
        "L" => Attribute::List(texts().map(Attribute::Text).chain([Attribute::Other("null")]).collect()),
        "N" => Attribute::Number(value.clone()),
        _ => Attribute::Other("map"),
    };
    let rules = ItemRules {
        cidr_attribute: "ips".into(),
        expiry_attribute: Some("expires".into()),
        now: Some(1_800_000_000),
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: MOST,
        ignored: BTreeSet::new(),
    };
    let mut view = TableView::default();
    let expiry = (!expiry.is_empty()).then(|| Attribute::Number(expiry.clone()));
    view.read(&Item { key: Some(Attribute::Text(key.clone())), cidrs: Some(cidrs), expiry }, &rules);
    assert!(view.entry_count() <= MOST && view.rejections.len() <= MOST + 1);
    assert!(view.expired + view.empty > 0 || view.entry_count() > 0 || !view.rejections.is_empty());
    for entry in view.entries() {
        reads_back(entry.cidr);
        assert!(entry.cidr.prefix() >= *rules.widest.get(entry.cidr.family()));
        assert_eq!(view.key(entry), key);
    }
    for rejection in view.rejections.iter() {
        assert_eq!(&*rejection.key, key);
        assert!(rejection.value.chars().count() <= REJECTED_VALUE_CHARS);
        for shown in [text::line(&rejection.value), text::key(&key), text::line(&rejection.reason.to_string())] {
            assert!(!shown.contains(char::is_control));
        }
    }
    if let Ok(cidr) = Cidr::parse(&value) {
        reads_back(cidr);
    }
    if let Some(cidr) = Cidr::from_waf(&value) {
        assert_eq!(Cidr::from_waf(&cidr.to_string()), Some(cidr));
    }
    let _ = (naming::mark(&value, "wafsync"), naming::SetArn::parse(&value));
});

fn reads_back(cidr: Cidr) {
    assert_eq!(Cidr::parse(&cidr.to_string()), Ok(cidr));
    assert_eq!(Cidr::from_waf(&cidr.to_string()), Some(cidr));
}
