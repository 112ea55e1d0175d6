//! The difference between desired and current state: unwanted CIDRs and how each may be removed.
//!
//! Every unwanted CIDR of every shard has one [`Class`]. Guards judge the classes; layout gets what may be removed.

use std::collections::BTreeSet;

use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::cidrs::{Cidrs, Slice};
use crate::model::coverage;
use crate::model::current::{Current, Shard};
use crate::model::desired::Desired;
use crate::model::fingerprint::Fingerprint;
use crate::model::merged::Merged;

/// The class of an unwanted CIDR, which decides how it may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// In a shard that this run created and that no rule refers to: it is not in force and needs no proof.
    Unwired,
    /// Added by hand, as the shard's description proves: it needs a second scan, since the table may ask for it by now, and
    /// no limit counts it.
    Drift,
    /// All its addresses stay wanted through other CIDRs: it needs a settled second scan, and guards do not count it.
    Covered,
    /// No longer asked for: it needs a settled second scan, and guards count it.
    Withdrawn,
    /// In an adopted set that wafsync does not manage yet: it needs approval.
    Adopted,
    /// Wanted in part by an earlier scan of this run: it stays for this run.
    Unsettled,
}

/// An unwanted CIDR of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// The CIDR.
    pub cidr: Cidr,
    /// Its class.
    pub class: Class,
}

/// The difference between desired and current state.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// For each of [`Current::shards`], its unwanted CIDRs, sorted.
    pub unwanted: Vec<Vec<Unwanted>>,
    /// The number of distinct CIDRs in force, including drift; those of `--always` do not count.
    pub in_force: PerFamily<usize>,
    /// The same without drift, which percentages refer to.
    pub in_force_by_table: PerFamily<usize>,
}

impl Diff {
    /// Compares the newest scan with what WAF holds. `earlier`: the scans of this run before it.
    #[must_use]
    pub fn new(desired: &Desired, earlier: &[Desired], always: &[Cidr], current: &Current) -> Self {
        let (absent, in_force) = compare(desired, always, current);
        let unwanted: Vec<Vec<Unwanted>> = current
            .shards
            .iter()
            .zip(absent)
            .map(|(shard, absent)| classify(shard, &absent, desired, earlier))
            .collect();
        let in_force_by_table =
            PerFamily::from_fn(|family| in_force.get(family) - only_drift(current, &unwanted, family, always));
        Self { unwanted, in_force, in_force_by_table }
    }

    /// The CIDRs that are no longer asked for and were not there `then`: what the table asked for until then says nothing about
    /// them.
    #[must_use]
    pub fn withdrawn_since(&self, then: &Current, current: &Current) -> BTreeSet<Cidr> {
        let mut found = BTreeSet::new();
        for (shard, unwanted) in current.shards.iter().zip(&self.unwanted) {
            let then = then.shards.iter().find(|then| then.arn == shard.arn);
            let is_new = |cidr: &Cidr| then.is_none_or(|then| !then.cidrs.contains(*cidr));
            found.extend(of_class(unwanted, Class::Withdrawn).filter(is_new));
        }
        found
    }

    /// The distinct CIDRs of one class and family, sorted.
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

    /// The distinct CIDRs of one class, IPv4 first, sorted within each family.
    pub fn all(&self, class: Class) -> impl Iterator<Item = Cidr> {
        Family::ALL.into_iter().flat_map(move |family| self.distinct(family, class))
    }

    /// The distinct CIDRs that guards count, IPv4 first, sorted within each family.
    pub fn withdrawn(&self) -> impl Iterator<Item = Cidr> {
        self.all(Class::Withdrawn)
    }

    /// The distinct CIDRs of drift, IPv4 first, sorted within each family.
    pub fn drift(&self) -> impl Iterator<Item = Cidr> {
        self.all(Class::Drift)
    }

    /// The distinct CIDRs of both families whose removal needs a settled second scan, sorted.
    #[must_use]
    pub fn unproven(&self) -> Vec<Cidr> {
        let needs = |u: &&Unwanted| matches!(u.class, Class::Covered | Class::Withdrawn | Class::Adopted);
        distinct(self.unwanted.iter().flatten().filter(needs).map(|u| u.cidr).collect())
    }
}

