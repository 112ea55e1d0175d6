//! Small worlds: a few IP sets, rule groups and wanted CIDRs, made at random or by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::Cidrs;
use crate::model::coverage;
use crate::model::limits::Limits;
use crate::planning::layout::{GroupInput, Input, Layout, ShardInput, ShardLayout};

/// One IP set.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, of which any may go with any")]
pub(super) struct Shard {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) cidrs: BTreeSet<Cidr>,
    /// What earlier rounds of the same run brought into force.
    pub(super) fresh: BTreeSet<Cidr>,
    pub(super) group: Option<usize>,
    pub(super) closed: bool,
    pub(super) adopted: bool,
    /// No rule was seen to refer to it, but one may.
    pub(super) marked: bool,
    /// Its description has another sum than its contents.
    pub(super) unsealed: bool,
}

/// Everything from which an [`Input`] can be made, owned.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) limits: Limits,
    pub(super) shards: Vec<Shard>,
    pub(super) groups: Vec<GroupInput>,
    /// The web ACLs that refer to each rule group: a bit for each.
    pub(super) enforced_by: Vec<u128>,
    pub(super) wanted: BTreeSet<Cidr>,
    /// Wanted CIDRs that may not be added.
    pub(super) waiting: BTreeSet<Cidr>,
    /// CIDRs that may not leave a shard that is in force.
    pub(super) held: BTreeSet<Cidr>,
    /// Shards that are not in force keep what is held as well: nothing that a sound caller asks for.
    pub(super) strict_hold: bool,
}

pub(super) fn cidr(text: &str) -> Cidr {
    let (address, prefix) = text.split_once('/').unwrap();
    Cidr::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
}

pub(super) fn cidrs(text: &str) -> BTreeSet<Cidr> {
    text.split_whitespace().map(cidr).collect()
}

/// Every CIDR of `203.0.113.0/28` and of `2001:db8::/126`.
pub(super) fn nested(family: Family) -> Vec<Cidr> {
    let (whole, longest) = match family {
        Family::Ipv4 => (cidr("203.0.113.0/28"), 32),
        Family::Ipv6 => (cidr("2001:db8::/126"), 128),
    };
    let mut all = vec![whole];
    for prefix in whole.prefix() + 1..=longest {
        all.extend(hosts(family).into_iter().filter_map(|host| host.widened(prefix)));
    }
    all.sort();
    all.dedup();
    all
}

/// The single addresses among them.
fn hosts(family: Family) -> Vec<Cidr> {
    match family {
        Family::Ipv4 => (0..16).map(|n| cidr(&format!("203.0.113.{n}/32"))).collect(),
        Family::Ipv6 => (0..4).map(|n| cidr(&format!("2001:db8::{n}/128"))).collect(),
    }
}

impl Shard {
    /// Whether what it holds counts as in force.
    pub(super) const fn is_in_force(&self) -> bool {
        self.group.is_some() || self.adopted || self.marked
    }
}

impl World {
    pub(super) fn new(limits: Limits, shards: Vec<Shard>, groups: Vec<GroupInput>, wanted: BTreeSet<Cidr>) -> Self {
        let (waiting, held) = (BTreeSet::new(), BTreeSet::new());
        let enforced_by = groups.iter().map(|group| group.referred.into()).collect();
        Self { limits, shards, groups, enforced_by, wanted, waiting, held, strict_hold: false }
    }

    /// What may leave a shard.
    pub(super) fn leaving(&self, shard: &Shard) -> Vec<Cidr> {
        let in_force = shard.is_in_force();
        let held = |cidr: &Cidr| (in_force || self.strict_hold) && self.held.contains(cidr);
        shard.cidrs.iter().copied().filter(|cidr| !self.wanted.contains(cidr) && !held(cidr)).collect()
    }

    /// Whether a shard is written only for its description's sake.
    pub(super) fn seals(&self, shard: &Shard) -> bool {
        shard.unsealed && shard.cidrs.is_subset(&self.wanted)
    }

    fn let_in_by(&self, shard: &Shard) -> u128 {
        shard.group.and_then(|group| self.enforced_by.get(group)).copied().unwrap_or_default()
    }

