//! What the managed IP sets hold that nobody wants, and what may become of it: a value, no decision yet.
//!
//! Every unwanted CIDR of every shard gets one [`Class`]. Guards look at the classes, layout gets what may leave.

use crate::cidr::{Cidr, Family, PerFamily};
use crate::current::{Current, Fingerprint, Shard};
use crate::desired::Desired;
use crate::merged::Merged;

/// Why an unwanted CIDR is where it is, which decides what it takes to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It stands in a shard that no rule refers to: it lets nobody in, so it goes without proof.
    Unwired,
    /// The shard's description proves that somebody put it there by hand: it goes at once.
    Drift,
    /// All its addresses stay wanted through other CIDRs: it goes, guards do not count it.
    Covered,
    /// The table no longer asks for it: guards count it, and a second scan has to confirm it.
    Counted,
    /// It stands in an adopted set that wafsync has not written yet: it goes only with approval.
    Adopted,
    /// An earlier scan of this run wants some of its addresses: it stays for this run.
    Unsettled,
}

/// An unwanted CIDR of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// The CIDR, as it stands in the shard.
    pub cidr: Cidr,
    /// Its class.
    pub class: Class,
}

/// Desired against current.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// For each of [`Current::shards`], what it holds that is not wanted: sorted.
    pub unwanted: Vec<Vec<Unwanted>>,
    /// Distinct CIDRs in force or in an adopted set, those of `--always` left out.
    pub in_force: PerFamily<usize>,
    /// The same without what is drift: what the table put there.
    pub in_force_by_table: PerFamily<usize>,
}

impl Diff {
    /// Compares. `earlier` are the scans of this run before the newest, which `desired` is.
    #[must_use]
    pub fn new(desired: &Desired, earlier: &[Desired], always: &[Cidr], current: &Current) -> Self {
        let unwanted: Vec<Vec<Unwanted>> = current
            .shards
            .iter()
            .map(|shard| {
                let cidrs = absent(&shard.cidrs, desired.cidrs(shard.family));
                classify(shard, &cidrs, desired, earlier)
            })
            .collect();
        let drift = PerFamily::from_fn(|family| {
            let all = current.shards.iter().zip(&unwanted).filter(|(shard, _)| shard.family == family);
            distinct(all.flat_map(|(_, unwanted)| of_class(unwanted, Class::Drift)).collect()).len()
        });
        let in_force = PerFamily::from_fn(|family| count_in_force(current, family, always));
        let in_force_by_table = PerFamily::from_fn(|family| in_force.get(family).saturating_sub(*drift.get(family)));
        Self { unwanted, in_force, in_force_by_table }
    }

    /// The distinct CIDRs of one class and family: sorted.
    #[must_use]
    pub fn distinct(&self, family: Family, class: Class) -> Vec<Cidr> {
        distinct(
            self.unwanted
                .iter()
                .flat_map(|unwanted| of_class(unwanted, class))
                .filter(|c| c.family() == family)
                .collect(),
        )
    }

    /// Every CIDR that guards count, in both families: sorted and distinct within each.
    pub fn counted(&self) -> impl Iterator<Item = Cidr> {
        Family::ALL.into_iter().flat_map(|family| self.distinct(family, Class::Counted))
    }

    /// The distinct CIDRs, of both families, whose removal needs a second scan: sorted.
    #[must_use]
    pub fn unproven(&self) -> Vec<Cidr> {
        let needs = |u: &&Unwanted| matches!(u.class, Class::Covered | Class::Counted | Class::Adopted);
        distinct(self.unwanted.iter().flatten().filter(needs).map(|u| u.cidr).collect())
    }
}

fn of_class(unwanted: &[Unwanted], class: Class) -> impl Iterator<Item = Cidr> {
    unwanted.iter().filter(move |u| u.class == class).map(|u| u.cidr)
}

fn distinct(mut cidrs: Vec<Cidr>) -> Vec<Cidr> {
    cidrs.sort_unstable();
    cidrs.dedup();
    cidrs
}

/// What of `sorted` is not in `others`; both sorted.
fn absent(sorted: &[Cidr], others: &[Cidr]) -> Vec<Cidr> {
    let mut rest = others;
    let mut absent = Vec::new();
    for cidr in sorted {
        // One shard is small against all that is wanted: looking it up beats walking along.
        rest = rest.get(rest.partition_point(|other| other < cidr)..).unwrap_or_default();
        if rest.first() != Some(cidr) {
            absent.push(*cidr);
        }
    }
    absent
}

fn classify(shard: &Shard, unwanted: &[Cidr], desired: &Desired, earlier: &[Desired]) -> Vec<Unwanted> {
    if unwanted.is_empty() {
        return Vec::new();
    }
    let in_force = shard.is_in_force();
    let by_hand = || {
        let kept = Fingerprint::of(absent(&shard.cidrs, unwanted));
        shard.mark.and_then(|mark| mark.fingerprint) == Some(kept)
    };
    let of_shard = if !in_force {
        Some(Class::Unwired)
    } else if shard.adopted && shard.mark.is_none() {
        Some(Class::Adopted)
    } else if by_hand() {
        Some(Class::Drift)
    } else {
        None
    };
    let class = |cidr: Cidr| {
        if in_force && earlier.iter().any(|scan| wanted_no_longer(cidr, scan, desired)) {
            Class::Unsettled
        } else if let Some(class) = of_shard {
            class
        } else if desired.covers_all(cidr) {
            Class::Covered
        } else {
            Class::Counted
        }
    };
    unwanted.iter().map(|cidr| Unwanted { cidr: *cidr, class: class(*cidr) }).collect()
}

/// Whether `earlier` wants an address of `cidr` that `newest` does not want.
fn wanted_no_longer(cidr: Cidr, earlier: &Desired, newest: &Desired) -> bool {
    earlier.overlapping(cidr).any(|wanted| {
        let common = if wanted.covers(cidr) { cidr } else { wanted };
        !newest.covers_all(common)
    })
}

fn count_in_force(current: &Current, family: Family, always: &[Cidr]) -> usize {
    let shards = current.shards.iter().filter(|shard| shard.family == family && shard.is_in_force());
    Merged::new(shards.map(|shard| &*shard.cidrs)).count(|cidr| !always.contains(&cidr))
}
