use super::*;
use crate::model::cidr::PerFamily;
use crate::model::cidrs::Cidrs;
use crate::model::current::{Current, Shard};
use crate::model::desired::Desired;
use crate::model::desired::tests::wanting;
use crate::model::fingerprint::{Fingerprint, Mark};
use crate::model::item::TableView;
use crate::model::naming::Target;
use crate::model::settings::{GuardSettings, MaxAdditions, MaxRemovals};
use crate::model::spec::IpSetSpec;
use crate::planning::diff::Diff;
use crate::planning::rule_changes::RuleChange;

/// What guards look at, with room to change each part.
struct Case {
    settings: GuardSettings,
    target: Target,
    current: Current,
    wanted: Desired,
    rejections: usize,
    rules: Vec<RuleChange>,
    in_force_at_start: Option<PerFamily<usize>>,
    removed: BTreeSet<Cidr>,
    added: BTreeSet<Cidr>,
    always: Vec<Cidr>,
}

fn host(number: u32) -> Cidr {
    let [_, _, c, d] = number.to_be_bytes();
    Cidr::new([10, 0, c, d].into(), 32).unwrap()
}

fn shard(name: &str, cidrs: impl IntoIterator<Item = Cidr>) -> Shard {
    Shard {
        name: name.to_owned(),
        id: name.to_owned(),
        arn: format!("arn:{name}"),
        family: Family::Ipv4,
        adopted: false,
        mark: Some(Mark { fingerprint: None }),
        token: crate::model::current::LockToken(String::new()),
        cidrs: cidrs.into_iter().collect(),
        group: Some(0),
        created: false,
    }
}

impl Case {
    /// Hosts 0 to 99 are in force, and these are wanted.
    fn wanting(numbers: std::ops::Range<u32>) -> Self {
        Self {
            settings: GuardSettings {
                on_rejection: OnRejection::Hold,
                max_removals: MaxRemovals::Percent(10.0),
                min_addresses: 0,
                max_additions: None,
                approve: None,
            },
            target: Target {
                scope: "regional",
                region: "eu-central-1".into(),
                name: "wafsync".into(),
                table: "eu-central-1/clusters".into(),
                table_account: None,
            },
            current: Current { shards: vec![shard("wafsync-ipv4-000", (0..100).map(host))], ..Current::default() },
            wanted: wanting(numbers.map(host)),
            rejections: 0,
            rules: Vec::new(),
            in_force_at_start: None,
            removed: BTreeSet::new(),
            added: BTreeSet::new(),
            always: Vec::new(),
        }
    }

    fn evidence<'a>(&'a self, diff: &'a Diff) -> Evidence<'a> {
        Evidence {
            settings: &self.settings,
            target: &self.target,
            desired: &self.wanted,
            diff,
            current: &self.current,
            always: &self.always,
            rejections: self.rejections,
            rules: &self.rules,
            in_force_at_start: self.in_force_at_start.unwrap_or(diff.in_force_by_table),
            removed: &self.removed,
            added: &self.added,
        }
    }

    fn judge_after(&self, approval: Option<&Approval>) -> Judgment {
        let diff = Diff::new(&self.wanted, &[], &self.always, &self.current);
        judge(&self.evidence(&diff), approval)
    }

    fn judge(&self) -> Judgment {
        self.judge_after(None)
    }

    fn approved(mut self) -> Self {
        self.settings.approve = Some(self.judge().digest);
        self
    }
}

/// Verdict, reasons as people read them, and how many removals are held.
fn said(judgment: &Judgment) -> (Verdict, Vec<String>, usize) {
    (judgment.verdict, judgment.reasons.iter().map(ToString::to_string).collect(), judgment.held.len())
}

fn held(reasons: &[&str], count: usize) -> (Verdict, Vec<String>, usize) {
    (Verdict::Held, reasons.iter().map(ToString::to_string).collect(), count)
}

/// What would have been held or blocked, had it not been approved.
fn approved(reasons: &[&str]) -> (Verdict, Vec<String>, usize) {
    (Verdict::Approved, reasons.iter().map(ToString::to_string).collect(), 0)
}

