//! Renders the document as text for a terminal, 80 columns wide.
//!
//! Changes come first, then what needs attention, then totals and the verdict, and last what to do next: a terminal shows
//! the last lines.

mod attention;
mod changes;
mod items;
mod page;

use std::fmt::Write as _;

use self::page::Page;
use super::context::Context;
use super::counts::{columns, families};
use super::document::Document;
use super::style::{Paint, Tone};
use super::verdict::{Verdict, cost, next, verdict};
use crate::model::naming::Target;
use crate::run::outcome::Outcome;
use crate::run::record::Command;
use crate::text;
use crate::text::number::{counted, grouped};

pub(super) use self::attention::{asking, items, without_effect};

/// The width of a number in the totals.
const NUMBER_COLUMNS: usize = 13;

/// The whole text; ends with a newline. Empty if the run failed before it had a plan and not because of the table: the
/// log has the error.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let mut page = Page::new(Paint { color: context.color });
    let planned = document.digest.is_some();
    if !planned && document.outcome == Outcome::Failed && document.table.rejections.is_empty() {
        return String::new();
    }
    if planned {
        overview(&mut page, document, context);
    }
    if planned && !context.items.is_empty() {
        items::items(&mut page, document, context);
    } else if planned {
        changes::changes(&mut page, document, context);
    }
    if context.items.is_empty() && (planned || !document.table.rejections.is_empty()) {
        attention::attention(&mut page, document, context);
    }
    if planned {
        totals(&mut page, document, context.command);
    }
    conclusion(&mut page, document, context);
    page.into_text()
}

/// The table, the IP sets and the web ACLs, one line each.
fn overview(page: &mut Page, document: &Document, context: Context<'_>) {
    let Target { scope, region, name, .. } = context.target;
    let (table_region, table_name) = table(context.target);
    let table = &document.table;
    let mut facts = vec![counted(table.items, "item")];
    for (count, what) in [(table.expired, "expired"), (table.empty, "without addresses")] {
        if count > 0 {
            facts.push(format!("{} {what}", grouped(count)));
        }
    }
    let line = |page: &mut Page, line: String| page.paragraph("  ", Tone::Plain, &line, (0, Tone::Plain));
    line(page, format!("Table {table_name} in {table_region}: {}", facts.join(", ")));
    line(page, format!("WAF {name} in {region}, {scope}: {}", sets(document)));
    if document.looked_at_no_web_acl() {
        line(page, "Web ACL: none was looked at; name it with --web-acl".to_owned());
    }
    let enforcing: Vec<_> = document.web_acls.iter().filter(|acl| acl.missing.is_empty()).collect();
    for acl in enforcing {
        let name = text::line(&acl.name);
        line(
            page,
            if acl.referred.is_empty() {
                format!("Web ACL {name}: no rule group has an IP set yet")
            } else {
                format!("Web ACL {name} enforces {}", acl.referred.join(", "))
            },
        );
    }
}

/// The table's Region and its name.
pub(super) fn table(target: &Target) -> (&str, &str) {
    let (rest, name) = target.table.rsplit_once('/').unwrap_or(("", &target.table));
    (rest.rsplit('/').next().unwrap_or_default(), name)
}

/// `4 IP sets, 1 in no rule group, room for 965,000 more CIDRs`
pub(super) fn sets(document: &Document) -> String {
    let sets = &document.ip_sets;
    if sets.is_empty() {
        return format!("no IP set yet, room for {}", counted(document.room, "CIDR"));
    }
    let unwired = sets.iter().filter(|set| set.rule_group.is_none()).count();
    let unwired = if unwired > 0 { format!(", {} in no rule group", grouped(unwired)) } else { String::new() };
    format!("{}{unwired}, room for {} more CIDRs", counted(sets.len(), "IP set"), grouped(document.room))
}

/// Numbers by family.
fn totals(page: &mut Page, document: &Document, command: Command) {
    let columns = columns(document, command);
    let narrow = columns.iter().all(|column| column.name.len() < 9);
    let width = if narrow { 10 } else { NUMBER_COLUMNS };
    page.gap();
    let mut head = "    ".to_owned();
    for column in &columns {
        let _ = write!(head, "{:>width$}", column.name);
    }
    page.line(&[(Tone::Dim, &head)]);
    for family in families(&columns) {
        let mut line = family.title().to_owned();
        for column in &columns {
            let _ = write!(line, "{:>width$}", grouped(*column.counts.get(family)));
        }
        page.line(&[(Tone::Plain, &line)]);
    }
}

/// The verdict, the cost, and what to do next.
fn conclusion(page: &mut Page, document: &Document, context: Context<'_>) {
    let Verdict { word, tone, sentence } = verdict(document, context.command);
    page.gap();
    page.paragraph("  ", Tone::Strong, &format!("{word}: {sentence}."), (word.len(), tone.strong()));
    let cost = cost(document, context.command);
    if !cost.is_empty() {
        page.paragraph("  ", Tone::Plain, &cost, (0, Tone::Plain));
    }
    let Some(next) = next(document, context) else { return };
    let tone = if next.grave { Tone::StrongBad } else { Tone::Plain };
    page.paragraph("  ", tone, &next.lead, (0, Tone::Plain));
    if let Some(paste) = next.paste {
        page.line(&[(Tone::Plain, &format!("  {paste}"))]);
    }
}
