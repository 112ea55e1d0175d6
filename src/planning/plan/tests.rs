//! Both invariants at every prefix of every plan, against an oracle that looks at every single address.
//!
//! The worlds are what killed runs, manual edits and attackers leave: unwired sets with foreign addresses, duplicate
//! addresses, rules that refer to foreign sets, to deleted sets, or to the same set twice.

mod cases;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::*;
use crate::model::cidr::Family;
use crate::model::cidrs::Cidrs;
use crate::model::current::GroupRule;
use crate::model::current::LockToken;
use crate::model::desired::tests::wanting;
use crate::model::fingerprint::Fingerprint;
use crate::model::fingerprint::Mark;
use crate::model::limits::{GROUP_CAPACITY, group_capacity};
use crate::model::naming::{self, set_name};
use crate::model::policy::{Action, Position};
use crate::planning::change::Write;
use crate::planning::rule_changes::tests::{ACCOUNT, target};

const LIMITS: Limits = Limits { set_capacity: 4, group_references: 2, max_ip_sets: 4 };

const POLICY: RulePolicy = RulePolicy { action: Action::Allow, forwarded: None };

/// Every address of 203.0.113.0/28, one bit each.
type Addresses = u16;

/// What WAF holds, as simple as possible.
#[derive(Clone, Debug)]
struct World {
    sets: BTreeMap<String, Set>,
    groups: BTreeMap<usize, Group>,
}

#[derive(Clone, Debug)]
struct Set {
    cidrs: BTreeSet<Cidr>,
    adopted: bool,
    mark: Option<Mark>,
}

#[derive(Clone, Debug)]
struct Group {
    /// Names of sets; some are foreign, some are gone.
    references: Vec<String>,
    edited: bool,
    table: Option<String>,
}

fn arn(name: &str) -> String {
    format!("arn:{name}")
}

fn bits<'a>(cidrs: impl IntoIterator<Item = &'a Cidr>) -> Addresses {
    let base = Cidr::parse("203.0.113.0/28").unwrap().first();
    cidrs.into_iter().flat_map(|cidr| cidr.first()..=cidr.last()).fold(0, |bits, address| bits | 1 << (address - base))
}

fn some_cidrs(rng: &mut Rng, most: usize) -> BTreeSet<Cidr> {
    let cidr = |rng: &mut Rng| {
        let prefix = if rng.u8(..3) == 0 { rng.u8(28..32) } else { 32 };
        Cidr::new([203, 0, 113, rng.u8(..16) >> (32 - prefix) << (32 - prefix)].into(), prefix).unwrap()
    };
    (0..rng.usize(..=most)).map(|_| cidr(rng)).collect()
}

impl World {
    fn random(rng: &mut Rng) -> Self {
        let mut sets = BTreeMap::new();
        for number in 0..rng.usize(..=4) {
            let cidrs = some_cidrs(rng, LIMITS.set_capacity);
            let adopted = rng.u8(..5) == 0;
            let name = if adopted { format!("offices-{number}") } else { set_name("wafsync", Family::Ipv4, number) };
            let kept: Vec<Cidr> = cidrs.iter().copied().filter(|_| rng.u8(..4) > 0).collect();
            let fingerprint = (rng.u8(..3) > 0).then(|| Fingerprint::of(kept));
            let mark = (!adopted || rng.bool()).then_some(Mark { fingerprint });
            sets.insert(name, Set { cidrs, adopted, mark });
        }
        let mut groups = BTreeMap::new();
        let mut names: Vec<String> = sets.keys().cloned().collect();
        rng.shuffle(&mut names);
        for number in 1..=2 {
            if rng.u8(..4) == 0 {
                continue;
            }
            let count = rng.usize(..=2).min(names.len());
            let mut references: Vec<String> = names.drain(..count).collect();
            if references.len() < LIMITS.group_references && rng.u8(..4) == 0 {
                let further =
                    ["foreign".to_owned(), "gone".to_owned(), references.first().cloned().unwrap_or_default()];
                references.extend(rng.choice(further).filter(|name| !name.is_empty()));
            }
            let table = rng.bool().then(|| target().table_tag(Some(ACCOUNT))).flatten();
            groups.insert(number, Group { references, edited: rng.u8(..5) == 0, table });
        }
        // A set may be referred to from both groups.
        if rng.u8(..4) == 0
            && let Some(name) = groups.get(&1).and_then(|group| group.references.first()).cloned()
            && let Some(group) = groups.get_mut(&2).filter(|group| group.references.len() < LIMITS.group_references)
            && !group.references.contains(&name)
        {
            group.references.push(name);
        }
        Self { sets, groups }
    }

    /// What this world may have been before a first round of the run added the rest.
    fn some_of_it(&self, rng: &mut Rng) -> Self {
        let mut before = self.clone();
        before.sets.values_mut().for_each(|set| set.cidrs.retain(|_| rng.bool()));
        before.groups.values_mut().for_each(|group| group.references.retain(|_| rng.u8(..4) > 0));
        before
    }

