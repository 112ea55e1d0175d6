//! Wraps paragraphs to lines that fit a terminal.

/// Maximum line length, in characters.
pub const WIDTH: usize = 80;

/// The text wrapped at spaces. Every line but the first begins with `indent`.
#[must_use]
pub fn wrap(indent: &str, paragraph: &str) -> String {
    let options = textwrap::Options::new(WIDTH).subsequent_indent(indent).break_words(false);
    textwrap::fill(paragraph, options.word_splitter(textwrap::WordSplitter::NoHyphenation))
}
