//! Every small world there is, against the fewest writes found by trying every content of every set.
//!
//! What a set needs so that it covers itself, and a true description, count as needed. The oracle knows addresses as bits
//! and shares no code with the layout or the bound.

use super::world::{GROUP, Shard, World, cidr, unwired, wired};
use crate::model::cidr::Cidr;
use crate::model::limits::Limits;
use crate::planning::lower_bound::{self, counts};

/// A CIDR that covers the next two, these, and one beside them.
const UNIVERSE: [&str; 4] = ["203.0.113.0/31", "203.0.113.0/32", "203.0.113.1/32", "203.0.113.2/32"];

/// Their addresses, a bit each.
const ADDRESSES: [u8; 4] = [0b011, 0b001, 0b010, 0b100];

/// A choice from [`UNIVERSE`], a bit each.
type Choice = u8;

const CHOICES: std::ops::Range<Choice> = 0..1 << UNIVERSE.len();

/// One of two sets.
#[derive(Clone, Copy, Debug)]
struct Set {
    holds: Choice,
    unsealed: bool,
    wired: bool,
}

fn addresses(choice: Choice) -> u8 {
    ADDRESSES.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1).fold(0, |all, (_, addresses)| all | addresses)
}

fn size(choice: Choice) -> usize {
    usize::try_from(choice.count_ones()).unwrap()
}

/// Whether a set may come to hold `next` in one update.
fn may_become(set: Set, next: Choice, wanted: Choice, capacity: usize) -> bool {
    let keeps_its_own = next & set.holds == set.holds & wanted;
    let leaving = set.holds & !next;
    let covers_itself = addresses(leaving) & addresses(wanted) & !addresses(next) == 0;
    next & !wanted == 0 && size(next) <= capacity && keeps_its_own && covers_itself
}

/// The fewest writes that bring exactly what is wanted into force; `None` if one run cannot.
fn fewest(sets: [Set; 2], wanted: Choice, limits: Limits) -> Option<usize> {
    let capacity = limits.set_capacity;
    let write = |set: Set, next| usize::from(next != set.holds || set.unsealed && set.holds & !wanted == 0);
    let mut best: Option<usize> = None;
    for first in CHOICES.filter(|next| may_become(sets[0], *next, wanted, capacity)) {
        for second in CHOICES.filter(|next| may_become(sets[1], *next, wanted, capacity)) {
            let new = size(wanted & !first & !second).div_ceil(capacity);
            if sets.len() + new <= limits.max_ip_sets {
                let references = new > 0 || sets.iter().any(|set| !set.wired);
                let writes = write(sets[0], first) + write(sets[1], second) + new + usize::from(references);
                best = Some(best.map_or(writes, |best| best.min(writes)));
            }
        }
    }
    best
}

fn world(sets: [Set; 2], wanted: Choice, limits: Limits) -> World {
    let chosen = |choice: Choice| (0..UNIVERSE.len()).filter(move |at| choice >> at & 1 == 1).map(|at| UNIVERSE[at]);
    let shard = |(name, set): (&str, Set)| {
        let contents: Vec<&str> = chosen(set.holds).collect();
        let shard = if set.wired { wired(name, 0, &contents.join(" ")) } else { unwired(name, &contents.join(" ")) };
        Shard { unsealed: set.unsealed, ..shard }
    };
    let shards = ["s-000", "s-001"].into_iter().zip(sets).map(shard).collect();
    let wanted: Vec<Cidr> = chosen(wanted).map(cidr).collect();
    World::new(limits, shards, vec![GROUP], wanted.into_iter().collect())
}

#[test]
fn in_every_small_world_the_plan_needs_the_fewest_writes_and_the_bound_says_so() {
    let (mut tried, mut beyond_one_run) = (0, 0);
    for (set_capacity, max_ip_sets) in [(1, 4), (2, 2), (2, 4), (3, 3)] {
        let limits = Limits { set_capacity, group_references: 5, max_ip_sets };
        let holdings = || CHOICES.filter(|choice| size(*choice) <= set_capacity);
        for (first, second, wanted) in
            holdings().flat_map(|a| holdings().flat_map(move |b| CHOICES.map(move |wanted| (a, b, wanted))))
        {
            for flags in 0..8_u8 {
                let flag = |bit: u8| flags >> bit & 1 == 1;
                let sets = [
                    Set { holds: first, unsealed: flag(0), wired: true },
                    Set { holds: second, unsealed: flag(1), wired: flag(2) },
                ];
                let world = world(sets, wanted, limits);
                let layout = world.lay_out();
                let bound = world.with_input(|input| lower_bound::writes(&counts::counts(input, &layout)));
                tried += 1;
                let Some(fewest) = fewest(sets, wanted, limits) else {
                    beyond_one_run += 1;
                    assert!(bound <= world.writes(&layout), "{world:#?}\n{layout:#?}");
                    continue;
                };
                let found =
                    (world.writes(&layout), bound, layout.unplaced.len(), super::world::deferred(&layout).len());
                assert_eq!(found, (fewest, fewest, 0, 0), "{world:#?}\n{layout:#?}");
            }
        }
    }
    assert!(beyond_one_run * 5 < tried, "{beyond_one_run} of {tried} say little");
    assert!(tried > 50_000, "{tried}");
}
