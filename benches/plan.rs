//! How long the pure core takes, up to a million addresses in a hundred IP sets: `cargo bench`.
//!
//! Each bench runs at three sizes, so that the ratio of two lines of one run says how the cost grows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use wafsync::cli::{self, Invocation, Parsed};
use wafsync::model::cidr::{Cidr, Family, PerFamily};
use wafsync::model::current::{Current, GroupRule, LockToken, RuleGroup, Shard};
use wafsync::model::desired::Desired;
use wafsync::model::fingerprint::{Fingerprint, Mark};
use wafsync::model::item::{Attribute, Item, ItemRules, TableView};
use wafsync::model::limits::SET_CAPACITY;
use wafsync::model::naming::Target;
use wafsync::model::naming::set_name;
use wafsync::model::settings::Settings;
use wafsync::planning::diff::Diff;
use wafsync::planning::guard::{self, Evidence};
use wafsync::planning::plan::{Basis, Plan, Restraint};
use wafsync::report::{Approving, Command, Context, Document, text};
use wafsync::run::decision::Decision;
use wafsync::run::end::End;
use wafsync::run::record::{Run, Scans, Seen};

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// One in so many addresses is replaced.
const CHANGED: usize = 100;

/// The AWS account of everything.
const ACCOUNT: &str = "111122223333";

fn main() {
    divan::main();
}

/// From items to what is wanted.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn read_the_table(bencher: Bencher<'_, '_>, size: usize) {
    let items: Vec<Item> = (0..size).map(item).collect();
    bencher.counter(ItemsCount::new(size)).bench_local(|| Desired::new(view(&items), &[], false, rules().widest));
}

/// The same, merged into the fewest CIDRs.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn aggregate_the_table(bencher: Bencher<'_, '_>, size: usize) {
    let items: Vec<Item> = (0..size).map(item).collect();
    bencher.counter(ItemsCount::new(size)).bench_local(|| Desired::new(view(&items), &[], true, rules().widest));
}

/// A plan that finds nothing to do.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn plan_nothing(bencher: Bencher<'_, '_>, size: usize) {
    let world = World::new(size, 0);
    bencher.counter(ItemsCount::new(size)).bench_local(|| world.decide());
}

/// A plan that replaces one address in a hundred, all over the IP sets.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn plan_changes(bencher: Bencher<'_, '_>, size: usize) {
    let world = World::new(size, size / CHANGED);
    bencher.counter(ItemsCount::new(size)).bench_local(|| world.decide());
}

/// A plan of 10,000 changed addresses among a million, as people read it.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn print_10_000_changes_as_text(bencher: Bencher<'_, '_>) {
    let world = World::new(1_000_000, 10_000);
    let run = world.run();
    bencher.bench_local(|| {
        let document = Document::new(&run, &world.settings);
        let approving = &Approving::Command(Some("wafsync apply --table clusters".to_owned()));
        let (command, target, desired) = (Command::Plan, &run.target, run.newest());
        let context =
            Context { command, target, desired, approving, color: false, full: false, asks: false, items: &[] };
        text::render(&document, context)
    });
}

/// The same plan, in full, as JSON.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn print_10_000_changes_as_json(bencher: Bencher<'_, '_>) {
    let world = World::new(1_000_000, 10_000);
    let run = world.run();
    bencher.bench_local(|| serde_json::to_string(&Document::new(&run, &world.settings)).expect("a document is JSON"));
}

/// WAF in force, and a table that asks for other addresses in some places.
struct World {
    settings: Settings,
    target: Target,
    desired: Desired,
    current: Current,
}

