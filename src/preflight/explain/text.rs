//! Renders answers as text.

use std::fmt::Write as _;

use super::answer::{AclEnforcement, Explanation, ForeignReference, Place, RejectedValue};
use super::report::{Answers, ItemAnswer};
use crate::text;
use crate::text::number::counted;
use crate::text::wrap::wrap;

/// The most entries of an IP set, or addresses of an item, in a line; the rest is counted.
const SHOWN: usize = 5;

/// The most items and rejections in a terminal; the rest is counted. The JSON has more.
const LINES: usize = 20;

impl Answers {
    /// For a person at a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let items = self.items.iter().map(item);
        let answers = self.answers.iter().map(Explanation::to_text);
        let total = self.total().map(|total| format!("{total}\n"));
        items.chain(answers).chain(total).collect::<Vec<_>>().join("\n")
    }

    /// The last paragraph: how much of it is in force, if more than one thing is said about it.
    #[must_use]
    pub fn total(&self) -> Option<String> {
        (self.items.len() + self.answers.len() > 1).then(|| wrap("  ", &format!("{}.", self.progress())))
    }
}

/// The text about an item.
fn item(item: &ItemAnswer) -> String {
    let key = text::key(&item.key);
    let mut out = match (item.addresses.len(), item.rejections_total) {
        (0, 0) => format!("Item {key} is not in the table, or asks for no address.\n"),
        (0, _) => format!("Item {key} asks for nothing that can be used.\n"),
        (count, _) => format!("Item {key} asks for {}.\n", counted(count, "CIDR")),
    };
    rejected(&mut out, &item.rejections, item.rejections_total, false);
    out
}

fn rejected(out: &mut String, rejections: &[RejectedValue], total: usize, with_key: bool) {
    if total == 0 {
        return;
    }
    let _ = writeln!(out, "\nRejected");
    for rejection in rejections.iter().take(LINES) {
        let key = if with_key { format!("item {}: ", text::key(&rejection.key)) } else { String::new() };
        let (value, reason) = (text::line(&rejection.value), text::line(&rejection.reason));
        paragraph(out, &format!("{key}{value}: {reason}"));
    }
    more(out, total, "value");
}

/// A line below a heading, wrapped.
fn paragraph(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", wrap("    ", &format!("  {text}")));
}

fn more(out: &mut String, total: usize, noun: &str) {
    if let Some(more) = total.checked_sub(LINES).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {}", counted(more, &format!("more {noun}")));
    }
}

impl Explanation {
    /// For a person at a terminal: the verdict, the whole chain, and what to do next.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{} {}.\n", self.address, self.verdict());
        if self.partly_wanted {
            let _ = writeln!(out, "Some of its addresses are wanted, but not all.");
        }
        if self.partly_in_force {
            let _ = writeln!(out, "Some of its addresses are in force, but not all.");
        }
        let _ = writeln!(out, "\nWanted by");
        for key in self.items.iter().take(LINES) {
            let _ = writeln!(out, "  item {}", text::key(key));
        }
        more(&mut out, self.items_total, "item");
        if self.always {
            let _ = writeln!(out, "  --always");
        }
        if self.items.is_empty() && !self.always {
            let _ = writeln!(out, "  no item");
        }
        rejected(&mut out, &self.rejections, self.rejections_total, true);
        let _ = writeln!(out, "\nIn WAF");
        for place in &self.ip_sets {
            paragraph(&mut out, &place.line());
        }
        if self.ip_sets.is_empty() {
            let _ = writeln!(out, "  in none of our IP sets");
        }
        for ForeignReference { rule_group, arn } in &self.foreign_references {
            let arn = text::without_account_ids(arn);
            let line = format!(
                "rule group {rule_group} also refers to {}, which is not ours and was not looked at",
                text::line(&arn)
            );
            paragraph(&mut out, &line);
        }
        self.enforcement(&mut out);
        if let Some(next) = &self.next {
            let _ = writeln!(out, "\n{}", wrap("  ", &format!("Next: {next}")));
        }
        out
    }

    fn verdict(&self) -> &'static str {
        let looked = matches!(self.web_acls_seen, "named" | "found");
        let some_unread = self.web_acls_seen == "found" && self.web_acls_unread.is_some();
        match (self.wanted, self.in_force) {
            (true, true) if some_unread => "is wanted, and in force by the web ACLs that were read",
            (false, true) if some_unread => "is in force by the web ACLs that were read, but not wanted",
            (true, false) if !self.foreign_references.is_empty() => "is wanted but not in force by our IP sets",
            (false, false) if !self.foreign_references.is_empty() => "is neither wanted nor in force by our IP sets",
            (true, true) if looked => "is wanted and in force",
            (true, true) => "is wanted and in our rules; no web ACL was looked at",
            (true, false) => "is wanted but not in force",
            (false, true) if looked => "is in force but not wanted",
            (false, true) => "is not wanted but in our rules; no web ACL was looked at",
            (false, false) if self.partly_wanted || self.partly_in_force => "is neither wanted nor in force as a whole",
            (false, false) => "is neither wanted nor in force",
        }
    }

    fn enforcement(&self, out: &mut String) {
        let _ = writeln!(out, "\nWeb ACLs");
        for acl in self.web_acls.iter().flatten() {
            for line in acl.lines() {
                paragraph(out, &line);
            }
        }
        let none = match (self.web_acls_seen, &self.web_acls_unread) {
            ("none_refers", _) => Some("none refers to our rule groups, so nothing lets it in".to_owned()),
            ("not_looked", Some(why)) => Some(format!("none was looked at: {}", text::line(why))),
            ("not_looked", None) => Some("none was looked at: none exists".to_owned()),
            ("found", Some(why)) => Some(format!("not all were looked at: {}", text::line(why))),
            _ => None,
        };
        if let Some(none) = none {
            paragraph(out, &none);
        }
    }
}

impl Place {
    fn line(&self) -> String {
        let shown: Vec<String> = self.entries.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = self.entries.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let used = match &self.rule_group {
            Some(group) if self.rule_intact => format!("rule group {group}"),
            Some(group) => format!("rule group {group}, whose rule was edited by hand or does not match the settings"),
            None if self.adopted => "no rule group of ours refers to it yet; other rules were not looked at".to_owned(),
            None => "no rule group refers to it, so it lets in nothing".to_owned(),
        };
        format!("IP set {}: {}{more}; {used}", text::line(&self.name), shown.join(", "))
    }
}

impl AclEnforcement {
    fn lines(&self) -> Vec<String> {
        let name = text::line(&self.name);
        let absent: Vec<&str> =
            self.missing.iter().filter(|group| !self.overridden.contains(group)).map(String::as_str).collect();
        let mut lines = Vec::new();
        if !self.referred.is_empty() {
            lines.push(format!("{name} refers to {}", self.referred.join(", ")));
        }
        if !self.overridden.is_empty() {
            lines.push(format!("{name} refers to {}, but overrides its action", self.overridden.join(", ")));
        }
        if !absent.is_empty() {
            lines.push(format!("{name} does not refer to {}", absent.join(", ")));
        }
        if lines.is_empty() {
            lines.push(format!("{name}: no rule group of ours holds it"));
        }
        lines
    }
}
