use proptest::prelude::*;

use super::*;
use crate::model::cidr::tests::nearly;

fn rules() -> ItemRules {
    ItemRules {
        cidr_attribute: "ips".into(),
        expiry_attribute: Some("expires".into()),
        now: Some(1_800_000_000),
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: 4,
        ignored: BTreeSet::from(["known".to_owned()]),
    }
}

fn text(text: &str) -> Attribute {
    Attribute::Text(text.to_owned())
}

fn read(key: &str, cidrs: Option<Attribute>, expiry: Option<Attribute>) -> TableView {
    let mut view = TableView::default();
    view.read(&Item { key: Some(text(key)), cidrs, expiry }, &rules());
    view
}

/// What the item of this attribute asks for, and why the rest of it is rejected.
fn check(cidrs: Attribute, wanted: &[&str], rejected: &[&str]) {
    let view = read("cluster-a", Some(cidrs), None);
    let found: Vec<String> = view.entries().map(|entry| entry.cidr.to_string()).collect();
    assert_eq!(found, wanted);
    let reasons: Vec<String> = view.rejections.iter().map(|r| format!("{}: {}", r.value, r.reason)).collect();
    assert_eq!(reasons, rejected);
    assert!(view.rejections.iter().all(|r| &*r.key == "cluster-a" && !r.ignored));
    assert!(view.entries().all(|entry| view.key(entry) == "cluster-a"));
}

