//! The changes: a line for each IP set and rule group, followed by its CIDRs as far as there is room.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use textwrap::core::display_width;

use super::page::{Page, joined, short};
use crate::model::cidr::Cidr;
use crate::model::cidrs::Slice;
use crate::model::desired::Desired;
use crate::report::context::Context;
use crate::report::document::{Document, Names, Write};
use crate::report::ranges::{largest, ranges};
use crate::report::style::Tone;
use crate::run::record::Command;
use crate::text;
use crate::text::number::{counted, grouped};
use crate::text::wrap::WIDTH;

/// The most IP sets without `--full`.
const ROWS: usize = 20;

/// The most lines for CIDRs, shared by all IP sets, without `--full`.
const DETAILS: usize = 12;

/// The width of a name next to its numbers; a longer one gets its own line.
const NAME_COLUMNS: usize = 32;

/// The width of a number and the gap before it.
const NUMBER_COLUMNS: usize = 9;

/// The greatest width of an item's key next to an address.
const KEY_COLUMNS: usize = 32;

/// The least width of an item's key next to an address.
const KEY_COLUMNS_AT_LEAST: usize = 8;

/// The indentation of CIDRs below an IP set.
const INDENT: &str = "      ";

/// An IP set or rule group with changes or held CIDRs.
struct Row<'a> {
    name: &'a str,
    sign: char,
    tone: Tone,
    add: Slice<'a>,
    remove: Slice<'a>,
    held: &'a [Cidr],
    note: String,
    note_tone: Tone,
}

/// Renders the changes of each IP set and rule group as rows.
pub(super) fn changes(page: &mut Page, document: &Document, context: Context<'_>) {
    let sets = set_rows(document, context.command);
    let groups: Vec<&Write> = document.changes.iter().filter(|change| matches!(change.add, Names::IpSets(_))).collect();
    if sets.is_empty() && groups.is_empty() {
        return;
    }
    page.gap();
    let names = sets.iter().map(|row| row.name).chain(groups.iter().map(|group| group.target.as_str()));
    let widest = names.map(|name| display_width(&text::line(name))).max().unwrap_or_default();
    let columns = Columns::new(document, context, &sets, widest.min(NAME_COLUMNS));
    columns.heading(page);
    let rows = if context.full { sets.len() } else { ROWS };
    let (shown, cut) = most_important(&sets, rows);
    let most = if context.full { usize::MAX } else { DETAILS / shown.len().max(1) };
    for row in shown {
        columns.row(page, row, most == 0);
        details(page, row, context, most);
    }
    if !cut.is_empty() {
        let sum = |list: fn(&Row<'_>) -> usize| cut.iter().map(|row| list(row)).sum();
        columns.sum(
            page,
            &format!("… {}", counted(cut.len(), "more IP set")),
            [sum(|row| row.add.len()), sum(|row| row.remove.len()), sum(|row| row.held.len())],
        );
    }
    for group in groups {
        let row = group_row(group, document, context.command);
        columns.row(page, &row, false);
    }
}

/// Selects as many rows as there is room for, preferring those with held CIDRs. Returns both parts, in order.
fn most_important<'r, 'a>(rows: &'r [Row<'a>], most: usize) -> (Vec<&'r Row<'a>>, Vec<&'r Row<'a>>) {
    // A line "1 more" would be no shorter than the row.
    if rows.len() <= most.saturating_add(1) {
        return (rows.iter().collect(), Vec::new());
    }
    let mut ranked: Vec<usize> = (0..rows.len()).collect();
    ranked.sort_by_key(|index| rows.get(*index).map(|row| (row.sign != '!', *index)));
    ranked.truncate(most);
    let (shown, cut): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(|(index, _)| ranked.contains(index));
    let rows = |rows: Vec<(usize, &'r Row<'a>)>| rows.into_iter().map(|(_, row)| row).collect();
    (rows(shown), rows(cut))
}

