//! What is said of a web ACL and our rule groups in it.

use super::*;
use crate::model::web_acl::Effect;

const COUNT: &str = "--action=count";

fn plain(name: &str, priority: i32, effect: Effect, on: Condition) -> AclRule {
    AclRule { name: name.to_owned(), priority: Priority::own(priority), kind: RuleKind::Plain { effect, on } }
}

fn managed(name: &str, priority: i32, counted: bool) -> AclRule {
    AclRule { name: name.to_owned(), priority: Priority::own(priority), kind: RuleKind::Managed { counted } }
}

/// A foreign rule group.
fn theirs(priority: i32, with: Override) -> AclRule {
    AclRule {
        name: "theirs".to_owned(),
        priority: Priority::own(priority),
        kind: RuleKind::Group { arn: "arn:theirs".to_owned(), with },
    }
}

/// The label of a rule group of ours, in full.
fn label(number: usize) -> LabelKey {
    LabelKey::Label(format!("awswaf:111122223333:rulegroup:wafsync-{number}:wafsync"))
}

fn short(key: &str) -> LabelKey {
    LabelKey::Label(key.to_owned())
}

/// What the README says: block unless any of the labels.
fn block_unless(keys: &[LabelKey]) -> AclRule {
    plain("block-unless", 10, Effect::Block, Condition::None(keys.to_vec()))
}

fn allow_if(name: &str, keys: &[LabelKey]) -> AclRule {
    plain(name, 10, Effect::Allow, Condition::Any(keys.to_vec()))
}

fn set_override(seen: &mut CheckFacts, number: usize, to: Override) {
    for rule in &mut acl(seen).rules {
        match &mut rule.kind {
            RuleKind::Group { arn: of, with } if *of == arn(number) => *with = to,
            _ => {}
        }
    }
}

/// The same installation in the other style, with these further rules.
fn counting(seen: &mut CheckFacts, default_blocks: bool, rules: &[AclRule]) {
    let policy = RulePolicy { action: Action::Count, forwarded: None };
    groups(seen)[0].rule = GroupRule::Standard {
        labels: policy.labels("wafsync"),
        policy,
        references: vec!["arn:set".to_owned()],
        tidy: true,
    };
    acl(seen).blocks = default_blocks;
    acl(seen).rules.extend_from_slice(rules);
}

#[test]
fn the_web_acl_refers_to_the_rule_groups() {
    const SUBJECT: &str = "references";
    let all = "web ACL front refers to wafsync-1 at priority 1, wafsync-2 at priority 2";
    expect(SUBJECT, Severity::Ok, all, &[], |_| ());
    let empty = "web ACL front does not refer to wafsync-2, which has no IP set yet";
    expect(SUBJECT, Severity::Warning, empty, &[], |seen| drop(acl(seen).rules.pop()));
    expect(SUBJECT, Severity::Warning, "web ACL front: no rule group of ours exists yet", &[], |seen| {
        groups(seen).clear();
    });
    let unknown = report(&[], |seen| seen.waf = Err(denied()));
    let line = unknown.lines.iter().find(|line| line.subject == SUBJECT).unwrap();
    assert_eq!(
        (line.verdict, line.finding.as_str()),
        (Severity::Warning, "web ACL front: our rule groups are unknown")
    );
    let used = "web ACL front does not refer to wafsync-1";
    expect(SUBJECT, Severity::Failure, used, &[], |seen| drop(acl(seen).rules.remove(0)));
}

#[test]
fn an_override_is_judged_by_what_it_leaves_of_our_rule() {
    const SUBJECT: &str = "references";
    let refers = "web ACL front refers to wafsync-1 at priority 1, wafsync-2 at priority 2";
    let allow = format!("{refers} (the override to Allow changes nothing)");
    expect(SUBJECT, Severity::Ok, &allow, &[], |seen| set_override(seen, 2, Override::To(Effect::Allow)));
    let count = format!("{refers} (the override to Count changes nothing)");
    expect(SUBJECT, Severity::Ok, &count, &[COUNT], |seen| {
        counting(seen, false, &[]);
        set_override(seen, 2, Override::To(Effect::Count));
    });
    let at_once = "web ACL front overrides wafsync-2 to Allow: no later rule sees those clients";
    expect(SUBJECT, Severity::Warning, at_once, &[COUNT], |seen| {
        counting(seen, false, &[]);
        set_override(seen, 2, Override::To(Effect::Allow));
    });
    let off = "disables wafsync-2: an override to Count lets no one in";
    for (with, finding) in [
        (Override::To(Effect::Count), off),
        (Override::WholeToCount, off),
        (Override::To(Effect::Block), "blocks clients that wafsync-2 should let in: an override to Block"),
        (
            Override::To(Effect::Captcha),
            "requires a CAPTCHA from clients that wafsync-2 should let in, and no cluster solves one",
        ),
        (
            Override::To(Effect::Challenge),
            "requires a Challenge from clients that wafsync-2 should let in, and no cluster solves one",
        ),
        (Override::To(Effect::Other), "overrides wafsync-2 to an unknown action"),
    ] {
        let finding = format!("web ACL front {finding}");
        expect(SUBJECT, Severity::Failure, &finding, &[], |seen| set_override(seen, 2, with));
        if with != Override::To(Effect::Count) {
            expect(SUBJECT, Severity::Failure, &finding, &[COUNT], |seen| {
                counting(seen, false, &[]);
                set_override(seen, 2, with);
            });
        }
    }
}