    fn current(&self) -> Current {
        let groups: Vec<RuleGroup> = self.groups.iter().map(|(number, group)| rule_group(*number, group)).collect();
        let shards = self.sets.iter().map(|(name, set)| Shard {
            name: name.clone(),
            id: name.clone(),
            arn: arn(name),
            family: Family::Ipv4,
            adopted: set.adopted,
            mark: set.mark,
            token: LockToken(String::new()),
            cidrs: set.cidrs.iter().copied().collect(),
            group: groups.iter().position(|group| group.rule.references().contains(&arn(name))),
            created: false,
        });
        Current { shards: shards.collect(), groups, account: Some(ACCOUNT.into()), ..Current::default() }
    }

    /// Addresses that our rules let in.
    fn wired(&self) -> Addresses {
        let referred: BTreeSet<&String> = self.groups.values().flat_map(|group| &group.references).collect();
        bits(self.sets.iter().filter(|(name, _)| referred.contains(name)).flat_map(|(_, set)| &set.cidrs))
    }

    /// The same, and those in an adopted set.
    fn in_force(&self) -> Addresses {
        self.wired() | bits(self.sets.values().filter(|set| set.adopted).flat_map(|set| &set.cidrs))
    }

    /// What AWS does when it is asked for this; `failed` are sets that an earlier call did not write.
    fn carry_out(&mut self, change: &Change, failed: &BTreeSet<String>) {
        match &change.write {
            Write::CreateIpSet(spec) | Write::UpdateIpSet { spec, .. } => {
                assert!(spec.cidrs.len() <= LIMITS.set_capacity, "{} is too full", spec.name);
                let adopted = self.sets.get(&spec.name).is_some_and(|set| set.adopted);
                let mark = naming::mark(&spec.description, "wafsync");
                let cidrs = spec.cidrs.iter().collect();
                self.sets.insert(spec.name.clone(), Set { cidrs, adopted, mark });
            }
            Write::CreateRuleGroup(spec) | Write::UpdateRuleGroup { spec, .. } => {
                let number = naming::group_number(&spec.name, "wafsync").unwrap();
                let names = spec.references.iter().map(|reference| reference.name.clone());
                let left_out = |name: &String| change.refer.contains(name) && failed.contains(name);
                let references: Vec<String> = names.filter(|name| !left_out(name)).collect();
                assert!(references.len() <= LIMITS.group_references, "{} is too full", spec.name);
                let table = target().table_tag(Some(ACCOUNT));
                self.groups.insert(number, Group { references, edited: false, table });
            }
        }
    }
}

fn rule_group(number: usize, group: &Group) -> RuleGroup {
    let references: Vec<String> = group.references.iter().map(|name| arn(name)).collect();
    let rule = if group.edited {
        GroupRule::Edited { references, seen: String::new() }
    } else if references.is_empty() {
        GroupRule::Empty
    } else {
        GroupRule::Standard { policy: POLICY, labels: vec![], references, tidy: true }
    };
    let name = target().group_name(number);
    let token = LockToken(String::new());
    let table = group.table.clone();
    RuleGroup { number, id: name.clone(), arn: arn(&name), name, token, capacity: GROUP_CAPACITY, table, rule }
}

/// The plan for this world, under what the guards leave of it.
fn plan(
    world: &World,
    at_start: Option<&Current>,
    newest: &Desired,
    earlier: &[Desired],
    proven: bool,
    is_held: impl FnMut(&Cidr) -> bool,
) -> Plan {
    let current = world.current();
    let diff = Diff::new(newest, earlier, &[], &current);
    let mut kept_back = diff.distinct(Family::Ipv4, Class::Withdrawn);
    kept_back.extend(diff.distinct(Family::Ipv4, Class::Adopted));
    kept_back.retain(is_held);
    kept_back.sort_unstable();
    let waits = |cidrs: &[crate::planning::diff::Unwanted]| {
        cidrs.iter().any(|unwanted| unwanted.class == Class::Adopted && kept_back.contains(&unwanted.cidr))
    };
    let closed: Vec<usize> =
        diff.unwanted.iter().enumerate().filter(|(_, cidrs)| waits(cidrs)).map(|(index, _)| index).collect();
    let target = target();
    let basis = Basis {
        desired: newest,
        current: &current,
        at_start,
        diff: &diff,
        target: &target,
        policy: &POLICY,
        limits: LIMITS,
    };
    Plan::new(basis, Restraint { held: &kept_back, waiting: &[], closed: &closed, proven, keeps_foreign: false })
}

/// Carries the plan out in a random order within each stage, some of it failing, and looks at every state on the way.
fn check_prefixes(seed: u64, rng: &mut Rng, before: &World, plan: &Plan, wanted: Addresses) {
    let mut world = before.clone();
    let mut failed = BTreeSet::new();
    let failures = rng.bool();
    for stage in Stage::ALL {
        let mut changes: Vec<&Change> = plan.changes.iter().filter(|change| change.stage == stage).collect();
        rng.shuffle(&mut changes);
        for change in changes {
            if failures && rng.u8(..4) == 0 {
                failed.insert(change.write.target().to_owned());
                continue;
            }
            world.carry_out(change, &failed);
            let locked_out = before.wired() & wanted & !world.wired() | before.in_force() & wanted & !world.in_force();
            assert_eq!(locked_out, 0, "seed {seed}: locked out after {change:#?} in {before:#?}");
            let leaked = world.in_force() & !before.in_force() & !wanted;
            assert_eq!(leaked, 0, "seed {seed}: let in after {change:#?} in {before:#?}");
        }
    }
}