const PASS: (Verdict, Vec<String>, usize) = (Verdict::Pass, Vec::new(), 0);

#[test]
fn ten_percent_may_go_and_one_more_may_not() {
    assert_eq!(said(&Case::wanting(10..100).judge()), PASS);
    let reason = "11 of 100 IPv4 CIDRs would be removed; --max-removals allows 10 in one run";
    assert_eq!(said(&Case::wanting(11..100).judge()), held(&[reason], 11));
}

#[test]
fn the_limit_is_a_share_rounded_down_of_which_five_are_always_allowed() {
    for (limit, in_force, allowed) in [
        (MaxRemovals::Percent(10.0), 0, 5),
        (MaxRemovals::Percent(10.0), 59, 5),
        (MaxRemovals::Percent(10.0), 60, 6),
        (MaxRemovals::Percent(0.0), 1_000_000, 5),
        (MaxRemovals::Percent(33.3), 1_000_000, 333_000),
        (MaxRemovals::Percent(100.0), 1_000_000, 1_000_000),
        (MaxRemovals::Count(0), 1_000_000, 0),
        (MaxRemovals::Count(7), 3, 7),
    ] {
        assert_eq!(super::evidence::allowed_removals(limit, in_force), allowed, "{limit:?} of {in_force}");
    }
}

#[test]
fn what_earlier_rounds_removed_counts_against_the_same_budget() {
    let mut case = Case::wanting(0..100);
    case.current.shards = vec![shard("wafsync-ipv4-000", (6..104).map(host))];
    case.in_force_at_start = Some(PerFamily { ipv4: 100, ipv6: 0 });
    case.removed = (200..206).map(host).collect();
    assert_eq!(said(&case.judge()), PASS, "six done and four to come are ten");
    case.removed.insert(host(206));
    let reason = "11 of 100 IPv4 CIDRs would be removed; --max-removals allows 10 in one run";
    assert_eq!(said(&case.judge()), held(&[reason], 4));
    case.removed = (100..104).map(host).collect();
    assert_eq!(said(&case.judge()), PASS, "what is still to come is not counted twice");
    case.removed = (200..206).map(host).chain([Cidr::parse("2001:db8::/48").unwrap()]).collect();
    assert_eq!(said(&case.judge()), PASS, "each family has a budget of its own");
}

#[test]
fn a_family_is_neither_emptied_nor_left_below_the_minimum() {
    let mut case = Case::wanting(97..100);
    case.settings.max_removals = MaxRemovals::Percent(100.0);
    assert_eq!(said(&case.judge()), PASS);
    case.settings.min_addresses = 4;
    let reason = "3 IPv4 CIDRs of the table would be left; --min-addresses asks for at least 4";
    assert_eq!(said(&case.judge()), held(&[reason], 97));
    case.settings.min_addresses = 3;
    assert_eq!(said(&case.judge()), PASS);
    case.wanted = wanting([Cidr::parse("2001:db8::/48").unwrap()]);
    let reason = "all 100 IPv4 CIDRs would be removed, and the table asks for no other";
    assert_eq!(said(&case.judge()), held(&[reason], 100));
}

#[test]
fn a_table_without_any_entry_blocks_while_something_is_in_force() {
    let mut case = Case::wanting(0..0);
    case.settings.max_removals = MaxRemovals::Percent(100.0);
    let judgment = case.judge();
    assert_eq!(judgment.verdict, Verdict::Blocked);
    assert_eq!(judgment.reasons.first(), Some(&Reason::EmptyTable { in_force: 100 }));
    let reasons = [
        "the table gave no address at all while 100 CIDRs are in force",
        "all 100 IPv4 CIDRs would be removed, and the table asks for no other",
    ];
    assert_eq!(said(&case.approved().judge()), approved(&reasons));
    let mut both = Case::wanting(0..0);
    let ipv6 = Cidr::parse("2001:db8::/48").unwrap();
    both.current.shards.push(Shard { family: Family::Ipv6, ..shard("wafsync-ipv6-000", [ipv6]) });
    assert_eq!(both.judge().reasons.first(), Some(&Reason::EmptyTable { in_force: 101 }), "of both families");
    let mut nothing = Case::wanting(0..0);
    nothing.current.shards.clear();
    assert_eq!(said(&nothing.judge()), PASS);
    let mut break_glass = Case::wanting(0..0);
    break_glass.always = (0..100).map(host).collect();
    break_glass.wanted =
        Desired::new(TableView::default(), &break_glass.always, false, PerFamily { ipv4: 8, ipv6: 16 });
    assert_eq!(said(&break_glass.judge()), PASS, "only --always is in force");
}