impl World {
    /// `size` addresses in full IP sets; the table has let go of `changed` of them for others.
    fn new(size: usize, changed: usize) -> Self {
        let settings = settings();
        let target = Target {
            scope: "regional",
            region: "eu-central-1".into(),
            name: "wafsync".into(),
            table: "eu-central-1/clusters".into(),
            table_account: None,
        };
        let mut held: Vec<Cidr> = (0..size).map(address).collect();
        held.sort_unstable();
        let shards: Vec<Shard> =
            held.chunks(SET_CAPACITY).enumerate().map(|(index, cidrs)| shard(index, cidrs)).collect();
        let group = |number: usize| RuleGroup {
            number,
            name: target.group_name(number),
            id: format!("group-{number}"),
            arn: format!("arn:group-{number}"),
            token: LockToken("token".into()),
            capacity: 120,
            table: target.table_tag(Some(ACCOUNT)),
            rule: GroupRule::Standard {
                policy: settings.waf.policy.clone(),
                labels: Vec::new(),
                references: shards
                    .iter()
                    .filter(|shard| shard.group == Some(number - 1))
                    .map(|shard| shard.arn.clone())
                    .collect(),
                tidy: true,
            },
        };
        let groups = vec![group(1), group(2)];
        let items: Vec<Item> = (changed..size + changed).map(item).collect();
        let desired = Desired::new(view(&items), &[], false, rules().widest);
        Self {
            settings,
            target,
            desired,
            current: Current { shards, groups, account: Some(ACCOUNT.to_owned()), ..Current::default() },
        }
    }

    fn decide(&self) -> Decision {
        let diff = Diff::new(&self.desired, &[], &[], &self.current);
        let evidence = Evidence {
            settings: &self.settings.guards,
            target: &self.target,
            diff: &diff,
            current: &self.current,
            desired: &self.desired,
            always: &[],
            rejections: 0,
            rules: &[],
            in_force_at_start: diff.in_force_by_table,
            removed: &BTreeSet::new(),
            added: &BTreeSet::new(),
        };
        let judgement = guard::judge(&evidence, None);
        let basis = Basis {
            desired: &self.desired,
            current: &self.current,
            at_start: None,
            diff: &diff,
            target: &self.target,
            policy: &self.settings.waf.policy,
            limits: self.settings.waf.limits,
        };
        let plan = Plan::new(
            basis,
            Restraint { held: &judgement.held, waiting: &[], closed: &judgement.closed, proven: true },
        );
        Decision { plan: black_box(plan), diff, judgement }
    }

    fn run(&self) -> Run {
        let decision = self.decide();
        assert!(!decision.plan.changes.is_empty(), "there is something to print");
        let scans = Scans { newest: self.desired.clone(), earlier: Vec::new() };
        Run {
            target: self.target.clone(),
            command: Command::Plan,
            seen: Some(Seen { scans, consumed_capacity: 0.0, current: self.current.clone() }),
            digest: Some(decision.judgement.digest.clone()),
            pending: Some(decision),
            rounds: Vec::new(),
            end: End::Done,
        }
    }
}

fn settings() -> Settings {
    let arguments = ["wafsync", "plan", "--table=clusters"].map(Into::into);
    match cli::parse(arguments, Vec::new()) {
        Ok(Parsed { invocation: Invocation::Plan { settings, .. }, .. }) => settings,
        other => panic!("{other:?}"),
    }
}

fn shard(index: usize, cidrs: &[Cidr]) -> Shard {
    Shard {
        name: set_name("wafsync", Family::Ipv4, index),
        id: format!("set-{index}"),
        arn: format!("arn:set-{index}"),
        family: Family::Ipv4,
        adopted: false,
        mark: Some(Mark { fingerprint: Some(Fingerprint::of(cidrs.iter().copied())) }),
        token: LockToken("token".into()),
        cidrs: cidrs.into(),
        group: Some(index / 50),
        created: false,
    }
}

/// The address of a cluster: neighbours in the table are none in the address space.
fn address(number: usize) -> Cidr {
    let spread = (number * 0x9E_3779 + 1) % (1 << 24);
    Cidr::parse(&Ipv4Addr::from_bits(0x0A00_0000 + u32::try_from(spread).unwrap()).to_string()).unwrap()
}

fn item(number: usize) -> Item {
    Item {
        key: Some(Attribute::Text(format!("edge-{number:07}"))),
        cidrs: Some(Attribute::Text(format!("[\"{}\"]", address(number)))),
        expiry: None,
    }
}

fn view(items: &[Item]) -> TableView {
    let (mut view, rules) = (TableView::default(), rules());
    for item in items {
        view.read(item, &rules);
    }
    view
}

fn rules() -> ItemRules {
    ItemRules {
        cidr_attribute: "ips".into(),
        expiry_attribute: None,
        now: None,
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: 100,
        ignored: BTreeSet::new(),
    }
}
