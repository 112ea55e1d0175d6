//! The document as text: what an engineer reads before changing production. No colour, 80 columns.

use std::fmt::{self, Write as _};

use textwrap::core::display_width;

use super::document::{Acl, Document, Names, Write};
use crate::model::cidr::{Cidr, PerFamily};
use crate::model::desired::Desired;
use crate::model::naming::Target;
use crate::planning::guard::Verdict;
use crate::run::outcome::Outcome;
use crate::run::record::Command;
use crate::text;
use crate::text::number::{counted, grouped};
use crate::text::wrap::{WIDTH, wrap};

/// CIDRs, rejections and the like that are listed in one place; all of them are in the JSON.
const LISTED: usize = 8;

/// So many lines all IP sets that change share, so that a hundred of them are not a thousand lines.
const LISTED_IN_SETS: usize = 60;

/// Each IP set that changes shows at least this many CIDRs.
const LISTED_AT_LEAST: usize = 2;

/// Columns of an item's key beside an address, at most: fewer where the address leaves less room.
const KEY_COLUMNS: usize = 32;

/// Columns of an item's key beside an address, at least, however long the address.
const KEY_COLUMNS_AT_LEAST: usize = 8;

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

/// The whole text; ends with a newline. Empty if the run failed before it came to a plan and the table is not to blame:
/// the error is in the log, and there is nothing else to say.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let mut page = Page(String::new());
    if document.digest.is_none() {
        if document.outcome != Outcome::Failed || !document.table.rejections.is_empty() {
            page.paragraph("", &sentence(&document.reason));
            rejections(&mut page, document);
        }
        return page.0;
    }
    page.paragraph("", &sentence(&document.reason));
    caveats(&mut page, document);
    overview(&mut page, document, context);
    families(&mut page, document);
    changes(&mut page, document, context);
    rejections(&mut page, document);
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

    fn paragraph(&mut self, indent: &str, paragraph: &str) {
        self.line(&wrap(indent, paragraph));
    }

    fn heading(&mut self, heading: &str) {
        self.0.push('\n');
        self.line(heading);
    }
}

/// What a person who reads nothing but the verdict should know as well.
fn caveats(page: &mut Page, document: &Document) {
    let approved = if document.guard.verdict == Verdict::Approved { "approved: " } else { "" };
    for reason in &document.guard.reasons {
        page.paragraph("  ", &format!("- {approved}{reason}"));
    }
    let rejected = document.table.rejections.iter().filter(|rejection| !rejection.ignored).count();
    let deferred = document.deferred.len();
    if rejected > 0 {
        page.line(&format!("- {} in the table cannot be used: see \"Rejected\" below", counted(rejected, "value")));
    }
    if deferred > 0 {
        page.line(&format!("- {} to be removed in a later run: see \"Deferred\" below", counted(deferred, "CIDR")));
    }
}

fn overview(page: &mut Page, document: &Document, context: Context<'_>) {
    let Target { scope, region, name, table: table_of, .. } = context.target;
    let (table_region, table_name) = table_of.split_once('/').unwrap_or(("", table_of));
    let table = &document.table;
    let mut facts = vec![counted(table.items, "item")];
    for (count, what) in [(table.expired, "expired"), (table.empty, "without addresses")] {
        if count > 0 {
            facts.push(format!("{} {what}", grouped(count)));
        }
    }
    facts.push(counted(whole(table.consumed_capacity), "read unit"));
    page.0.push('\n');
    page.paragraph("       ", &format!("Table  {table_name} in {table_region}"));
    page.line(&format!("       {}", facts.join(", ")));
    page.paragraph("       ", &format!("WAF    {name} in {region}, {scope}"));
    page.line(&format!("       {}", sets(document)));
}

/// `4 IP sets, 1 in no rule group, room for 15,000 more CIDRs`
fn sets(document: &Document) -> String {
    let sets = &document.ip_sets;
    if sets.is_empty() {
        return "no IP sets yet".to_owned();
    }
    let unwired = sets.iter().filter(|set| set.rule_group.is_none()).count();
    let unwired = if unwired > 0 { format!(", {} in no rule group", grouped(unwired)) } else { String::new() };
    let free: usize = sets.iter().map(|set| set.free).sum();
    format!("{}{unwired}, room for {} more CIDRs", counted(sets.len(), "IP set"), grouped(free))
}

/// A read unit is paid in halves; nobody reads the fraction.
fn whole(units: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and never negative")]
    let units = units.max(0.0).round() as u64;
    units
}

