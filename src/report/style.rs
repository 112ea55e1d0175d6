//! The colors of a report, always next to a word or sign with the same meaning.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// The meaning of a piece of text, which determines its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Plain text.
    Plain,
    /// An addition or success: green.
    Good,
    /// A removal or failure: red.
    Bad,
    /// Held, or needs attention: yellow.
    Warning,
    /// A detail: dim.
    Dim,
    /// A heading: bold.
    Strong,
    /// A verdict of success: bold green.
    StrongGood,
    /// A verdict of failure: bold red.
    StrongBad,
    /// A verdict that needs attention: bold yellow.
    StrongWarning,
}

impl Tone {
    const fn style(self) -> Style {
        let (plain, green, red, yellow) = (Style::new(), AnsiColor::Green, AnsiColor::Red, AnsiColor::Yellow);
        match self {
            Self::Plain => plain,
            Self::Good => green.on_default(),
            Self::Bad => red.on_default(),
            Self::Warning => yellow.on_default(),
            Self::Dim => plain.dimmed(),
            Self::Strong => plain.bold(),
            Self::StrongGood => green.on_default().bold(),
            Self::StrongBad => red.on_default().bold(),
            Self::StrongWarning => yellow.on_default().bold(),
        }
    }

    /// The bold variant, for a verdict.
    pub(super) const fn strong(self) -> Self {
        match self {
            Self::Good | Self::StrongGood => Self::StrongGood,
            Self::Bad | Self::StrongBad => Self::StrongBad,
            Self::Warning | Self::StrongWarning => Self::StrongWarning,
            Self::Plain | Self::Dim | Self::Strong => Self::Strong,
        }
    }
}

/// Colors text, or leaves it plain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    /// Whether text is colored.
    pub(super) color: bool,
}

impl Paint {
    /// `text` in its color; blank text stays plain.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color || tone == Tone::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        paint(tone.style(), &text)
    }
}

fn paint(style: Style, text: &dyn Display) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_painted_reads_the_same() {
        let [on, off] = [true, false].map(|color| Paint { color });
        assert_eq!(off.paint(Tone::Bad, "- gone"), "- gone");
        assert_eq!(on.paint(Tone::Bad, "- gone"), "\u{1b}[31m- gone\u{1b}[0m");
        assert_eq!(on.paint(Tone::Warning.strong(), "HELD"), "\u{1b}[1m\u{1b}[33mHELD\u{1b}[0m");
        assert_eq!(on.paint(Tone::Good, "  "), "  ");
    }
}