#[test]
fn rejections_hold_removals_unless_they_are_skipped() {
    let mut case = Case { rejections: 2, ..Case::wanting(1..100) };
    let reason = "2 values are invalid in the table, so 1 removal waits: the items may still ask for these addresses; \
                  correct the table, or name the items with --ignore-item";
    assert_eq!(said(&case.judge()), held(&[reason], 1));
    case.settings.on_rejection = OnRejection::Skip;
    assert_eq!(said(&case.judge()), PASS);
    assert_eq!(said(&Case { rejections: 2, ..Case::wanting(0..100) }.judge()), PASS, "nothing goes");
}

#[test]
fn an_adopted_set_that_is_not_marked_is_closed_until_its_removals_are_approved() {
    let mut case = Case::wanting(0..100);
    let adopted = Shard { adopted: true, mark: None, group: None, ..shard("offices", (99..102).map(host)) };
    case.current.shards.insert(0, adopted);
    let judgment = case.judge();
    let reason = "2 CIDRs would be removed from the adopted IP set offices, which wafsync does not manage yet";
    assert_eq!((said(&judgment), &judgment.closed[..]), (held(&[reason], 2), &[0][..]));
    let judgment = case.approved().judge();
    assert_eq!((said(&judgment), &judgment.closed[..]), (approved(&[reason]), &[][..]));
}

#[test]
fn every_change_of_a_rule_blocks_until_it_is_approved() {
    let group = || "wafsync-1".to_owned();
    let changes = [
        RuleChange::OtherTable { group: group(), found: "00000000".into(), ours: "11111111".into() },
        RuleChange::Policy { group: group(), from: "allow".into(), to: "count and label".into() },
        RuleChange::Labels { group: group(), from: vec![], to: vec!["wafsync".into()] },
        RuleChange::Edited { group: group(), seen: "a".into(), to: "allow".into() },
        RuleChange::Edited { group: group(), seen: "b".into(), to: "allow".into() },
        RuleChange::Edited { group: group(), seen: "b".into(), to: "count".into() },
        RuleChange::DroppedReference { group: group(), ip_set: "arn:offices".into() },
    ];
    let mut digests = BTreeSet::new();
    for change in changes {
        let case = Case { rules: vec![change.clone()], ..Case::wanting(0..100) };
        let judgment = case.judge();
        assert_eq!((judgment.verdict, &judgment.reasons[..]), (Verdict::Blocked, &[Reason::Rule(change)][..]));
        digests.insert(judgment.digest);
        let reason = judgment.reasons[0].to_string();
        assert_eq!(said(&case.approved().judge()), approved(&[&reason]));
    }
    assert_eq!(digests.len(), 7);
}

#[test]
fn an_approval_names_what_it_lets_through_and_nothing_else() {
    let case = Case::wanting(20..100).approved();
    let first = case.judge();
    let reason =
        |removals| format!("{removals} of 100 IPv4 CIDRs would be removed; --max-removals allows 10 in one run");
    assert_eq!(said(&first), approved(&[&reason(20)]));
    let mut later = Case::wanting(19..100);
    later.settings = case.settings.clone();
    assert_eq!(said(&later.judge_after(first.approval.as_ref())), approved(&[&reason(19)]), "less is fine");
    later.wanted = wanting((21..100).map(host));
    let more = later.judge_after(first.approval.as_ref());
    assert_eq!(
        (said(&more), &more.held[..]),
        (held(&["1 removal is not in the plan that was approved"], 1), &[host(20)][..])
    );
    later.rules = vec![RuleChange::Edited { group: "wafsync-1".into(), seen: String::new(), to: String::new() }];
    assert_eq!(later.judge_after(first.approval.as_ref()).verdict, Verdict::Blocked);
}

