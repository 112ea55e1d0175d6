//! What is said of AWS's quotas: what is needed, what others have, and what cannot be seen.

use super::*;

const SETS: &str = "IP sets";
const GROUPS: &str = "rule group quota";
/// The default of `--max-ip-sets`: as many as AWS's quota.
const DEFAULT: &str = "--max-ip-sets=100";

fn totals(seen: &mut CheckFacts, ip_sets: usize, rule_groups: usize) {
    seen.totals = Ok(Totals { ip_sets, rule_groups });
}

/// No IP set is ours yet.
fn no_sets(seen: &mut CheckFacts) {
    seen.waf.as_mut().unwrap().shards.clear();
}

/// A sample of 2 items with 3 CIDRs, of a table with this many items by the last count.
fn large(seen: &mut CheckFacts, items: Option<u64>) {
    let view = view(&["198.51.100.7", r#"["198.51.100.8", "2001:db8::/48"]"#]);
    seen.sample = Ok(TableSample { view, whole: false });
    seen.table = match items {
        Some(items) => Ok(TableState { status: "ACTIVE".to_owned(), items }),
        None => Err(denied()),
    };
}

#[test]
fn what_is_needed_now_and_what_may_be_needed_fit_beside_the_sets_of_others() {
    let fits = "2 there, enough for 1 CIDR; 30 of others; the usual quota of 100 leaves room for 68 more";
    expect(SETS, Severity::Ok, fits, &[], |_| ());
    let alone = "2 there, enough for 1 CIDR; 0 of others";
    expect(SETS, Severity::Ok, alone, &[], |seen| totals(seen, 2, 2));
    let first = "0 there, 1 more needed for 1 CIDR; 40 of others; the usual quota of 100 leaves room for 60 more";
    expect(SETS, Severity::Ok, first, &[], |seen| {
        no_sets(seen);
        totals(seen, 40, 2);
    });
    let tight = "2 there, enough for 1 CIDR; 41 of others; --max-ip-sets allows 60, the usual quota of 100 leaves 59: it is \
                 unknown whether it was raised";
    expect(SETS, Severity::Warning, tight, &[], |seen| totals(seen, 43, 2));
    let more = "2 there, enough for 1 CIDR; 0 of others; --max-ip-sets allows 150, the usual quota of 100 leaves 100: it is \
                unknown whether it was raised";
    expect(SETS, Severity::Warning, more, &["--max-ip-sets=150"], |seen| totals(seen, 2, 3));
    let none = "0 there, 1 more needed for 1 CIDR; 100 of others; the usual quota of 100, if it was not raised, leaves room for \
                0 more";
    expect(SETS, Severity::Failure, none, &[], |seen| {
        no_sets(seen);
        totals(seen, 100, 2);
    });
}

#[test]
fn whoever_shares_the_account_is_no_reason_to_warn_as_long_as_there_is_room() {
    let some = "2 there, enough for 1 CIDR; 97 of others; the usual quota of 100 leaves room for 1 more";
    expect(SETS, Severity::Ok, some, &[DEFAULT], |seen| totals(seen, 99, 2));
    let full = "2 there, enough for 1 CIDR; 98 of others; the usual quota of 100 leaves no room to grow";
    expect(SETS, Severity::Warning, full, &[DEFAULT], |seen| totals(seen, 100, 2));
    let raised = "2 there, enough for 1 CIDR; 99 of others; so the usual quota of 100 was raised";
    expect(SETS, Severity::Ok, raised, &[DEFAULT], |seen| totals(seen, 101, 2));
    let unknown =
        "0 there, 1 more needed for 1 CIDR; 101 of others; the usual quota of 100 was raised, to an unknown number";
    expect(SETS, Severity::Warning, unknown, &[DEFAULT], |seen| {
        no_sets(seen);
        totals(seen, 101, 2);
    });
}

#[test]
fn more_than_the_usual_quota_is_asked_only_of_one_that_was_raised() {
    let unseen = "0 there, 5 more needed for about 45,000 CIDRs by a sample and the last count; 99 of others; --max-ip-sets \
                  allows 150, the usual quota of 100 leaves 1: it is unknown whether it was raised";
    let need = |seen: &mut CheckFacts| {
        no_sets(seen);
        totals(seen, 99, 3);
        large(seen, Some(30_000));
    };
    expect(SETS, Severity::Warning, unseen, &["--max-ip-sets=150"], need);
}

#[test]
fn fewer_allowed_than_there_are_is_enough_as_long_as_nothing_has_to_come() {
    let finding = "2 there, enough for 1 CIDR; 30 of others; the usual quota of 100 leaves room for 68 more";
    expect(SETS, Severity::Ok, finding, &["--max-ip-sets=1"], |_| ());
}

#[test]
fn of_a_table_larger_than_the_sample_the_need_is_estimated() {
    let about = "2 there, 3 more needed for about 45,000 CIDRs by a sample and the last count; 30 of others; the usual quota \
                 of 100 leaves room for 68 more";
    expect(SETS, Severity::Ok, about, &[DEFAULT], |seen| large(seen, Some(30_000)));
    let too_many = "2 there, 148 more needed for about 1,500,000 CIDRs by a sample and the last count; 30 of others; \
                    --max-ip-sets allows 100";
    expect(SETS, Severity::Failure, too_many, &[DEFAULT], |seen| {
        large(seen, Some(1_000_000));
    });
    for items in [None, Some(0)] {
        let at_least =
            "2 there, enough for at least 3 CIDRs; 30 of others; the usual quota of 100 leaves room for 68 more";
        expect(SETS, Severity::Ok, at_least, &[DEFAULT], |seen| large(seen, items));
    }
    let absurd = report(&[DEFAULT], |seen| large(seen, Some(u64::MAX)));
    assert!(!absurd.ok, "{absurd:?}");
    let unknown = "2 there, 30 of others; the number that the table needs is unknown";
    expect(SETS, Severity::Warning, unknown, &[], |seen| seen.sample = Err(trouble("no connection")));
}

#[test]
fn what_is_wanted_always_counts_once_and_merged_as_the_settings_say() {
    let line = |args: &[&str]| {
        let report = report(args, |seen| large(seen, Some(4)));
        report.lines.into_iter().find(|line| line.subject == SETS).unwrap().finding
    };
    let always = ["--always=203.0.113.0/32", "--always=203.0.113.1/32"];
    assert!(line(&always).contains(" about 8 CIDRs "), "6 of the table: {}", line(&always));
    let merged = [&always[..], &["--aggregate"]].concat();
    assert!(line(&merged).contains(" about 7 CIDRs "), "{}", line(&merged));
}

#[test]
fn each_rule_group_finds_room() {
    expect(GROUPS, Severity::Ok, "2 needed, 2 there, 98 of others", &[], |seen| totals(seen, 32, 100));
    expect(GROUPS, Severity::Ok, "2 needed, 2 there, 198 of others", &[], |seen| totals(seen, 32, 200));
    let gap = "2 needed, 2 there, 98 of others; the usual quota of 100, if it was not raised, leaves room for 0 more";
    expect(GROUPS, Severity::Failure, gap, &[], |seen| {
        groups(seen)[1].number = 3;
        totals(seen, 32, 100);
    });
    let expect = |verdict, finding, others| {
        expect(GROUPS, verdict, finding, &[], |seen| {
            groups(seen).clear();
            totals(seen, 32, others);
        });
    };
    expect(Severity::Ok, "2 needed, 0 there, 98 of others", 98);
    let one = "2 needed, 0 there, 99 of others; the usual quota of 100, if it was not raised, leaves room for 1 more";
    expect(Severity::Failure, one, 99);
    let unknown = "2 needed, 0 there, 101 of others; the usual quota of 100 was raised, to an unknown number";
    expect(Severity::Warning, unknown, 101);
}

#[test]
fn what_cannot_be_read_is_a_failure_of_both() {
    for subject in [SETS, GROUPS] {
        expect(subject, Severity::Failure, "it is denied", &[], |seen| seen.totals = Err(denied()));
        let unknown = "could not read wafsync's IP sets and rule groups";
        expect(subject, Severity::Failure, unknown, &[], |seen| seen.waf = Err(denied()));
    }
}
