//! A text page whose lines fit a terminal.

use textwrap::core::display_width;

use crate::report::style::{Paint, Tone};
use crate::text;
use crate::text::wrap::wrap;

/// A page of lines, colored or not.
pub(super) struct Page {
    text: String,
    paint: Paint,
}

impl Page {
    pub(super) const fn new(paint: Paint) -> Self {
        Self { text: String::new(), paint }
    }

    /// Ends the page.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds an empty line, unless the page is empty or ends with one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds a line of colored pieces.
    pub(super) fn line(&mut self, pieces: &[(Tone, &str)]) {
        let start = self.text.len();
        for (tone, piece) in pieces {
            self.text.push_str(&self.paint.paint(*tone, piece));
        }
        let end = start + self.text.get(start..).unwrap_or_default().trim_end().len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    /// Adds a paragraph, indented from its second line on. Its first `head` bytes have a color of their own.
    pub(super) fn paragraph(&mut self, indent: &str, tone: Tone, paragraph: &str, head: (usize, Tone)) {
        let wrapped = wrap(indent, paragraph);
        for (number, line) in wrapped.lines().enumerate() {
            let (first, rest) = match number {
                0 => line.split_at_checked(head.0).unwrap_or(("", line)),
                _ => ("", line),
            };
            self.line(&[(head.1, first), (tone, rest)]);
        }
    }
}

/// Foreign text in a line, cut to this width; in quotation marks where its ends would be invisible.
pub(super) fn short(foreign: &str, columns: usize) -> String {
    let whole = text::key(foreign);
    if display_width(&whole) <= columns {
        return whole.into_owned();
    }
    // Every character is at least one column wide.
    let mut start: Vec<char> = foreign.chars().take(columns).collect();
    loop {
        start.pop();
        let cut = text::key(&format!("{}…", start.iter().collect::<String>())).into_owned();
        if display_width(&cut) <= columns || start.is_empty() {
            return cut;
        }
    }
}

/// `all` joined with commas, as many as fit into this width; an ellipsis stands for the rest.
pub(super) fn joined(all: &[String], columns: usize) -> String {
    const REST: &str = ", …";
    let mut line = String::new();
    for (index, one) in all.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let rest = if index + 1 == all.len() { 0 } else { display_width(REST) };
        if display_width(&line) + comma.len() + display_width(one) + rest > columns {
            return if index == 0 { String::new() } else { format!("{line}{REST}") };
        }
        line.push_str(comma);
        line.push_str(one);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_between_its_entries() {
        let all = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"].map(String::from);
        assert_eq!(joined(&all, 80), "10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24");
        assert_eq!(joined(&all, 36), "10.0.0.0/24, 10.0.1.0/24, …");
        assert_eq!(joined(&all, 24), "10.0.0.0/24, …");
        assert_eq!(joined(&all, 8), "");
    }

    #[test]
    fn a_page_has_no_two_empty_lines_and_no_blanks_at_the_ends_of_lines() {
        let mut page = Page::new(Paint { color: false });
        page.gap();
        page.line(&[(Tone::Bad, "a  "), (Tone::Plain, "  ")]);
        page.gap();
        page.gap();
        page.paragraph("  ", Tone::Plain, "b", (0, Tone::Plain));
        assert_eq!(page.into_text(), "a\n\nb\n");
    }

    #[test]
    fn a_long_key_is_cut_to_its_columns() {
        assert_eq!(short("cluster-7", 20), "cluster-7");
        assert_eq!(short("cluster-seven", 9), "cluster-…");
        assert!(display_width(&short(&"集群".repeat(20), 15)) <= 15);
    }
}
