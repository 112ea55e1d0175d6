//! The text of `plan --item`: each CIDR of the chosen items on a line.

use super::page::{Page, short};
use crate::report::context::Context;
use crate::report::document::Document;
use crate::report::items::{Fate, gets};
use crate::report::style::Tone;
use crate::text;
use crate::text::number::counted;

/// The width of an item's key in its heading.
const HEADING_COLUMNS: usize = 50;

/// Renders each of the chosen items.
pub(super) fn items(page: &mut Page, document: &Document, context: Context<'_>) {
    for item in gets(document, context) {
        page.gap();
        let name = short(item.key, HEADING_COLUMNS);
        if item.is_nothing() {
            page.line(&[
                (Tone::Warning, "! "),
                (Tone::Strong, &name),
                (Tone::Plain, ": asks for nothing, or no such item"),
            ]);
            continue;
        }
        page.line(&[(Tone::Strong, &name), (Tone::Plain, &format!(": {}", counted(item.cidrs.len(), "CIDR")))]);
        let width = item.cidrs.iter().map(|(cidr, _)| cidr.to_string().len()).max().unwrap_or_default();
        for (cidr, Fate { sign, tone, words }) in item.cidrs {
            let address = format!("{:<width$}", cidr.to_string());
            page.line(&[(tone, sign), (Tone::Plain, " "), (tone, &address), (Tone::Plain, "  "), (Tone::Dim, &words)]);
        }
        for rejection in item.rejections {
            let value = if rejection.value.is_empty() { "(no value)".into() } else { text::key(&rejection.value) };
            let line = format!("! {value}: {}", text::line(&rejection.reason.to_string()));
            page.paragraph("  ", Tone::Plain, &line, (1, Tone::Warning));
        }
    }
}