#[test]
fn no_state_on_the_way_locks_out_what_is_wanted_or_lets_in_what_is_not() {
    for seed in 0..2_000 {
        let mut rng = Rng::with_seed(seed);
        let world = World::random(&mut rng);
        let newest = some_cidrs(&mut rng, 10);
        let earlier: Vec<BTreeSet<Cidr>> = (0..rng.usize(..2)).map(|_| some_cidrs(&mut rng, 10)).collect();
        let (proven, holds) = (rng.u8(..4) > 0, rng.bool());
        let at_start = rng.bool().then(|| world.some_of_it(&mut rng).current());
        let earlier_scans: Vec<Desired> = earlier.iter().map(wanting).collect();
        let mut draw = rng.fork();
        let plan = plan(&world, at_start.as_ref(), &wanting(&newest), &earlier_scans, proven, |_| holds && draw.bool());
        assert!(plan.minimum <= plan.writes(), "seed {seed}: {} < {}", plan.writes(), plan.minimum);
        let wanted = bits(newest.iter().chain(earlier.iter().flatten()));
        for _ in 0..4 {
            check_prefixes(seed, &mut rng, &world, &plan, wanted);
        }
    }
}

#[test]
fn from_any_state_a_few_runs_bring_exactly_what_is_wanted_into_force() {
    for seed in 0..2_000 {
        let mut rng = Rng::with_seed(seed);
        let mut world = World::random(&mut rng);
        let wanted = some_cidrs(&mut rng, 8);
        let mut runs = 0;
        loop {
            let plan = plan(&world, None, &wanting(&wanted), &[], true, |_| false);
            if plan.changes.is_empty() {
                assert_eq!((plan.deferred.as_slice(), plan.unplaced.as_slice()), (&[][..], &[][..]), "seed {seed}");
                break;
            }
            for change in &plan.changes {
                world.carry_out(change, &BTreeSet::new());
            }
            runs += 1;
            assert!(runs < 5, "seed {seed}: {world:#?}");
        }
        assert_eq!(world.wired(), bits(&wanted), "seed {seed}: {world:#?}");
        let names: Vec<&String> = world.groups.values().flat_map(|group| &group.references).collect();
        let standing: BTreeSet<Cidr> =
            names.iter().filter_map(|name| world.sets.get(*name)).flat_map(|set| set.cidrs.iter().copied()).collect();
        assert_eq!(standing, wanted, "seed {seed}: {world:#?}");
    }
}

#[test]
fn names_take_the_lowest_free_numbers_and_keep_clear_of_strangers() {
    let world = World { sets: BTreeMap::new(), groups: BTreeMap::new() };
    let current = Current { foreign: vec!["wafsync-ipv4-000".into(), "wafsync-ipv4-002".into()], ..world.current() };
    let wanted = wanting((0..9).map(|host| Cidr::new([203, 0, 113, host].into(), 32).unwrap()));
    let diff = Diff::new(&wanted, &[], &[], &current);
    let target = target();
    let basis = Basis {
        desired: &wanted,
        current: &current,
        at_start: None,
        diff: &diff,
        target: &target,
        policy: &POLICY,
        limits: LIMITS,
    };
    let plan = Plan::new(basis, Restraint { held: &[], waiting: &[], closed: &[], proven: true, keeps_foreign: false });
    let targets: Vec<(Stage, &str)> = plan.changes.iter().map(|change| (change.stage, change.write.target())).collect();
    let expected = [
        (Stage::Add, "wafsync-ipv4-001"),
        (Stage::Add, "wafsync-ipv4-003"),
        (Stage::Add, "wafsync-ipv4-004"),
        (Stage::Wire, "wafsync-1"),
        (Stage::Wire, "wafsync-2"),
    ];
    assert_eq!(targets, expected);
    // Three creations and two groups at one a second side by side, and a look at each of the five.
    assert!((plan.estimate_seconds(5.0, 1.0) - 6.0).abs() < 1e-9, "{}", plan.estimate_seconds(5.0, 1.0));
    assert!((plan.estimate_seconds(5.0, 0.5) - 11.0).abs() < 1e-9, "{}", plan.estimate_seconds(5.0, 0.5));
}

#[test]
fn a_rule_group_has_room_for_the_heaviest_reference_that_its_position_allows() {
    use crate::model::policy::Forwarded;
    let policy =
        |position| RulePolicy { forwarded: Some(Forwarded { header: "X-Forwarded-For".into(), position }), ..POLICY };
    let capacities =
        [POLICY, policy(Position::First), policy(Position::Last), policy(Position::Any)].map(|p| group_capacity(&p));
    assert_eq!(capacities, [120, 120, 120, 320]);
}