fn set_rows<'a>(document: &'a Document, command: Command) -> Vec<Row<'a>> {
    // A blocked plan lists its removals among the changes.
    let held = if document.is_blocked() { &[][..] } else { document.held_in.as_slice() };
    let held: BTreeMap<&str, &[Cidr]> = held.iter().map(|held| (held.ip_set.as_str(), held.cidrs.as_slice())).collect();
    let mut rows: BTreeMap<&str, Row<'a>> = BTreeMap::new();
    for change in &document.changes {
        let (Names::Cidrs(add), Names::Cidrs(remove)) = (&change.add, &change.remove) else { continue };
        let row = Row {
            name: &change.target,
            sign: if creates(change) { '+' } else { '~' },
            tone: if creates(change) { Tone::Good } else { Tone::Plain },
            add: add.as_slice(),
            remove: remove.as_slice(),
            held: held.get(change.target.as_str()).copied().unwrap_or_default(),
            note: String::new(),
            note_tone: Tone::Dim,
        };
        // If several rounds wrote a set, the last counts.
        rows.insert(&change.target, noted(row, Some(change), document, command));
    }
    for (name, held) in held {
        rows.entry(name).or_insert_with(|| {
            let (add, remove) = (Slice::default(), Slice::default());
            let row = Row {
                name,
                sign: '!',
                tone: Tone::Warning,
                add,
                remove,
                held,
                note: String::new(),
                note_tone: Tone::Dim,
            };
            noted(row, None, document, command)
        });
    }
    rows.into_values().collect()
}

/// The row with its note.
fn noted<'a>(mut row: Row<'a>, change: Option<&Write>, document: &Document, command: Command) -> Row<'a> {
    let set = document.ip_sets.iter().find(|set| set.name == row.name);
    // The document has the sets before the run for `plan`, and after it for `apply`.
    let before = |addresses: usize| addresses == row.remove.len() + row.held.len() && row.add.is_empty();
    let emptied = set.is_some_and(|set| match command {
        Command::Plan => before(set.addresses),
        Command::Apply => set.addresses == row.held.len(),
    });
    let waits = document.is_blocked() || !row.held.is_empty();
    let tone = if row.held.is_empty() { row.tone } else { Tone::Warning };
    let (sign, tone, note, note_tone) = match change {
        Some(change) if command == Command::Apply && !change.written => ('!', Tone::Bad, "NOT WRITTEN", Tone::Bad),
        _ if emptied && waits => ('!', Tone::Warning, "would be emptied", Tone::Bad),
        _ if emptied => (row.sign, Tone::Warning, "emptied", Tone::Warning),
        _ if !row.held.is_empty() => ('!', tone, "", Tone::Dim),
        Some(change) if creates(change) => (row.sign, tone, "new", Tone::Dim),
        _ => (row.sign, tone, "", Tone::Dim),
    };
    (row.sign, row.tone, row.note, row.note_tone) = (sign, tone, note.to_owned(), note_tone);
    row
}

fn creates(change: &Write) -> bool {
    change.kind.creates()
}

