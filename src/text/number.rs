//! Numbers as people read them.

/// `25,000`
#[must_use]
pub fn grouped(number: impl TryInto<u64>) -> String {
    // Counts of things in memory all fit.
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

/// `1 item`, `25,000 items`
#[must_use]
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
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
}
