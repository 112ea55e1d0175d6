//! Escapes foreign text for each output: item keys, values, names and error messages are data that others wrote, never
//! markup, control sequences or commands.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The bytes as lower-case hexadecimal, two digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Maximum length in characters of one piece of foreign text: an item's key can have 2,048 bytes, an AWS error any number.
pub const MAX_CHARS: usize = 512;

/// Digits of an AWS account id.
const ACCOUNT_ID_DIGITS: usize = 12;

/// The text without AWS account ids, that is, words of exactly twelve digits. Part of a longer word, such as a digest, is
/// not an account id.
#[must_use]
pub fn without_account_ids(text: &str) -> Cow<'_, str> {
    let is_id = |word: &str| word.len() == ACCOUNT_ID_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = || text.split_inclusive(|character: char| !character.is_alphanumeric());
    let bare = |word: &str| word.trim_end_matches(|character: char| !character.is_alphanumeric()).len();
    if !words().any(|word| is_id(word.get(..bare(word)).unwrap_or_default())) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in words() {
        let (bare, end) = word.split_at(bare(word));
        out.push_str(if is_id(bare) { "************" } else { bare });
        out.push_str(end);
    }
    Cow::Owned(out)
}

/// Text for one line of a terminal or a log. Characters that a terminal could act on, or that change how their
/// neighbors are displayed, become `\u{…}`; text longer than [`MAX_CHARS`] is cut and ends with `…`.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) && text.chars().nth(MAX_CHARS).is_none() {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_CHARS {
            safe.push('…');
            break;
        }
        push_visible(&mut safe, character);
    }
    Cow::Owned(safe)
}

fn push_visible(out: &mut String, character: char) {
    if is_unsafe(character) {
        let _ = write!(out, "{}", character.escape_unicode());
    } else {
        out.push(character);
    }
}

/// The key of an item, or a name: as [`line()`], and in quotation marks where its ends would be invisible.
#[must_use]
pub fn key(text: &str) -> Cow<'_, str> {
    let plain = !text.is_empty() && !text.contains(|character: char| character.is_whitespace() || character == '"');
    if plain { line(text) } else { Cow::Owned(format!("\"{}\"", line(text).replace('"', "\\\""))) }
}

/// Text inside Markdown: as [`line()`], and rendered literally in paragraphs, list items and table cells of GitHub's
/// dialect. Only what would be markup is escaped, so that the source stays readable.
///
/// Prefer [`markdown_code()`] for names and values.
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = line(text);
    let mut safe = String::new();
    let mut rest = text.chars();
    let mut before = None;
    while let Some(character) = rest.next() {
        let after = rest.clone().next();
        let in_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        match character {
            '`' | '*' | '[' | ']' | '~' | '$' => safe.extend(['\\', character]),
            // In a table, a backslash before it may itself be escaped.
            '|' => safe.push_str("&#124;"),
            '_' if !(in_word(before) && in_word(after)) => safe.push_str("\\_"),
            // A backslash escapes punctuation only.
            '\\' if after.is_none_or(|after| after.is_ascii_punctuation()) => safe.push_str("\\\\"),
            '<' => safe.push_str("&lt;"),
            '&' if after.is_none_or(|after| after == '#' || after.is_alphanumeric()) => safe.push_str("&amp;"),
            // Characters that begin a block, and the mark after a number.
            '#' | '>' | '-' | '+' | '=' if before.is_none() => safe.extend(['\\', character]),
            '.' | ')' if !safe.is_empty() && safe.bytes().all(|byte| byte.is_ascii_digit()) => {
                safe.extend(['\\', character]);
            }
            // Links and mentions without markup cannot be escaped; a comment breaks the word.
            ':' if rest.as_str().starts_with("//") => safe.push_str(":<!-- -->"),
            '.' if safe.to_ascii_lowercase().ends_with("www") => safe.push_str("<!-- -->."),
            // Marks may stand beside it too: `-@.a` is an address by GitHub's rules.
            '@' => safe.push_str("@<!-- -->"),
            _ => safe.push(character),
        }
        before = Some(character);
    }
    safe
}

