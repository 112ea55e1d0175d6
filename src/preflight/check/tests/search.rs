//! What is said of which web ACLs there are, named or not.

use super::*;

const SUBJECT: &str = "web ACL";

/// The line on web ACLs where none was named and these were found; `edit` comes last.
fn searched(search: Search, edit: impl FnOnce(&mut CheckFacts)) -> (CheckReport, Line) {
    let mut seen = good();
    seen.web_acls = WebAcls::Searched(search);
    edit(&mut seen);
    let report = judge(&settings(&[]), &seen);
    let line = report.lines.iter().find(|line| line.subject == SUBJECT).unwrap().clone();
    (report, line)
}

/// The web ACL of an installation that is as it should be, under this name.
fn found(name: &str) -> AclState {
    AclState { name: name.to_owned(), ..acl(&mut good()).clone() }
}

fn said(line: &Line) -> (Severity, &str) {
    (line.verdict, line.finding.as_str())
}

#[test]
fn a_web_acl_that_was_named_has_to_be_there() {
    expect(SUBJECT, Severity::Failure, "it is not there", &[], |seen| {
        seen.web_acls = WebAcls::Named(vec![Err(trouble("it is not there"))]);
    });
    let named = report(&[], |_| ());
    assert!(!named.lines.iter().any(|line| line.subject == SUBJECT), "its own lines say enough: {named:?}");
}

#[test]
fn those_that_refer_to_us_without_being_named_are_named_and_judged() {
    let one = Search { listed: 3, read: 3, referring: vec![found("front")], trouble: None };
    let (report, line) = searched(one.clone(), |_| ());
    assert_eq!(said(&line), (Severity::Warning, "none was named; found to refer to our rule groups: front"));
    assert_eq!(line.fix.as_deref(), Some("set --web-acl=front, so that every run checks it"));
    let subjects: Vec<_> = report.lines.iter().skip(7).map(|line| (line.subject, line.verdict)).collect();
    let ok = |subject| (subject, Severity::Ok);
    let web_acl = (SUBJECT, Severity::Warning);
    let own = [web_acl, ok("references"), ok("default action"), ok("order"), ok("association")];
    assert_eq!(subjects.strip_suffix(&[ok("permissions")]), Some(&own[..]));

    let four = Search { referring: ["a", "b", "c", "d"].map(found).to_vec(), read: 2, ..one };
    let (_, line) = searched(four, |_| ());
    let finding =
        "none was named; found to refer to our rule groups: a, b, c, and 1 more; only 2 of 3 web ACLs were read";
    assert_eq!(said(&line), (Severity::Warning, finding));
    let fix = "set --web-acl=a --web-acl=b --web-acl=c and 1 more, so that every run checks it";
    assert_eq!(line.fix.as_deref(), Some(fix));
}

#[test]
fn where_none_refers_to_us_nobody_gets_in() {
    let none = Search { listed: 2, read: 2, ..Search::default() };
    let (report, line) = searched(none.clone(), |_| ());
    let finding = "none was named, and no web ACL refers to our rule groups (2 web ACLs read): they let no one in";
    assert_eq!((said(&line), report.exit_code()), ((Severity::Failure, finding), 1));
    let (report, line) = searched(none, |seen| groups(seen)[0].rule = GroupRule::Empty);
    let finding = "none was named, and no web ACL refers to our rule groups (2 web ACLs read); they have no IP set yet";
    assert_eq!((said(&line), report.exit_code()), ((Severity::Warning, finding), 0));
}

#[test]
fn a_search_that_did_not_see_all_fails_nothing() {
    let (report, line) = searched(Search { listed: 130, read: 100, ..Search::default() }, |_| ());
    let finding = "none was named, and none was found to refer to our rule groups; only 100 of 130 web ACLs were read";
    assert_eq!((said(&line), report.exit_code()), ((Severity::Warning, finding), 0));
    let broken = Search { listed: 3, read: 1, trouble: Some(trouble("no connection")), ..Search::default() };
    let (_, line) = searched(broken, |_| ());
    let finding = "none was named, and none was found to refer to our rule groups; only 1 of 3 web ACLs could be read: \
                   no connection";
    assert_eq!(said(&line), (Severity::Warning, finding));
    assert!(!line.fix.unwrap().contains("allow"));
    let broken = Search { trouble: Some(trouble("no connection")), ..Search::default() };
    let finding =
        "none was named, and none was found to refer to our rule groups; they could not be listed: no connection";
    assert_eq!(said(&searched(broken, |_| ()).1), (Severity::Warning, finding));
}

#[test]
fn a_search_that_is_not_allowed_says_what_to_allow() {
    let (report, line) = searched(Search { trouble: Some(denied()), ..Search::default() }, |_| ());
    let finding = "none was named, and none was found to refer to our rule groups; listing them is denied";
    assert_eq!((said(&line), report.exit_code()), ((Severity::Warning, finding), 0));
    let fix = line.fix.unwrap();
    assert!(fix.contains("allow wafv2:ListWebACLs and wafv2:GetWebACL"), "{fix}");
    let permissions = report.lines.iter().find(|line| line.subject == "permissions").unwrap();
    assert_eq!(permissions.verdict, Severity::Warning, "a run needs neither");
}

#[test]
fn without_rule_groups_there_is_nothing_to_look_for() {
    let mut seen = good();
    seen.web_acls = WebAcls::NotSearched;
    groups(&mut seen).clear();
    let line_of =
        |seen: &CheckFacts| judge(&settings(&[]), seen).lines.into_iter().find(|line| line.subject == SUBJECT).unwrap();
    let line = line_of(&seen);
    let finding = "none was named, and no rule group of ours exists yet";
    assert_eq!(said(&line), (Severity::Warning, finding));
    seen.waf = Err(denied());
    let line = line_of(&seen);
    assert_eq!(said(&line), (Severity::Warning, "none was named, and our rule groups are unknown"));
}
