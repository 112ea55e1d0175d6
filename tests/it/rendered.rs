//! Markdown, rendered as GitHub does.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options};

/// GitHub's dialect.
fn github() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.footnotes = true;
    options.extension.tasklist = true;
    options.extension.math_dollars = true;
    options.parse.relaxed_autolinks = true;
    options
}

/// The HTML that a page may contain.
const OWN_HTML: [&str; 3] = ["<br>", "<!-- -->", "</details>\n"];

/// Asserts that a page contains only headings, text, code, lists, tables and folded sections: no links, images or HTML
/// from foreign text.
#[track_caller]
pub(crate) fn assert_harmless(page: &str) {
    let arena = Arena::new();
    for node in comrak::parse_document(&arena, page, &github()).descendants() {
        match &node.data.borrow().value {
            NodeValue::Link(link) | NodeValue::Image(link) => panic!("a link to {}: {page}", link.url),
            NodeValue::HtmlInline(html) => assert!(OWN_HTML.contains(&html.as_str()), "{html}: {page}"),
            NodeValue::HtmlBlock(block) => {
                let html = &block.literal;
                let summary =
                    html.strip_prefix("<details><summary>").and_then(|html| html.strip_suffix("</summary>\n"));
                let own = OWN_HTML.contains(&html.as_str()) || summary.is_some_and(|text| !text.contains('<'));
                assert!(own, "{html}: {page}");
            }
            NodeValue::Math(_) | NodeValue::Strikethrough | NodeValue::BlockQuote => panic!("markup: {page}"),
            _ => {}
        }
    }
}