/// A Markdown code span: as [`line()`], and nothing in it is markup, a link or a mention. In a table, use
/// [`markdown_cell()`].
#[must_use]
pub fn markdown_code(text: &str) -> String {
    let text = line(text);
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let edge = |character: Option<char>| character.is_none_or(|character| matches!(character, '`' | ' '));
    let pad = if edge(text.chars().next()) || edge(text.chars().next_back()) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span in a cell of a Markdown table. Text with a vertical bar is escaped instead, since dialects differ in how
/// a code span may contain one.
#[must_use]
pub fn markdown_cell(text: &str) -> String {
    if text.contains('|') { markdown(text) } else { markdown_code(text) }
}

/// Part of a JSON document, safe to show in a terminal: the bidirectional marks and the control characters from U+007F on,
/// which JSON allows, are written as escapes.
#[must_use]
pub fn json(part: &str) -> Cow<'_, str> {
    // JSON escapes the other ASCII controls in strings; outside of strings they are whitespace.
    let steers = |character| is_unsafe(character) && (!character.is_ascii() || character == '\u{7f}');
    if !part.contains(steers) {
        return Cow::Borrowed(part);
    }
    let mut out = String::with_capacity(part.len());
    for character in part.chars() {
        if steers(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// One word of a POSIX shell's command line, in single quotes if it needs any. It is never truncated.
///
/// `None` if the text contains characters that [`line()`] escapes: there is no portable way to quote them that a person
/// could check before pasting.
#[must_use]
pub fn shell(text: &str) -> Option<Cow<'_, str>> {
    if text.chars().any(is_unsafe) {
        return None;
    }
    // No leading `=`, which zsh expands.
    let plain = !text.is_empty()
        && !text.starts_with('=')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte));
    Some(if plain { Cow::Borrowed(text) } else { Cow::Owned(format!("'{}'", text.replace('\'', "'\\''"))) })
}