#[test]
fn all_that_is_wrong_with_the_references_stands_in_one_line_the_worst_first() {
    let finding = "web ACL front disables wafsync-1: an override to Count lets no one in; does not refer to wafsync-2, \
                   which has no IP set yet";
    let report = report(&[], |seen| {
        acl(seen).rules.pop();
        set_override(seen, 1, Override::WholeToCount);
    });
    let line = report.lines.iter().find(|line| line.subject == "references").unwrap();
    assert_eq!((line.verdict, line.finding.as_str()), (Severity::Failure, finding));
    let fix = "remove that override in the web ACL; add a reference to each of them before every rule that blocks, \
                without an override";
    assert_eq!(line.fix.as_deref(), Some(fix));
}

#[test]
fn of_two_references_to_a_rule_group_the_one_that_serves_counts() {
    let again = AclRule { priority: Priority::own(7), ..reference(1) };
    let finding = "web ACL front refers to wafsync-1 at priority 7, wafsync-2 at priority 2";
    expect("references", Severity::Ok, finding, &[], |seen| {
        set_override(seen, 1, Override::WholeToCount);
        acl(seen).rules.push(again);
    });
}

#[test]
fn the_default_action_of_an_allow_list_blocks() {
    const SUBJECT: &str = "default action";
    expect(SUBJECT, Severity::Ok, "web ACL front blocks what no rule lets in", &[], |_| ());
    let open = "web ACL front lets in what no rule blocks: the allow-list protects nothing";
    expect(SUBJECT, Severity::Failure, open, &[], |seen| acl(seen).blocks = false);
}

#[test]
fn under_count_and_default_allow_a_rule_has_to_block_whoever_lacks_our_labels() {
    const SUBJECT: &str = "default action";
    let expect = |verdict, finding: &str, rules: &[AclRule]| {
        let finding = format!("web ACL front lets in what no rule blocks{finding}");
        expect(SUBJECT, verdict, &finding, &[COUNT], |seen| counting(seen, false, rules));
    };
    let well = ", and block-unless blocks clients without any of our labels";
    expect(Severity::Ok, well, &[block_unless(&[label(1), label(2)])]);
    let namespaces = [1, 2].map(|n| LabelKey::Namespace(format!("awswaf:111122223333:rulegroup:wafsync-{n}:")));
    expect(Severity::Ok, well, &[block_unless(&namespaces)]);
    expect(Severity::Ok, well, &[block_unless(&[label(1), label(2), short("of-others")])]);

    let nothing = ", and no rule blocks clients without any of our labels: it protects nothing";
    expect(Severity::Failure, nothing, &[]);
    let of_another = LabelKey::Label("awswaf:444455556666:rulegroup:wafsync-1:wafsync".to_owned());
    let unrelated = plain("other", 3, Effect::Block, Condition::Other(Vec::new()));
    expect(Severity::Failure, nothing, &[block_unless(&[of_another]), unrelated, managed("aws", 4, false)]);
    let shut_out = |number| {
        format!("; clients that wafsync-{number} labels are blocked, because block-unless does not match that label")
    };
    expect(Severity::Failure, &shut_out(1), &[block_unless(&[label(2)])]);
    expect(Severity::Warning, &shut_out(2), &[block_unless(&[label(1)])]);

    let unclear = |rule: &str| format!("; the effect of {rule} on our labels is unknown");
    let both = vec![label(1), label(2)];
    let challenge = plain("challenge", 9, Effect::Challenge, Condition::None(both.clone()));
    expect(Severity::Warning, &unclear("challenge"), &[challenge]);
    let nested = plain("nested", 9, Effect::Block, Condition::Other(both.clone()));
    expect(Severity::Warning, &unclear("nested, theirs"), &[nested, theirs(11, Override::None)]);
    expect(Severity::Warning, &unclear("allow"), &[allow_if("allow", &both)]);
    expect(Severity::Failure, nothing, &[theirs(11, Override::WholeToCount)]);
}