#[test]
fn another_plan_than_the_approved_one_says_so() {
    let mut case = Case::wanting(20..100);
    case.settings.approve = Some("sha256:00".into());
    let reasons = [
        "20 of 100 IPv4 CIDRs would be removed; --max-removals allows 10 in one run",
        "the plan is no longer the one that was approved as sha256:00",
    ];
    assert_eq!(said(&case.judge()), held(&reasons, 20));
    let mut harmless = Case::wanting(1..100);
    harmless.settings.approve = Some("sha256:00".into());
    assert_eq!(said(&harmless.judge()), PASS, "an approval that nothing needs is no reason to stop");
}

#[test]
fn the_digest_is_of_what_a_guard_can_stop() {
    let digest = |case: &Case| case.judge().digest;
    let base = Case::wanting(20..100);
    // Worked out by hand: each line with its length and a colon in front.
    assert_eq!(digest(&base), "sha256:4d6dca2f63dfedc9ab2527ba4e81a4ed73f55cb7163a467a1f6c8f3928113aa6");
    assert_eq!(digest(&Case::wanting(20..500)), digest(&base), "additions do not change it");
    let mut others = vec![digest(&base), digest(&Case::wanting(21..100))];
    others.push(digest(&Case { rejections: 3, ..Case::wanting(20..100) }));
    for edit in [
        (|target| target.scope = "cloudfront") as fn(&mut Target),
        |target| target.region = "us-east-1".into(),
        |target| target.name = "other".into(),
        |target| target.table = "eu-central-1/others".into(),
    ] {
        let mut case = Case::wanting(20..100);
        edit(&mut case.target);
        others.push(digest(&case));
    }
    let distinct: BTreeSet<&String> = others.iter().collect();
    assert_eq!(distinct.len(), others.len());
}

#[test]
fn a_plan_that_removes_what_is_held_cannot_be_approved_by_mistake() {
    let judgment = Case::wanting(20..100).judge();
    let write = crate::planning::change::Write::UpdateIpSet {
        id: String::new(),
        token: crate::model::current::LockToken(String::new()),
        spec: IpSetSpec {
            name: String::new(),
            family: Family::Ipv4,
            cidrs: Cidrs::default(),
            description: String::new(),
        },
    };
    let remove = |stage, cidr| Plan {
        changes: vec![Change {
            stage,
            write: write.clone(),
            add: [].into(),
            remove: [cidr].into(),
            relies_on: vec![],
            refer: vec![],
            unrefer: vec![],
        }],
        ..Plan::default()
    };
    assert!(ApprovedPlan::new(remove(Stage::Remove, host(0)), &judgment).is_err());
    assert!(ApprovedPlan::new(remove(Stage::Add, host(0)), &judgment).is_err());
    assert!(ApprovedPlan::new(remove(Stage::Remove, host(50)), &judgment).is_ok());
    assert!(ApprovedPlan::new(remove(Stage::Strip, host(0)), &judgment).is_err());
    let blocked = Case::wanting(0..0).judge();
    assert!(ApprovedPlan::new(Plan::default(), &blocked).is_err());
}

/// A set that held these when wafsync wrote it last, and now holds others too.
fn edited(name: &str, written: std::ops::Range<u32>, added: std::ops::Range<u32>) -> Shard {
    let mark = Some(Mark { fingerprint: Some(Fingerprint::of(written.clone().map(host))) });
    Shard { mark, ..shard(name, written.chain(added).map(host)) }
}

#[test]
fn drift_is_neither_counted_nor_part_of_what_a_percentage_is_of() {
    let mut case = Case::wanting(6..41);
    case.current.shards = vec![edited("wafsync-ipv4-000", 0..41, 0..0), edited("wafsync-ipv4-001", 0..0, 1000..1300)];
    let reason = "6 of 41 IPv4 CIDRs would be removed; --max-removals allows 5 in one run";
    let judgment = case.judge();
    assert_eq!(said(&judgment), held(&[reason], 6));
    assert!(!judgment.held.contains(&host(1000)));
    case.wanted = wanting((5..41).map(host));
    assert_eq!(said(&case.judge()), PASS);
}

