//! Renders the document as Markdown, for a comment on a pull request or a summary page: the verdict comes first, lists are
//! folded, and long lists are shown as ranges.

use std::fmt::Write as _;

use super::context::Context;
use super::counts::{columns, families};
use super::document::{Document, Names, Write};
use super::items::{Fate, by_item, gets};
use super::ranges::{largest, ranges};
use super::text::{asking, items as still_asking, sets, table, without_effect};
use super::verdict::{cost, lockout, next, verdict};
use crate::model::cidr::Cidr;
use crate::run::record::Command;
use crate::text::number::{counted, grouped};
use crate::text::{markdown, markdown_cell, markdown_code};

/// The most rows of one table; the JSON has all of them.
const ROWS: usize = 40;

/// The most CIDRs of one item in its table: more than `--max-per-item` allows by default.
const CIDRS: usize = 100;

/// The most ranges in one cell of a table.
const RANGES: usize = 2;

/// The most ranges in a list.
const LISTED: usize = 12;

/// The whole page; ends with a newline.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let said = verdict(document, context.command);
    let mut out = format!("## wafsync {}: {}\n", said.word.to_lowercase(), markdown(&said.sentence));
    if document.digest.is_none() {
        rejections(&mut out, document);
        return out;
    }
    reasons(&mut out, document, context);
    numbers(&mut out, document, context.command);
    overview(&mut out, document, context);
    if !context.items.is_empty() {
        of_items(&mut out, document, context);
        conclusion(&mut out, document, context);
        return out;
    }
    held(&mut out, document, context);
    changes(&mut out, document, context);
    rejections(&mut out, document);
    let by_hand = format!("Put in by hand, {}", document.fate_of_drift());
    let lists = [
        ("Deferred to a later run", &document.deferred),
        (by_hand.as_str(), &document.drift),
        ("No room until others go", &document.unplaced),
    ];
    for (heading, cidrs) in lists {
        if !cidrs.is_empty() {
            fold(&mut out, &format!("{heading}: {}", counted(cidrs.len(), "CIDR")), &list(cidrs));
        }
    }
    conclusion(&mut out, document, context);
    out
}

/// The objections of the guards, and the web ACLs that do not enforce our rule groups.
fn reasons(out: &mut String, document: &Document, context: Context<'_>) {
    let approved = if document.is_approved() { "approved: " } else { "" };
    let guard = document.guard.reasons.iter().map(|reason| format!("{approved}{}", markdown(reason)));
    // Next to the instruction, if there is one.
    let warning = lockout(document).filter(|_| next(document, context).is_none());
    let warning = warning.map(|warning| format!("**{}**", markdown(&warning)));
    let missing = document.web_acls.iter().filter(|acl| !acl.missing.is_empty());
    let missing = missing.map(|acl| {
        format!("**Web ACL {} does not enforce {}**", markdown_code(&acl.name), markdown(&without_effect(acl)))
    });
    let unread = document.unread_web_acls.iter().map(|unread| format!("**{}**", markdown(&unread.told())));
    let points: Vec<String> = warning.into_iter().chain(guard).chain(missing).chain(unread).collect();
    if !points.is_empty() {
        let _ = write!(out, "\n- {}\n", points.join("\n- "));
    }
}

