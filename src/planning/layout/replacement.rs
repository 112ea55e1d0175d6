//! Which unwanted CIDRs can leave now without a gap for an address that stays wanted.
//!
//! AWS spreads every set on its own. So a CIDR of which some addresses stay wanted leaves only if those are in force
//! through CIDRs that surely stay, or come with the same update of the same set. Nothing ever relies on a CIDR that may
//! itself leave.

use super::draft::{Draft, Force};
use super::survey::{Loose, Standing};
use crate::defects::{self, Defect};
use crate::model::cidr::{Cidr, Family};

/// Decides for one family what leaves and what is stuck, and places what has to be there for it to leave.
pub(super) fn settle(drafts: &mut [Draft<'_>], standing: &mut Standing, family: Family, capacity: usize) {
    let open = |draft: &Draft<'_>| draft.shard.family == family && !draft.shard.closed;
    for (index, draft) in drafts.iter_mut().enumerate().filter(|(_, draft)| open(draft)) {
        if draft.force == Force::Idle {
            draft.going.clone_from(&draft.shard.leaving);
        } else {
            settle_one(index, draft, standing, capacity);
        }
    }
    release_covered(drafts, family);
}

fn settle_one(index: usize, draft: &mut Draft<'_>, standing: &mut Standing, capacity: usize) {
    // Whatever asks for the least goes first, for what has gone makes room for the rest.
    let mut waiting = Vec::new();
    for &cidr in &draft.shard.leaving {
        match standing.needed_for(cidr, draft.force).count() {
            0 => draft.going.push(cidr),
            _ if defects::has(Defect::ReplacesAtOnce) => draft.going.push(cidr),
            needs => waiting.push((needs, cidr)),
        }
    }
    waiting.sort_unstable();
    for (_, cidr) in waiting {
        let room = draft.room(capacity) + 1;
        let elsewhere = |loose: &&mut Loose| loose.taker != Some(index);
        let mut needs = 0;
        let mut free = true;
        for loose in standing.needed_for(cidr, draft.force).filter(elsewhere) {
            needs += 1;
            free &= loose.missing && loose.taker.is_none();
        }
        if needs == 0 || (free && needs <= room && draft.takes_more()) {
            for loose in standing.needed_for(cidr, draft.force).filter(elsewhere) {
                loose.taker = Some(index);
                draft.add.push(loose.cidr);
            }
            draft.going.push(cidr);
        } else {
            draft.stuck.push(cidr);
        }
    }
}

/// Lets a stuck CIDR leave after all if another stuck one, that now surely stays, covers it.
///
/// Without this, two sets that are full could wait for each other's room for ever.
fn release_covered(drafts: &mut [Draft<'_>], family: Family) {
    let mut stuck: Vec<(Cidr, Force, usize)> = Vec::new();
    for (index, draft) in drafts.iter_mut().enumerate().filter(|(_, draft)| draft.shard.family == family) {
        stuck.extend(draft.stuck.drain(..).map(|cidr| (cidr, draft.force, index)));
    }
    stuck.sort_unstable();
    let covers = |wider: Option<Cidr>, cidr| wider.is_some_and(|wider: Cidr| wider.covers(cidr));
    let (mut wired, mut in_force) = (None, None);
    for (cidr, force, index) in stuck {
        let Some(draft) = drafts.get_mut(index) else { continue };
        if covers(if force == Force::Wired { wired } else { in_force }, cidr) {
            draft.going.push(cidr);
            continue;
        }
        draft.stuck.push(cidr);
        let force = draft.force_of(cidr);
        if force == Force::Wired {
            wired = Some(cidr);
        }
        if force != Force::Idle && !covers(in_force, cidr) {
            in_force = Some(cidr);
        }
    }
}
