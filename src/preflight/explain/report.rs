//! The answers about several addresses and items as one document.

use serde::Serialize;

use super::answer::{Explanation, LISTED, Lookup, RejectedValue, explain};
use crate::model::cidr::Cidr;
use crate::text;
use crate::text::number::counted;

/// All answers to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// The version of this document.
    pub version: u32,
    /// Whether all of it is wanted.
    pub wanted: bool,
    /// Whether all of it is in force.
    pub in_force: bool,
    /// The items that were asked about.
    pub items: Vec<ItemAnswer>,
    /// One answer for each address, those of the items included.
    pub answers: Vec<Explanation>,
}

/// The answer about an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemAnswer {
    /// Its key.
    pub key: String,
    /// The addresses that it asks for; none if it is not in the table.
    pub addresses: Vec<Cidr>,
    /// Rejected values in it, at most a hundred.
    pub rejections: Vec<RejectedValue>,
    /// The number of rejections.
    pub rejections_total: usize,
}

impl ItemAnswer {
    /// Whether the item asks for something and all of it is valid.
    const fn is_usable(&self) -> bool {
        !self.addresses.is_empty() && self.rejections_total == 0
    }
}

impl Answers {
    /// Looks up addresses in `seen`, and the items with these keys, with all their addresses, in `newer`: a view of the table
    /// that may hold no other items.
    #[must_use]
    pub fn new(addresses: &[Cidr], keys: &[String], seen: &Lookup<'_>, newer: &Lookup<'_>) -> Self {
        let items: Vec<ItemAnswer> = keys.iter().map(|key| item(key, newer)).collect();
        let mut answers: Vec<Explanation> = addresses.iter().map(|address| explain(*address, seen)).collect();
        for cidr in items.iter().flat_map(|item| &item.addresses) {
            if !answers.iter().any(|answer| answer.address == *cidr) {
                answers.push(explain(*cidr, newer));
            }
        }
        let usable = items.iter().all(ItemAnswer::is_usable);
        Self {
            version: 1,
            wanted: usable && answers.iter().all(|answer| answer.wanted),
            in_force: usable && answers.iter().all(|answer| answer.in_force),
            items,
            answers,
        }
    }

    /// The only answer, if one address and no item was asked about.
    #[must_use]
    pub fn single(&self) -> Option<&Explanation> {
        match (self.items.as_slice(), self.answers.as_slice()) {
            ([], [answer]) => Some(answer),
            _ => None,
        }
    }

    /// The exit code: the highest of all answers. An item that asks for nothing or has rejections counts as neither wanted nor
    /// in force.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let items = self.items.iter().map(|item| if item.is_usable() { 0 } else { 7 });
        self.answers.iter().map(Explanation::exit_code).chain(items).max().unwrap_or_default()
    }

    /// A short line for progress: the number of addresses in force.
    #[must_use]
    pub fn progress(&self) -> String {
        let done = self.answers.iter().filter(|answer| answer.exit_code() == 0).count();
        let answered =
            (!self.answers.is_empty()).then(|| format!("{done} of {} wanted and in force", self.answers.len()));
        let unusable = self.items.iter().filter(|item| !item.is_usable()).map(|item| {
            let key = text::key(&item.key);
            match item.rejections_total {
                0 => format!("item {key} is not in the table, or asks for no address"),
                rejections => format!("item {key} has {}", counted(rejections, "rejected value")),
            }
        });
        answered.into_iter().chain(unusable).collect::<Vec<_>>().join("; ")
    }
}

fn item(key: &str, seen: &Lookup<'_>) -> ItemAnswer {
    let rejections: Vec<RejectedValue> = (seen.desired.view().rejections.iter())
        .filter(|rejection| &*rejection.key == key)
        .map(RejectedValue::from)
        .collect();
    ItemAnswer {
        key: key.to_owned(),
        addresses: seen.desired.of_item(key),
        rejections_total: rejections.len(),
        rejections: rejections.into_iter().take(LISTED).collect(),
    }
}
