//! Renders the document as one self-contained HTML page for a change ticket. Its policy forbids loading anything.

mod groups;
mod map;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::context::Context;
use super::counts::{columns, families};
use super::document::Document;
use super::ranges::{largest, ranges};
use super::style::Tone;
use super::text::{asking, items as still_asking, sets, table, without_effect};
use super::verdict::{Verdict, cost, lockout, next, verdict};
use crate::model::cidr::Cidr;
use crate::model::item::Rejection;
use crate::text::number::{counted, grouped};
use crate::text::{key, line};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// The hashes of [`STYLE`] and [`SCRIPT`], which alone the page's policy allows.
const STYLE_HASH: &str = "sha256-l7RZdblAXIi6dXX6Kt3TKQuJjtFeciGQ6BoXKZygcA4=";
const SCRIPT_HASH: &str = "sha256-y2WZZVupfcy+zDGmnLV+yodbZAblgnhxQTtob0WVRJ0=";

/// The most ranges of addresses in one list.
const RANGES: usize = 50;

/// The most ranges of addresses in one line.
const RANGES_IN_LINE: usize = 6;

/// The whole page; ends with a newline.
#[must_use]
pub fn render(document: &Document, context: Context<'_>) -> String {
    let said = verdict(document, context.command);
    let title = format!("wafsync {}: {}", context.target.name, said.word.to_lowercase());
    let policy = format!(
        "default-src 'none'; style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; img-src data:; base-uri 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (line(&title)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#changes" { "Skip to the changes" }
                main {
                    (heading(document, context, &said))
                    @if document.digest.is_some() {
                        (numbers(document, context))
                        (map::map(document, context))
                    }
                    (search())
                    @if !context.items.is_empty() { (groups::of_items(document, context)) }
                    (groups::by_set(document, context))
                    (groups::by_item(document))
                    (held(document, context))
                    (rejections(&document.table.rejections))
                    (list("Deferred to a later run", "deferred", &document.deferred))
                    (list(&format!("Put in by hand, {}", document.fate_of_drift()), "drift", &document.drift))
                    (list("No room until others go", "unplaced", &document.unplaced))
                    (guard(document, context))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

fn heading(document: &Document, context: Context<'_>, said: &Verdict) -> Markup {
    let target = context.target;
    let (region, name) = table(target);
    let class = match said.tone {
        Tone::Bad | Tone::StrongBad => "verdict bad",
        Tone::Warning | Tone::StrongWarning => "verdict warning",
        Tone::Good | Tone::StrongGood | Tone::Plain | Tone::Dim | Tone::Strong => "verdict good",
    };
    let approved = if document.is_approved() { "approved: " } else { "" };
    let next = next(document, context);
    html! {
        header {
            p.target {
                "Table " b { (line(name)) } " in " (line(region)) " (" (counted(document.table.items, "item")) ") → WAF "
                b { (line(&target.name)) } " in " (line(&target.region)) ", " (target.scope.to_string())
            }
            h1 class=(class) { span.word { (said.word) } " " (line(&said.sentence)) }
            // Next to the instruction, if there is one.
            @if next.is_none() && let Some(warning) = lockout(document) { p.grave { (warning) } }
            @if !document.guard.reasons.is_empty() {
                ul.reasons { @for reason in &document.guard.reasons { li { (approved) (line(reason)) } } }
            }
            (web_acls(document))
            @if !cost(document, context.command).is_empty() { p { (cost(document, context.command)) } }
            @if let Some(next) = next {
                p class=(if next.grave { "lead grave" } else { "lead" }) { (line(&next.lead)) }
                @if let Some(paste) = next.paste { pre tabindex="0" { code { (paste) } } }
            }
        }
    }
}

fn web_acls(document: &Document) -> Markup {
    html! {
        @if document.looked_at_no_web_acl() { p.dim { "No web ACL was looked at: name it with --web-acl." } }
        @for unread in &document.unread_web_acls { p.grave { (line(&unread.told())) } }
        @for acl in &document.web_acls {
            @if !acl.missing.is_empty() {
                p.grave { "Web ACL " (line(&acl.name)) " does not enforce " (without_effect(acl)) }
            } @else if acl.referred.is_empty() {
                p.dim { "Web ACL " (line(&acl.name)) ": no rule group has an IP set yet" }
            } @else {
                p.dim { "Web ACL " (line(&acl.name)) " enforces " (acl.referred.join(", ")) }
            }
        }
    }
}

fn numbers(document: &Document, context: Context<'_>) -> Markup {
    let columns = columns(document, context.command);
    html! {
        section aria-labelledby="numbers" {
            h2 id="numbers" { "Numbers" }
            div.wide {
                table {
                    caption { "CIDRs by family; " (sets(document)) }
                    thead { tr { th scope="col" { "Family" } @for column in &columns { th scope="col" { (column.name) } } } }
                    tbody {
                        @for family in families(&columns) {
                            tr {
                                th scope="row" { (family.title()) }
                                @for column in &columns { td { (grouped(*column.counts.get(family))) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn search() -> Markup {
    html! {
        div.search role="search" {
            label for="search" { "Search addresses, items and IP sets" }
            input type="search" id="search" autocomplete="off" spellcheck="false" aria-describedby="found";
            p id="found" role="status" { "Press / to search, Escape to clear." }
        }
    }
}

/// Lists each of these CIDRs, so that a search finds it, or ranges if the page would get too long.
fn listing(cidrs: &[Cidr], all: usize) -> Markup {
    if all > groups::LISTED {
        return extent(cidrs.iter().copied());
    }
    html! { ul.cidrs { @for cidr in cidrs { li.hit { code { (cidr) } } } } }
}

/// Lists ranges of addresses, and the number of CIDRs that are left out.
fn extent(cidrs: impl IntoIterator<Item = Cidr>) -> Markup {
    let (ranges, left) = largest(ranges(cidrs, RANGES), RANGES);
    html! {
        ul.cidrs {
            @for range in &ranges { li.hit { code { (range) } } }
            @if left > 0 { li { "… " (grouped(left)) " more" } }
        }
    }
}

fn list(heading: &str, id: &str, cidrs: &[Cidr]) -> Markup {
    html! {
        @if !cidrs.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (heading) " " span.count { (counted(cidrs.len(), "CIDR")) } }
                (listing(cidrs, cidrs.len()))
            }
        }
    }
}

/// The ranges of addresses in a line.
fn told(cidrs: &[Cidr]) -> String {
    let (ranges, left) = largest(ranges(cidrs.iter().copied(), RANGES_IN_LINE), RANGES_IN_LINE);
    let mut told: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    told.extend((left > 0).then(|| format!("{} more", grouped(left))));
    told.join(", ")
}

/// The held CIDRs, by IP set and range of addresses.
fn held(document: &Document, context: Context<'_>) -> Markup {
    html! {
        // A blocked plan lists its removals among the changes.
        @if !document.waiting.is_empty() && !document.is_blocked() {
            section aria-labelledby="waiting" {
                h2 id="waiting" { "Held " span.count { (counted(document.waiting.len(), "addition")) } }
                p { "Not added until a person approves. Asked for by " (asking(document, context)) "." }
                (listing(&document.waiting, document.held.len()))
            }
        }
        @if !document.held_in.is_empty() && !document.is_blocked() {
            section aria-labelledby="held" {
                h2 id="held" { "Held " span.count { (counted(document.held_removals().len(), "removal")) } }
                p { "Stays in force until a person approves. Of these addresses, " (still_asking(document, context)) "." }
                @for held in &document.held_in {
                    details.group {
                        summary {
                            b { (line(&held.ip_set)) } " "
                            span.held { "! " (grouped(held.cidrs.len())) " held" }
                            @if document.ip_sets.iter().any(|set| set.name == held.ip_set && set.held == set.addresses) {
                                span.held { "would be emptied" }
                            }
                        }
                        p.ranges { (told(&held.cidrs)) }
                        (listing(&held.cidrs, document.held.len()))
                    }
                }
            }
        }
    }
}

fn rejections(rejections: &[Rejection]) -> Markup {
    html! {
        @if !rejections.is_empty() {
            section aria-labelledby="rejected" {
                h2 id="rejected" { "Rejected " span.count { (counted(rejections.len(), "value")) } }
                div.wide {
                    table.text {
                        thead { tr { th scope="col" { "Item" } th scope="col" { "Value" } th scope="col" { "Reason" } } }
                        tbody {
                            @for rejection in rejections.iter().take(groups::LISTED) {
                                tr.hit {
                                    th scope="row" {
                                        @if rejection.key.is_empty() { "(no key)" } @else { (key(&rejection.key)) }
                                    }
                                    td { code { (line(&rejection.value)) } }
                                    td { (line(&rejection.reason.to_string())) @if rejection.ignored { " (ignored)" } }
                                }
                            }
                        }
                    }
                }
                @if rejections.len() > groups::LISTED {
                    p { "… " (grouped(rejections.len() - groups::LISTED)) " more; all of them are in the JSON document." }
                }
            }
        }
    }
}

fn guard(document: &Document, context: Context<'_>) -> Markup {
    html! {
        @if let Some(digest) = &document.digest {
            section aria-labelledby="guard" {
                h2 id="guard" { "Guard" }
                dl {
                    dt { "Verdict" } dd { (document.guard.verdict.as_str()) }
                    dt { "Digest of this plan" } dd { code { (digest) } }
                    @if let Some(approval) = context.approval(document) {
                        dt { "The " (context.approving.noun()) " that approves it" }
                        dd { pre tabindex="0" { code { (approval) } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_names_the_hashes_of_the_style_and_the_script() {
        let hash = |text: &str| format!("sha256-{}", aws_smithy_types::base64::encode(Sha256::digest(text)));
        assert_eq!([STYLE_HASH, SCRIPT_HASH], [hash(STYLE).as_str(), hash(SCRIPT).as_str()]);
    }
}