/// Whether a character is a control character (C0, DEL, C1), a line or paragraph separator, or invisible: bidirectional
/// controls, zero-width and other format characters (general category Cf), variation selectors, fillers and tags.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// Text in which what is dangerous is common.
    fn foreign() -> impl Strategy<Value = String> {
        let dangerous = "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{feff}]";
        let markup = r#"[<>&"'`*_\[\]()#|\\!~@$:;.=-]"#;
        let part = prop_oneof![dangerous, markup, "[a-z0-9 äß€\u{1f600}]", any::<char>().prop_map(String::from)];
        proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    fn is_bidirectional(character: char) -> bool {
        matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["cluster-7", "größe 1 m²", "日本", "", "a'b\"c"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_shown() {
        assert_eq!(line("a\u{1b}[2J\u{9b}\r\nb"), r"a\u{1b}[2J\u{9b}\u{d}\u{a}b");
        assert_eq!(line("\u{202e}gpj\u{200b}\u{feff}\u{2028}"), r"\u{202e}gpj\u{200b}\u{feff}\u{2028}");
        assert_eq!(line("\u{e0041}\u{ad}\u{fe0f}"), r"\u{e0041}\u{ad}\u{fe0f}");
    }

    #[test]
    fn account_ids_are_masked_and_other_numbers_are_not() {
        let text = "arn:aws:sts::111122223333:assumed-role/x may not, at 1800000000 or 1111222233334";
        let masked = "arn:aws:sts::************:assumed-role/x may not, at 1800000000 or 1111222233334";
        assert_eq!(without_account_ids(text), masked);
        assert_eq!(without_account_ids("111122223333"), "************");
        let digest = "sha256:a111122223333b and 111122223333ü";
        assert_eq!(without_account_ids(digest), digest);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let fits = "ä".repeat(MAX_CHARS);
        assert_eq!(line(&fits), fits);
        assert_eq!(line(&format!("{fits}ä")), format!("{fits}…"));
    }

    #[test]
    fn json_is_the_same_document_and_steers_nothing() {
        let value = serde_json::json!({"key": "a\u{1b}[31m\u{9b}31m\u{202e}\u{7f}\u{e0001}ü\n"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert_eq!(safe.lines().nth(1), Some(r#"  "key": "a\u001b[31m\u009b31m\u202e\u007f\udb40\udc01ü\n""#));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn a_key_shows_where_it_ends() {
        for (text, shown) in [
            ("cluster-7", "cluster-7"),
            ("", "\"\""),
            (" a ", "\" a \""),
            ("a\tb", "\"a\\u{9}b\""),
            ("a\"b", "\"a\\\"b\""),
            ("a\u{a0}b", "\"a\u{a0}b\""),
        ] {
            assert_eq!(key(text), shown);
        }
    }

    /// GitHub's dialect, with what it does to bare addresses.
    fn github() -> comrak::Options<'static> {
        let mut options = comrak::Options::default();
        options.extension.table = true;
        options.extension.strikethrough = true;
        options.extension.autolink = true;
        options.extension.footnotes = true;
        options.extension.tasklist = true;
        options.extension.math_dollars = true;
        options.parse.relaxed_autolinks = true;
        options
    }

    /// The text that a reader sees, if the Markdown holds nothing but text, code and comments.
    fn read(markdown: &str) -> Result<String, String> {
        let arena = comrak::Arena::new();
        let root = comrak::parse_document(&arena, markdown, &github());
        let mut text = String::new();
        for node in root.descendants() {
            use comrak::nodes::NodeValue;
            match &node.data.borrow().value {
                NodeValue::Text(part) => text.push_str(part),
                NodeValue::Code(code) => text.push_str(&code.literal),
                NodeValue::HtmlInline(html) if html == "<!-- -->" => {}
                NodeValue::Document
                | NodeValue::Paragraph
                | NodeValue::List(_)
                | NodeValue::Item(_)
                | NodeValue::Table(_)
                | NodeValue::TableRow(_)
                | NodeValue::TableCell => {}
                other => return Err(format!("{other:?} in {markdown}")),
            }
        }
        Ok(text)
    }

    #[test]
    fn markdown_escapes_only_what_would_be_markup() {
        for text in [
            "held: 15 removals wait; --max-removals allows 5 (in one run)",
            "the attribute max_ip_sets of 198.51.100.7/32, not 2001:db8::/48!",
            r"\u{1b}[2J".split('[').next().unwrap(),
            "a & b > c = \"d\" + 'e' #7",
        ] {
            assert_eq!(markdown(text), text);
        }
        let text = "<b>|`*[x](https://a)*`&amp;_a_ $x$ ~y~";
        let safe = r"&lt;b>&#124;\`\*\[x\](https:<!-- -->//a)\*\`&amp;amp;\_a\_ \$x\$ \~y\~";
        assert_eq!(markdown(text), safe);
        assert_eq!(markdown("3. of 5"), r"3\. of 5");
        assert_eq!(markdown("www.example.com a@b.c"), "www<!-- -->.example.com a@<!-- -->b.c");
        assert_eq!(markdown("-@.a"), "\\-@<!-- -->.a");
    }

    #[test]
    fn code_of_markdown_is_closed_by_nothing_in_it() {
        for (text, code) in
            [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), (" a ", "`  a  `"), ("a|b", "`a|b`"), ("", "`  `")]
        {
            assert_eq!(markdown_code(text), code);
        }
        assert_eq!([markdown_cell("a|b"), markdown_cell("a*b")], ["a&#124;b", "`a*b`"]);
    }

    #[test]
    fn a_shell_word_is_quoted_only_if_it_must_be() {
        for (text, word) in [
            ("sha256:00ff", "sha256:00ff"),
            ("10%", "10%"),
            ("team=edge", "team=edge"),
            ("", "''"),
            ("=ls", "'=ls'"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("~", "'~'"),
        ] {
            assert_eq!(shell(text).as_deref(), Some(word));
        }
        assert_eq!(shell("a\nb"), None);
        assert_eq!(shell("\u{202e}"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_steers_survives(text in foreign()) {
            for safe in [line(&text).into_owned(), key(&text).into_owned(), markdown(&text), markdown_code(&text)] {
                prop_assert!(!safe.chars().any(|c| c.is_control() || is_bidirectional(c)), "{safe:?}");
                prop_assert!(!safe.contains(is_unsafe));
            }
        }

        #[test]
        fn markdown_reads_as_the_text_that_it_was(text in foreign()) {
            // Markdown joins no blanks, but drops them at the ends of a line.
            let text = format!("{}!", line(&text).trim());
            prop_assert_eq!(read(&markdown(&text)), Ok(text.clone()));
            prop_assert_eq!(read(&format!("- {}", markdown(&text))), Ok(text.clone()));
            prop_assert_eq!(read(&format!("a {}", markdown_code(&text))), Ok(format!("a {text}")));
            for cell in [markdown(&text), markdown_cell(&text)] {
                prop_assert_eq!(read(&format!("|h|\n|-|\n| {cell} |")), Ok(format!("h{text}")));
            }
        }
    }

    proptest! {
        // Each case starts a process.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[cfg(unix)]
        #[test]
        fn a_shell_reads_back_what_was_quoted(text in foreign()) {
            let text: String = text.chars().filter(|character| !is_unsafe(*character)).collect();
            let word = shell(&text).expect("nothing unsafe is left");
            let output = Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
