//! JSON on its way to stdout: written as it is made, since a first plan of a million addresses has a hundred megabytes.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::text;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// How a document is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// All of it on one line.
    OneLine,
    /// Indented, for people.
    Indented,
}

/// Writes a JSON document that steers no terminal, and a line break.
pub(super) fn write(out: impl Write, value: &impl Serialize, layout: Layout) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    match layout {
        Layout::OneLine => value.serialize(&mut Serializer::with_formatter(&mut out, Safe(CompactFormatter)))?,
        Layout::Indented => value.serialize(&mut Serializer::with_formatter(&mut out, Safe(PrettyFormatter::new())))?,
    }
    out.write_all(b"\n")?;
    out.flush()
}

/// Another formatter, with safe strings.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        self.0.write_string_fragment(out, &text::json(fragment))
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &serde_json::Value, layout: Layout) -> String {
        let mut out = Vec::new();
        write(&mut out, value, layout).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_layouts_are_those_of_serde_json_but_for_what_would_steer_a_terminal() {
        let value = serde_json::json!({"a": [1, {"b": []}, {}], "c": {"d": "ü \n", "e": null, "f": true}});
        assert_eq!(written(&value, Layout::OneLine), format!("{value}\n"));
        assert_eq!(written(&value, Layout::Indented), format!("{value:#}\n"));
        let value = serde_json::json!({"\u{9b}": "a\u{1b}[31m\u{202e}\u{7f}\u{e0001}"});
        let text = written(&value, Layout::OneLine);
        assert_eq!(text, "{\"\\u009b\":\"a\\u001b[31m\\u202e\\u007f\\udb40\\udc01\"}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error_of_its_own_kind() {
        struct Gone;

        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let long = serde_json::json!("x".repeat(BUFFER_BYTES + 1));
        let error = write(Gone, &long, Layout::OneLine).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
