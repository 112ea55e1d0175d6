use proptest::prelude::*;

use super::*;
use crate::aws::page;
use crate::aws::page::tests::{rules, settings};
use crate::model::desired::Desired;

/// How many items a scan read, and how many of them it took over.
type Read = (u64, u64);

/// The time of the first scan.
const NOW: i64 = 1_800_000_000;

fn scan(pages: &[&[String]], now: i64, earlier: &TableView, known: &mut Known) -> (TableView, Read) {
    let (settings, rules) = (settings(&["--expiry-attribute=expires"]), ItemRules { now: Some(now), ..rules() });
    known.begin();
    let mut view = TableView::after(earlier);
    let mut items = 0;
    for page in pages {
        let json = format!("[{}]", page.join(","));
        items += page::read(json.as_bytes(), &settings, &rules, &mut view, Some(known)).unwrap();
    }
    view.complete(earlier);
    let taken = known.newest.iter().filter(|(digest, _)| known.earlier.contains_key(*digest));
    (view, (items, taken.map(|(_, part)| part.items()).sum()))
}

/// All that is shown of a view.
fn shown(view: TableView) -> (Vec<String>, Vec<String>, [u64; 4]) {
    let counts = [view.items, view.empty, view.unnamed, view.expired];
    let desired = Desired::new(view, &[], false, rules().widest);
    let view = desired.view();
    let mut entries: Vec<String> = view.entries().map(|entry| format!("{} {}", entry.cidr, view.key(entry))).collect();
    entries.sort_unstable();
    (entries, view.rejections.iter().map(|rejection| format!("{rejection:?}")).collect(), counts)
}

fn item(number: usize, length: usize, kind: u8) -> String {
    let [.., b, c] = number.to_be_bytes();
    let cidrs = format!(r#"[\"198.51.{b}.{c}/32\"]"#);
    let id = format!(r#""id":{{"S":"{}{number}"}}"#, "x".repeat(length));
    match kind {
        // One of a handful that expire while or soon after the scans run, and some that did years ago.
        0 => format!(r#"{{"expires":{{"N":"{}"}},{id},"ips":{{"S":"{cidrs}"}}}}"#, NOW - 2 + i64::from(c % 8)),
        1 => {
            format!(r#"{{"expires":{{"N":"{}"}},{id},"ips":{{"S":"{cidrs}"}}}}"#, NOW - 157_680_002 + i64::from(c % 8))
        }
        2 => format!(r#"{{{id},"ips":{{"S":"nonsense }}}},{{ "}}}}"#),
        3 => format!(r#"{{"ips":{{"S":"[]"}},{id}}}"#),
        4 => format!(r#"{{"ips":{{"S":"{cidrs}"}}}}"#),
        5 => format!(r#"{{"ips":{{"SS":["2001:db8:{number:x}::/48","198.51.{b}.{c}"]}},{id}}}"#),
        _ => format!(r#"{{{id},"ips":{{"S":"{cidrs}"}}}}"#),
    }
}

/// Cuts items into pages after so many of them.
fn pages(items: &[String], size: usize) -> Vec<&[String]> {
    items.chunks(size).collect()
}

#[test]
fn only_what_is_near_a_change_is_read_again() {
    let mut items: Vec<String> = (0..8_000).map(|number| item(number, 40, 9)).collect();
    let (first, mut known) = (TableView::default(), Known::default());
    let (first, read) = scan(&pages(&items, 3_000), NOW, &first, &mut known);
    assert_eq!(read, (8_000, 0));
    let (second, read) = scan(&pages(&items, 3_000), NOW, &first, &mut known);
    assert_eq!(read, (8_000, 8_000));
    let shown_first = shown(first);
    assert_eq!(shown(second.clone()), shown_first);
    // The border of all further pages is another one now.
    items.remove(500);
    let (third, (read, taken)) = scan(&pages(&items, 3_000), NOW, &second, &mut known);
    assert_eq!(read, 7_999);
    assert!((5_000..7_999).contains(&taken), "{taken} items");
    assert_eq!(shown(third).0.len(), 7_999);
}

#[test]
fn items_that_come_twice_are_read_twice() {
    let items: Vec<String> = (0..1_000).map(|number| item(number, 40, 9)).collect();
    let (first, mut known) = (TableView::default(), Known::default());
    let (first, _) = scan(&[&items], NOW, &first, &mut known);
    let (second, _) = scan(&[&items, &items], NOW, &first, &mut known);
    assert_eq!((second.items, second.entry_count()), (2_000, 2_000));
}

#[test]
fn a_scan_whose_answer_came_before_that_of_an_earlier_one_takes_over_nothing_that_expires() {
    let items: Vec<String> = (0..100).map(|number| item(number, 40, 0)).collect();
    let (first, mut known) = (TableView::default(), Known::default());
    let (first, _) = scan(&[&items], NOW + 2, &first, &mut known);
    let (second, _) = scan(&[&items], NOW, &first, &mut known);
    assert!(second.expired < first.expired, "{} and {}", second.expired, first.expired);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_further_scan_is_as_a_first_one(
        kinds in prop::collection::vec(prop_oneof![8 => Just(9_u8), 1 => 0_u8..6], 100..500),
        few in any::<bool>(),
        sizes in (60_usize..600, 60_usize..600),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 0..6),
        passed in 0_i64..4,
    ) {
        // Where all kinds are mixed, hardly a stretch is without a rejection.
        let kind = |number: usize, kind: u8| if few && number % 200 > 20 { 9 } else { kind };
        let mut items: Vec<String> =
            kinds.iter().enumerate().map(|(number, of)| item(number, 900, kind(number, *of))).collect();
        let (nothing, mut known) = (TableView::default(), Known::default());
        let (first, _) = scan(&pages(&items, sizes.0), NOW, &nothing, &mut known);
        prop_assert_eq!(shown(first.clone()), shown(scan(&pages(&items, 7), NOW, &nothing, &mut Known::default()).0));
        for (at, edit) in edits {
            let at = at.index(items.len());
            match edit {
                0 => drop(items.remove(at)),
                1 => items.insert(at, item(at + 1000, 300, 9)),
                2 => items[at] = item(at + 2000, 900, 9),
                _ => items.swap(at, 0),
            }
        }
        let now = NOW + passed;
        let naive = shown(scan(&pages(&items, 7), now, &nothing, &mut Known::default()).0);
        let mut sorted = Desired::new(first, &[], false, rules().widest).view().clone();
        for size in [sizes.1, sizes.0] {
            let (view, (read, _)) = scan(&pages(&items, size), now, &sorted, &mut known);
            prop_assert_eq!(usize::try_from(read).unwrap(), items.len());
            prop_assert_eq!(shown(view.clone()), naive.clone());
            sorted = Desired::new(view, &[], false, rules().widest).view().clone();
        }
    }
}
