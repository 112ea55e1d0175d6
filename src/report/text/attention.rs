//! The part of the text that needs attention: objections of guards, held CIDRs, and rejections.

use super::changes::{listed, more};
use super::page::Page;
use crate::model::cidr::Cidr;
use crate::model::desired::Desired;
use crate::model::item::Rejection;
use crate::report::context::Context;
use crate::report::document::{Acl, Document};
use crate::report::ranges::{largest, ranges};
use crate::report::style::Tone;
use crate::text;
use crate::text::number::{counted, grouped};

/// The most lines of one kind without `--full`.
const LINES: usize = 4;

/// The indentation below a point.
const INDENT: &str = "      ";

/// Renders all points, the gravest last, where a terminal stops.
pub(super) fn attention(page: &mut Page, document: &Document, context: Context<'_>) {
    page.gap();
    let count = |cidrs: &[Cidr]| counted(cidrs.len(), "CIDR");
    let by_hand = format!("{} put in by hand: {}", were(&document.drift), document.fate_of_drift());
    let lists = [
        (&document.drift, Tone::Plain, "~", by_hand),
        (&document.deferred, Tone::Plain, "~", format!("Deferred: {} for a later run", count(&document.deferred))),
        (&document.unplaced, Tone::Warning, "!", format!("No room until others go: {}", count(&document.unplaced))),
    ];
    for (cidrs, tone, sign, what) in lists {
        if !cidrs.is_empty() {
            point(page, tone, sign, &what);
            extent(page, cidrs, context.full);
        }
    }
    rejections(page, &document.table.rejections, context.full);
    held(page, document, context);
    let approved = if document.is_approved() { "approved: " } else { "" };
    for reason in &document.guard.reasons {
        let tone = if document.is_approved() { Tone::Plain } else { Tone::Warning };
        point(page, tone, "!", &format!("{approved}{reason}"));
    }
    for unread in &document.unread_web_acls {
        point(page, Tone::Bad, "!", &text::line(&unread.told()));
    }
    for acl in &document.web_acls {
        if !acl.missing.is_empty() {
            point(page, Tone::Bad, "!", &format!("{} does NOT enforce {}", text::line(&acl.name), without_effect(acl)));
        }
    }
}

fn were(cidrs: &[Cidr]) -> String {
    format!("{} {}", counted(cidrs.len(), "CIDR"), if cidrs.len() == 1 { "was" } else { "were" })
}

fn point(page: &mut Page, tone: Tone, sign: &str, what: &str) {
    page.paragraph("  ", Tone::Plain, &format!("{sign} {what}"), (sign.len(), tone));
}

/// The ranges of these CIDRs.
fn extent(page: &mut Page, cidrs: &[Cidr], full: bool) {
    if full {
        for cidr in cidrs {
            page.line(&[(Tone::Plain, &format!("{INDENT}{cidr}"))]);
        }
        return;
    }
    let ranges = ranges(cidrs.iter().copied(), LINES);
    let most = listed(ranges.len(), LINES);
    let (ranges, left) = largest(ranges, most);
    for range in &ranges {
        page.line(&[(Tone::Plain, &format!("{INDENT}{range}"))]);
    }
    more(page, left);
}

fn held(page: &mut Page, document: &Document, context: Context<'_>) {
    // A blocked plan lists its removals among the changes.
    if document.held.is_empty() || document.is_blocked() {
        return;
    }
    if !document.waiting.is_empty() {
        let additions = counted(document.waiting.len(), "addition");
        point(page, Tone::Warning, "!", &format!("Held: {additions}, asked for by {}", asking(document, context)));
        extent(page, &document.waiting, context.full);
    }
    let removals = document.held_removals();
    if !removals.is_empty() {
        let sets = counted(document.held_in.len(), "IP set");
        let told = counted(removals.len(), "removal");
        let items = items(document, context);
        point(page, Tone::Warning, "!", &format!("Held: {told} in {sets}; {items}"));
        extent(page, &removals, context.full);
    }
}

/// The items that still ask for held addresses.
pub(in crate::report) fn items(document: &Document, context: Context<'_>) -> String {
    let Some(desired) = context.desired else { return "the table was not read".to_owned() };
    let keys = keys(desired, &document.held_removals());
    match keys.as_slice() {
        [] => "no item asks for any".to_owned(),
        [key] => format!("item {} still asks for some", text::key(key)),
        [key, others @ ..] => {
            format!("item {} and {} still ask for some", text::key(key), counted(others.len(), "other"))
        }
    }
}

/// The items that ask for waiting additions.
pub(in crate::report) fn asking(document: &Document, context: Context<'_>) -> String {
    let keys = context.desired.map(|desired| keys(desired, &document.waiting)).unwrap_or_default();
    match keys.as_slice() {
        [] => "no item".to_owned(),
        [key] => format!("item {}", text::key(key)),
        [key, others @ ..] => format!("item {} and {}", text::key(key), counted(others.len(), "other")),
    }
}

/// The keys of the items that ask for addresses of these CIDRs, sorted and distinct.
fn keys(desired: &Desired, cidrs: &[Cidr]) -> Vec<String> {
    let wanted: Vec<Cidr> = cidrs.iter().copied().filter(|cidr| desired.overlaps(*cidr)).collect();
    desired.wanted_by(&wanted)
}

fn rejections(page: &mut Page, rejections: &[Rejection], full: bool) {
    if rejections.is_empty() {
        return;
    }
    let (known, others): (Vec<_>, Vec<_>) = rejections.iter().partition(|rejection| rejection.ignored);
    let ignored = if known.is_empty() { String::new() } else { format!(", {} ignored", grouped(known.len())) };
    point(page, Tone::Warning, "!", &format!("{} cannot be used{ignored}", counted(rejections.len(), "value")));
    let most = if full { rejections.len() } else { listed(rejections.len(), LINES) };
    for rejection in others.into_iter().chain(known).take(most) {
        let text = format!("{INDENT}{}", told(rejection));
        page.paragraph(&format!("{INDENT}  "), Tone::Plain, &text, (0, Tone::Plain));
    }
    more(page, rejections.len() - most);
}

/// A rejection as a line, such as `cluster-7 10.0.0.5/24: host bits are set: …`.
fn told(rejection: &Rejection) -> String {
    let key = match rejection.key.as_ref() {
        "" => "(no key)".into(),
        key => text::key(key),
    };
    let value = match rejection.value.as_ref() {
        "" => String::new(),
        value => format!(" {}", text::key(value)),
    };
    let ignored = if rejection.ignored { " (ignored)" } else { "" };
    format!("{key}{value}: {}{ignored}", text::line(&rejection.reason.to_string()))
}

/// The rule groups without effect and why: `wafsync-1 (overridden), wafsync-2 (no reference)`.
pub(in crate::report) fn without_effect(acl: &Acl) -> String {
    let why = |group| if acl.overridden.contains(group) { "overridden" } else { "no reference" };
    acl.missing.iter().map(|group| format!("{group} ({})", why(group))).collect::<Vec<_>>().join(", ")
}
