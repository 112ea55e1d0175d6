//! Parsing and validation of single values. Knows flags by name, but no settings.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::model::cidr::Cidr;
use crate::model::limits::MAX_ATTRIBUTE;
use crate::model::settings::is_region;

/// The highest rate, in calls per second: above any quota of WAF, but low enough to do no harm before it is noticed.
const MAX_RATE: f64 = 1000.0;
/// The lowest rate, in calls per second: one in about seventeen minutes. Anything lower is a mistake.
pub(super) const MIN_RATE: f64 = 0.001;

/// Maximum length of a partition's name, such as `aws-us-gov`, in characters: longer than any.
const MAX_PARTITION: usize = 32;

/// An invalid value.
pub(super) struct Invalid {
    /// With its dashes, or the name of a positional argument.
    pub(super) flag: &'static str,
    /// As given; `None` if it is missing.
    pub(super) value: Option<String>,
    /// What is valid, as the rest of a sentence that starts with the flag and a colon.
    pub(super) allowed: String,
}

impl Invalid {
    pub(super) fn new(flag: &'static str, value: &str, allowed: impl Display) -> Self {
        Self { flag, value: Some(value.to_owned()), allowed: allowed.to_string() }
    }
}

/// The result of a check.
pub(super) type Checked<T> = Result<T, Invalid>;

pub(super) fn cidr(flag: &'static str, text: &str) -> Checked<Cidr> {
    Cidr::parse(text).map_err(|error| Invalid::new(flag, text, error))
}

pub(super) fn attribute(flag: &'static str, name: String) -> Checked<String> {
    let allowed = format!("must be the name of an attribute, 1 to {MAX_ATTRIBUTE} bytes");
    check(flag, &name, (1..=MAX_ATTRIBUTE).contains(&name.len()), &allowed)?;
    Ok(name)
}

/// Calls per second.
pub(super) fn rate(flag: &'static str, text: &str) -> Checked<f64> {
    decimal(text)
        .filter(|rate| (MIN_RATE..=MAX_RATE).contains(rate))
        .ok_or_else(|| Invalid::new(flag, text, "must be a number of calls per second, 0.001 to 1000"))
}

pub(super) fn duration(flag: &'static str, text: &str) -> Checked<Duration> {
    humantime::parse_duration(text)
        .map_err(|_| Invalid::new(flag, text, "must be a time with its unit, such as 30s, 5m, or 1h 30m"))
}

pub(super) fn number<T: FromStr + PartialOrd + Display>(
    flag: &'static str,
    text: &str,
    range: RangeInclusive<T>,
) -> Checked<T> {
    digits(text).filter(|number| range.contains(number)).ok_or_else(|| {
        Invalid::new(flag, text, format!("must be a whole number from {} to {}", range.start(), range.end()))
    })
}

/// ASCII digits only: no sign, which `from_str` would accept.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// ASCII digits with at most one point: no sign, exponent, infinity, or NaN, which `from_str` would accept.
pub(super) fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok()).flatten()
}

pub(super) fn check(flag: &'static str, value: &str, right: bool, allowed: &str) -> Checked<()> {
    if right { Ok(()) } else { Err(Invalid::new(flag, value, allowed)) }
}

/// Whether this is that many ASCII letters, digits, and `others`.
pub(super) fn is_word(text: &str, length: RangeInclusive<usize>, others: &str) -> bool {
    length.contains(&text.len()) && text.chars().all(|char| char.is_ascii_alphanumeric() || others.contains(char))
}

/// The parts of an ARN that matter here.
pub(super) struct Arn<'a> {
    pub(super) region: &'a str,
    /// Everything after the kind.
    pub(super) name: &'a str,
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:KIND…`
pub(super) fn arn<'a>(flag: &'static str, text: &'a str, service: &str, kind: &str) -> Checked<Arn<'a>> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let parsed = match parts.as_slice() {
        ["arn", partition, of_service, region, account, resource]
            if partition.starts_with("aws")
                && is_word(partition, 1..=MAX_PARTITION, "-")
                && *of_service == service
                && is_region(region)
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            resource.strip_prefix(kind).map(|name| Arn { region, name })
        }
        _ => None,
    };
    parsed.ok_or_else(|| Invalid::new(flag, text, format!("must be arn:aws:{service}:REGION:ACCOUNT:{kind}…")))
}
