//! The desired state: the CIDRs that one scan and `--always` ask for, aggregated if so configured, and the items that ask.

use crate::model::aggregate;
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::{Builder, Cidrs, Slice};
use crate::model::coverage;
use crate::model::item::TableView;

/// The CIDRs that WAF should hold according to one scan of the table.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    cidrs: PerFamily<Cidrs>,
    always: Cidrs,
    aggregated: bool,
    view: TableView,
}

impl Desired {
    /// Combines what `view` and `always` ask for. With `aggregate`, merges it into the fewest CIDRs, none wider than `widest`.
    #[must_use]
    pub fn new(mut view: TableView, always: &[Cidr], aggregate: bool, widest: PerFamily<u8>) -> Self {
        view.sort();
        let always = Cidrs::from(always);
        let cidrs = PerFamily::from_fn(|family| {
            let cidrs = union(view.cidrs(family), always.as_slice(), family);
            if aggregate { aggregate::aggregate(cidrs.as_slice(), *widest.get(family)) } else { cidrs }
        });
        Self { cidrs, always, aggregated: aggregate, view }
    }

    /// The wanted CIDRs of one family.
    #[must_use]
    pub fn cidrs(&self, family: Family) -> Slice<'_> {
        self.cidrs.get(family).as_slice()
    }

    /// The wanted CIDRs that share an address with `cidr`.
    pub fn overlapping(&self, cidr: Cidr) -> impl Iterator<Item = Cidr> {
        coverage::overlapping(self.cidrs(cidr.family()), cidr)
    }

    /// Whether every address of `cidr` is wanted.
    #[must_use]
    pub fn covers_all(&self, cidr: Cidr) -> bool {
        coverage::covers(self.cidrs(cidr.family()), cidr)
    }

    /// Whether any address of `cidr` is wanted.
    #[must_use]
    pub fn overlaps(&self, cidr: Cidr) -> bool {
        coverage::overlaps(self.cidrs(cidr.family()), cidr)
    }

    /// The number of wanted CIDRs, without those that only `--always` asks for.
    #[must_use]
    pub fn from_table(&self) -> PerFamily<usize> {
        if self.always.is_empty() {
            return PerFamily::from_fn(|family| self.cidrs(family).len());
        }
        let of_always = |cidr: &Cidr| self.always.contains(*cidr);
        // Aggregation may have merged a CIDR of the table into a wider one of `--always`.
        let merged = |cidr: &Cidr| self.view.overlapping(*cidr).any(|entry| !of_always(&entry.cidr));
        PerFamily::from_fn(|family| {
            let merged = |cidr: &Cidr| self.aggregated && merged(cidr);
            self.cidrs(family).iter().filter(|cidr| !of_always(cidr) || merged(cidr)).count()
        })
    }

    /// The wanted CIDRs without the items that ask for them, as is enough for a scan before the newest one.
    #[must_use]
    pub fn without_items(mut self) -> Self {
        self.view.forget_items();
        self
    }

    /// The scan, sorted.
    #[must_use]
    pub const fn view(&self) -> &TableView {
        &self.view
    }

    /// The key of an item that asks for an address of this wanted CIDR, and how many others there are; `None` if only
    /// `--always` does.
    #[must_use]
    pub fn first_wanting(&self, cidr: Cidr) -> Option<(String, usize)> {
        let others = self.view.overlapping(cidr).count().checked_sub(1)?;
        let first = self.first_wanting_each(&[cidr]).pop()??;
        Some((first, others))
    }

    /// For each of these wanted CIDRs, the key of an item that asks for an address of it; `None` where only `--always` does.
    /// Looking up a million costs little more than a few.
    #[must_use]
    pub fn first_wanting_each(&self, cidrs: &[Cidr]) -> Vec<Option<String>> {
        let mut entries = Vec::with_capacity(cidrs.len());
        for (at, cidr) in (0_u32..).zip(cidrs) {
            let mut overlapping = self.view.overlapping(*cidr);
            // The items that ask for the first CIDR; the first of their keys.
            let Some(first) = overlapping.next() else { continue };
            let same = overlapping.take_while(|entry| entry.cidr == first.cidr);
            entries.extend(std::iter::once(first).chain(same).map(|entry| (entry, at)));
        }
        let mut keys: Vec<Option<String>> = vec![None; cidrs.len()];
        self.view.keys_of(entries, |at, key| {
            let slot = usize::try_from(*at).ok().and_then(|at| keys.get_mut(at));
            if let Some(slot) = slot.filter(|slot| slot.as_deref().is_none_or(|known| key < known)) {
                *slot = Some(key.to_owned());
            }
        });
        keys
    }

    /// The keys of the items that ask for an address of any of `cidrs`, sorted and distinct.
    #[must_use]
    pub fn wanted_by(&self, cidrs: &[Cidr]) -> Vec<String> {
        let entries = cidrs.iter().flat_map(|cidr| self.view.overlapping(*cidr)).map(|entry| (entry, ()));
        let mut keys = Vec::new();
        self.view.keys_of(entries.collect(), |(), key| keys.push(key.to_owned()));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The CIDRs that the item with this key asks for, sorted.
    #[must_use]
    pub fn of_item(&self, key: &str) -> Vec<Cidr> {
        self.view.entries_of(key).map(|entry| entry.cidr).collect()
    }

    /// Whether `--always` asks for an address of `cidr`.
    #[must_use]
    pub fn wanted_by_always(&self, cidr: Cidr) -> bool {
        coverage::overlaps(&self.always, cidr)
    }
}

