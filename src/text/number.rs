//! Formats numbers and durations for people.

use std::time::Duration;

/// The number with thousands separators: `25,000`.
#[must_use]
pub fn grouped(number: impl TryInto<u64>) -> String {
    // Counts of things in memory always fit.
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The count with its noun: `1 item`, `25,000 items`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// An estimate in whole seconds, rounded up, at least one: `1m 35s`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    // Infinite and negative values are not estimates.
    let whole = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or_default().as_secs().max(1);
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}

/// Durations from one second to this are shown in tenths of a second.
const EXACT_BELOW: Duration = Duration::from_secs(10);

/// A duration as exact as people need it: `120ms`, `2s 500ms`, `30s`, `2m 5s`, `1h 2m`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let unit = if duration < Duration::from_secs(1) {
        Duration::from_millis(1)
    } else if duration < EXACT_BELOW {
        Duration::from_millis(100)
    } else {
        Duration::from_secs(1)
    };
    let units = u32::try_from((duration + unit / 2).as_millis() / unit.as_millis()).unwrap_or(u32::MAX);
    let text = humantime::format_duration(unit * units).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        let grouped = [0_u64, 7, 999, 1_000, 25_000, 1_000_000].map(grouped);
        assert_eq!(grouped, ["0", "7", "999", "1,000", "25,000", "1,000,000"]);
    }

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0_usize, 1, 2_000].map(|count| counted(count, "write")), ["0 writes", "1 write", "2,000 writes"]);
    }

    #[test]
    fn estimates_are_whole_seconds() {
        let told = [0.0, 0.2, 34.1, 95.0, f64::INFINITY, -1.0].map(seconds);
        assert_eq!(told, ["1s", "1s", "35s", "1m 35s", "1s", "1s"]);
    }

    #[test]
    fn durations_are_no_more_exact_than_people_need() {
        let told = [0, 12, 2_471, 29_793, 125_000, 3_725_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(told, ["0s", "12ms", "2s 500ms", "30s", "2m 5s", "1h 2m"]);
    }
}