fn group_row<'a>(group: &'a Write, document: &Document, command: Command) -> Row<'a> {
    // IP sets that are not ours have only an ARN.
    let kept = match &group.remove {
        Names::IpSets(names) => names.iter().filter(|name| !name.starts_with("arn:")).count(),
        Names::Cidrs(_) => 0,
    };
    let parts = [
        ("to refer to ", group.add.len(), ""),
        ("to drop ", group.remove.len() - kept, ""),
        ("to leave ", kept, " to another rule group"),
    ];
    let parts = parts.into_iter().filter(|(_, count, _)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(before, count, after)| format!("{before}{}{after}", counted(count, "IP set"))).collect();
    let not_written = command == Command::Apply && !group.written;
    let note = match (parts.is_empty(), creates(group), &group.add, &group.remove) {
        (true, true, ..) => "new rule group, empty, for growth".to_owned(),
        (true, false, ..) => "rule group: its rule or description".to_owned(),
        (false, true, Names::IpSets(add), _) => format!("new rule group for {}", set_names(add)),
        (false, false, Names::IpSets(add), Names::IpSets(remove)) if remove.is_empty() => {
            format!("rule group: refers to {} too", set_names(add))
        }
        _ => format!("rule group {}", parts.join(", ")),
    };
    let (sign, tone) = if not_written {
        ('!', Tone::Bad)
    } else if creates(group) {
        ('+', Tone::Good)
    } else if document.is_blocked() {
        ('!', Tone::Warning)
    } else {
        ('~', Tone::Plain)
    };
    let note = if not_written { format!("NOT WRITTEN: {note}") } else { note };
    let note_tone = if not_written { Tone::Bad } else { Tone::Dim };
    Row { name: &group.target, sign, tone, add: Slice::default(), remove: Slice::default(), held: &[], note, note_tone }
}

fn set_names(names: &[String]) -> String {
    match names {
        [one] => text::line(one).into_owned(),
        many => counted(many.len(), "IP set"),
    }
}

/// The columns of the page, without those that are empty in every row.
struct Columns {
    name: usize,
    add: Option<&'static str>,
    remove: Option<&'static str>,
    held: Option<&'static str>,
}

impl Columns {
    fn new(document: &Document, context: Context<'_>, rows: &[Row<'_>], name: usize) -> Self {
        let (add, remove) = match context.command {
            Command::Plan => ("add", "remove"),
            Command::Apply => ("added", "removed"),
        };
        let (add, remove) = if context.command == Command::Apply && document.changes.iter().any(|c| !c.written) {
            ("add", "remove")
        } else {
            (add, remove)
        };
        let some = |list: fn(&Row<'_>) -> usize| rows.iter().any(|row| list(row) > 0);
        Self {
            name: name.max("IP set".len()),
            add: some(|row| row.add.len()).then_some(add),
            remove: some(|row| row.remove.len()).then_some(remove),
            held: some(|row| row.held.len()).then_some("held"),
        }
    }

    fn heading(&self, page: &mut Page) {
        let mut head = format!("  {:<1$}", "IP set", self.name);
        for name in [self.add, self.remove, self.held].into_iter().flatten() {
            let _ = write!(head, "{name:>NUMBER_COLUMNS$}");
        }
        if [self.add, self.remove, self.held].iter().any(Option::is_some) {
            page.line(&[(Tone::Dim, &head)]);
        }
    }

    fn numbers(&self, counts: [usize; 3]) -> Vec<(Tone, String)> {
        let shown = [(self.add, Tone::Good), (self.remove, Tone::Bad), (self.held, Tone::Warning)];
        let number = |((column, tone), count): ((Option<_>, Tone), usize)| {
            let text = if count == 0 { String::new() } else { grouped(count) };
            column.map(|_: &str| (tone, format!("{text:>NUMBER_COLUMNS$}")))
        };
        shown.into_iter().zip(counts).filter_map(number).collect()
    }

    /// `inline`: without room for separate lines, the row itself has the ranges of its CIDRs.
    fn row(&self, page: &mut Page, row: &Row<'_>, inline: bool) {
        let name = text::line(row.name);
        let sign = format!("{} ", row.sign);
        let numbers = self.numbers([row.add.len(), row.remove.len(), row.held.len()]);
        let mut pad = self.name.saturating_sub(display_width(&name));
        if display_width(&name) > self.name {
            page.line(&[(row.tone, &sign), (Tone::Plain, &name)]);
            pad = self.name + 2;
        }
        let blanks = " ".repeat(pad);
        let mut pieces = vec![(row.tone, sign.as_str()), (Tone::Plain, &*name), (Tone::Plain, blanks.as_str())];
        if display_width(&name) > self.name {
            pieces.drain(..2);
        }
        pieces.extend(numbers.iter().map(|(tone, text)| (*tone, text.as_str())));
        let used = self.name + 2 + NUMBER_COLUMNS * numbers.len();
        let mut notes = Vec::from_iter((!row.note.is_empty()).then(|| row.note.clone()));
        if inline {
            let left = WIDTH.saturating_sub(used + 2 + notes.iter().map(|note| note.len() + 2).sum::<usize>());
            let lists =
                [('+', ranges(row.add, 1)), ('-', ranges(row.remove, 1)), ('!', ranges(row.held.iter().copied(), 1))];
            let told = lists
                .into_iter()
                .flat_map(|(sign, ranges)| ranges.into_iter().map(move |range| format!("{sign} {range}")));
            let told: Vec<String> = told.collect();
            notes.extend(Some(joined(&told, left)).filter(|told| !told.is_empty()));
        }
        let note = notes.join("  ");
        if used + 2 + display_width(&note) <= WIDTH {
            let note = format!("  {note}");
            pieces.push((row.note_tone, &note));
            page.line(&pieces);
        } else {
            page.line(&pieces);
            page.paragraph(INDENT, row.note_tone, &format!("{INDENT}{note}"), (0, Tone::Plain));
        }
    }

    fn sum(&self, page: &mut Page, what: &str, counts: [usize; 3]) {
        let numbers = self.numbers(counts);
        let what = format!("  {what:<0$}", self.name);
        let mut pieces = vec![(Tone::Dim, what.as_str())];
        pieces.extend(numbers.iter().map(|(tone, text)| (*tone, text.as_str())));
        pieces.push((Tone::Dim, "  all of them: --full"));
        page.line(&pieces);
    }
}

