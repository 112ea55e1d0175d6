//! `plan --item`: what some items get, each of their CIDRs on a line.

use super::page::{Page, short};
use crate::model::cidr::Cidr;
use crate::report::context::Context;
use crate::report::document::{Document, Names};
use crate::report::style::Tone;
use crate::run::record::Command;
use crate::text;
use crate::text::number::counted;

/// Columns of an item's key in its heading.
const HEADING_COLUMNS: usize = 50;

/// What each of the items of the context gets.
pub(super) fn items(page: &mut Page, document: &Document, context: Context<'_>) {
    for key in context.items {
        let cidrs = context.desired.map(|desired| desired.of_item(key)).unwrap_or_default();
        let rejections = document.table.rejections.iter().filter(|rejection| *rejection.key == **key);
        let rejections: Vec<_> = rejections.collect();
        page.gap();
        let name = short(key, HEADING_COLUMNS);
        if cidrs.is_empty() && rejections.is_empty() {
            page.line(&[
                (Tone::Warning, "! "),
                (Tone::Strong, &name),
                (Tone::Plain, ": asks for nothing, or no such item"),
            ]);
            continue;
        }
        page.line(&[(Tone::Strong, &name), (Tone::Plain, &format!(": {}", counted(cidrs.len(), "CIDR")))]);
        let width = cidrs.iter().map(|cidr| cidr.to_string().len()).max().unwrap_or_default();
        for cidr in cidrs {
            let (sign, tone, what) = fate(document, context.command, cidr);
            let address = format!("{:<width$}", cidr.to_string());
            page.line(&[(tone, sign), (Tone::Plain, " "), (tone, &address), (Tone::Plain, "  "), (Tone::Dim, &what)]);
        }
        for rejection in rejections {
            let value = if rejection.value.is_empty() { "(no value)".into() } else { text::key(&rejection.value) };
            let line = format!("! {value}: {}", text::line(&rejection.reason));
            page.paragraph("  ", Tone::Plain, &line, (1, Tone::Warning));
        }
    }
}

/// What becomes of a CIDR that an item asks for.
fn fate(document: &Document, command: Command, cidr: Cidr) -> (&'static str, Tone, String) {
    let meets = |cidrs: &[Cidr]| cidrs.iter().any(|other| other.overlaps(cidr));
    let adds = |names: &Names| match names {
        Names::Cidrs(cidrs) => meets(cidrs),
        Names::IpSets(_) => false,
    };
    if meets(&document.waiting) {
        return ("!", Tone::Warning, "held: needs approval".to_owned());
    }
    if meets(&document.unplaced) {
        return ("!", Tone::Warning, "no room until others go".to_owned());
    }
    match document.changes.iter().find(|change| adds(&change.add)) {
        Some(change) => {
            let target = text::line(&change.target);
            match (command, change.written) {
                (Command::Plan, _) => ("+", Tone::Good, format!("to add to {target}")),
                (Command::Apply, true) => ("+", Tone::Good, format!("added to {target}")),
                (Command::Apply, false) => ("!", Tone::Bad, format!("NOT WRITTEN to {target}")),
            }
        }
        None => (" ", Tone::Plain, "in WAF".to_owned()),
    }
}
