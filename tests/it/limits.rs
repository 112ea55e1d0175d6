//! `docs/limits.md` and the constants of the program agree, in both directions.

use std::collections::BTreeMap;

use crate::sources;

const PAGE: &str = include_str!("../../docs/limits.md");

/// Numbers that are not limits, and why.
const NO_LIMITS: &[(&str, &str)] = &[
    ("model::ITEM_BITS", "a bit layout"),
    ("model::LIST_BITS", "a bit layout"),
    ("model::LEVEL", "a compression level"),
    ("text::ACCOUNT_ID_DIGITS", "a format"),
    ("cli::EXIT_USAGE", "an exit code"),
    ("planning::ROUNDING", "a rounding error"),
    ("host::EXIT_GUARDED", "an exit code"),
    ("host::EXIT_PENDING", "an exit code"),
    ("model::LONGEST_PLAIN", "a text length"),
    ("model::NUMBER_WIDTH", "a format"),
    ("report::VERSION", "a version number"),
    ("text::WIDTH", "a terminal width"),
    ("model::TABLE_TAG_DIGITS", "a format"),
];

/// Name, type and value of each constant in a text.
fn constants(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for declaration in text.split("const ").skip(1) {
        let Some((name, rest)) = declaration.split_once(": ") else { continue };
        let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name || name == "_" {
            continue;
        }
        let (of_type, value) = rest.split_once(" =").unwrap_or_else(|| panic!("{name} has no value"));
        // The `;` of an array's type comes before the `=`.
        let value = value.split_once(';').unwrap_or_else(|| panic!("{name} does not end")).0;
        found.push((name, of_type, value.trim()));
    }
    found
}

fn is_number(of_type: &str) -> bool {
    let element = of_type.trim_start_matches('[').split(';').next().unwrap();
    ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64", "Duration"]
        .contains(&element)
}

/// Evaluates the value of a constant: numbers, products, shifts and names of other constants.
fn number(value: &str, known: &dyn Fn(&str) -> f64) -> f64 {
    if let Some((left, right)) = value.split_once(" - ") {
        return number(left, known) - number(right, known);
    }
    let value = value.trim().trim_start_matches('(').trim_end_matches(')');
    if let Some((left, right)) = value.split_once(" << ") {
        return number(left, known) * number(right, known).exp2();
    }
    if let Some((left, right)) = value.split_once(" * ") {
        return number(left, known) * number(right, known);
    }
    let value = value.trim();
    if value.starts_with(|first: char| first.is_ascii_uppercase()) {
        return known(value);
    }
    value.replace('_', "").parse().unwrap_or_else(|_| panic!("cannot read {value}"))
}

/// The value in the format of the page: `30 s`, `24 h`, `10,000`, `0.9`.
fn shown(value: &str, known: &dyn Fn(&str) -> f64) -> String {
    let seconds = |factor: f64, unit: &str| factor * number(unit.trim_end_matches(')'), known);
    if let Some(list) = value.strip_prefix('[') {
        let list = list.trim_end_matches(']').split(',').map(str::trim).filter(|value| !value.is_empty());
        let numbers = list.map(|value| shown(value, known));
        return numbers.collect::<Vec<_>>().join(", ");
    }
    let time = match value.strip_prefix("Duration::from_").and_then(|call| call.split_once('(')) {
        Some(("millis", count)) => seconds(0.001, count),
        Some(("secs", count)) => seconds(1.0, count),
        Some(("mins", count)) => seconds(60.0, count),
        Some(("hours", count)) => seconds(3600.0, count),
        Some((unit, _)) => panic!("no such unit: {unit}"),
        None => return grouped(number(value, known)),
    };
    let (count, unit) = match time {
        time if time < 1.0 => (time * 1000.0, "ms"),
        time if time % 3600.0 == 0.0 => (time / 3600.0, "h"),
        time if time % 60.0 == 0.0 => (time / 60.0, "min"),
        time => (time, "s"),
    };
    format!("{} {unit}", grouped(count))
}

fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

/// Name and value of every number and duration in the program. A name consists of the layer and the constant, with the
/// file between them if the layer has two constants of that name.
fn of_the_program() -> BTreeMap<String, String> {
    let texts = sources::modules();
    let declared: Vec<(String, &str, &str)> = texts
        .iter()
        .flat_map(|(module, text)| constants(text).into_iter().map(move |found| (module, found)))
        .filter(|(_, (_, of_type, _))| is_number(of_type))
        .map(|(module, (name, _, value))| (format!("{module}::{name}"), name, value))
        .collect();
    let known = |wanted: &str| -> f64 {
        let mut values = declared.iter().filter(|(_, name, _)| *name == wanted).map(|(.., value)| *value);
        let value = values.next().unwrap_or_else(|| panic!("no constant {wanted}"));
        assert_eq!(values.next(), None, "there are two constants {wanted}");
        number(value, &|name| panic!("{wanted} depends on {name}, which may depend on more"))
    };
    let short = |path: &str, name: &str| format!("{}::{name}", path.split("::").next().unwrap());
    let named = |path: &str, name: &str| {
        let in_layer = declared.iter().filter(|(other, of, _)| *of == name && short(other, of) == short(path, name));
        if in_layer.count() > 1 { path.to_owned() } else { short(path, name) }
    };
    declared.iter().map(|(path, name, value)| (named(path, name), shown(value, &known))).collect()
}

/// Constant and value of each row.
fn of_the_page() -> BTreeMap<String, String> {
    let rows = PAGE.lines().filter(|line| line.starts_with('|') && line.ends_with("` |"));
    let mut page = BTreeMap::new();
    for row in rows {
        let [_what, value, constant] = row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("not three cells: {row}")
        };
        let before = page.insert(constant.trim_matches('`').to_owned(), value.to_owned());
        assert_eq!(before, None, "{constant} has two rows");
    }
    page
}

#[test]
fn the_page_has_exactly_the_limits_of_the_program() {
    let mut program = of_the_program();
    assert!(program.len() > 40, "no constants were found: {program:?}");
    for (name, why) in NO_LIMITS {
        let (layer, constant) = name.split_once("::").unwrap();
        let before = program.len();
        program.retain(|path, _| !(path.starts_with(layer) && path.rsplit("::").next() == Some(constant)));
        assert!(program.len() < before, "{name} ({why}) does not exist");
    }
    let page = of_the_page();
    let rows = |these: &BTreeMap<String, String>, others: &BTreeMap<String, String>| {
        let rows = these.iter().filter(|(name, value)| others.get(*name) != Some(*value));
        rows.map(|(name, value)| format!("{value} | `{name}` |")).collect::<Vec<_>>()
    };
    assert_eq!((rows(&program, &page), rows(&page, &program)), (vec![], vec![]), "(missing, wrong or removed)");
}

#[test]
fn constants_are_parsed() {
    let text = "pub const A: usize = 10_000;\nconst B: [usize; 2] = [1000, 0];\npub(super) const C: Duration =\n    \
                Duration::from_hours(24);\nconst fn no() {}\n#[cfg(test)]\nmod tests;\nconst D: u8 = 1;\n";
    let read = constants(text);
    let expected = [
        ("A", "usize", "10_000"),
        ("B", "[usize; 2]", "[1000, 0]"),
        ("C", "Duration", "Duration::from_hours(24)"),
        ("D", "u8", "1"),
    ];
    assert_eq!(read, expected);
    let values =
        ["10_000", "[1000, 0]", "Duration::from_hours(24)", "Duration::from_secs(90)", "1 << 20", "0.9", "TEN * 3"];
    assert_eq!(
        values.map(|value| shown(value, &|_| 10.0)),
        ["10,000", "1,000, 0", "24 h", "90 s", "1,048,576", "0.9", "30"]
    );
}