/// The CIDRs of an IP set: each addition with an item that asks for it, and removals as ranges.
fn details(page: &mut Page, row: &Row<'_>, context: Context<'_>, most: usize) {
    if most == 0 {
        return;
    }
    let most_added = listed(row.add.len(), most);
    let added: Vec<String> = row.add.iter().take(most_added).map(|cidr| cidr.to_string()).collect();
    let width = added.iter().map(String::len).max().unwrap_or_default();
    for (cidr, text) in row.add.iter().zip(&added) {
        let start = format!("{INDENT}+ {text:<width$}  ");
        let columns = WIDTH.saturating_sub(start.len());
        page.line(&[(Tone::Good, &start), (Tone::Dim, &wanted_by(cidr, context.desired, columns))]);
    }
    more(page, row.add.len() - most_added);
    if context.full {
        for cidr in row.remove {
            page.line(&[(Tone::Bad, &format!("{INDENT}- {cidr}"))]);
        }
        return;
    }
    let told = ranges(row.remove, most);
    let most_removed = listed(told.len(), most);
    let (told, left) = largest(told, most_removed);
    for range in &told {
        page.line(&[(Tone::Bad, &format!("{INDENT}- {range}"))]);
    }
    more(page, left);
}

/// The item that asks for it, within this width if possible.
fn wanted_by(cidr: Cidr, desired: Option<&Desired>, columns: usize) -> String {
    match desired.and_then(|desired| desired.first_wanting(cidr)) {
        Some((key, others)) => {
            let others = match others {
                0 => String::new(),
                others => format!(" and {}", counted(others, "other item")),
            };
            let columns = columns.saturating_sub(others.len()).clamp(KEY_COLUMNS_AT_LEAST, KEY_COLUMNS);
            short(&key, columns) + &others
        }
        None => "--always".to_owned(),
    }
}

/// The number of `all` to list: a line "1 more" would be no shorter than the one it replaces.
pub(super) const fn listed(all: usize, most: usize) -> usize {
    if all <= most.saturating_add(1) { all } else { most }
}

/// A line with the number that is left out.
pub(super) fn more(page: &mut Page, left: usize) {
    if left > 0 {
        page.line(&[(Tone::Dim, &format!("{INDENT}… {} more", grouped(left)))]);
    }
}