/// The numbers by family.
fn numbers(out: &mut String, document: &Document, command: Command) {
    let columns = columns(document, command);
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let _ = write!(out, "\n| | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(columns.len()));
    for family in families(&columns) {
        let numbers: Vec<String> = columns.iter().map(|column| grouped(*column.counts.get(family))).collect();
        let _ = writeln!(out, "| {} | {} |", family.title(), numbers.join(" | "));
    }
}

fn overview(out: &mut String, document: &Document, context: Context<'_>) {
    let target = context.target;
    let (region, name) = table(target);
    let _ = writeln!(
        out,
        "\nTable {} in {} ({}) → WAF {} in {}, {}: {}.",
        markdown_code(name),
        markdown(region),
        counted(document.table.items, "item"),
        markdown_code(&target.name),
        markdown(&target.region),
        target.scope,
        sets(document)
    );
    let enforcing = document.web_acls.iter().filter(|acl| acl.missing.is_empty());
    let mut told = String::new();
    for acl in enforcing {
        let groups: Vec<String> = acl.referred.iter().map(|group| markdown_code(group)).collect();
        let _ = match groups.as_slice() {
            [] => write!(told, " Web ACL {}: no rule group has an IP set yet.", markdown_code(&acl.name)),
            groups => write!(told, " Web ACL {} enforces {}.", markdown_code(&acl.name), groups.join(", ")),
        };
    }
    if document.looked_at_no_web_acl() {
        told.push_str(" No web ACL was looked at: name it with `--web-acl`.");
    }
    if !told.is_empty() {
        let _ = writeln!(out, "\n{}", told.trim_start());
    }
}

/// A folded section. GitHub renders Markdown in it only after an empty line.
fn fold(out: &mut String, summary: &str, body: &str) {
    let _ = write!(out, "\n<details><summary>{summary}</summary>\n\n{}\n\n</details>\n", body.trim_end());
}

/// Ranges of addresses, one per line.
fn list(cidrs: &[Cidr]) -> String {
    let (ranges, left) = largest(ranges(cidrs.iter().copied(), LISTED), LISTED);
    let mut list: String = ranges.iter().fold(String::new(), |list, range| format!("{list}- {range}\n"));
    if left > 0 {
        let _ = writeln!(list, "- {} more", grouped(left));
    }
    list
}

/// Ranges of addresses in a table cell.
fn cell(cidrs: impl IntoIterator<Item = Cidr>) -> String {
    let (ranges, left) = largest(ranges(cidrs, RANGES), RANGES);
    let told: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    if left > 0 { format!("{}, {} more", told.join(", "), grouped(left)) } else { told.join(", ") }
}

/// The held CIDRs, by IP set and range.
fn held(out: &mut String, document: &Document, context: Context<'_>) {
    if !document.waiting.is_empty() && !document.is_blocked() {
        let body = format!("Asked for by {}:\n\n{}", markdown(&asking(document, context)), list(&document.waiting));
        fold(out, &format!("Held: {}", counted(document.waiting.len(), "addition")), &body);
    }
    // A blocked plan lists its removals among the changes.
    if document.held_in.is_empty() || document.is_blocked() {
        return;
    }
    let mut body = String::from("| IP set | held | addresses |\n|---|---:|---|\n");
    for held in document.held_in.iter().take(ROWS) {
        let set = document.ip_sets.iter().find(|set| set.name == held.ip_set);
        let emptied = set.is_some_and(|set| set.addresses == set.held);
        let emptied = if emptied { " (would be emptied)" } else { "" };
        let (name, count) = (markdown_cell(&held.ip_set), grouped(held.cidrs.len()));
        let _ = writeln!(body, "| {name} | {count}{emptied} | {} |", cell(held.cidrs.iter().copied()));
    }
    rest(&mut body, document.held_in.len(), "IP set");
    let (removals, sets) =
        (counted(document.held_removals().len(), "removal"), counted(document.held_in.len(), "IP set"));
    let _ = write!(body, "\nOf these addresses, {}.\n", markdown(&still_asking(document, context)));
    fold(out, &format!("Held: {removals} in {sets}"), &body);
}

fn rest(body: &mut String, all: usize, noun: &str) {
    if all > ROWS {
        let _ = writeln!(body, "\n… {}", counted(all - ROWS, &format!("more {noun}")));
    }
}

fn changes(out: &mut String, document: &Document, context: Context<'_>) {
    if document.changes.is_empty() {
        return;
    }
    let mut body = String::from("| write | target | add | remove | addresses |\n|---|---|---:|---:|---|\n");
    for change in document.changes.iter().take(ROWS) {
        let done = if context.command == Command::Apply && !change.written { " (not written)" } else { "" };
        let kind = change.kind.to_string().replace('_', " ");
        let target = markdown_cell(&change.target);
        let number = |count: usize| if count == 0 { String::new() } else { grouped(count) };
        let (add, remove) = (number(change.add.len()), number(change.remove.len()));
        let _ = writeln!(body, "| {kind}{done} | {target} | {add} | {remove} | {} |", contents(change));
    }
    rest(&mut body, document.changes.len(), "write");
    items(&mut body, document);
    let condition = if document.is_blocked() { ", once approved" } else { "" };
    fold(out, &format!("Changes: {}{condition}", counted(document.changes.len(), "write")), &body);
}

fn contents(change: &Write) -> String {
    match (&change.add, &change.remove) {
        (Names::Cidrs(add), Names::Cidrs(remove)) => {
            let told = [("+ ", cell(add)), ("− ", cell(remove))];
            let told = told.into_iter().filter(|(_, told)| !told.is_empty());
            told.map(|(sign, told)| format!("{sign}{told}")).collect::<Vec<_>>().join("<br>")
        }
        (Names::IpSets(add), Names::IpSets(remove)) => {
            let names = |names: &[String]| {
                let told = names.iter().take(RANGES).map(|name| markdown_cell(name)).collect::<Vec<_>>().join(", ");
                if names.len() > RANGES { format!("{told}, {} more", grouped(names.len() - RANGES)) } else { told }
            };
            let told = [("+ ", names(add)), ("− ", names(remove))];
            let told = told.into_iter().filter(|(_, told)| !told.is_empty());
            told.map(|(sign, told)| format!("{sign}{told}")).collect::<Vec<_>>().join("<br>")
        }
        _ => String::new(),
    }
}

/// The additions, by the item that asks for them.
fn items(body: &mut String, document: &Document) {
    let items = by_item(document);
    if items.is_empty() {
        return;
    }
    body.push_str("\n| item | add | addresses |\n|---|---:|---|\n");
    for item in items.iter().take(ROWS) {
        let key = item.key.as_deref().map_or_else(|| "`--always`".to_owned(), markdown_cell);
        let _ = writeln!(body, "| {key} | {} | {} |", grouped(item.cidrs.len()), cell(item.cidrs.iter().copied()));
    }
    rest(body, items.len(), "item");
}

/// `plan --item`: what each of these items gets.
fn of_items(out: &mut String, document: &Document, context: Context<'_>) {
    for item in gets(document, context) {
        let _ = write!(out, "\n**{}**: ", markdown_code(item.key));
        if item.is_nothing() {
            out.push_str("asks for nothing, or there is no such item.\n");
            continue;
        }
        let _ = writeln!(out, "{}\n\n| address | |\n|---|---|", counted(item.cidrs.len(), "CIDR"));
        for (cidr, Fate { words, .. }) in item.cidrs.iter().take(CIDRS) {
            let _ = writeln!(out, "| {cidr} | {} |", markdown(words));
        }
        for rejection in item.rejections.iter().take(ROWS) {
            let value = if rejection.value.is_empty() { String::new() } else { markdown_cell(&rejection.value) };
            let _ = writeln!(out, "| {value} | rejected: {} |", markdown(&rejection.reason.to_string()));
        }
        let left = item.cidrs.len().saturating_sub(CIDRS);
        if left > 0 {
            let _ = writeln!(out, "\n… {} more", grouped(left));
        }
    }
}

fn rejections(out: &mut String, document: &Document) {
    let rejections = &document.table.rejections;
    if rejections.is_empty() {
        return;
    }
    let mut body = String::from("| item | value | reason |\n|---|---|---|\n");
    let (known, others): (Vec<_>, Vec<_>) = rejections.iter().partition(|rejection| rejection.ignored);
    for rejection in others.into_iter().chain(known).take(ROWS) {
        let value = if rejection.value.is_empty() { String::new() } else { markdown_cell(&rejection.value) };
        let key = if rejection.key.is_empty() { "(no key)".to_owned() } else { markdown_cell(&rejection.key) };
        let ignored = if rejection.ignored { " (ignored)" } else { "" };
        let _ = writeln!(body, "| {key} | {value} | {}{ignored} |", markdown(&rejection.reason.to_string()));
    }
    rest(&mut body, rejections.len(), "value");
    fold(out, &format!("Rejected: {} in the table", counted(rejections.len(), "value")), &body);
}

/// The cost, and what to do next.
fn conclusion(out: &mut String, document: &Document, context: Context<'_>) {
    let cost = cost(document, context.command);
    if !cost.is_empty() {
        let _ = writeln!(out, "\n{cost}");
    }
    let Some(next) = next(document, context) else { return };
    let lead = if next.grave { format!("**{}**", markdown(&next.lead)) } else { markdown(&next.lead) };
    let _ = writeln!(out, "\n{lead}");
    if let Some(paste) = next.paste {
        let _ = writeln!(out, "\n{}", fenced(&paste));
    }
}

/// Code in a fence longer than any run of backticks in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}
