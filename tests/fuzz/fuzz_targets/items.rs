//! Whatever stands in an item is entries or rejections, and every output of it is free of control characters.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use wafsync::cidr::{Cidr, PerFamily};
use wafsync::item::{Attribute, Item, ItemRules, REJECTED_VALUE_CHARS, TableView};
use wafsync::text;

fuzz_target!(|data: (String, String, Vec<String>, u8)| {
    let (key, ips, list, form) = data;
    let cidrs = match form % 5 {
        0 => Attribute::Text(ips.clone()),
        1 => Attribute::TextSet(list.clone()),
        2 => Attribute::List(list.iter().cloned().map(Attribute::Text).collect()),
        3 => Attribute::Number(ips.clone()),
        _ => Attribute::Other("map"),
    };
    let expiry = (form & 64 > 0).then(|| Attribute::Number(ips.clone()));
    let rules = ItemRules {
        cidr_attribute: "ips".into(),
        expiry_attribute: (form & 128 > 0).then(|| "expires".into()),
        now: 1_800_000_000,
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: 100,
        ignored: BTreeSet::new(),
    };
    let mut view = TableView::default();
    view.read(&Item { key: Some(Attribute::Text(key.clone())), cidrs: Some(cidrs), expiry }, &rules);
    assert!(view.entries().len() <= 100);
    for entry in view.entries() {
        let cidr = entry.cidr;
        assert_eq!(Cidr::parse(&cidr.to_string()), Ok(cidr));
        assert_eq!(Cidr::from_waf(&cidr.to_string()), Some(cidr));
        assert!(cidr.prefix() >= *rules.widest.get(cidr.family()));
        assert_eq!(view.key(entry), key);
    }
    for rejection in &view.rejections {
        assert_eq!(rejection.key, key);
        assert!(rejection.value.chars().count() <= REJECTED_VALUE_CHARS);
        for shown in [text::line(&rejection.value), text::key(&key), text::line(&rejection.reason.to_string())] {
            assert!(!shown.chars().any(char::is_control));
        }
    }
});