#[test]
fn drift_stays_while_rejections_hold_and_can_be_approved() {
    let mut case = Case { rejections: 1, ..Case::wanting(0..10) };
    case.current.shards = vec![edited("wafsync-ipv4-000", 0..10, 50..52)];
    let reason = "1 value is invalid in the table, so 2 removals wait: the items may still ask for these addresses; \
                  correct the table, or name the items with --ignore-item";
    assert_eq!(said(&case.judge()), held(&[reason], 2));
    let digest = case.judge().digest;
    assert_eq!(said(&case.approved().judge()), approved(&[reason]));
    let mut readable = Case { rejections: 0, ..Case::wanting(0..10) };
    readable.current.shards = vec![edited("wafsync-ipv4-000", 0..10, 50..52)];
    assert_ne!(readable.judge().digest, digest, "no guard stops it then");
    assert_eq!(said(&readable.judge()), PASS);
}

#[test]
fn drift_of_which_all_addresses_are_wanted_need_not_stay_while_rejections_hold() {
    let wide = Cidr::new([10, 0, 0, 0].into(), 28).unwrap();
    let mut case = Case { rejections: 1, wanted: wanting([wide]), ..Case::wanting(0..0) };
    let written = Mark { fingerprint: Some(Fingerprint::of([wide])) };
    case.current.shards = vec![Shard { mark: Some(written), ..shard("wafsync-ipv4-000", [wide, host(3)]) }];
    assert_eq!(said(&case.judge()), PASS);
    case.current.shards = vec![Shard { mark: Some(written), ..shard("wafsync-ipv4-000", [wide, host(3), host(16)]) }];
    assert_eq!(case.judge().held, [host(16)]);
}

#[test]
fn an_approval_given_without_rejections_passes_nothing_while_there_are_some() {
    let case = Case::wanting(20..100).approved();
    let first = case.judge();
    let mut later = Case { rejections: 1, ..Case::wanting(20..100) };
    later.settings = case.settings.clone();
    let judgment = later.judge_after(first.approval.as_ref());
    assert_eq!((judgment.verdict, judgment.held.len()), (Verdict::Held, 20));
}

#[test]
fn a_table_without_any_entry_blocks_whoever_put_there_what_is_in_force() {
    let mut case = Case::wanting(0..0);
    case.current.shards = vec![edited("wafsync-ipv4-000", 0..0, 50..52)];
    assert_eq!(case.judge().reasons, [Reason::EmptyTable { in_force: 2 }]);
    case.current.shards = vec![Shard { group: None, ..shard("wafsync-ipv4-000", (0..3).map(host)) }];
    assert_eq!(case.judge().reasons.first(), Some(&Reason::EmptyTable { in_force: 3 }));
}

#[test]
fn an_approval_of_a_replacement_is_none_of_an_empty_table_and_the_other_way_round() {
    let replaced = Case::wanting(100..101).approved();
    assert_eq!(replaced.judge().verdict, Verdict::Approved);
    let emptied = Case::wanting(0..0).approved();
    assert_eq!(emptied.judge().verdict, Verdict::Approved);
    for (mut case, settings) in
        [(Case::wanting(0..0), replaced.settings.clone()), (Case::wanting(100..101), emptied.settings.clone())]
    {
        case.settings = settings;
        assert_ne!(case.judge().verdict, Verdict::Approved);
    }
}

#[test]
fn a_set_that_was_given_back_is_adopted_with_the_same_care_as_at_first() {
    let mut case = Case::wanting(0..100);
    case.current.shards.push(Shard { adopted: true, group: None, ..edited("offices", 0..1, 200..230) });
    let judgment = case.judge();
    let reason = "30 CIDRs would be removed from the adopted IP set offices, which wafsync does not manage yet";
    assert_eq!((said(&judgment), &judgment.closed[..]), (held(&[reason], 30), &[1][..]));
}

/// A case with this limit on additions.
fn limited(limit: MaxAdditions, numbers: std::ops::Range<u32>) -> Case {
    let mut case = Case::wanting(numbers);
    case.settings.max_additions = Some(limit);
    case
}