#[test]
fn under_count_and_default_block_a_rule_has_to_let_in_whoever_has_our_labels() {
    const SUBJECT: &str = "default action";
    let expect = |verdict, finding: &str, rules: &[AclRule]| {
        let finding = format!("web ACL front blocks what no rule lets in{finding}");
        expect(SUBJECT, verdict, &finding, &[COUNT], |seen| counting(seen, true, rules));
    };
    let well = |rules: &str| format!(", and {rules} lets in clients with one of our labels");
    expect(Severity::Ok, &well("allow"), &[allow_if("allow", &[label(1), label(2)])]);
    expect(Severity::Ok, &well("one, two"), &[allow_if("one", &[label(1)]), allow_if("two", &[label(2)])]);
    let no_one = ", and no rule lets in clients with one of our labels: no one gets in";
    expect(Severity::Failure, no_one, &[]);
    let shut_out =
        |number| format!("; clients that wafsync-{number} labels are blocked, because allow does not match that label");
    expect(Severity::Failure, &shut_out(1), &[allow_if("allow", &[label(2)])]);
    expect(Severity::Warning, &shut_out(2), &[allow_if("allow", &[label(1)])]);
    let unclear = "; the effect of block-unless on our labels is unknown";
    expect(Severity::Warning, unclear, &[block_unless(&[label(1), label(2)])]);
}

#[test]
fn a_label_without_its_prefix_is_not_ours_and_the_remedy_says_why() {
    for key in ["wafsync", "wafsync-1:wafsync", "rulegroup:wafsync-1:wafsync"] {
        let report = report(&[COUNT], |seen| counting(seen, false, &[block_unless(&[short(key), label(2)])]));
        let line = report.lines.iter().find(|line| line.subject == "default action").unwrap();
        assert_eq!(line.verdict, Severity::Failure, "{key}");
        let fix = "make it match awswaf:111122223333:rulegroup:wafsync-1:wafsync too, in full: without that prefix it is a \
                    label of the web ACL itself";
        assert_eq!(line.fix.as_deref(), Some(fix), "{key}");
    }
}

#[test]
fn before_there_are_rule_groups_nothing_can_ask_for_their_labels() {
    let finding =
        "web ACL front lets in what no rule blocks, and no rule group of ours exists yet whose labels it could match";
    expect("default action", Severity::Warning, finding, &[COUNT], |seen| {
        counting(seen, false, &[]);
        groups(seen).clear();
    });
    let unknown = report(&[COUNT], |seen| seen.waf = Err(denied()));
    let line = unknown.lines.iter().find(|line| line.subject == "default action").unwrap();
    let finding = "web ACL front: the labels of our rule groups are unknown";
    assert_eq!((line.verdict, line.finding.as_str()), (Severity::Warning, finding));
}

#[test]
fn what_may_block_comes_after_an_allow_list() {
    const SUBJECT: &str = "order";
    let other = || Condition::Other(Vec::new());
    expect(SUBJECT, Severity::Ok, "web ACL front asks our rule groups before every rule that may block", &[], |seen| {
        acl(seen).rules.extend([
            plain("allow", 0, Effect::Allow, other()),
            plain("count", -1, Effect::Count, other()),
            managed("counted", -2, true),
            theirs(-3, Override::WholeToCount),
            plain("late", 3, Effect::Block, other()),
        ]);
    });
    let finding = "web ACL front asks fms (priority 3 of Firewall Manager's first rule groups), theirs (priority -1), rate (priority 0), and 2 more first, \
                   which may block clients that our rule groups let in";
    expect(SUBJECT, Severity::Warning, finding, &[], |seen| {
        let priority = Priority { phase: Phase::FirewallManagerFirst, number: 3 };
        acl(seen).rules.push(AclRule { priority, ..managed("fms", 3, false) });
        acl(seen).rules[1].priority = Priority::own(9);
        acl(seen).rules.extend([
            managed("aws", 5, false),
            plain("captcha", 8, Effect::Captcha, other()),
            plain("rate", 0, Effect::Block, other()),
            theirs(-1, Override::None),
        ]);
    });
    let report = report(&[], |seen| acl(seen).rules = vec![plain("rate", 0, Effect::Block, other())]);
    assert!(!report.lines.iter().any(|line| line.subject == SUBJECT), "it does not refer to us at all: {report:?}");
}

