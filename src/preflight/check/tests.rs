//! Each line of the preflight, as it should be, with a warning, and failed.

mod quotas;
mod search;
mod web_acls;

use super::*;
use crate::cli::{self, Invocation};
use crate::model::cidr::Family;
use crate::model::current::Current;
use crate::model::current::{LockToken, Shard};
use crate::model::item::TableView;
use crate::model::item::{Attribute, Item, ItemRules};
use crate::model::limits::GROUP_CAPACITY;
use crate::model::policy::{Action, Forwarded, RulePolicy};
use crate::model::web_acl::Override;
use crate::planning::rule_changes::tests::target;
use crate::preflight::facts::*;

fn settings(args: &[&str]) -> Settings {
    let given = args.iter().any(|arg| arg.starts_with("--max-ip-sets"));
    let sets: &[&str] = if given { &[] } else { &["--max-ip-sets=60"] };
    let line = [&["wafsync", "check", "--table=clusters"], sets, args].concat();
    match cli::parse(line.into_iter().map(Into::into), []).unwrap().invocation {
        Invocation::Check { settings, .. } => settings,
        other => panic!("{other:?}"),
    }
}

fn view(items: &[&str]) -> TableView {
    let rules = ItemRules::new(&settings(&[]).table, Some(1_800_000_000));
    let mut view = TableView::default();
    for ips in items {
        let (key, cidrs) = (Attribute::Text("a".to_owned()), Attribute::Text((*ips).to_owned()));
        view.read(&Item { key: Some(key), cidrs: Some(cidrs), expiry: None }, &rules);
    }
    view
}

/// These items, and no others.
fn sample(items: &[&str]) -> TableSample {
    TableSample { view: view(items), whole: true }
}

fn arn(number: usize) -> String {
    format!("arn:aws:wafv2:eu-central-1:111122223333:regional/rulegroup/wafsync-{number}/{number}")
}

fn group(number: usize) -> RuleGroup {
    RuleGroup {
        number,
        name: format!("wafsync-{number}"),
        id: number.to_string(),
        arn: arn(number),
        token: LockToken("token".to_owned()),
        capacity: GROUP_CAPACITY,
        table: None,
        rule: GroupRule::Empty,
    }
}

fn shard(family: Family) -> Shard {
    Shard {
        name: format!("wafsync-{family}-000"),
        id: String::new(),
        arn: "arn:set".to_owned(),
        family,
        adopted: false,
        mark: None,
        token: LockToken("token".to_owned()),
        cidrs: [].into(),
        group: Some(0),
        created: false,
    }
}

/// A rule of ours that refers to one IP set.
fn standard(forwarded: Option<Forwarded>) -> GroupRule {
    let policy = RulePolicy { action: Action::Allow, forwarded };
    GroupRule::Standard { labels: policy.labels("wafsync"), policy, references: vec!["arn:set".to_owned()], tidy: true }
}

/// A rule of a web ACL that refers to a rule group of ours.
fn reference(number: usize) -> AclRule {
    let priority = i32::try_from(number).unwrap();
    let kind = RuleKind::Group { arn: arn(number), with: Override::None };
    AclRule { name: format!("our-{number}"), priority: Priority::own(priority), kind }
}

fn trouble(text: &str) -> ReadError {
    ReadError { message: text.to_owned(), hint: None, denied: false, credentials: false }
}

fn denied() -> ReadError {
    ReadError { denied: true, ..trouble("it is denied") }
}

/// Everything as it should be, with two rule groups and one web ACL.
fn good() -> CheckFacts {
    let acl = AclState {
        name: "front".to_owned(),
        blocks: true,
        rules: vec![reference(1), reference(2)],
        resources: Some(Ok(vec!["arn:load-balancer".to_owned()])),
    };
    let mut first = group(1);
    first.rule = standard(None);
    CheckFacts {
        target: target(),
        identity: Ok("arn:aws:sts::111122223333:assumed-role/wafsync/job".to_owned()),
        table: Ok(TableState { status: "ACTIVE".to_owned(), items: 2 }),
        sample: Ok(sample(&["198.51.100.7", "[]"])),
        waf: Ok(Current {
            shards: Family::ALL.map(shard).to_vec(),
            groups: vec![first, group(2)],
            ..Current::default()
        }),
        probes: Vec::new(),
        totals: Ok(Totals { ip_sets: 32, rule_groups: 5 }),
        web_acls: WebAcls::Named(vec![Ok(acl)]),
    }
}

