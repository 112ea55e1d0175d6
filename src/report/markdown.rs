//! The document as Markdown, for a comment on a change or a summary page.

use std::fmt::Write as _;

use super::document::{Document, Names};
use crate::model::cidr::{Cidr, Family};
use crate::report::text::Context;
use crate::text::markdown;
use crate::text::number::{counted, grouped};

/// CIDRs, rejections and the like that are listed in one place; all of them are in the JSON.
const LISTED: usize = 20;

/// The whole page; ends with a newline.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let mut out = format!("## wafsync: {}\n", markdown(&document.reason));
    let Some(digest) = &document.digest else {
        rejections(&mut out, document);
        return out;
    };
    let target = context.target;
    let _ = writeln!(
        out,
        "\nTable {} ({}) → WAF {} in {}, {}\n",
        markdown(&target.table),
        counted(document.table.items, "item"),
        markdown(&target.name),
        markdown(&target.region),
        target.scope
    );
    families(&mut out, document);
    changes(&mut out, document, context);
    rejections(&mut out, document);
    let lists = [
        ("Held", &document.held),
        ("Deferred", &document.deferred),
        ("Drift", &document.drift),
        ("No room", &document.unplaced),
    ];
    for (heading, cidrs) in lists {
        if !cidrs.is_empty() {
            let listed = cidrs.iter().take(LISTED).map(|cidr| format!("`{cidr}`")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "\n**{heading}:** {listed}{}", more(cidrs.len()));
        }
    }
    if document.web_acls.is_empty() {
        out.push_str("\nWeb ACL: none was named with `--web-acl`, so none was looked at.\n");
    }
    for acl in &document.web_acls {
        let name = markdown(&acl.name);
        let _ = match (acl.missing.is_empty(), acl.referred.is_empty()) {
            (false, _) => {
                let groups = markdown(&super::text::without_effect(acl));
                writeln!(out, "\n**Web ACL {name} does not enforce {groups}.**")
            }
            (true, false) => writeln!(out, "\nWeb ACL {name} refers to {}.", markdown(&acl.referred.join(", "))),
            (true, true) => writeln!(out, "\nWeb ACL {name}: no rule group has an IP set yet."),
        };
    }
    let _ = writeln!(out, "\nWrites: {}.", super::text::writes(document, context.command));
    let _ = writeln!(out, "\nGuard: **{}**", document.guard.verdict);
    if !document.guard.reasons.is_empty() {
        out.push('\n');
    }
    for reason in &document.guard.reasons {
        let _ = writeln!(out, "- {}", markdown(reason));
    }
    let _ = writeln!(out, "\nDigest: `{digest}`");
    if document.is_guarded() {
        let _ = match context.approve {
            Some(command) => writeln!(
                out,
                "\nTo let exactly this through, after reading it:\n\n{}",
                fenced(&format!("{command} --approve {digest}"))
            ),
            None => writeln!(
                out,
                "\nTo let exactly this through, after reading it: the same command line as apply, with \
                 `--approve {digest}`"
            ),
        };
    }
    out
}

/// Code in a fence that nothing in it can close: longer than any run of backticks in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}

/// Numbers a family.
fn families(out: &mut String, document: &Document) {
    out.push_str("| | wanted | in WAF | held | deferred | drift |\n|---|---:|---:|---:|---:|---:|\n");
    for family in Family::ALL {
        let of = |cidrs: &[Cidr]| cidrs.iter().filter(|cidr| cidr.family() == family).count();
        let numbers = [
            *document.desired.get(family),
            *document.current.get(family),
            of(&document.held),
            of(&document.deferred),
            of(&document.drift),
        ];
        let _ = writeln!(out, "| {} | {} |", family.title(), numbers.map(grouped).join(" | "));
    }
}

fn changes(out: &mut String, document: &Document, context: Context<'_>) {
    if document.changes.is_empty() {
        return;
    }
    out.push_str("\n| write | target | add | remove |\n|---|---|---|---|\n");
    for change in &document.changes {
        let (add, remove) = (names(&change.add, context), names(&change.remove, Context { desired: None, ..context }));
        let kind = change.kind.as_str().replace('_', " ");
        let _ = writeln!(out, "| {kind} | {} | {add} | {remove} |", markdown(&change.target));
    }
}

fn names(names: &Names, context: Context<'_>) -> String {
    let wanted_by = |cidr: &Cidr| match context.desired.and_then(|desired| desired.first_wanting(*cidr)) {
        Some((key, 0)) => format!("`{cidr}` {}", markdown(&key)),
        Some((key, others)) => format!("`{cidr}` {} and {}", markdown(&key), counted(others, "other item")),
        None => format!("`{cidr}`"),
    };
    let listed: Vec<String> = match names {
        Names::Cidrs(cidrs) => cidrs.iter().take(LISTED).map(wanted_by).collect(),
        Names::IpSets(sets) => sets.iter().take(LISTED).map(|set| markdown(set)).collect(),
    };
    format!("{}{}", listed.join("<br>"), more(names.len()))
}

fn more(all: usize) -> String {
    if all > LISTED { format!(" and {} more", grouped(all - LISTED)) } else { String::new() }
}

fn rejections(out: &mut String, document: &Document) {
    let rejections = &document.table.rejections;
    if rejections.is_empty() {
        return;
    }
    let heading = counted(rejections.len(), "value");
    let _ = writeln!(out, "\n| rejected: {heading} | item | reason |\n|---|---|---|");
    for rejection in rejections.iter().take(LISTED) {
        let value = markdown(&rejection.value);
        let key = if rejection.key.is_empty() { "(without a key)".to_owned() } else { markdown(&rejection.key) };
        let ignored = if rejection.ignored { " (ignored)" } else { "" };
        let _ = writeln!(out, "| {value} | {key} | {}{ignored} |", markdown(&rejection.reason));
    }
    if rejections.len() > LISTED {
        let _ = writeln!(out, "\n{} more.", grouped(rejections.len() - LISTED));
    }
}