/// Verdict, reasons, and how many additions wait.
fn grown(judgment: &Judgment) -> (Verdict, Vec<String>, usize) {
    let (verdict, reasons, held) = said(judgment);
    assert_eq!(held, 0, "no removal is held");
    (verdict, reasons, judgment.waiting.len())
}

#[test]
fn more_additions_than_allowed_wait_all_of_them() {
    for limit in [MaxAdditions::Count(20), MaxAdditions::Percent(20.0)] {
        assert_eq!(grown(&limited(limit, 0..120).judge()), PASS);
        let reason = "21 IPv4 CIDRs would be added to 100 in force; --max-additions allows 20 in one run";
        assert_eq!(grown(&limited(limit, 0..121).judge()), held(&[reason], 21));
        let judgment = limited(limit, 0..121).approved().judge();
        assert_eq!(grown(&judgment), approved(&[reason]));
    }
    assert_eq!(grown(&Case::wanting(0..5000).judge()), PASS, "no limit");
}

#[test]
fn a_percentage_does_not_apply_to_a_family_of_which_nothing_is_in_force() {
    let mut case = limited(MaxAdditions::Percent(10.0), 0..5000);
    case.current.shards.clear();
    assert_eq!(grown(&case.judge()), PASS);
    case.settings.max_additions = Some(MaxAdditions::Count(4999));
    let reason = "5,000 IPv4 CIDRs would be added to 0 in force; --max-additions allows 4,999 in one run";
    assert_eq!(grown(&case.judge()), held(&[reason], 5000));
}

#[test]
fn additions_of_earlier_rounds_count_and_those_of_always_do_not() {
    let mut case = limited(MaxAdditions::Count(3), 0..102);
    case.added = [host(300), host(100)].into();
    assert_eq!(grown(&case.judge()), PASS);
    case.added.insert(host(301));
    assert_eq!(case.judge().verdict, Verdict::Held);
    case.always = vec![host(100)];
    assert_eq!(case.judge().waiting, [host(101)]);
}

#[test]
fn an_approval_names_additions_and_few_more_pass_beside_them() {
    let case = limited(MaxAdditions::Count(5), 0..110).approved();
    let first = case.judge();
    let more = |upto| {
        let mut later = limited(MaxAdditions::Count(5), 0..upto);
        later.settings.approve = case.settings.approve.clone();
        later.judge_after(first.approval.as_ref())
    };
    assert_eq!(more(115).verdict, Verdict::Approved);
    assert_eq!(grown(&more(116)), held(&["6 additions are not in the plan that was approved"], 6));
    let digests: BTreeSet<String> =
        [110, 111].map(|upto| limited(MaxAdditions::Count(5), 0..upto).judge().digest).into();
    assert_eq!(digests.len(), 2, "additions that wait are part of the digest");
    for enough in [20, 10] {
        let digest = limited(MaxAdditions::Count(enough), 0..110).judge().digest;
        assert_eq!(digest, Case::wanting(0..100).judge().digest, "no addition waits");
    }
}

#[test]
fn what_earlier_rounds_added_counts_beside_what_an_approval_names() {
    let case = limited(MaxAdditions::Count(5), 0..110).approved();
    let first = case.judge();
    let mut later = limited(MaxAdditions::Count(5), 0..113);
    later.settings.approve = case.settings.approve;
    // Named, and not: two of the five that may come beside it have come.
    later.added = [host(105), host(200), host(201)].into();
    assert_eq!(later.judge_after(first.approval.as_ref()).verdict, Verdict::Approved);
    later.added.insert(host(202));
    assert_eq!(later.judge_after(first.approval.as_ref()).verdict, Verdict::Held);
}

