//! The document as Markdown, for a comment on a change or a summary page.

use std::fmt::Write as _;

use super::{Document, Names, text};
use crate::cidr::{Cidr, Family};
use crate::report::text::Context;
use crate::text::markdown;

/// CIDRs, rejections and the like that are listed in one place; all of them are in the JSON.
const LISTED: usize = 20;

/// The whole page; ends with a newline.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let mut out = format!("## wafsync: {}\n", markdown(&document.reason));
    let Some(digest) = &document.digest else { return out };
    let target = context.target;
    let _ = writeln!(
        out,
        "\nTable {} ({} items) → WAF {} in {}, {}\n",
        markdown(&target.table),
        document.table.items,
        markdown(&target.name),
        markdown(&target.region),
        target.scope
    );
    out.push_str("| | wanted | in WAF | held | deferred | drift |\n|---|---:|---:|---:|---:|---:|\n");
    for family in Family::ALL {
        let of = |cidrs: &[Cidr]| cidrs.iter().filter(|cidr| cidr.family() == family).count();
        let (wanted, current) = (document.desired.get(family), document.current.get(family));
        let (held, deferred, drift) = (of(&document.held), of(&document.deferred), of(&document.drift));
        let _ = writeln!(out, "| {family} | {wanted} | {current} | {held} | {deferred} | {drift} |");
    }
    changes(&mut out, document, context);
    rejections(&mut out, document);
    for (heading, cidrs) in [("Held", &document.held), ("Deferred", &document.deferred), ("Drift", &document.drift)] {
        if !cidrs.is_empty() {
            let listed = cidrs.iter().take(LISTED).map(|cidr| format!("`{cidr}`")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "\n**{heading}:** {listed}{}", more(cidrs.len()));
        }
    }
    for acl in document.web_acls.iter().filter(|acl| !acl.missing.is_empty()) {
        let (name, missing) = (markdown(&acl.name), acl.missing.join(", "));
        let _ = writeln!(out, "\n**Web ACL {name} does not enforce {missing}.**");
    }
    let writes = document.writes;
    let _ = writeln!(
        out,
        "\nWrites: {} planned, {} at least needed, {} done.",
        writes.planned, writes.minimum, writes.done
    );
    let _ = writeln!(out, "\nGuard: **{}**", document.guard.verdict);
    if !document.guard.reasons.is_empty() {
        out.push('\n');
    }
    for reason in &document.guard.reasons {
        let _ = writeln!(out, "- {}", markdown(reason));
    }
    let _ = writeln!(out, "\nDigest: `{digest}`");
    if document.is_guarded() {
        let command = context.approve.unwrap_or("wafsync apply (the same command line)");
        let _ = writeln!(out, "\n```sh\n{command} --approve {digest}\n```");
    }
    out
}

fn changes(out: &mut String, document: &Document, context: Context<'_>) {
    if document.changes.is_empty() {
        return;
    }
    out.push_str("\n| write | target | added | removed |\n|---|---|---|---|\n");
    for change in &document.changes {
        let (add, remove) = (names(&change.add, context), names(&change.remove, Context { desired: None, ..context }));
        let _ = writeln!(out, "| {} | {} | {add} | {remove} |", change.kind, markdown(&change.target));
    }
}

fn names(names: &Names, context: Context<'_>) -> String {
    let asker = |cidr: &Cidr| match context.desired.and_then(|desired| desired.asker(*cidr)) {
        Some((key, _)) => format!("`{cidr}` {}", markdown(key)),
        None => format!("`{cidr}`"),
    };
    let listed: Vec<String> = match names {
        Names::Cidrs(cidrs) => cidrs.iter().take(LISTED).map(asker).collect(),
        Names::IpSets(sets) => sets.iter().take(LISTED).map(|set| markdown(set)).collect(),
    };
    format!("{}{}", listed.join("<br>"), more(names.len()))
}

fn more(all: usize) -> String {
    if all > LISTED { format!(" and {} more", all - LISTED) } else { String::new() }
}

fn rejections(out: &mut String, document: &Document) {
    let rejections = &document.table.rejections;
    if rejections.is_empty() {
        return;
    }
    let heading = text::counted(rejections.len(), "value");
    let _ = writeln!(out, "\n| rejected: {heading} | item | reason |\n|---|---|---|");
    for rejection in rejections.iter().take(LISTED) {
        let (value, key) = (markdown(&rejection.value), markdown(&rejection.key));
        let _ = writeln!(out, "| {value} | {key} | {} |", markdown(&rejection.reason));
    }
    if rejections.len() > LISTED {
        let _ = writeln!(out, "\n{} more.", rejections.len() - LISTED);
    }
}
