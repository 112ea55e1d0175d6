//! The document as text: what an engineer reads before changing production. No colour, 80 columns.

use std::fmt::Write as _;

use super::{Command, Document, Names, Outcome, Write};
use crate::cidr::{Cidr, Family};
use crate::desired::Desired;
use crate::rules::Target;
use crate::text;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// CIDRs, rejections and the like that are listed in one place; all of them are in the JSON.
const LISTED: usize = 8;

/// What the text says besides the document.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Which command it is the result of.
    pub command: Command,
    /// Where.
    pub target: &'a Target,
    /// The newest scan: who asked for what.
    pub desired: Option<&'a Desired>,
    /// The command that lets the plan past the guards, up to the digest; `None` if it cannot be shown safely.
    pub approve: Option<&'a str>,
}

/// The whole text; ends with a newline.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let mut page = Page(String::new());
    page.paragraph("", &sentence(&document.reason));
    if document.digest.is_none() {
        return page.0;
    }
    overview(&mut page, document, context);
    families(&mut page, document);
    changes(&mut page, document, context);
    table(&mut page, document);
    waiting(&mut page, document);
    web_acls(&mut page, document);
    guards(&mut page, document, context);
    page.0
}

/// The reason with a capital and a full stop.
fn sentence(reason: &str) -> String {
    let mut chars = reason.chars();
    let first: String = chars.next().map(|char| char.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Text broken into lines, each behind `indent` but for what stands in front of the first.
    fn paragraph(&mut self, indent: &str, paragraph: &str) {
        let options = textwrap::Options::new(WIDTH).subsequent_indent(indent).break_words(false);
        let wrapped = textwrap::fill(paragraph, options.word_splitter(textwrap::WordSplitter::NoHyphenation));
        self.line(&wrapped);
    }

    fn heading(&mut self, heading: &str) {
        self.0.push('\n');
        self.line(heading);
    }
}

fn overview(page: &mut Page, document: &Document, context: Context<'_>) {
    let Target { scope, region, name, table } = context.target;
    let (table_region, table) = table.split_once('/').unwrap_or(("", table));
    let table_ = &document.table;
    let mut items = counted_u64(table_.items, "item");
    if table_.expired > 0 {
        let _ = write!(items, ", {} expired", grouped_u64(table_.expired));
    }
    page.heading(&format!("Table  {table} in {table_region}"));
    page.line(&format!(
        "       {items}; {}, {} read units",
        counted_u64(table_.pages, "page"),
        grouped_u64(whole(table_.consumed_capacity))
    ));
    page.line(&format!("WAF    {name} in {region}, {scope}"));
    let wired = document.ip_sets.iter().filter(|set| set.rule_group.is_some()).count();
    let unwired = document.ip_sets.len() - wired;
    let mut sets = format!("       {}", counted(document.ip_sets.len(), "IP set"));
    if unwired > 0 {
        let _ = write!(sets, ", {} in no rule group", grouped(unwired));
    }
    let free: usize = document.ip_sets.iter().map(|set| set.free).sum();
    page.line(&format!("{sets}, room for {} more in them", counted(free, "CIDR")));
}

/// A read unit is paid in halves; nobody reads the fraction.
fn whole(units: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and never negative")]
    let units = units.max(0.0).round() as u64;
    units
}

fn families(page: &mut Page, document: &Document) {
    let numbers = |family: Family| {
        let of = |cidrs: &[Cidr]| cidrs.iter().filter(|cidr| cidr.family() == family).count();
        let changed = |list: fn(&Write) -> &Names| -> usize {
            document
                .changes
                .iter()
                .map(|change| match list(change) {
                    Names::Cidrs(cidrs) => of(cidrs),
                    Names::IpSets(_) => 0,
                })
                .sum()
        };
        [
            *document.desired.get(family),
            *document.current.get(family),
            changed(|change| &change.add),
            changed(|change| &change.remove),
            of(&document.held),
            of(&document.deferred),
            of(&document.drift),
        ]
    };
    page.heading("          wanted    in WAF       add    remove      held  deferred     drift");
    for family in Family::ALL {
        let mut row = match family {
            Family::Ipv4 => "IPv4  ".to_owned(),
            Family::Ipv6 => "IPv6  ".to_owned(),
        };
        for number in numbers(family) {
            let _ = write!(row, "{:>10}", grouped(number));
        }
        page.line(&row);
    }
}

fn changes(page: &mut Page, document: &Document, context: Context<'_>) {
    let is_set = |change: &&Write| matches!(change.add, Names::Cidrs(_));
    let (sets, groups): (Vec<&Write>, Vec<&Write>) = document.changes.iter().partition(is_set);
    if !sets.is_empty() {
        page.heading("IP sets");
        for change in sets {
            page.line(&format!("  {}", summary(change)));
            let (Names::Cidrs(add), Names::Cidrs(remove)) = (&change.add, &change.remove) else { continue };
            for cidr in add.iter().take(LISTED) {
                page.line(&format!("      + {}", with_asker(*cidr, context.desired)));
            }
            more(page, "      ", add.len());
            for cidr in remove.iter().take(LISTED) {
                page.line(&format!("      - {cidr}"));
            }
            more(page, "      ", remove.len());
        }
    }
    if !groups.is_empty() {
        page.heading("Rule groups");
        for change in groups {
            page.line(&format!("  {}", summary(change)));
            let (Names::IpSets(add), Names::IpSets(remove)) = (&change.add, &change.remove) else { continue };
            for name in add.iter().take(LISTED) {
                page.line(&format!("      + {}", text::line(name)));
            }
            more(page, "      ", add.len());
            for name in remove.iter().take(LISTED) {
                page.line(&format!("      - {}", text::line(name)));
            }
            more(page, "      ", remove.len());
        }
    }
}

/// `~ wafsync-ipv4-000  update: 1 added, 1 removed`
fn summary(change: &Write) -> String {
    let (sign, verb) = if change.kind.starts_with("create") { ('+', "create") } else { ('~', "update") };
    let parts = [(change.add.len(), "added"), (change.remove.len(), "removed")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", grouped(*count)))
        .collect();
    let parts = if parts.is_empty() { "no reference changes".to_owned() } else { parts.join(", ") };
    format!("{sign} {}  {verb}: {parts}", text::line(&change.target))
}

fn with_asker(cidr: Cidr, desired: Option<&Desired>) -> String {
    match desired.and_then(|desired| desired.asker(cidr)) {
        Some((key, 0)) => format!("{cidr:<20} {}", text::key(key)),
        Some((key, others)) => format!("{cidr:<20} {} and {}", text::key(key), counted(others, "other item")),
        None => format!("{cidr:<20} --always"),
    }
}

fn more(page: &mut Page, indent: &str, all: usize) {
    if all > LISTED {
        page.line(&format!("{indent}… {} more (all of them with --output json)", grouped(all - LISTED)));
    }
}

fn table(page: &mut Page, document: &Document) {
    let rejections = &document.table.rejections;
    if rejections.is_empty() {
        return;
    }
    page.heading(&format!("Rejected: {} in the table that cannot be used", counted(rejections.len(), "value")));
    for rejection in rejections.iter().take(LISTED) {
        let value = match rejection.value.as_str() {
            "" => String::new(),
            value => format!("\"{}\": ", text::line(value)),
        };
        let ignored = if rejection.ignored { " (ignored)" } else { "" };
        let reason = text::line(&rejection.reason);
        page.paragraph("      ", &format!("  item {}: {value}{reason}{ignored}", text::key(&rejection.key)));
    }
    more(page, "  ", rejections.len());
}

fn waiting(page: &mut Page, document: &Document) {
    let lists = [
        (&document.held, "Held: stays in force until a person approves"),
        (&document.deferred, "Deferred: goes in a later run, once what replaces it is in force"),
        (&document.drift, "Drift: was put into WAF by hand, goes at once"),
    ];
    for (cidrs, heading) in lists {
        if cidrs.is_empty() {
            continue;
        }
        page.heading(heading);
        for cidr in cidrs.iter().take(LISTED) {
            page.line(&format!("  {cidr}"));
        }
        more(page, "  ", cidrs.len());
    }
}

fn web_acls(page: &mut Page, document: &Document) {
    if document.web_acls.is_empty() {
        page.heading("Web ACL: none was named with --web-acl, so nobody looked whether one refers to");
        page.line("the rule groups.");
        return;
    }
    page.heading("Web ACLs");
    for acl in &document.web_acls {
        let name = text::line(&acl.name);
        let line = match (acl.referred.is_empty(), acl.missing.is_empty()) {
            (_, false) => {
                format!("  {name} does NOT enforce {}: it lacks a reference, or overrides it", acl.missing.join(", "))
            }
            (false, true) => format!("  {name} refers to {}", acl.referred.join(", ")),
            (true, true) => format!("  {name}: no rule group has an IP set yet"),
        };
        page.paragraph("    ", &line);
    }
}

fn guards(page: &mut Page, document: &Document, context: Context<'_>) {
    let writes = document.writes;
    let mut line = format!("Writes {} planned", grouped(writes.planned));
    if writes.planned != writes.minimum {
        let _ = write!(line, ", at least {} needed", grouped(writes.minimum));
    } else if writes.planned > 0 {
        line.push_str(", the fewest possible");
    }
    if context.command == Command::Apply {
        let _ = write!(line, ", {} done", grouped(writes.done));
    } else if writes.planned > 0 {
        let _ = write!(line, "; about {}", duration(document.estimate_seconds));
    }
    page.heading(&line);
    page.line(&format!("Guard  {}", document.guard.verdict));
    for reason in &document.guard.reasons {
        page.paragraph("         ", &format!("       - {reason}"));
    }
    let Some(digest) = &document.digest else { return };
    page.line(&format!("Digest {digest}"));
    let can_be_approved = document.is_guarded() && document.outcome != Outcome::Failed;
    if can_be_approved {
        page.heading("To let exactly this through, after reading it:");
        page.line(&match context.approve {
            Some(command) => format!("  {command} --approve {digest}"),
            None => format!("  the same command line as apply, with --approve {digest}"),
        });
    }
}

fn duration(seconds: f64) -> String {
    let seconds = std::time::Duration::from_secs(whole(seconds.ceil()).max(1));
    humantime::format_duration(seconds).to_string()
}

/// `1 item`, `25,000 items`
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    counted_u64(u64::try_from(count).unwrap_or(u64::MAX), noun)
}

fn counted_u64(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped_u64(count)) }
}

/// `25,000`
fn grouped(number: usize) -> String {
    grouped_u64(u64::try_from(number).unwrap_or(u64::MAX))
}

fn grouped_u64(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        let grouped = [0, 7, 999, 1_000, 25_000, 1_000_000].map(grouped);
        assert_eq!(grouped, ["0", "7", "999", "1,000", "25,000", "1,000,000"]);
        assert_eq!((counted(1, "write"), counted(2, "write")), ("1 write".to_owned(), "2 writes".to_owned()));
    }
}
