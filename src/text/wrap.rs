//! Paragraphs as lines that fit a terminal.

/// Characters of a line.
pub const WIDTH: usize = 80;

/// Text broken into lines, each behind `indent` but for what stands in front of the first. Words stay whole.
#[must_use]
pub fn wrap(indent: &str, paragraph: &str) -> String {
    let options = textwrap::Options::new(WIDTH).subsequent_indent(indent).break_words(false);
    textwrap::fill(paragraph, options.word_splitter(textwrap::WordSplitter::NoHyphenation))
}