fn report(args: &[&str], edit: impl FnOnce(&mut CheckFacts)) -> CheckReport {
    let mut seen = good();
    edit(&mut seen);
    judge(&settings(&[&["--web-acl=front"], args].concat()), &seen)
}

/// The one line about this subject, and whether it comes with a remedy where one is due.
#[track_caller]
fn expect(subject: &str, verdict: Severity, finding: &str, args: &[&str], edit: impl FnOnce(&mut CheckFacts)) {
    let report = report(args, edit);
    let lines: Vec<&Line> = report.lines.iter().filter(|line| line.subject == subject).collect();
    let [line] = lines.as_slice() else { panic!("{report:?}") };
    assert_eq!((line.verdict, line.finding.as_str()), (verdict, finding));
    // AWS's own words bring their own hint, but for permissions, of which there may be several.
    let own_words = verdict == Severity::Failure && finding.starts_with("it is ") && subject != "permissions";
    assert_eq!(line.fix.is_none(), verdict == Severity::Ok || own_words, "{line:?}");
    let failed = report.lines.iter().any(|line| line.verdict == Severity::Failure);
    assert_eq!((report.ok, report.exit_code()), (!failed, u8::from(failed)));
}

fn acl(seen: &mut CheckFacts) -> &mut AclState {
    match &mut seen.web_acls {
        WebAcls::Named(acls) => acls[0].as_mut().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn groups(seen: &mut CheckFacts) -> &mut Vec<RuleGroup> {
    &mut seen.waf.as_mut().unwrap().groups
}

#[test]
fn all_is_well() {
    insta::assert_snapshot!(report(&[], |_| ()).to_text());
}

#[test]
fn what_blocks_apply_fails_and_what_it_puts_right_is_a_warning() {
    let failed = |finding: &str, edit: fn(&mut RuleGroup)| {
        expect("rule groups", Severity::Failure, finding, &[], |seen| edit(&mut groups(seen)[0]));
    };
    let tag = target().old_table_tag();
    failed(
        &format!("rule group wafsync-1 was last fed from another table (table:00000000, this one is table:{tag})"),
        |group| group.table = Some("00000000".to_owned()),
    );
    failed("rule group wafsync-1 would no longer refer to arn:theirs, which is not one of ours", |group| {
        if let GroupRule::Standard { references, .. } = &mut group.rule {
            references.push("arn:theirs".to_owned());
        }
    });
    // What others wrote steers no terminal.
    let report = report(&[], |seen| groups(seen)[0].table = Some("\u{1b}[2J".to_owned()));
    assert!(!report.to_text().contains('\u{1b}'), "{}", report.to_text());
    let edited = |references: &[&str]| GroupRule::Edited {
        references: references.iter().map(ToString::to_string).collect(),
        seen: String::new(),
    };
    let match_line = |verdict, finding, references: &[&str]| {
        expect("match", verdict, finding, &[], |seen| groups(seen)[0].rule = edited(references));
    };
    let finding = "the rule of wafsync-1 was edited by hand and may not let clients in";
    match_line(Severity::Failure, finding, &["arn:set"]);
    match_line(Severity::Warning, "the rule of wafsync-1 was edited by hand and refers to no IP set", &[]);
}

#[test]
fn without_a_connection_that_is_all_there_is_to_say() {
    let report = without_connection("no AWS Region is set; hint: set AWS_REGION, or `region` in the profile");
    assert_eq!((report.ok, report.exit_code(), report.lines[0].verdict), (false, 1, Severity::Failure));
    let text = "failure  connection        no AWS Region is set; hint: set AWS_REGION, or\n                           \
                `region` in the profile\n\n0 ok, 0 warnings, 1 failure\n";
    assert_eq!(report.to_text(), text);
}

#[test]
fn credentials_are_known() {
    const SUBJECT: &str = "credentials";
    expect(SUBJECT, Severity::Ok, "arn:aws:sts::111122223333:assumed-role/wafsync/job", &[], |_| ());
    let root = "arn:aws:iam::111122223333:root";
    expect(SUBJECT, Severity::Warning, &format!("{root} is the root user of the account"), &[], |seen| {
        seen.identity = Ok(root.to_owned());
    });
    expect(SUBJECT, Severity::Warning, "the caller is unknown: no way", &[], |seen| {
        seen.identity = Err(trouble("no way"));
    });
    expect(SUBJECT, Severity::Failure, "it is expired", &[], |seen| {
        seen.identity = Err(ReadError { credentials: true, ..trouble("it is expired") });
    });
}

#[test]
fn the_table_can_be_read() {
    const SUBJECT: &str = "table";
    let state = |status: &str| Ok(TableState { status: status.to_owned(), items: 1 });
    expect(SUBJECT, Severity::Ok, "it exists, with 2 items at the last count", &[], |_| ());
    let changing = report(&[], |seen| seen.table = state("UPDATING"));
    assert_eq!((changing.lines[1].verdict, changing.ok), (Severity::Warning, true));
    let unknown = report(&[], |seen| seen.table = Err(denied()));
    assert_eq!((unknown.lines[1].verdict, unknown.ok), (Severity::Warning, true));
    let archived = report(&[], |seen| seen.table = state("ARCHIVED"));
    assert_eq!((archived.lines[1].verdict, archived.ok), (Severity::Failure, false));
    expect(SUBJECT, Severity::Failure, "it is not there", &[], |seen| seen.table = Err(trouble("it is not there")));
}

#[test]
fn attributes_are_right_on_a_sample() {
    const SUBJECT: &str = "attributes";
    expect(SUBJECT, Severity::Ok, "of a sample of 2 items, all can be used", &[], |_| ());
    expect(SUBJECT, Severity::Warning, "the table has no items", &[], |seen| seen.sample = Ok(sample(&[])));
    let line = |items: &[&str]| report(&[], |seen| seen.sample = Ok(sample(items))).lines.swap_remove(2);
    assert_eq!(line(&["198.51.100.7", "10.0.0.5/24"]).verdict, Severity::Warning);
    let nothing = line(&["x", "y", "z", "10.0.0.5/24"]);
    assert_eq!(nothing.verdict, Severity::Failure);
    assert!(nothing.finding.starts_with("of a sample of 4 items, 4 values cannot be used: a: "), "{nothing:?}");
    assert!(nothing.finding.ends_with("; and 1 more"), "{nothing:?}");
    expect(SUBJECT, Severity::Failure, "it is denied", &[], |seen| seen.sample = Err(denied()));
    let unnamed = "of a sample of 2 items, 1 without a key in id: reports cannot name them";
    expect(SUBJECT, Severity::Warning, unnamed, &[], |seen| {
        if let Ok(sample) = &mut seen.sample {
            sample.view.unnamed = 1;
        }
    });
}

#[test]
fn permissions_are_those_of_plan_at_least() {
    const SUBJECT: &str = "permissions";
    let well = "every read of plan is allowed; the writes of apply were not tried: CreateIPSet, UpdateIPSet, CreateRuleGroup, \
                UpdateRuleGroup, TagResource";
    expect(SUBJECT, Severity::Ok, well, &[], |_| ());
    let few = "enough for plan, but not for all of this check: it is denied";
    expect(SUBJECT, Severity::Warning, few, &[], |seen| seen.table = Err(denied()));
    expect(SUBJECT, Severity::Warning, few, &[], |seen| acl(seen).resources = Some(Err(denied())));
    let unknown = "some reads failed";
    expect(SUBJECT, Severity::Warning, unknown, &[], |seen| seen.sample = Err(trouble("no connection")));
    expect(SUBJECT, Severity::Warning, unknown, &[], |seen| seen.probes.push(trouble("no connection")));
    let twice = ReadError { message: "it is denied too".to_owned(), ..denied() };
    expect(SUBJECT, Severity::Failure, "it is denied; it is denied too", &[], |seen| {
        seen.sample = Err(denied());
        seen.probes = vec![twice, denied()];
    });
    for deny in [
        (|seen| seen.sample = Err(denied())) as fn(&mut CheckFacts),
        |seen| seen.waf = Err(denied()),
        |seen| seen.totals = Err(denied()),
        |seen| seen.probes.push(denied()),
        |seen| seen.web_acls = WebAcls::Named(vec![Err(denied())]),
    ] {
        let line = report(&[], deny).lines.pop().unwrap();
        assert_eq!((line.subject, line.verdict), (SUBJECT, Severity::Failure));
    }
}

#[test]
fn why_waf_is_not_known_is_said_once() {
    const UNKNOWN: &str = "could not read wafsync's IP sets and rule groups";
    for subject in ["IP sets", "rule group quota", "rule groups", "match"] {
        expect(subject, Severity::Failure, UNKNOWN, &[], |seen| seen.waf = Err(denied()));
    }
    expect("permissions", Severity::Failure, "it is denied", &[], |seen| seen.waf = Err(denied()));
    for subject in ["IP sets", "rule group quota", "match"] {
        expect(subject, Severity::Failure, UNKNOWN, &[], |seen| seen.waf = Err(trouble("it is broken")));
    }
    expect("rule groups", Severity::Failure, "it is broken", &[], |seen| seen.waf = Err(trouble("it is broken")));
}

#[test]
fn a_line_with_a_remedy_of_its_own_leaves_out_the_hint_of_the_error() {
    let hinted =
        || ReadError { message: "Scan: denied".to_owned(), hint: Some("see elsewhere".to_owned()), ..denied() };
    expect("permissions", Severity::Failure, "Scan: denied", &[], |seen| seen.sample = Err(hinted()));
    expect("table", Severity::Warning, "Scan: denied", &[], |seen| seen.table = Err(hinted()));
    let unknown = "the caller is unknown: Scan: denied";
    expect("credentials", Severity::Warning, unknown, &[], |seen| seen.identity = Err(hinted()));
    expect("association", Severity::Warning, "Scan: denied", &[], |seen| acl(seen).resources = Some(Err(hinted())));
}

#[test]
fn rule_groups_are_there_and_large_enough() {
    const SUBJECT: &str = "rule groups";
    expect(SUBJECT, Severity::Ok, "all exist, with 120 WCU or more", &[], |_| ());
    expect(SUBJECT, Severity::Warning, "missing: wafsync-2", &[], |seen| drop(groups(seen).pop()));
    let finding = "their capacity is below 120 WCU and can never be changed: wafsync-2 (119 WCU)";
    expect(SUBJECT, Severity::Failure, finding, &[], |seen| groups(seen)[1].capacity = 119);
    let any = ["--forwarded-ip-header=X-Client", "--forwarded-ip-position=any"];
    let small = report(&any, |_| ()).lines.swap_remove(5);
    assert_eq!((small.subject, small.verdict), (SUBJECT, Severity::Failure), "320 are needed then");
}

#[test]
fn what_the_rules_match_is_what_the_settings_say_and_cannot_be_forged() {
    const SUBJECT: &str = "match";
    expect(SUBJECT, Severity::Ok, "\"allow\" by the address of the connection", &[], |_| ());
    let header = "--forwarded-ip-header=X-Client";
    let forwarded = |position| Some(Forwarded { header: "X-Client".to_owned(), position });
    let last = "\"allow by the last address in X-Client\"; every request must pass a proxy that appends to the header";
    expect(SUBJECT, Severity::Ok, last, &[header, "--forwarded-ip-position=last"], |seen| {
        groups(seen)[0].rule = standard(forwarded(Position::Last));
    });
    let first = "\"allow by the first address in X-Client\": a client can forge that address and let itself in";
    expect(SUBJECT, Severity::Warning, first, &[header], |seen| {
        groups(seen)[0].rule = standard(forwarded(Position::First));
    });
    let other = "rule group wafsync-1 does \"allow\", the settings say \"allow by the first address in X-Client\"";
    expect(SUBJECT, Severity::Failure, other, &[header], |_| ());
}

#[test]
fn a_line_that_needs_a_person_has_its_remedy_below() {
    let report = report(&[], |seen| {
        seen.identity = Ok("arn:aws:iam::111122223333:root".to_owned());
        acl(seen).blocks = false;
        seen.sample = Ok(sample(&["10.0.0.5/24", "\u{1b}[2J"]));
    });
    insta::assert_snapshot!(report.to_text());
}
