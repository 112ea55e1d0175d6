//! Instructions of the parts of a run that work on every item and every CIDR.

#![allow(missing_docs, reason = "macros make items without")]

#[path = "../../../benches/world/waf.rs"]
mod waf;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use gungraun::{library_benchmark, library_benchmark_group, main};
use wafsync::aws::{Known, read_page, read_page_again, read_page_first};
use wafsync::model::cidr::{Cidr, PerFamily};
use wafsync::model::cidrs::Cidrs;
use wafsync::model::current::Current;
use wafsync::model::desired::Desired;
use wafsync::model::fingerprint::Fingerprint;
use wafsync::model::item::{ItemRules, TableView};
use wafsync::model::limits::Limits;
use wafsync::model::naming::Target;
use wafsync::model::policy::{Action, RulePolicy};
use wafsync::model::settings::TableSettings;
use wafsync::planning::diff::Diff;
use wafsync::planning::plan::{Basis, Plan, Restraint};

/// Addresses in all. IP sets take a tenth each.
const SIZE: usize = 20_000;

/// Neighbors in the table are none in the address space.
fn address(number: usize) -> String {
    let spread = u32::try_from((number * 0x9E_3779 + 1) % (1 << 24)).unwrap();
    format!("{}/32", Ipv4Addr::from_bits(0x0A00_0000 + spread))
}

fn settings() -> TableSettings {
    TableSettings {
        table: "clusters".into(),
        region: None,
        key_attribute: "id".into(),
        cidr_attribute: "ips".into(),
        expiry_attribute: Some("expires".into()),
        segments: 1,
        read_capacity: None,
        settle: Duration::ZERO,
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: 100,
        ignored_items: BTreeSet::new(),
        always: Vec::new(),
        aggregate: false,
    }
}

/// A page of items as DynamoDB writes them, each with these members in front.
fn page(further: &str) -> (String, TableSettings, ItemRules) {
    let item = |number| {
        let cidr = address(number);
        format!(r#"{{{further}"id":{{"S":"edge-{number:07}"}},"ips":{{"S":"[\"{cidr}\"]"}}}}"#)
    };
    let items: Vec<String> = (0..SIZE).map(item).collect();
    let settings = settings();
    let rules = ItemRules::new(&settings, Some(1_800_000_000));
    (format!("[{}]", items.join(",")), settings, rules)
}

fn texts() -> Vec<String> {
    (0..SIZE).map(address).collect()
}

fn cidrs() -> Cidrs {
    texts().iter().map(|text| Cidr::parse(text).unwrap()).collect()
}

fn view() -> TableView {
    let (page, settings, rules) = page("");
    read_page(&page, &settings, &rules)
}

/// WAF as an earlier run left it, and what the table asks for now.
struct World {
    desired: Desired,
    current: Current,
    target: Target,
    policy: RulePolicy,
    limits: Limits,
}

/// A table that has replaced some addresses since.
fn world(changed: usize) -> World {
    in_force(changed, |address| address)
}

/// A table of single addresses, while WAF holds wide ranges around them, each in several IP sets.
fn world_of_ranges() -> World {
    in_force(0, |address| address.widened(20).unwrap())
}

fn in_force(changed: usize, holding: fn(Cidr) -> Cidr) -> World {
    let limits = Limits { set_capacity: SIZE / 10, ..Limits::aws(100) };
    let policy = RulePolicy { action: Action::Allow, forwarded: None };
    // In the order in which items come, so that the sets interleave.
    let held: Vec<Cidr> = (0..SIZE).map(|number| holding(Cidr::parse(&address(number)).unwrap())).collect();
    let contents = held.chunks(limits.set_capacity).map(|cidrs| cidrs.iter().copied().collect());
    let current = waf::in_force(contents, 1, &policy);
    let mut view = TableView::default();
    let rules = ItemRules::new(&settings(), None);
    for number in changed..SIZE + changed {
        assert!(view.read_plain(&format!("edge-{number:07}"), &address(number), None, &rules), "an ordinary item");
    }
    World { desired: Desired::new(view, &[], false, settings().widest), current, target: waf::target(), policy, limits }
}

#[library_benchmark]
#[bench::all(texts())]
fn parse_cidrs(texts: Vec<String>) -> usize {
    texts.iter().filter(|text| black_box(Cidr::parse(text)).is_ok()).count()
}

#[library_benchmark]
#[bench::ordinary(page(""))]
#[bench::with_an_expiry(page(r#""expires":{"N":"1900000000"},"#))]
fn read_a_page((page, settings, rules): (String, TableSettings, ItemRules)) -> TableView {
    read_page(&page, &settings, &rules)
}

fn read_before() -> ((String, TableSettings, ItemRules), (TableView, Known)) {
    let (page, settings, rules) = page("");
    let (view, known) = read_page_first(&page, &settings, &rules);
    let view = Desired::new(view, &[], false, settings.widest).view().clone();
    ((page, settings, rules), (view, known))
}

#[library_benchmark]
#[bench::ordinary(page(""))]
fn read_a_page_to_know_it((page, settings, rules): (String, TableSettings, ItemRules)) -> (TableView, Known) {
    read_page_first(&page, &settings, &rules)
}

#[library_benchmark]
#[bench::unchanged(read_before())]
fn read_a_page_again(
    ((page, settings, rules), mut earlier): ((String, TableSettings, ItemRules), (TableView, Known)),
) -> TableView {
    read_page_again(&page, &settings, &rules, &mut earlier)
}

#[library_benchmark]
#[bench::apart((view(), false))]
#[bench::aggregated((view(), true))]
fn sort_what_is_wanted((view, aggregate): (TableView, bool)) -> Desired {
    Desired::new(view, &[], aggregate, settings().widest)
}

#[library_benchmark]
#[bench::all(cidrs())]
fn fingerprint(cidrs: Cidrs) -> Fingerprint {
    cidrs.fingerprint()
}

#[library_benchmark]
#[bench::nothing(world(0))]
#[bench::changes(world(SIZE / 100))]
#[bench::split_up(world_of_ranges())]
fn plan(world: World) -> (Diff, Plan) {
    let World { desired, current, target, policy, limits } = &world;
    let diff = Diff::new(desired, &[], &[], current);
    let basis = Basis { desired, current, at_start: None, diff: &diff, target, policy, limits: *limits };
    let plan = Plan::new(basis, Restraint { held: &[], waiting: &[], closed: &[], proven: true, keeps_foreign: false });
    (diff, plan)
}

library_benchmark_group!(
    name = hot,
    benchmarks =
        [parse_cidrs, read_a_page, read_a_page_to_know_it, read_a_page_again, sort_what_is_wanted, fingerprint, plan]
);

main!(library_benchmark_groups = hot);
