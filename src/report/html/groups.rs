//! The changes as foldable groups: one per IP set or rule group, and one per item.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::extent;
use crate::model::cidr::Cidr;
use crate::model::cidrs::Cidrs;
use crate::model::keys::KeyList;
use crate::report::context::Context;
use crate::report::document::{Document, Names, Write};
use crate::report::items::{self, Fate, gets};
use crate::report::style::Tone;
use crate::run::record::Command;
use crate::text::number::{counted, grouped};
use crate::text::{key, line};

/// The most CIDRs that a page lists one by one under each heading; more are shown as ranges, so that it opens quickly.
pub(super) const LISTED: usize = 20_000;

/// The changes by IP set and rule group.
pub(super) fn by_set(document: &Document, context: Context<'_>) -> Markup {
    let mut left = LISTED;
    html! {
        section aria-labelledby="changes" {
            h2 id="changes" tabindex="-1" {
                "Changes by IP set "
                span.count {
                    (counted(document.changes.len(), "write"))
                    @if document.is_blocked() { ", once approved" }
                }
            }
            @if document.changes.is_empty() { p { "Nothing to write." } }
            @for change in &document.changes { (group(change, context, &mut left)) }
        }
    }
}

/// Takes this many CIDRs from the budget for listing one by one. Returns whether it allows them.
fn take(left: &mut usize, count: usize) -> bool {
    let fits = count <= *left;
    if fits {
        *left -= count;
    }
    fits
}

fn group(change: &Write, context: Context<'_>, left: &mut usize) -> Markup {
    let id = format!("set-{}", change.target);
    let listed = match (&change.add, &change.remove) {
        (Names::Cidrs(add), Names::Cidrs(remove)) => take(left, add.len() + remove.len()),
        _ => true,
    };
    let noun = match change.add {
        Names::Cidrs(_) => "",
        Names::IpSets(_) => " IP sets",
    };
    html! {
        details.group id=(id) {
            summary {
                b { (line(&change.target)) } " "
                @if change.kind.creates() { span.add { "+ new" } " " }
                @if !change.add.is_empty() { span.add { "+" (grouped(change.add.len())) (noun) } " " }
                @if !change.remove.is_empty() { span.remove { "−" (grouped(change.remove.len())) (noun) } " " }
                @if change.add.is_empty() && change.remove.is_empty() {
                    span.dim { @if change.kind.creates() { "empty, for growth" } @else { "rule or description" } }
                }
                @if context.command == Command::Apply && !change.written { span.remove { "NOT WRITTEN" } }
            }
            @match (&change.add, &change.remove) {
                (Names::Cidrs(add), Names::Cidrs(remove)) => {
                    @if listed { (cidrs(add, &change.wanted_by, remove)) }
                    @else {
                        @if !add.is_empty() { p.add { "To add" } (extent(add)) }
                        @if !remove.is_empty() { p.remove { "To remove" } (extent(remove)) }
                    }
                }
                _ => {
                    ul.cidrs {
                        (names("+", "add", &change.add))
                        (names("−", "remove", &change.remove))
                    }
                }
            }
        }
    }
}

fn names(sign: &str, class: &str, names: &Names) -> Markup {
    html! {
        @if let Names::IpSets(names) = names {
            @for name in names { li.hit { span class=(class) { (sign) " " (line(name)) } } }
        }
    }
}

fn cidrs(add: &Cidrs, wanted_by: &KeyList, remove: &Cidrs) -> Markup {
    let mut keys = wanted_by.iter();
    html! {
        ul.cidrs {
            @for cidr in add {
                li.hit {
                    code.add { "+ " (cidr) } " "
                    span.dim {
                        @match keys.next() {
                            Some(Some(item)) => (key(&item)),
                            Some(None) => "--always",
                            None => {}
                        }
                    }
                }
            }
            @for cidr in remove { li.hit { code.remove { "− " (cidr) } } }
        }
    }
}

/// The CIDRs of each item of `plan --item`.
pub(super) fn of_items(document: &Document, context: Context<'_>) -> Markup {
    let class = |tone: Tone| match tone {
        Tone::Good | Tone::StrongGood => "add",
        Tone::Bad | Tone::StrongBad => "remove",
        Tone::Warning | Tone::StrongWarning => "held",
        Tone::Plain | Tone::Dim | Tone::Strong => "",
    };
    html! {
        section aria-labelledby="asked" {
            h2 id="asked" { "Items asked about" }
            @for item in gets(document, context) {
                details.group open {
                    summary { b { (key(item.key)) } " " span.count { (counted(item.cidrs.len(), "CIDR")) } }
                    @if item.is_nothing() { p { "It asks for nothing, or there is no such item." } }
                    ul.cidrs {
                        @for (cidr, Fate { sign, tone, words }) in &item.cidrs {
                            li.hit { code class=(class(*tone)) { (sign) " " (cidr) } " " span.dim { (words) } }
                        }
                        @for rejection in &item.rejections {
                            li.hit {
                                code.held { "! " (line(&rejection.value)) } " "
                                span.dim { "rejected: " (line(&rejection.reason.to_string())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The additions, by item, and the IP set of each.
pub(super) fn by_item(document: &Document) -> Markup {
    let items = items::by_item(document);
    let mut sets: BTreeMap<Cidr, &str> = BTreeMap::new();
    for change in &document.changes {
        if let Names::Cidrs(add) = &change.add {
            sets.extend(add.iter().map(|cidr| (cidr, change.target.as_str())));
        }
    }
    let mut left = LISTED;
    html! {
        @if !items.is_empty() {
            section.items aria-labelledby="items" {
                h2 id="items" { "Additions by item " span.count { (counted(items.len(), "item")) } }
                @for item in &items {
                    @let listed = take(&mut left, item.cidrs.len());
                    details.group {
                        summary {
                            b { @match &item.key { Some(item) => (key(item)), None => "--always" } } " "
                            span.add { "+" (grouped(item.cidrs.len())) }
                        }
                        @if listed {
                            ul.cidrs {
                                @for cidr in &item.cidrs {
                                    li.hit {
                                        code.add { "+ " (cidr) } " "
                                        span.dim { (line(sets.get(cidr).copied().unwrap_or_default())) }
                                    }
                                }
                            }
                        } @else { (extent(item.cidrs.iter().copied())) }
                    }
                }
            }
        }
    }
}