/// Numbers a family. What is nowhere but 0 is left out.
fn families(page: &mut Page, document: &Document) {
    let of = |cidrs: &[Cidr], family| cidrs.iter().filter(|cidr| cidr.family() == family).count();
    let in_changes = |list: fn(&Write) -> &Names, family| -> usize {
        let count = |change| match list(change) {
            Names::Cidrs(cidrs) => of(cidrs, family),
            Names::IpSets(_) => 0,
        };
        document.changes.iter().map(count).sum()
    };
    let columns = [
        ("wanted", document.desired),
        ("in WAF", document.current),
        ("add", PerFamily::from_fn(|family| in_changes(|change| &change.add, family))),
        ("remove", PerFamily::from_fn(|family| in_changes(|change| &change.remove, family))),
        ("held", PerFamily::from_fn(|family| of(&document.held, family))),
        ("deferred", PerFamily::from_fn(|family| of(&document.deferred, family))),
        ("drift", PerFamily::from_fn(|family| of(&document.drift, family))),
    ];
    let always = ["wanted", "in WAF"];
    let shown = columns.iter().filter(|(name, counts)| always.contains(name) || counts.ipv4 + counts.ipv6 > 0);
    let (mut head, mut ipv4, mut ipv6) = ("    ".to_owned(), "IPv4".to_owned(), "IPv6".to_owned());
    for (name, counts) in shown {
        let _ = write!(head, "{name:>10}");
        let _ = write!(ipv4, "{:>10}", grouped(counts.ipv4));
        let _ = write!(ipv6, "{:>10}", grouped(counts.ipv6));
    }
    page.heading(&head);
    page.line(&ipv4);
    page.line(&ipv6);
}

fn changes(page: &mut Page, document: &Document, context: Context<'_>) {
    let is_set = |change: &&Write| matches!(change.add, Names::Cidrs(_));
    let (sets, groups): (Vec<&Write>, Vec<&Write>) = document.changes.iter().partition(is_set);
    // A blocked plan is shown as it would be.
    let condition = if is_blocked(document) { ", once it is approved" } else { "" };
    if !sets.is_empty() {
        page.heading(&format!("IP sets{condition}"));
    }
    let most = (LISTED_IN_SETS / sets.len().max(1)).clamp(LISTED_AT_LEAST, LISTED);
    for change in sets {
        page.paragraph("      ", &format!("  {}", summary(change)));
        let (Names::Cidrs(add), Names::Cidrs(remove)) = (&change.add, &change.remove) else { continue };
        let added: Vec<String> = add.iter().take(listed(add.len(), most)).map(ToString::to_string).collect();
        let width = added.iter().map(String::len).max().unwrap_or_default();
        for (cidr, text) in add.iter().zip(added) {
            let start = format!("      + {text:<width$}  ");
            page.line(&format!("{start}{}", wanted_by(*cidr, context.desired, WIDTH.saturating_sub(start.len()))));
        }
        more(page, "      ", add.len(), most);
        list(page, "      - ", remove, most);
    }
    if !groups.is_empty() {
        page.heading(&format!("Rule groups{condition}"));
    }
    for change in groups {
        page.paragraph("      ", &format!("  {}", summary(change)));
        let (Names::IpSets(add), Names::IpSets(remove)) = (&change.add, &change.remove) else { continue };
        for (sign, names) in [('+', add), ('-', remove)] {
            let names: Vec<_> = names.iter().map(|name| text::line(name)).collect();
            list(page, &format!("      {sign} "), &names, LISTED);
        }
    }
}