#[test]
fn a_plan_that_adds_what_waits_cannot_be_approved_by_mistake() {
    let judgment = limited(MaxAdditions::Count(0), 0..101).judge();
    let spec =
        IpSetSpec { name: String::new(), family: Family::Ipv4, cidrs: vec![].into(), description: String::new() };
    let add = |cidr| Plan {
        changes: vec![Change {
            stage: Stage::Add,
            write: crate::planning::change::Write::CreateIpSet(spec.clone()),
            add: [cidr].into(),
            remove: [].into(),
            relies_on: vec![],
            refer: vec![],
            unrefer: vec![],
        }],
        ..Plan::default()
    };
    assert!(ApprovedPlan::new(add(host(100)), &judgment).is_err());
    assert!(ApprovedPlan::new(add(host(0)), &judgment).is_ok());
}

#[test]
fn an_approved_plan_shows_its_stages_and_both_of_its_parts_are_approved() {
    let spec = |name: &str| IpSetSpec {
        name: name.into(),
        family: Family::Ipv4,
        cidrs: vec![].into(),
        description: String::new(),
    };
    let change = |stage, name: &str| Change {
        stage,
        write: crate::planning::change::Write::CreateIpSet(spec(name)),
        add: [host(0)].into(),
        remove: [].into(),
        relies_on: vec![],
        refer: vec![],
        unrefer: vec![],
    };
    let changes = vec![change(Stage::Strip, "a"), change(Stage::Add, "b"), change(Stage::Add, "c")];
    let plan = Plan {
        changes: changes.clone(),
        deferred: vec![host(1)],
        unplaced: vec![host(2)],
        keeps_foreign: true,
        minimum: 2,
    };
    let approved = ApprovedPlan::new(plan.clone(), &Case::wanting(0..100).judge()).unwrap();
    assert_eq!((approved.stage(Stage::Add), approved.stage(Stage::Wire)), (vec![&changes[1], &changes[2]], vec![]));
    assert!(!approved.is_empty() && approved.plan() == &plan);
    let (first, rest) = approved.partition(|change| change.stage == Stage::Strip);
    assert_eq!(first.into_plan(), Plan { changes: changes[..1].to_vec(), minimum: 1, ..plan.clone() });
    assert_eq!(rest.into_plan(), Plan { changes: changes[1..].to_vec(), minimum: 1, ..plan });
    let nothing = ApprovedPlan::new(Plan::default(), &Case::wanting(0..100).judge()).unwrap();
    assert!(nothing.is_empty());
}

#[test]
fn the_digest_of_the_rest_is_that_of_a_plan_made_now() {
    let case = Case::wanting(0..50);
    let diff = Diff::new(&case.wanted, &[], &case.always, &case.current);
    assert_eq!(digest_of_the_rest(&case.evidence(&diff)), case.judge().digest);
}

#[test]
fn verdicts_have_names_that_last() {
    let names = [Verdict::Pass, Verdict::Held, Verdict::Blocked, Verdict::Approved].map(|verdict| verdict.to_string());
    assert_eq!(names, ["pass", "held", "blocked", "approved"]);
}

/// Like [`Case::wanting`], with fewer hosts in force.
fn of(in_force: std::ops::Range<u32>, wanted: std::ops::Range<u32>) -> Case {
    let current = Current { shards: vec![shard("wafsync-ipv4-000", in_force.map(host))], ..Current::default() };
    Case { current, ..Case::wanting(wanted) }
}

#[test]
fn a_family_is_not_emptied_while_what_replaces_it_waits() {
    let mut case = of(0..5, 100..105);
    case.settings.max_additions = Some(MaxAdditions::Percent(50.0));
    let removed = "all 5 IPv4 CIDRs would be removed before 5 additions that wait for approval";
    let added = "5 IPv4 CIDRs would be added to 5 in force; --max-additions allows 2 in one run";
    let judgment = case.judge();
    assert_eq!((said(&judgment), judgment.waiting.len()), (held(&[removed, added], 5), 5));
    assert_eq!(said(&case.approved().judge()), approved(&[added]));
    let mut left = of(0..5, 3..8);
    left.settings =
        GuardSettings { max_additions: Some(MaxAdditions::Count(1)), min_addresses: 3, ..Case::wanting(0..1).settings };
    let below = "2 IPv4 CIDRs of the table would be left; --min-addresses asks for at least 3";
    let added = "3 IPv4 CIDRs would be added to 5 in force; --max-additions allows 1 in one run";
    assert_eq!(said(&left.judge()), held(&[below, added], 3));
}