/// The wanted CIDRs of one family that would let in addresses that are not in force now, sorted, without those of
/// `always`.
#[must_use]
pub fn additions(desired: &Desired, current: &Current, always: &[Cidr], family: Family) -> Vec<Cidr> {
    let shards = current.shards.iter().filter(|shard| shard.family == family && shard.is_in_force());
    let lists: Vec<Slice<'_>> = shards.map(|shard| shard.cidrs.as_slice()).collect();
    let mut merged = Merged::new(lists.iter().copied());
    let mut step = || merged.step().map(|(cidr, _)| cidr);
    let mut next = step();
    // The last address of what is in force and sorts before: of two CIDRs that overlap one holds the other.
    let mut last = None;
    let mut additions = Vec::new();
    for cidr in desired.cidrs(family) {
        while let Some(before) = next.filter(|next| *next < cidr) {
            last = last.max(Some(before.last()));
            next = step();
        }
        let is_in_one = next == Some(cidr) || last >= Some(cidr.last());
        let is_in_parts = || next.is_some_and(|next| cidr.covers(next)) && covers_together(&lists, cidr);
        if !is_in_one && !always.contains(&cidr) && !is_in_parts() {
            additions.push(cidr);
        }
    }
    additions
}

/// Whether CIDRs of these lists that lie in `cidr` cover all of it.
fn covers_together(lists: &[Slice<'_>], cidr: Cidr) -> bool {
    let parts: Cidrs = lists.iter().flat_map(|list| list.within(cidr)).collect();
    coverage::covers(&parts, cidr)
}

fn of_class(unwanted: &[Unwanted], class: Class) -> impl Iterator<Item = Cidr> {
    unwanted.iter().filter(move |u| u.class == class).map(|u| u.cidr)
}

fn distinct(mut cidrs: Vec<Cidr>) -> Vec<Cidr> {
    cidrs.sort_unstable();
    cidrs.dedup();
    cidrs
}

/// For each shard its CIDRs that the newest scan does not want, and the numbers of distinct CIDRs in force without those of
/// `always`.
fn compare(desired: &Desired, always: &[Cidr], current: &Current) -> (Vec<Vec<Cidr>>, PerFamily<usize>) {
    let mut absent = vec![Vec::new(); current.shards.len()];
    let is_in_force = |index: &usize| current.shards.get(*index).is_some_and(Shard::is_in_force);
    let mut in_force = PerFamily { ipv4: 0, ipv6: 0 };
    let mut wanted = Family::ALL.into_iter().flat_map(|family| desired.cidrs(family)).peekable();
    let mut merged = Merged::new(current.shards.iter().map(|shard| shard.cidrs.as_slice()));
    while let Some((cidr, holders)) = merged.step() {
        if holders.iter().any(is_in_force) && !always.contains(&cidr) {
            *in_force.get_mut(cidr.family()) += 1;
        }
        while wanted.next_if(|wanted| *wanted < cidr).is_some() {}
        if wanted.peek() != Some(&cidr) {
            for holder in holders {
                if let Some(absent) = absent.get_mut(*holder) {
                    absent.push(cidr);
                }
            }
        }
    }
    (absent, in_force)
}

fn classify(shard: &Shard, unwanted: &[Cidr], desired: &Desired, earlier: &[Desired]) -> Vec<Unwanted> {
    if unwanted.is_empty() {
        return Vec::new();
    }
    let in_force = shard.is_in_force();
    let by_hand = || {
        let kept = Fingerprint::of(shard.cidrs.iter().filter(|cidr| unwanted.binary_search(cidr).is_err()));
        shard.mark.and_then(|mark| mark.fingerprint) == Some(kept)
    };
    let of_shard = if !in_force {
        Some(Class::Unwired)
    } else if shard.is_unapproved() {
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
            Class::Withdrawn
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

/// The number of distinct CIDRs in force, without those of `always`, that are drift in every set that holds them. One that is
/// unwanted in one set is so in all.
fn only_drift(current: &Current, unwanted: &[Vec<Unwanted>], family: Family, always: &[Cidr]) -> usize {
    let shards = current.shards.iter().zip(unwanted).filter(|(s, _)| s.family == family && s.is_in_force());
    let mut found: Vec<Unwanted> = shards.flat_map(|(_, unwanted)| unwanted).copied().collect();
    found.sort_unstable_by_key(|unwanted| unwanted.cidr);
    let same = found.chunk_by(|a, b| a.cidr == b.cidr);
    let is_drift = |unwanted: &Unwanted| unwanted.class == Class::Drift && !always.contains(&unwanted.cidr);
    same.filter(|same| same.iter().all(is_drift)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::current::LockToken;
    use crate::model::desired::tests::wanting;
    use crate::model::fingerprint::Mark;

    fn cidrs(list: &[&str]) -> Vec<Cidr> {
        let mut cidrs: Vec<Cidr> = list.iter().map(|text| Cidr::parse(text).unwrap()).collect();
        cidrs.sort_unstable();
        cidrs
    }

    /// A wired shard that holds these, written when it held `written`.
    fn shard(list: &[&str], written: &[&str]) -> Shard {
        Shard {
            name: "wafsync-ipv4-000".into(),
            id: String::new(),
            arn: String::new(),
            family: Family::Ipv4,
            adopted: false,
            mark: Some(Mark { fingerprint: Some(Fingerprint::of(cidrs(written))) }),
            token: LockToken(String::new()),
            cidrs: cidrs(list).into(),
            group: Some(0),
            created: false,
        }
    }

    fn classes(shards: Vec<Shard>, newest: &[&str], earlier: &[&[&str]]) -> Vec<(String, Class)> {
        let current = Current { shards, ..Current::default() };
        let earlier: Vec<Desired> = earlier.iter().map(|list| wanting(*list)).collect();
        let diff = Diff::new(&wanting(newest), &earlier, &[], &current);
        diff.unwanted.iter().flatten().map(|unwanted| (unwanted.cidr.to_string(), unwanted.class)).collect()
    }

    const A: &str = "198.51.100.1/32";
    const B: &str = "198.51.100.2/32";
    const C: &str = "198.51.100.3/32";

    #[test]
    fn what_nobody_wants_is_counted() {
        assert_eq!(classes(vec![shard(&[A, B], &[A, B])], &[A], &[]), [(B.into(), Class::Withdrawn)]);
    }

    #[test]
    fn what_was_put_there_since_the_last_write_is_drift_if_nothing_else_changed() {
        assert_eq!(
            classes(vec![shard(&[A, B, C], &[A])], &[A], &[]),
            [(B.into(), Class::Drift), (C.into(), Class::Drift)]
        );
        // One of ours is missing too: the sum proves nothing.
        assert_eq!(classes(vec![shard(&[A, C], &[A, B])], &[A, B], &[]), [(C.into(), Class::Withdrawn)]);
        // The table dropped one at the same time: they cannot be distinguished.
        let both = [(B.to_owned(), Class::Withdrawn), (C.to_owned(), Class::Withdrawn)];
        assert_eq!(classes(vec![shard(&[A, B, C], &[A, B])], &[A], &[]), both);
    }

    #[test]
    fn a_description_that_says_nothing_of_the_contents_proves_no_drift() {
        for mark in [None, Some(Mark { fingerprint: None })] {
            let shard = Shard { mark, ..shard(&[A, B], &[A]) };
            assert_eq!(classes(vec![shard], &[A], &[]), [(B.into(), Class::Withdrawn)]);
        }
    }

    #[test]
    fn what_this_run_created_and_no_rule_refers_to_goes_without_proof() {
        let unwired = Shard { group: None, created: true, ..shard(&[A, B], &[A, B]) };
        assert_eq!(classes(vec![unwired.clone()], &[A], &[]), [(B.into(), Class::Unwired)]);
        assert_eq!(classes(vec![unwired], &[A], &[&[A, B]]), [(B.into(), Class::Unwired)]);
    }

    #[test]
    fn a_set_that_no_rule_was_seen_to_refer_to_counts_as_in_force() {
        let unwired = || Shard { group: None, ..shard(&[A, B], &[A, B]) };
        assert_eq!(classes(vec![unwired()], &[A], &[]), [(B.into(), Class::Withdrawn)]);
        assert_eq!(classes(vec![unwired()], &[A], &[&[A, B]]), [(B.into(), Class::Unsettled)]);
        let drift = Shard { group: None, ..shard(&[A, B], &[A]) };
        assert_eq!(classes(vec![drift], &[A], &[]), [(B.into(), Class::Drift)]);
        let current = Current { shards: vec![unwired()], ..Current::default() };
        assert_eq!(Diff::new(&wanting([A]), &[], &[], &current).in_force.ipv4, 2);
    }

    #[test]
    fn the_mark_of_an_adopted_set_counts_while_a_rule_refers_to_it() {
        let adopted = Shard { adopted: true, ..shard(&[A, B], &[A, B]) };
        assert_eq!(classes(vec![adopted.clone()], &[A], &[]), [(B.into(), Class::Withdrawn)]);
        assert_eq!(classes(vec![Shard { mark: None, ..adopted.clone() }], &[A], &[]), [(B.into(), Class::Adopted)]);
        let given_back = Shard { group: None, ..adopted };
        assert_eq!(classes(vec![given_back], &[A], &[]), [(B.into(), Class::Adopted)]);
        let kept_by_hand = Shard { adopted: true, group: None, ..shard(&[A, B], &[A]) };
        assert_eq!(classes(vec![kept_by_hand], &[A], &[]), [(B.into(), Class::Adopted)]);
    }

    #[test]
    fn what_stays_wanted_through_others_is_covered_and_only_if_all_of_it_does() {
        let wide = "198.51.100.0/30";
        let held = || shard(&[wide], &[wide, "203.0.113.1"]);
        let all = ["198.51.100.0", A, B, C];
        assert_eq!(classes(vec![held()], &all, &[]), [(wide.into(), Class::Covered)]);
        assert_eq!(classes(vec![held()], &all[..3], &[]), [(wide.into(), Class::Withdrawn)]);
    }

    #[test]
    fn what_an_earlier_scan_of_the_run_wants_stays() {
        let held = || shard(&[A, B], &[A, B]);
        assert_eq!(classes(vec![held()], &[A], &[&[A, B]]), [(B.into(), Class::Unsettled)]);
        assert_eq!(classes(vec![held()], &[A], &[&[A]]), [(B.into(), Class::Withdrawn)]);
        // An address of it is enough.
        let wide = "198.51.100.0/30";
        let held = shard(&[A, wide], &[A, wide]);
        assert_eq!(classes(vec![held], &[A], &[&[A, B]]), [(wide.into(), Class::Unsettled)]);
    }

    #[test]
    fn what_was_added_later_and_is_no_longer_asked_for_is_told_apart() {
        let of = |list: &[&str], written: &[&str]| Current { shards: vec![shard(list, written)], ..Current::default() };
        let since = |then: &Current, current: &Current| {
            let diff = Diff::new(&wanting([A]), &[], &[], current);
            diff.withdrawn_since(then, current).into_iter().collect::<Vec<_>>()
        };
        let now = of(&[A, B, C], &[A, B, C]);
        assert_eq!(since(&of(&[A, B], &[]), &now), cidrs(&[C]));
        assert_eq!(since(&now, &now), []);
        assert_eq!(since(&Current::default(), &now), cidrs(&[B, C]));
        // What a hand added needs no settling time.
        assert_eq!(since(&of(&[A], &[A]), &of(&[A, B], &[A])), []);
    }

    #[test]
    fn in_force_are_the_distinct_cidrs_of_all_sets_but_new_ones_without_those_of_always() {
        let created = Shard { group: None, created: true, ..shard(&[C], &[C]) };
        let shards = vec![shard(&[A, B], &[A]), shard(&[B], &[B]), created];
        let current = Current { shards, ..Current::default() };
        let diff = Diff::new(&wanting([A]), &[], &cidrs(&[A]), &current);
        // B is drift in the first set, but the table put it in the second.
        assert_eq!((diff.in_force.ipv4, diff.in_force_by_table.ipv4), (1, 1));
        assert_eq!(diff.unproven(), cidrs(&[B]));
        let current = Current { shards: vec![shard(&[A, B], &[A])], ..Current::default() };
        let diff = Diff::new(&wanting([A]), &[], &[], &current);
        assert_eq!((diff.in_force.ipv4, diff.in_force_by_table.ipv4), (2, 1));
    }

    #[test]
    fn additions_are_what_lets_in_addresses_that_are_not_in_force() {
        let created = Shard { group: None, created: true, ..shard(&[C], &[C]) };
        let shards = vec![shard(&[A, "203.0.113.0/24"], &[]), created];
        let current = Current { shards, ..Current::default() };
        let wanted = wanting([A, B, C, "198.51.100.0/29", "203.0.113.0/25"]);
        let counted = additions(&wanted, &current, &cidrs(&[B]), Family::Ipv4);
        assert_eq!(counted, cidrs(&[C, "198.51.100.0/29"]));
        assert_eq!(additions(&wanted, &current, &[], Family::Ipv6), []);
        // Parts of it in two sets are all of it; one part is not.
        let current = |parts: &[&str]| {
            let shards = parts.iter().map(|part| shard(&[*part], &[])).collect();
            Current { shards, ..Current::default() }
        };
        let whole = wanting(["198.51.100.2/31"]);
        assert_eq!(additions(&whole, &current(&[B, C]), &[], Family::Ipv4), []);
        assert_eq!(additions(&whole, &current(&[B]), &[], Family::Ipv4), cidrs(&["198.51.100.2/31"]));
    }
}