#[test]
fn a_rule_that_asks_for_our_labels_comes_after_the_rule_groups() {
    const SUBJECT: &str = "order";
    let both = [label(1), label(2)];
    expect(
        SUBJECT,
        Severity::Ok,
        "web ACL front matches our labels in block-unless, after the rule groups",
        &[COUNT],
        |seen| {
            let rate = plain("rate", 0, Effect::Block, Condition::Other(Vec::new()));
            counting(seen, false, &[block_unless(&both), rate]);
        },
    );
    let early = "web ACL front matches our labels in block-unless before all rule groups have added them";
    expect(SUBJECT, Severity::Failure, early, &[COUNT], |seen| {
        counting(seen, false, &[AclRule { priority: Priority::own(1), ..block_unless(&both) }]);
        acl(seen).rules[0].priority = Priority::own(0);
    });
    let early = "web ACL front matches our labels in one before all rule groups have added them";
    expect(SUBJECT, Severity::Failure, early, &[COUNT], |seen| {
        let one = AclRule { priority: Priority::own(0), ..allow_if("one", &[label(1)]) };
        counting(seen, true, &[one, allow_if("two", &[label(2)])]);
    });
    expect(
        SUBJECT,
        Severity::Ok,
        "web ACL front matches our labels in one, two, after the rule groups",
        &[COUNT],
        |seen| {
            let one = AclRule { priority: Priority::own(0), ..allow_if("one", &[label(1)]) };
            counting(seen, true, &[one, allow_if("two", &both)]);
        },
    );
    let report = report(&[COUNT], |seen| counting(seen, false, &[]));
    assert!(!report.lines.iter().any(|line| line.subject == SUBJECT), "no one asks for them: {report:?}");
}

#[test]
fn under_count_a_later_rule_may_still_block_labelled_clients() {
    const SUBJECT: &str = "order";
    let both = [label(1), label(2)];
    let other = || Condition::Other(Vec::new());
    let later = || {
        vec![
            plain("rate", 20, Effect::Block, other()),
            plain("captcha", 30, Effect::Captcha, other()),
            managed("aws", 40, false),
            AclRule { priority: Priority::own(50), ..theirs(50, Override::None) },
        ]
    };
    let harmless = [
        plain("count", 21, Effect::Count, other()),
        plain("allow", 22, Effect::Allow, other()),
        managed("counted", 23, true),
        theirs(24, Override::WholeToCount),
        plain("exempting", 25, Effect::Block, Condition::None(both.to_vec())),
    ];
    let after = "matches our labels in block-unless, exempting, after the rule groups";
    let finding = format!(
        "web ACL front {after}; clients with one may still be blocked by rate (priority 20), captcha (priority 30), aws \
         (priority 40), and 1 more"
    );
    expect(SUBJECT, Severity::Warning, &finding, &[COUNT], |seen| {
        let rules = [vec![block_unless(&both)], later(), harmless.to_vec()].concat();
        counting(seen, false, &rules);
    });
    expect(SUBJECT, Severity::Ok, &format!("web ACL front {after}"), &[COUNT], |seen| {
        let rules = [vec![block_unless(&both)], harmless.to_vec()].concat();
        counting(seen, false, &rules);
    });
    // The rule that lets labelled clients in ends the evaluation: what comes behind it blocks none of them.
    let allowed = "web ACL front matches our labels in allow, after the rule groups";
    expect(SUBJECT, Severity::Ok, allowed, &[COUNT], |seen| {
        counting(seen, true, &[vec![allow_if("allow", &both)], later()].concat());
    });
    let between = format!("{allowed}; clients with one may still be blocked by early (priority 5)");
    expect(SUBJECT, Severity::Warning, &between, &[COUNT], |seen| {
        let early = plain("early", 5, Effect::Block, other());
        counting(seen, true, &[vec![allow_if("allow", &both), early], later()].concat());
    });
}

#[test]
fn the_web_acl_protects_something() {
    const SUBJECT: &str = "association";
    expect(SUBJECT, Severity::Ok, "web ACL front protects arn:load-balancer", &[], |_| ());
    let many = "web ACL front protects arn:0, arn:1, arn:2, and 7 more";
    expect(SUBJECT, Severity::Ok, many, &[], |seen| {
        acl(seen).resources = Some(Ok((0..10).map(|number| format!("arn:{number}")).collect()));
    });
    expect(SUBJECT, Severity::Warning, "web ACL front protects nothing", &[], |seen| {
        acl(seen).resources = Some(Ok(Vec::new()));
    });
    let cloudfront = "web ACL front: WAF does not list the distributions of a web ACL for CloudFront";
    expect(SUBJECT, Severity::Warning, cloudfront, &["--scope=cloudfront"], |seen| acl(seen).resources = None);
    expect(SUBJECT, Severity::Failure, "it is broken", &[], |seen| {
        acl(seen).resources = Some(Err(trouble("it is broken")));
    });
}