/// Merges both into one list; `entries` are sorted.
fn union(entries: impl Iterator<Item = Cidr>, always: Slice<'_>, family: Family) -> Cidrs {
    let mut cidrs = Builder::with_capacity(family, entries.size_hint().0);
    let mut always = always.of(family).iter().peekable();
    let mut push = |cidr: Cidr| {
        if cidrs.last(family) != Some(cidr) {
            cidrs.push(cidr);
        }
    };
    for cidr in entries {
        while let Some(earlier) = always.next_if(|always| *always <= cidr) {
            push(earlier);
        }
        push(cidr);
    }
    always.for_each(&mut push);
    cidrs.finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::item::{Attribute, Item, ItemRules};

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    fn rules() -> ItemRules {
        ItemRules {
            cidr_attribute: "ips".into(),
            expiry_attribute: None,
            now: None,
            widest: PerFamily { ipv4: 8, ipv6: 16 },
            max_per_item: 10_000,
            ignored: BTreeSet::new(),
        }
    }

    /// What a table of one item wants.
    pub(crate) fn wanting(cidrs: impl IntoIterator<Item: ToString>) -> Desired {
        let cidrs = cidrs.into_iter().map(|cidr| cidr.to_string()).collect();
        let mut view = TableView::default();
        view.read(&Item { cidrs: Some(Attribute::TextSet(cidrs)), ..Item::default() }, &rules());
        assert_eq!(view.rejections[..], []);
        Desired::new(view, &[], false, rules().widest)
    }

    fn desired(items: &[(&str, &str)], always: &[&str], aggregate: bool) -> Desired {
        let mut view = TableView::default();
        for (key, ips) in items {
            let text = |text: &str| Some(Attribute::Text(text.to_owned()));
            view.read(&Item { key: text(key), cidrs: text(ips), expiry: None }, &rules());
        }
        let always: Vec<Cidr> = always.iter().map(|text| cidr(text)).collect();
        Desired::new(view, &always, aggregate, rules().widest)
    }

    #[test]
    fn what_the_table_asks_for_counts_also_where_aggregation_merges_it_into_what_always_asks_for() {
        let items = [("a", "10.1.2.3"), ("b", "10.1.2.4"), ("c", "203.0.113.1")];
        let always = ["10.0.0.0/8", "203.0.113.1"];
        let counted = |aggregate| desired(&items, &always, aggregate).from_table().ipv4;
        assert_eq!((counted(false), counted(true)), (2, 1));
        let only_always = desired(&[("c", "203.0.113.1")], &always, true);
        assert_eq!(only_always.from_table().ipv4, 0);
    }

    /// Everything that is shown of it: CIDRs, who asks for them, and what cannot be used.
    fn shown(desired: &Desired) -> [Vec<String>; 3] {
        let cidrs = || Family::ALL.iter().flat_map(|family| desired.cidrs(*family));
        let each: Vec<Cidr> = cidrs().collect();
        let one_by_one: Vec<_> = each.iter().map(|cidr| desired.first_wanting(*cidr).map(|(key, _)| key)).collect();
        assert_eq!(desired.first_wanting_each(&each), one_by_one);
        let askers = cidrs().map(|cidr| format!("{:?}", desired.first_wanting(cidr)));
        let rejections = desired.view().rejections.iter().map(|r| format!("{} {} {}", r.key, r.value, r.reason));
        [list(desired), askers.collect(), rejections.collect()]
    }

    proptest! {
        #[test]
        fn the_order_in_which_items_come_changes_nothing(
            items in prop::collection::vec((0_u8..4, 0_u8..12), 0..12).prop_shuffle(), aggregate: bool,
        ) {
            let texts: Vec<(String, String)> = items.iter().map(|(key, value)| {
                // Some cannot be used.
                let value = match value {
                    0..8 => format!("[\"198.51.100.{value}\", \"2001:db8:{}::/48\"]", value / 2),
                    8 => "nonsense".to_owned(),
                    9 => "[\"198.51.100.7/25\", \"198.51.100.1\"]".to_owned(),
                    _ => "[\"\", 1]".to_owned(),
                };
                (format!("cluster-{key}"), value)
            }).collect();
            let of = |texts: &[(String, String)]| {
                let items: Vec<(&str, &str)> = texts.iter().map(|(key, ips)| (key.as_str(), ips.as_str())).collect();
                shown(&desired(&items, &[], aggregate))
            };
            let mut sorted = texts.clone();
            sorted.sort();
            prop_assert_eq!(of(&texts), of(&sorted));
        }
    }

    fn list(desired: &Desired) -> Vec<String> {
        Family::ALL.iter().flat_map(|family| desired.cidrs(*family)).map(|cidr| cidr.to_string()).collect()
    }

    #[test]
    fn items_and_always_are_one_sorted_set() {
        let desired = desired(
            &[("b", r#"["198.51.100.9","2001:db8::/48"]"#), ("a", "198.51.100.7"), ("c", "198.51.100.7")],
            &["203.0.113.1", "198.51.100.7", "10.0.0.0/8"],
            false,
        );
        assert_eq!(
            list(&desired),
            ["10.0.0.0/8", "198.51.100.7/32", "198.51.100.9/32", "203.0.113.1/32", "2001:db8::/48"]
        );
        assert_eq!(desired.from_table(), PerFamily { ipv4: 1, ipv6: 1 });
        assert_eq!(desired.wanted_by(&[cidr("198.51.100.0/24")]), ["a", "b", "c"]);
        assert_eq!(desired.first_wanting(cidr("198.51.100.9")), Some(("b".to_owned(), 0)));
        assert_eq!(desired.first_wanting(cidr("203.0.113.1")), None);
        assert!(desired.wanted_by_always(cidr("10.1.2.3")));
    }

    #[test]
    fn aggregation_keeps_the_addresses_and_who_asked_for_them() {
        let desired = desired(&[("a", "198.51.100.6"), ("b", "198.51.100.7")], &[], true);
        assert_eq!(list(&desired), ["198.51.100.6/31"]);
        assert!(desired.covers_all(cidr("198.51.100.7")));
        assert!(!desired.covers_all(cidr("198.51.100.4/30")));
        assert!(desired.overlaps(cidr("198.51.100.4/30")));
        assert_eq!(desired.wanted_by(&[cidr("198.51.100.7")]), ["b"]);
    }
}
