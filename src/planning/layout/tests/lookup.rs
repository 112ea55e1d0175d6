//! What is looked up by binary search, checked against looking at every CIDR.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{config, nested, waiting_worlds};
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::Cidrs;
use crate::model::coverage;
use crate::planning::layout::cover::Cover;
use crate::planning::layout::demand::{Demand, Part};
use crate::planning::layout::draft::Draft;
use crate::planning::layout::holders::Holders;

fn any_cidr() -> impl Strategy<Value = Cidr> {
    prop::sample::select(nested(Family::Ipv4))
}

fn some_cidrs() -> impl Strategy<Value = BTreeSet<Cidr>> {
    prop::collection::btree_set(any_cidr(), 0..4)
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn what_a_set_needs_is_what_it_does_not_cover(
        world in waiting_worlds(), leaving in any_cidr(), stays in some_cidrs(), most in 0_usize..6,
    ) {
        let stays: Cidrs = stays.into_iter().collect();
        world.with_input(|input| {
            let demand = Demand::new(input, Family::Ipv4);
            let due: Vec<Part> = demand.due(leaving).collect();
            prop_assert_eq!(demand.exceeds(leaving, most), due.len() > most);
            let lacking = due.iter().filter(|part| !coverage::covers(&stays, part.common));
            let lacking: Vec<Cidr> = lacking.map(|part| part.wanted).collect();
            let with: Cidrs = stays.iter().chain(lacking.iter().copied()).collect();
            let keeps = demand.not_due(leaving).all(|part| coverage::covers(&with, part.common));
            let needs = demand.needs(leaving, stays.as_slice(), most);
            let listed = needs.as_ref().map(|needs| needs.iter().collect::<Vec<_>>());
            prop_assert_eq!(listed, (keeps && lacking.len() <= most).then_some(lacking));
            let Some(needs) = needs else { return Ok(()) };
            prop_assert_eq!((needs.len(), needs.is_empty()), (needs.iter().count(), needs.iter().next().is_none()));
            // Those to be added are wanted, like all that a set needs.
            let added: BTreeSet<Cidr> = input.desired.ipv4.iter().step_by(2).collect();
            prop_assert_eq!(needs.beyond(&added), needs.iter().filter(|cidr| !added.contains(cidr)).count());
            Ok(())
        })?;
    }

    #[test]
    fn every_shard_that_holds_something_of_a_cidr_is_found(world in waiting_worlds(), asked in any_cidr()) {
        world.with_input(|input| {
            let drafts = input.shards.iter().map(|shard| Draft::new(shard, true, Cover::default()));
            let drafts: Vec<Draft<'_>> = drafts.collect();
            let of = |(at, draft): (usize, &Draft<'_>)| {
                draft.shard.cidrs.iter().filter(|cidr| cidr.overlaps(asked)).map(|cidr| (cidr, at)).collect::<Vec<_>>()
            };
            let mut expected: Vec<(Cidr, usize)> = drafts.iter().enumerate().flat_map(of).collect();
            expected.sort();
            prop_assert_eq!(Holders::new(&drafts).overlapping(asked).collect::<Vec<_>>(), expected);
            Ok(())
        })?;
    }
}