#[test]
fn rejections_need_an_approval_of_their_own_where_a_foreign_reference_is_dropped() {
    let rule = RuleChange::DroppedReference { group: "wafsync-1".into(), ip_set: "arn:offices".into() };
    let mut case = Case { rules: vec![rule.clone()], ..Case::wanting(0..100) }.approved();
    let first = case.judge();
    assert_eq!((first.verdict, first.reasons.as_slice()), (Verdict::Approved, &[Reason::Rule(rule.clone())][..]));
    case.rejections = 2;
    let rejected = Reason::ForeignRejections { rejections: 2 };
    // The same before the run, and found by the second scan.
    let before = case.judge();
    assert_eq!((before.verdict, &before.reasons[..2]), (Verdict::Blocked, &[Reason::Rule(rule), rejected.clone()][..]));
    assert_ne!(before.digest, first.digest);
    let later = case.judge_after(first.approval.as_ref());
    assert_eq!((later.verdict, later.reasons), (Verdict::Blocked, vec![rejected]));
    case.settings.on_rejection = OnRejection::Skip;
    assert_eq!(case.judge_after(first.approval.as_ref()).verdict, Verdict::Approved);
    case.settings.on_rejection = OnRejection::Hold;
    assert_eq!(case.approved().judge().verdict, Verdict::Approved);
    // Any other change of a rule says nothing about addresses.
    let rule = RuleChange::Edited { group: "wafsync-1".into(), seen: String::new(), to: String::new() };
    let other = Case { rules: vec![rule], rejections: 2, ..Case::wanting(0..100) };
    assert_eq!(other.judge().reasons.len(), 1);
}

#[test]
fn an_approval_passes_no_kind_of_stop_that_it_did_not_name() {
    let replaced = Case::wanting(100..200).approved();
    let first = replaced.judge();
    assert_eq!(first.verdict, Verdict::Approved);
    let six = Cidr::new("2001:db8::".parse().unwrap(), 48).unwrap();
    let mut emptied = Case { wanted: wanting([six]), ..Case::wanting(0..0) };
    let reason = "all 100 IPv4 CIDRs would be removed, and the table asks for no other";
    // The replacements vanish before the second scan of the same run.
    assert_eq!(said(&emptied.judge_after(first.approval.as_ref())), held(&[reason], 100));
    // The same before the run.
    emptied.settings = replaced.settings.clone();
    let later = emptied.judge();
    assert_eq!((later.verdict, later.held.len()), (Verdict::Held, 100));
    assert_eq!(emptied.approved().judge().verdict, Verdict::Approved);
}

#[test]
fn a_first_read_that_shows_nothing_lifts_no_limit_of_additions() {
    let mut case = of(0..50, 0..150);
    case.settings.max_additions = Some(MaxAdditions::Percent(10.0));
    case.in_force_at_start = Some(PerFamily::default());
    case.added = (50..150).map(host).collect();
    let reason = "100 IPv4 CIDRs would be added to 50 in force; --max-additions allows 5 in one run";
    assert_eq!(said(&case.judge()), held(&[reason], 0));
    // Additions of the other family, and those that no rule refers to yet, say nothing about it.
    let six = Cidr::new("2001:db8::".parse().unwrap(), 48).unwrap();
    let other = Shard { family: Family::Ipv6, ..shard("wafsync-ipv6-000", [six]) };
    let idle = Shard { group: None, mark: None, created: true, ..shard("wafsync-ipv4-001", (50..60).map(host)) };
    case.current.shards.extend([idle, other]);
    case.wanted = wanting((0..150).map(host).chain([six]));
    case.added.insert(six);
    assert_eq!(said(&case.judge()), held(&[reason], 0));
    case.added = (0..150).map(host).collect();
    assert_eq!(said(&case.judge()), PASS, "the run has added what is there");
    // A hand has put three more into the set since.
    case.current.shards = vec![edited("wafsync-ipv4-000", 0..50, 200..203)];
    assert_eq!(case.judge().waiting, [] as [Cidr; 0], "drift is no part of it");
}
