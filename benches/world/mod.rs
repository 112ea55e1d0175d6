//! The input of the benches of the pure core: a table, and WAF as an earlier run left it.

mod waf;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use wafsync::cli::{self, Invocation, Parsed};
use wafsync::model::cidr::{Cidr, PerFamily};
use wafsync::model::cidrs::Cidrs;
use wafsync::model::current::Current;
use wafsync::model::desired::Desired;
use wafsync::model::item::{Attribute, Item, ItemRules, TableView};
use wafsync::model::limits::SET_CAPACITY;
use wafsync::model::naming::Target;
use wafsync::model::settings::Settings;
use wafsync::planning::diff::Diff;
use wafsync::planning::guard::{self, Evidence};
use wafsync::planning::plan::{Basis, Plan, Restraint};
use wafsync::report::Command;
use wafsync::run::decision::Decision;
use wafsync::run::end::End;
use wafsync::run::record::{Run, Scans, Seen};

/// WAF in force, and a table in which some addresses have changed.
pub(crate) struct World {
    pub(crate) settings: Settings,
    target: Target,
    pub(crate) desired: Desired,
    current: Current,
}

impl World {
    /// `size` addresses in full IP sets, of which the table has replaced `changed`.
    pub(crate) fn new(size: usize, changed: usize) -> Self {
        let mut held: Vec<Cidr> = (0..size).map(address).collect();
        held.sort_unstable();
        Self::holding(&held, size, changed)
    }

    /// `size` single addresses, while full IP sets hold ranges around them, each in many sets.
    pub(crate) fn of_ranges(size: usize) -> Self {
        let held: Vec<Cidr> = (0..size).map(|number| address(number).widened(24).unwrap()).collect();
        Self::holding(&held, size, 0)
    }

    fn holding(held: &[Cidr], size: usize, changed: usize) -> Self {
        let settings = settings();
        let contents = held.chunks(SET_CAPACITY).map(Cidrs::from);
        let current = waf::in_force(contents, 2, &settings.waf.policy);
        let items: Vec<Item> = (changed..size + changed).map(item).collect();
        let desired = Desired::new(view(&items), &[], false, rules().widest);
        Self { settings, target: waf::target(), desired, current }
    }

    pub(crate) fn decide(&self) -> Decision {
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
        let judgment = guard::judge(&evidence, None);
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
            Restraint {
                held: &judgment.held,
                waiting: &[],
                closed: &judgment.closed,
                proven: true,
                keeps_foreign: false,
            },
        );
        Decision { plan, diff, judgment }
    }

    pub(crate) fn run(&self) -> Run {
        let decision = self.decide();
        assert!(!decision.plan.changes.is_empty(), "there is something to print");
        let scans = Scans { newest: self.desired.clone(), earlier: Vec::new() };
        Run {
            target: self.target.clone(),
            command: Command::Plan,
            seen: Some(Seen { scans, consumed_capacity: 0.0, current: self.current.clone() }),
            digest: Some(decision.judgment.digest.clone()),
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

/// The address of a cluster. Neighbors in the table are not neighbors in the address space.
pub(crate) fn address(number: usize) -> Cidr {
    let spread = (number * 0x9E_3779 + 1) % (1 << 24);
    Cidr::parse(&Ipv4Addr::from_bits(0x0A00_0000 + u32::try_from(spread).unwrap()).to_string()).unwrap()
}

pub(crate) fn item(number: usize) -> Item {
    Item {
        key: Some(Attribute::Text(format!("edge-{number:07}"))),
        cidrs: Some(Attribute::Text(format!("[\"{}\"]", address(number)))),
        expiry: None,
    }
}

pub(crate) fn view(items: &[Item]) -> TableView {
    let (mut view, rules) = (TableView::default(), rules());
    for item in items {
        view.read(item, &rules);
    }
    view
}

pub(crate) fn rules() -> ItemRules {
    ItemRules {
        cidr_attribute: "ips".into(),
        expiry_attribute: None,
        now: None,
        widest: PerFamily { ipv4: 24, ipv6: 48 },
        max_per_item: 100,
        ignored: BTreeSet::new(),
    }
}
