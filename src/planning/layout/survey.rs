//! Survey: which wanted CIDRs are missing, and which are duplicated.

use super::draft::{Draft, Force};
use super::input::Input;
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::{Builder, Cidrs, Slice};
use crate::model::merged::Merged;

/// Merges the wanted CIDRs with the contents of this family's shards. Returns the wanted CIDRs that no wired shard will
/// hold, and notes in the drafts which duplicates are not needed.
pub(super) fn missing(input: &Input<'_>, family: Family, drafts: &mut [Draft<'_>]) -> Cidrs {
    let ours = drafts.iter().enumerate().filter(|(_, draft)| draft.shard.family == family);
    let (indices, lists): (Vec<usize>, Vec<Slice<'_>>) = ours.map(|(index, draft)| (index, draft.shard.cidrs)).unzip();
    let mut copies = Merged::new(lists);
    let takers = drafts.iter().filter(|draft| draft.shard.family == family && draft.takes_more());
    let mut taken: Vec<Cidr> = takers.flat_map(|draft| draft.add.iter().copied()).collect();
    taken.sort_unstable();
    let mut missing = Builder::default();
    let mut miss = |cidr| {
        if taken.binary_search(&cidr).is_err() && input.waiting.binary_search(&cidr).is_err() {
            missing.push(cidr);
        }
    };
    let mut wanted = input.desired.get(family).iter().peekable();
    let mut holders: Vec<usize> = Vec::new();
    while let Some((cidr, lists)) = copies.step() {
        holders.clear();
        holders.extend(lists.iter().filter_map(|list| indices.get(*list)));
        while let Some(absent) = wanted.next_if(|wanted| *wanted < cidr) {
            miss(absent);
        }
        if wanted.next_if_eq(&cidr).is_some() && !has_keeper(cidr, &holders, drafts) {
            miss(cidr);
        }
    }
    wanted.for_each(miss);
    missing.finish()
}

/// Whether one of these shards is wired and keeps this wanted CIDR. Notes in the others that they need not keep it.
fn has_keeper(cidr: Cidr, holders: &[usize], drafts: &mut [Draft<'_>]) -> bool {
    // Nearly every CIDR is in one shard.
    if let [only] = holders {
        return drafts.get(*only).is_some_and(|draft| draft.ends_wired);
    }
    let ranked = holders.iter().filter_map(|&index| {
        let draft = drafts.get(index).filter(|draft| draft.ends_wired)?;
        Some((draft.force_of(cidr), draft.shard.surely_let_in_by.count_zeros(), draft.force, index))
    });
    let Some((force, _, _, keeper)) = ranked.min() else { return false };
    for &index in holders.iter().filter(|index| **index != keeper) {
        // A copy that may be in force may go only if another one certainly is.
        let relies = |draft: &Draft<'_>| drafts.get(keeper).is_some_and(|keeper| draft.can_rely_on(keeper));
        let is_spare = |draft: &&Draft<'_>| {
            draft.takes_more() && (draft.force == Force::Idle || force == Force::Wired && relies(draft))
        };
        let is_spare = drafts.get(index).as_ref().is_some_and(is_spare);
        if let Some(draft) = drafts.get_mut(index).filter(|_| is_spare) {
            draft.doubled.push((cidr, keeper));
        }
    }
    true
}