/// `~ wafsync-ipv4-000  update: 1 added, 1 removed`
fn summary(change: &Write) -> String {
    let (sign, verb) = if change.kind.creates() { ('+', "create") } else { ('~', "update") };
    let parts = [(change.add.len(), "added"), (change.remove.len(), "removed")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{} {word}", grouped(*count))).collect();
    let what = match (parts.is_empty(), sign) {
        (false, _) => parts.join(", "),
        (true, '+') => "empty, for growth".to_owned(),
        (true, _) => "rule or description, no address or IP set".to_owned(),
    };
    format!("{sign} {}  {verb}: {what}", text::line(&change.target))
}

/// The item that wants it, in so many columns if that can be.
fn wanted_by(cidr: Cidr, desired: Option<&Desired>, columns: usize) -> String {
    match desired.and_then(|desired| desired.first_wanting(cidr)) {
        Some((key, others)) => {
            let others = match others {
                0 => String::new(),
                others => format!(" and {}", counted(others, "other item")),
            };
            short(&key, columns.saturating_sub(others.len())) + &others
        }
        None => "--always".to_owned(),
    }
}

/// A key, cut to what fits in so many columns.
fn short(key: &str, columns: usize) -> String {
    let columns = columns.clamp(KEY_COLUMNS_AT_LEAST, KEY_COLUMNS);
    let whole = text::key(key);
    if display_width(&whole) <= columns {
        return whole.into_owned();
    }
    // No character takes less than a column.
    let mut start: Vec<char> = key.chars().take(columns).collect();
    loop {
        start.pop();
        let cut = text::key(&format!("{}…", start.iter().collect::<String>())).into_owned();
        if display_width(&cut) <= columns || start.is_empty() {
            return cut;
        }
    }
}

/// The first of `all`, a line each behind `start`, and how many more there are.
fn list(page: &mut Page, start: &str, all: &[impl fmt::Display], most: usize) {
    for one in all.iter().take(listed(all.len(), most)) {
        page.line(&format!("{start}{one}"));
    }
    let blanks = start.len() - start.trim_start().len();
    more(page, start.get(..blanks).unwrap_or_default(), all.len(), most);
}

/// How many of `all` are listed: a line that says "1 more" would be no shorter than that one.
const fn listed(all: usize, most: usize) -> usize {
    if all <= most + 1 { all } else { most }
}

fn more(page: &mut Page, indent: &str, all: usize, most: usize) {
    let left = all - listed(all, most);
    if left > 0 {
        page.line(&format!("{indent}… {} more (all of them with --output json)", grouped(left)));
    }
}

fn rejections(page: &mut Page, document: &Document) {
    let rejections = &document.table.rejections;
    if rejections.is_empty() {
        return;
    }
    page.heading(&format!("Rejected: {} in the table that cannot be used", counted(rejections.len(), "value")));
    for rejection in rejections.iter().take(listed(rejections.len(), LISTED)) {
        let value = match rejection.value.as_str() {
            "" => String::new(),
            value => format!(": {}", text::key(value)),
        };
        let ignored = if rejection.ignored { " (ignored)" } else { "" };
        let item = match rejection.key.as_ref() {
            "" => "an item without a key".to_owned(),
            key => format!("item {}", text::key(key)),
        };
        page.paragraph("    ", &format!("  {item}{value}{ignored}"));
        page.paragraph("      ", &format!("      {}", text::line(&rejection.reason)));
    }
    more(page, "  ", rejections.len(), LISTED);
}

fn waiting(page: &mut Page, document: &Document) {
    // All that a blocked plan removes waits, and it is listed under the IP sets.
    let stays = |cidr: &&Cidr| !is_blocked(document) && document.waiting.binary_search(cidr).is_err();
    let held: Vec<Cidr> = document.held.iter().filter(stays).copied().collect();
    let lists = [
        (&held, "Held: stays in force until a person approves"),
        (&document.waiting, "Held: is not added until a person approves"),
        (&document.deferred, "Deferred: stays in force for now, goes in a later run"),
        (&document.drift, "Drift: was put into WAF by hand, goes at once"),
        (&document.unplaced, "No room: wanted, and not in force until something else has gone"),
    ];
    for (cidrs, heading) in lists {
        if !cidrs.is_empty() {
            page.heading(heading);
            list(page, "  ", cidrs, LISTED);
        }
    }
}

fn is_blocked(document: &Document) -> bool {
    document.guard.verdict == Verdict::Blocked
}

fn web_acls(page: &mut Page, document: &Document) {
    if document.web_acls.is_empty() {
        page.heading("Web ACL: none was named with --web-acl, so none was looked at");
        return;
    }
    page.heading("Web ACLs");
    for acl in &document.web_acls {
        let name = text::line(&acl.name);
        let line = match (acl.referred.is_empty(), acl.missing.is_empty()) {
            (_, false) => format!("  {name} does NOT enforce {}", without_effect(acl)),
            (false, true) => format!("  {name} refers to {}", acl.referred.join(", ")),
            (true, true) => format!("  {name}: no rule group has an IP set yet"),
        };
        page.paragraph("    ", &line);
    }
}

/// `wafsync-1 (overridden), wafsync-2 (no reference)`
pub(super) fn without_effect(acl: &Acl) -> String {
    let why = |group| if acl.overridden.contains(group) { "overridden" } else { "no reference" };
    acl.missing.iter().map(|group| format!("{group} ({})", why(group))).collect::<Vec<_>>().join(", ")
}

fn guards(page: &mut Page, document: &Document, context: Context<'_>) {
    page.heading(&format!("Writes {}", writes(document, context.command)));
    page.line(&format!("Guard  {}", document.guard.verdict));
    let Some(digest) = &document.digest else { return };
    page.line(&format!("Digest {digest}"));
    if document.can_be_approved() {
        page.heading("To let exactly this through, after reading it:");
        page.line(&match context.approve {
            Some(command) => format!("  {command} --approve {digest}"),
            None => format!("  the same command line as apply, with --approve {digest}"),
        });
    }
}

/// `6 planned, the fewest possible; 6 done`
pub(super) fn writes(document: &Document, command: Command) -> String {
    let writes = document.writes;
    if writes.planned == 0 && writes.done == 0 {
        return "none".to_owned();
    }
    let fewest = if writes.planned == writes.minimum {
        "the fewest possible".to_owned()
    } else {
        format!("at least {} needed", grouped(writes.minimum))
    };
    let end = match command {
        Command::Apply => format!("{} done", grouped(writes.done)),
        Command::Plan => format!("about {}", duration(document.estimate_seconds)),
    };
    format!("{} planned, {fewest}; {end}", grouped(writes.planned))
}

fn duration(seconds: f64) -> String {
    let seconds = std::time::Duration::from_secs(whole(seconds.ceil()).max(1));
    humantime::format_duration(seconds).to_string()
}