#[test]
fn every_form_of_the_attribute_is_read() {
    check(text(r#"["198.51.100.7/32", " 2001:db8::/48 "]"#), &["198.51.100.7/32", "2001:db8::/48"], &[]);
    check(text(" 198.51.100.7 "), &["198.51.100.7/32"], &[]);
    check(text(r#"  ["198.51.100.7"]"#), &["198.51.100.7/32"], &[]);
    check(
        Attribute::TextSet(vec!["198.51.100.9".into(), "198.51.100.7".into()]),
        &["198.51.100.7/32", "198.51.100.9/32"],
        &[],
    );
    check(Attribute::List(vec![text("198.51.100.7"), text("198.51.100.7/32")]), &["198.51.100.7/32"], &[]);
}

#[test]
fn an_empty_array_wants_nothing() {
    check(text("[]"), &[], &[]);
    assert_eq!(read("a", Some(text("[]")), None).empty, 1);
}

#[test]
fn a_rejected_value_does_not_stop_the_others() {
    check(
        text(r#"["54.123.456.78/32", "198.51.100.7/32", 5]"#),
        &["198.51.100.7/32"],
        &["54.123.456.78/32: not an IP address", "5: an element is a number, not a string"],
    );
}

#[test]
fn each_mistake_has_its_own_reason() {
    let one = |value: &str, reason: &str| check(text(value), &[], &[&format!("{value}: {reason}")]);
    one("", "not an IP address");
    one("198.51.100.0/33", "the prefix length must be a whole number from 1 to 32");
    one("0.0.0.0/0", "/0 would let in everybody");
    one("198.51.0.0/16", "wider than /24, the widest that --widest-ipv4 allows");
    one("2001:db8::/32", "wider than /48, the widest that --widest-ipv6 allows");
    one("128.0.0.0/1", "wider than /24, the widest that --widest-ipv4 allows");
    one("127.0.0.1", "no client has this address: loopback, 127.0.0.0/8");
    one("0.0.0.0", "no client has this address: \"this network\", 0.0.0.0/8");
    one("169.254.1.0/24", "no client has this address: link-local, 169.254.0.0/16");
    one("239.1.2.3", "no client has this address: multicast, 224.0.0.0/4");
    one("::", "no client has this address: unspecified, ::");
    one("::1/128", "no client has this address: loopback, ::1");
    one("fe80::/64", "no client has this address: link-local, fe80::/10");
    one("ff02::1", "no client has this address: multicast, ff00::/8");
    one("::ffff:198.51.100.7", "an IPv4-mapped IPv6 address: write it as IPv4");
    one(r#"{"a":1}"#, "JSON, but not an array of strings");
    one(r#""198.51.100.7""#, "JSON, but not an array of strings");
    one(r#"["198.51.100.7""#, "not valid JSON: EOF while parsing a list at line 1 column 15");
}

#[test]
fn the_attribute_has_to_be_there_and_of_a_type_that_can_hold_addresses() {
    let reason = |view: &TableView| view.rejections[0].reason.to_string();
    assert_eq!(reason(&read("a", None, None)), "the attribute ips is missing");
    check(
        Attribute::Number("5".into()),
        &[],
        &["5: the attribute ips is a number, not a string, string set or list of strings"],
    );
    check(Attribute::Other("map"), &[], &[": the attribute ips is a map, not a string, string set or list of strings"]);
    check(Attribute::List(vec![Attribute::Other("null")]), &[], &[": an element is null, not a string"]);
}

#[test]
fn an_item_that_asks_for_too_much_is_rejected_whole() {
    check(
        text(r#"["198.51.100.1","198.51.100.2","198.51.100.3","198.51.100.4","198.51.100.5"]"#),
        &[],
        &[": the item asks for 5 CIDRs, --max-per-item allows 4: all of it is rejected"],
    );
}

#[test]
fn an_expired_item_asks_for_nothing_and_is_not_looked_at() {
    let number = |text: &str| Some(Attribute::Number(text.into()));
    let address = || Some(text("198.51.100.7"));
    let view = read("a", Some(text("nonsense")), number("1799999999"));
    assert_eq!((view.expired, view.entry_count(), view.rejections.len()), (1, 0, 0));
    for later in [number("1800000000"), number("1.8E9"), None] {
        assert_eq!(read("a", address(), later).entry_count(), 1);
    }
}

#[test]
fn an_expiry_that_dynamodb_would_not_act_on_is_rejected_and_expires_nothing() {
    let number = |text: &str| Attribute::Number(text.into());
    let ignored = "is zero or negative, which DynamoDB's TTL ignores";
    let old = "is more than five years in the past, which DynamoDB's TTL ignores";
    let late = "is after the year 9999; it must be in seconds since 1970";
    let unreadable = "is not a number of seconds since 1970";
    for (expiry, value, problem) in [
        (number("0"), "0", ignored),
        (number("-0.0"), "-0.0", ignored),
        (number("-1"), "-1", ignored),
        (number("1"), "1", old),
        (number("1642319999"), "1642319999", old),
        (number("253402300800"), "253402300800", late),
        (number("1800000000000"), "1800000000000", late),
        (text("soon"), "soon", unreadable),
        (text("1700000000"), "1700000000", unreadable),
        (Attribute::Other("boolean"), "boolean", unreadable),
        (number("NaN"), "NaN", unreadable),
        (number("-inf"), "-inf", unreadable),
        (number("1e400"), "1e400", unreadable),
    ] {
        let view = read("a", Some(text("198.51.100.7")), Some(expiry));
        assert_eq!((view.entry_count(), view.expired), (1, 0), "{value}");
        let rejection = &view.rejections[0];
        let message = format!("the attribute expires {problem}: the item counts as not expired");
        assert_eq!((rejection.value.as_ref(), rejection.reason.to_string()), (value, message));
    }
}

#[test]
fn the_first_and_the_last_expiry_that_count_do() {
    let read = |expiry: &str| read("a", Some(text("198.51.100.7")), Some(Attribute::Number(expiry.into())));
    let oldest = read("1642320000");
    assert_eq!((oldest.expired, oldest.rejections.len()), (1, 0));
    let latest = read("253402300799");
    assert_eq!((latest.expired, latest.rejections.len(), latest.entry_count()), (0, 0, 1));
}

#[test]
fn an_ignored_item_is_reported_and_holds_nothing_back() {
    let view = read("known", Some(text("nonsense")), None);
    assert!(view.rejections[0].ignored);
    assert_eq!(view.rejections_that_hold(), 0);
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let view = read("a", Some(text(&"ä".repeat(500))), None);
    assert_eq!(view.rejections[0].value.chars().count(), REJECTED_VALUE_CHARS);
}

#[test]
fn nested_json_of_400_kb_is_a_rejection() {
    let view = read("a", Some(text(&"[".repeat(400_000))), None);
    assert_eq!(view.rejections.len(), 1);
    assert!(view.rejections[0].reason.to_string().starts_with("not valid JSON: recursion limit exceeded"));
}

#[test]
fn the_rejections_of_an_item_share_its_key() {
    let bad = Attribute::TextSet(vec!["no".into(), "neither".into(), "nor this".into()]);
    let view = read(&"k".repeat(2048), Some(bad), None);
    let [first, others @ ..] = view.rejections.as_slice() else { panic!("{view:?}") };
    assert!(others.len() == 2 && others.iter().all(|other| Arc::ptr_eq(&other.key, &first.key)));
}

/// An attribute of any type, nested as `DynamoDB` lets it be.
fn attributes() -> impl Strategy<Value = Attribute> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Attribute::Text),
        proptest::collection::vec(any::<String>(), 0..6)
            .prop_map(|texts| Attribute::Text(serde_json::json!(texts).to_string())),
        any::<String>().prop_map(Attribute::Number),
        proptest::collection::vec(any::<String>(), 0..6).prop_map(Attribute::TextSet),
        Just(Attribute::Other("map")),
    ];
    leaf.prop_recursive(3, 12, 6, |inner| proptest::collection::vec(inner, 0..6).prop_map(Attribute::List))
}

proptest! {
    #[test]
    fn every_rejection_names_its_item_and_is_cut(
        key in any::<String>(),
        cidrs in proptest::option::of(attributes()),
        expiry in proptest::option::of(attributes()),
    ) {
        let view = read(&key, cidrs, expiry);
        prop_assert!(view.rejections.iter().all(|rejection| *rejection.key == *key));
        let short = |rejection: &Rejection| rejection.value.chars().count() <= REJECTED_VALUE_CHARS;
        prop_assert!(view.rejections.iter().all(short));
        // One for the expiry, and one for each value at most.
        prop_assert!(view.rejections.len() <= 1 + rules().max_per_item);
        prop_assert!(view.entries().all(|entry| view.key(entry) == key));
    }

    #[test]
    fn whatever_stands_in_an_item_is_an_entry_or_a_rejection(value in any::<String>(), json in any::<bool>()) {
        let value = if json { serde_json::json!([value]).to_string() } else { value };
        let view = read("a", Some(text(&value)), None);
        prop_assert_eq!(view.entry_count() + view.rejections.len() + usize::from(view.empty > 0), 1);
    }

    #[test]
    fn what_is_nearly_a_cidr_is_taken_as_it_was_meant_or_rejected(
        values in proptest::collection::btree_set(nearly(), 1..=4), form in 0..3,
    ) {
        let attribute = match form {
            0 => text(&serde_json::json!(values).to_string()),
            1 => Attribute::TextSet(values.iter().cloned().collect()),
            _ => Attribute::List(values.iter().map(|value| text(value)).collect()),
        };
        let view = read("a", Some(attribute), None);
        for entry in view.entries() {
            prop_assert!(entry.cidr.prefix() >= *rules().widest.get(entry.cidr.family()));
            let ip = entry.cidr.network();
            prop_assert!(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast());
        }
        let taken = |value: &&String| {
            let cidr = Cidr::parse(value.trim());
            view.entries().any(|entry| Ok(entry.cidr) == cidr)
        };
        prop_assert_eq!(values.iter().filter(taken).count() + view.rejections.len(), values.len());
        prop_assert!(view.rejections.iter().all(|rejection| values.contains(&*rejection.value)));
    }
}
