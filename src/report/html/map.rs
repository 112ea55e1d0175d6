//! The map of the IP sets: one cell each, filled by its occupancy, with what is added, removed and held.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::report::context::Context;
use crate::report::document::{Document, Names};
use crate::run::record::Command;
use crate::text::line;
use crate::text::number::{counted, grouped};

/// The height of a full cell, in units of the drawing.
const HEIGHT: usize = 100;

/// The least height of anything nonzero, so that it is visible.
const SEEN: usize = 8;

/// One IP set.
#[derive(Debug, Default)]
struct Cell<'a> {
    name: &'a str,
    /// CIDRs that were there and stay.
    kept: usize,
    held: usize,
    add: usize,
    remove: usize,
    capacity: usize,
    new: bool,
    changes: bool,
}

fn cells<'a>(document: &'a Document, command: Command) -> Vec<Cell<'a>> {
    let capacity = document.ip_sets.iter().map(|set| set.addresses + set.free).max().unwrap_or_default();
    let mut cells: BTreeMap<&str, Cell<'a>> = BTreeMap::new();
    for set in &document.ip_sets {
        let (kept, capacity) = (set.addresses.saturating_sub(set.held), set.addresses + set.free);
        let cell = Cell { name: &set.name, kept, held: set.held, capacity, ..Cell::default() };
        cells.insert(&set.name, cell);
    }
    for change in &document.changes {
        let (Names::Cidrs(add), Names::Cidrs(remove)) = (&change.add, &change.remove) else { continue };
        let new = Cell { name: &change.target, capacity: capacity.max(add.len()), new: true, ..Cell::default() };
        let cell = cells.entry(&change.target).or_insert(new);
        cell.changes = true;
        cell.new |= change.kind.creates();
        match command {
            // The document has the numbers before the run.
            Command::Plan => {
                cell.kept = cell.kept.saturating_sub(remove.len());
                (cell.add, cell.remove) = (add.len(), remove.len());
            }
            // The document has the numbers after the run.
            Command::Apply if change.written => {
                cell.kept = cell.kept.saturating_sub(add.len());
                (cell.add, cell.remove) = (add.len(), remove.len());
            }
            Command::Apply => {}
        }
    }
    cells.into_values().collect()
}

/// Renders the map of the IP sets.
pub(super) fn map(document: &Document, context: Context<'_>) -> Markup {
    let cells = cells(document, context.command);
    let (add, remove) = match context.command {
        Command::Plan => ("to add", "to remove"),
        Command::Apply => ("added", "removed"),
    };
    html! {
        @if !cells.is_empty() {
            section aria-labelledby="map" {
                h2 id="map" { "IP sets " span.count { (cells.len()) } }
                p.legend {
                    span.kept { "■" } " in WAF " span.add { "■ + " (add) } " " span.remove { "■ − " (remove) } " "
                    span.held { "■ ! held" } " " span.dim { "A full cell is a full IP set." }
                }
                ul.map { @for cell in &cells { li { (draw(cell, context)) } } }
            }
        }
    }
}

fn draw(cell: &Cell<'_>, context: Context<'_>) -> Markup {
    let stem = format!("{}-", context.target.name);
    let short = cell.name.strip_prefix(&stem).unwrap_or(cell.name);
    let whole = cell.capacity.max(cell.kept + cell.held + cell.add + cell.remove).max(1);
    let parts = [(cell.kept, "kept"), (cell.held, "held"), (cell.remove, "remove"), (cell.add, "add")];
    let mut top = HEIGHT;
    let mut rects = Vec::new();
    for (count, class) in parts {
        let height = if count == 0 { 0 } else { (count * HEIGHT).div_ceil(whole).max(SEEN).min(top) };
        top -= height;
        if height > 0 {
            rects.push((class, top, height));
        }
    }
    let body = html! {
        svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" {
            rect.empty width="100" height="100" {}
            @for (class, y, height) in rects { rect class=(class) y=(y) width="100" height=(height) {} }
        }
        span.name { (line(short)) }
        span.moves {
            @if cell.add > 0 { span.add { "+" (grouped(cell.add)) } " " }
            @if cell.remove > 0 { span.remove { "−" (grouped(cell.remove)) } " " }
            @if cell.held > 0 { span.held { "!" (grouped(cell.held)) } }
        }
    };
    let said = said(cell);
    let class = if cell.new { "cell new" } else { "cell" };
    html! {
        @if cell.changes {
            a class=(class) href={ "#set-" (cell.name) } aria-label=(said) title=(said) { (body) }
        } @else {
            span class=(class) role="img" aria-label=(said) title=(said) { (body) }
        }
    }
}

/// The cell as text.
fn said(cell: &Cell<'_>) -> String {
    let in_waf = cell.kept + cell.held;
    let mut said = vec![format!("{}: {} of {} stay", line(cell.name), grouped(in_waf), grouped(cell.capacity))];
    for (count, what) in [(cell.add, "added"), (cell.remove, "removed"), (cell.held, "held")] {
        if count > 0 {
            said.push(format!("{} {what}", counted(count, "CIDR")));
        }
    }
    if cell.new {
        said.push("new IP set".to_owned());
    }
    said.join(", ")
}