    /// Runs `f` on the input that this world is.
    pub(super) fn with_input<T>(&self, f: impl FnOnce(&Input<'_>) -> T) -> T {
        let contents: Vec<Cidrs> = self.shards.iter().map(|shard| shard.cidrs.iter().copied().collect()).collect();
        let shards = self.shards.iter().zip(&contents).map(|(shard, cidrs)| ShardInput {
            name: &shard.name,
            family: shard.family,
            cidrs: cidrs.as_slice(),
            leaving: self.leaving(shard),
            fresh: shard.fresh.iter().copied().collect(),
            group: shard.group,
            closed: shard.closed,
            adopted: shard.adopted,
            in_force: shard.is_in_force(),
            may_be_let_in_by: self.let_in_by(shard),
            surely_let_in_by: self.let_in_by(shard),
            alone: false,
            seal: self.seals(shard),
        });
        let wanted = |family| self.wanted.iter().copied().filter(move |cidr: &Cidr| cidr.family() == family);
        let (ipv4, ipv6): (Cidrs, Cidrs) = (wanted(Family::Ipv4).collect(), wanted(Family::Ipv6).collect());
        let waiting: Vec<Cidr> = self.waiting.iter().copied().collect();
        f(&Input {
            limits: self.limits,
            shards: shards.collect(),
            groups: self.groups.clone(),
            desired: PerFamily { ipv4: ipv4.as_slice(), ipv6: ipv6.as_slice() },
            waiting: &waiting,
            new_sets: self.limits.max_ip_sets.saturating_sub(self.shards.len()),
        })
    }

    pub(super) fn lay_out(&self) -> Layout {
        self.with_input(crate::planning::layout::lay_out)
    }

    /// The world once the layout has been carried out.
    pub(super) fn after(&self, layout: &Layout) -> Self {
        let mut after = self.clone();
        for (shard, change) in after.shards.iter_mut().zip(&layout.shards) {
            shard.cidrs.retain(|cidr| !change.remove.contains(cidr));
            shard.cidrs.extend(&change.add);
            shard.group = change.group;
            shard.unsealed &= change.add.is_empty() && change.remove.is_empty() && !change.sealed;
        }
        for new in &layout.new {
            after.shards.push(Shard {
                name: format!("t-{:03}", after.shards.len()),
                family: new.family,
                cidrs: new.cidrs.iter().collect(),
                fresh: BTreeSet::new(),
                group: Some(new.group),
                closed: false,
                adopted: false,
                marked: true,
                unsealed: false,
            });
        }
        for group in &mut after.groups {
            group.written_anyway = false;
        }
        after
    }

    /// How many API writes carry the layout out.
    pub(super) fn writes(&self, layout: &Layout) -> usize {
        let is_written = |shard: &&ShardLayout| !shard.add.is_empty() || !shard.remove.is_empty() || shard.sealed;
        let updates = layout.shards.iter().filter(is_written).count();
        let mut groups: BTreeSet<usize> = layout.new.iter().map(|new| new.group).collect();
        for (before, after) in self.shards.iter().zip(&layout.shards) {
            groups.extend(after.group.filter(|_| before.group.is_none()));
        }
        groups.extend(self.groups.iter().enumerate().filter(|(_, group)| group.written_anyway).map(|(at, _)| at));
        updates + layout.new.len() + groups.len()
    }
}

/// A layout that changes nothing, for this world.
pub(super) fn is_quiet(world: &World, layout: &Layout) -> bool {
    let same = |(shard, change): (&Shard, &ShardLayout)| {
        change.add.is_empty() && change.remove.is_empty() && !change.sealed && change.group == shard.group
    };
    layout.new.is_empty() && world.shards.iter().zip(&layout.shards).all(same)
}

/// A rule group that every web ACL refers to.
pub(super) const GROUP: GroupInput = GroupInput { references: 0, referred: true, written_anyway: false };

/// Capacity 3, two references in a group, five sets.
pub(super) const SMALL: Limits = Limits { set_capacity: 3, group_references: 2, max_ip_sets: 5 };

/// A wired shard of this family with these CIDRs.
pub(super) fn wired(name: &str, group: usize, contents: &str) -> Shard {
    let cidrs = cidrs(contents);
    let family = cidrs.first().map_or(Family::Ipv4, |cidr| cidr.family());
    let fresh = BTreeSet::new();
    Shard {
        name: name.to_owned(),
        family,
        cidrs,
        fresh,
        group: Some(group),
        closed: false,
        adopted: false,
        marked: true,
        unsealed: false,
    }
}

/// The same, created by this run and not wired yet.
pub(super) fn idle(name: &str, contents: &str) -> Shard {
    Shard { group: None, marked: false, ..wired(name, 0, contents) }
}

/// The same, found without a rule that refers to it.
pub(super) fn unwired(name: &str, contents: &str) -> Shard {
    Shard { group: None, ..wired(name, 0, contents) }
}

/// Every CIDR that a layout defers: sorted, distinct.
pub(super) fn deferred(layout: &Layout) -> Vec<Cidr> {
    let all: BTreeSet<Cidr> = layout.shards.iter().flat_map(|shard| shard.deferred.iter().copied()).collect();
    all.into_iter().collect()
}

/// The same, adopted and not wired yet.
pub(super) fn adopted(name: &str, contents: &str) -> Shard {
    Shard { adopted: true, ..idle(name, contents) }
}

/// The number of cases. The smallest world that fails is printed, to become a test of its own.
pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Worlds of single addresses, in which nothing replaces anything else.
pub(super) fn flat_worlds() -> impl Strategy<Value = World> {
    worlds(hosts, 6)
}

/// Worlds of single addresses, each in one set at most, with more sets and references than are needed.
pub(super) fn roomy_worlds() -> impl Strategy<Value = World> {
    flat_worlds().prop_map(|mut world| {
        let mut seen = BTreeSet::new();
        for shard in &mut world.shards {
            shard.cidrs.retain(|cidr| seen.insert(*cidr));
        }
        world.limits.max_ip_sets += 20;
        world.limits.group_references += 20;
        world.groups.push(GROUP);
        world
    })
}

/// Worlds in which CIDRs cover one another.
pub(super) fn nested_worlds() -> impl Strategy<Value = World> {
    worlds(nested, 10)
}

/// The same in a later round of a run, which has brought some of what is there into force itself.
fn replanned_worlds() -> impl Strategy<Value = World> {
    (nested_worlds(), prop::num::u32::ANY).prop_map(|(mut world, draws)| {
        let in_force = world.shards.iter_mut().filter(|shard| shard.is_in_force());
        for (at, shard) in in_force.enumerate() {
            let is_fresh = |bit: usize| draws >> ((at * 5 + bit) % 32) & 1 == 1;
            let new = shard.cidrs.iter().enumerate().filter(|(bit, _)| is_fresh(*bit)).map(|(_, cidr)| *cidr);
            shard.fresh = if is_fresh(4) { new.collect() } else { BTreeSet::new() };
        }
        world
    })
}

/// The same; in half of them, some of what is wanted and not in force may not be added.
pub(super) fn waiting_worlds() -> impl Strategy<Value = World> {
    let draws = prop_oneof![Just(0), prop::num::u32::ANY];
    (replanned_worlds(), draws).prop_map(|(mut world, draws)| {
        let in_force = world.shards.iter().filter(|shard| shard.is_in_force());
        let in_force: Cidrs = in_force.flat_map(|shard| shard.cidrs.iter().copied()).collect();
        let may_wait = world.wanted.iter().filter(|cidr| !coverage::covers(&in_force, **cidr));
        let waits = may_wait.enumerate().filter(|(at, _)| draws >> (at % 32) & 1 == 1);
        world.waiting = waits.map(|(_, cidr)| *cidr).collect();
        world
    })
}

fn worlds(universe: fn(Family) -> Vec<Cidr>, most_wanted: usize) -> impl Strategy<Value = World> {
    let limits = (1..=4_usize, 1..=3_usize, 1..=6_usize);
    let limits = limits.prop_map(|(set_capacity, group_references, max_ip_sets)| Limits {
        set_capacity,
        group_references,
        max_ip_sets,
    });
    let group = (prop::bool::weighted(0.2), prop::bool::weighted(0.7), prop::bool::weighted(0.2)).prop_map(
        |(foreign, referred, written_anyway)| GroupInput { references: foreign.into(), referred, written_anyway },
    );
    let subset = move |family, most| prop::collection::btree_set(prop::sample::select(universe(family)), 0..=most);
    let shard = prop::sample::select(vec![Family::Ipv4, Family::Ipv4, Family::Ipv6]).prop_flat_map(move |family| {
        let yes = prop::bool::weighted;
        let flags = (yes(0.7), yes(0.1), yes(0.2), yes(0.5), yes(0.1));
        (Just(family), subset(family, 4), flags)
    });
    let held = (subset(Family::Ipv4, 4), prop::bool::weighted(0.5), prop::bool::weighted(0.1));
    let parts = (
        limits,
        prop::collection::vec(group, 0..=3),
        prop::collection::vec(shard, 0..=5),
        subset(Family::Ipv4, most_wanted),
        subset(Family::Ipv6, 4),
        held,
    );
    parts.prop_map(|(limits, groups, shards, ipv4, ipv6, (held, holds, strict_hold))| {
        let mut world = World::new(limits, Vec::new(), groups, ipv4.into_iter().chain(ipv6).collect());
        for (at, (family, mut cidrs, (is_wired, closed, adopted, marked, unsealed))) in shards.into_iter().enumerate() {
            while cidrs.len() > limits.set_capacity {
                cidrs.pop_last();
            }
            let used = |group: &usize| world.shards.iter().filter(|shard| shard.group == Some(*group)).count();
            let free = |group: &usize| used(group) + world.groups[*group].references < limits.group_references;
            // From the last group on, so that a lower one has room now and then.
            let group = (0..world.groups.len()).rev().find(free).filter(|_| is_wired);
            let (name, fresh) = (format!("s-{at:03}"), BTreeSet::new());
            world.shards.push(Shard { name, family, cidrs, fresh, group, closed, adopted, marked, unsealed });
        }
        world.held = if holds { held } else { BTreeSet::new() };
        world.strict_hold = strict_hold;
        world
    })
}
