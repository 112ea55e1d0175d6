//! The terminal: whether there is one, whether text is colored, and the question before `apply`.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};

use crate::model::settings::Color;
use crate::stop::Signal;

/// The most bytes of an answer that are read: enough to tell `yes` from anything longer.
const MAX_ANSWER: u64 = 64;

/// The answer to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Exactly `yes`.
    Yes,
    /// Anything else, including the end of input.
    No,
    /// A signal came first.
    Signal,
}

/// Colors text, or leaves it plain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn good(self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default())
    }

    pub(super) fn warning(self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default())
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default())
    }

    fn paint(self, text: &str, style: Style) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The painter for stdout.
pub(super) fn paint(color: Color) -> Paint {
    Paint(is_colored(color))
}

/// Whether text on stdout is colored.
pub(super) fn is_colored(color: Color) -> bool {
    let variable = |name: &str| std::env::var_os(name);
    colored(color, io::stdout().is_terminal(), |name| variable(name).as_deref().map(OsStr::to_owned))
}

fn colored(color: Color, terminal: bool, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR").is_some() => false,
        Color::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => terminal && set("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// Whether a person can read a plan and answer: stdin and the output must both be terminals.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks and waits for the answer.
pub(super) async fn ask(question: &str, signal: &Signal, out: &mut impl Write) -> Answer {
    if write!(out, "\n{question} ").and_then(|()| out.flush()).is_err() {
        return Answer::No;
    }
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let read = io::Read::take(io::stdin().lock(), MAX_ANSWER).read_line(&mut line);
        read.map(|_| line).unwrap_or_default()
    });
    let stop = signal.stop(None);
    tokio::select! {
        line = line => if line.is_ok_and(|line| is_yes(&line)) { Answer::Yes } else { Answer::No },
        () = stop.signalled() => Answer::Signal,
    }
}

fn is_yes(line: &str) -> bool {
    line.trim_end_matches(['\r', '\n']) == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (line, expected) in
            [("yes\n", true), ("yes", true), ("yes\r\n", true), ("y\n", false), ("YES\n", false), (" yes\n", false)]
        {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
        assert!(!is_yes(""));
    }

    #[test]
    fn color_follows_the_flag_then_the_environment_then_the_terminal() {
        let colors = |color, terminal, env: &[(&str, &str)]| {
            colored(color, terminal, |name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert!(colors(Color::Auto, true, &[]) && !colors(Color::Auto, false, &[]));
        assert!(colors(Color::Auto, true, &[("NO_COLOR", "")]) && !colors(Color::Auto, true, &[("NO_COLOR", "1")]));
        assert!(colors(Color::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!colors(Color::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colors(Color::Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!colors(Color::Auto, true, &[("TERM", "dumb")]));
        assert!(colors(Color::Always, false, &[("NO_COLOR", "1")]) && !colors(Color::Never, true, &[]));
    }
}
