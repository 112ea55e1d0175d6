use super::*;
use crate::model::cidrs::Cidrs;
use crate::model::current::Shard;
use crate::model::desired::Desired;
use crate::model::desired::tests::wanting;
use crate::model::fingerprint::Mark;
use crate::model::item::TableView;
use crate::model::spec::IpSetSpec;

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
            },
            current: Current { shards: vec![shard("wafsync-ipv4-000", (0..100).map(host))], ..Current::default() },
            wanted: wanting(numbers.map(host)),
            rejections: 0,
            rules: Vec::new(),
            in_force_at_start: None,
            removed: BTreeSet::new(),
            always: Vec::new(),
        }
    }

    fn judge_after(&self, approval: Option<&Approval>) -> Judgement {
        let diff = Diff::new(&self.wanted, &[], &self.always, &self.current);
        judge(&Evidence {
            settings: &self.settings,
            target: &self.target,
            diff: &diff,
            current: &self.current,
            entries: self.wanted.view().entry_count(),
            wanted: self.wanted.from_table(),
            rejections: self.rejections,
            rules: &self.rules,
            in_force_at_start: self.in_force_at_start.unwrap_or(diff.in_force),
            removed: &self.removed,
            approval,
        })
    }

    fn judge(&self) -> Judgement {
        self.judge_after(None)
    }

    fn approved(mut self) -> Self {
        self.settings.approve = Some(self.judge().digest);
        self
    }
}

/// Verdict, reasons as people read them, and how many removals are held.
fn said(judgement: &Judgement) -> (Verdict, Vec<String>, usize) {
    (judgement.verdict, judgement.reasons.iter().map(ToString::to_string).collect(), judgement.held.len())
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
        assert_eq!(allowed_removals(limit, in_force), allowed, "{limit:?} of {in_force}");
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
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Blocked);
    assert_eq!(judgement.reasons.first(), Some(&Reason::EmptyTable { in_force: 100 }));
    let reasons = [
        "the table gave no address at all while 100 CIDRs are in force",
        "all 100 IPv4 CIDRs would be removed, and the table asks for no other",
    ];
    assert_eq!(said(&case.approved().judge()), approved(&reasons));
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
    let reason = "2 values in the table could not be read, so 1 removal is not proven to be unwanted; correct the table, or \
                  name the items with --ignore-item";
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
    let judgement = case.judge();
    let reason = "2 CIDRs would be removed from the adopted IP set offices, which wafsync has not written before";
    assert_eq!((said(&judgement), &judgement.closed[..]), (held(&[reason], 2), &[0][..]));
    let judgement = case.approved().judge();
    assert_eq!((said(&judgement), &judgement.closed[..]), (approved(&[reason]), &[][..]));
}

#[test]
fn every_change_of_a_rule_blocks_until_it_is_approved() {
    let group = || "wafsync-1".to_owned();
    let changes = [
        RuleChange::OtherTable { group: group(), found: "00000000".into(), ours: "11111111".into() },
        RuleChange::Policy { group: group(), from: "allow".into(), to: "count and label".into() },
        RuleChange::Edited { group: group(), seen: "a".into() },
        RuleChange::Edited { group: group(), seen: "b".into() },
        RuleChange::DroppedReference { group: group(), ip_set: "arn:offices".into() },
    ];
    let mut digests = BTreeSet::new();
    for change in changes {
        let case = Case { rules: vec![change.clone()], ..Case::wanting(0..100) };
        let judgement = case.judge();
        assert_eq!((judgement.verdict, &judgement.reasons[..]), (Verdict::Blocked, &[Reason::Rule(change)][..]));
        digests.insert(judgement.digest);
        let reason = judgement.reasons[0].to_string();
        assert_eq!(said(&case.approved().judge()), approved(&[&reason]));
    }
    assert_eq!(digests.len(), 5);
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
    later.rules = vec![RuleChange::Edited { group: "wafsync-1".into(), seen: String::new() }];
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
    assert_eq!(digest(&Case { rejections: 3, ..Case::wanting(20..100) }), digest(&base));
    let mut others = vec![digest(&base), digest(&Case::wanting(21..100))];
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
    let judgement = Case::wanting(20..100).judge();
    let write = crate::planning::plan::Write::UpdateIpSet {
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
            add: vec![],
            remove: vec![cidr],
            refer: vec![],
            unrefer: vec![],
        }],
        ..Plan::default()
    };
    assert!(ApprovedPlan::new(remove(Stage::Remove, host(0)), &judgement).is_none());
    assert!(ApprovedPlan::new(remove(Stage::Add, host(0)), &judgement).is_none());
    assert!(ApprovedPlan::new(remove(Stage::Remove, host(50)), &judgement).is_some());
    assert!(ApprovedPlan::new(remove(Stage::Strip, host(0)), &judgement).is_some(), "nothing in it is in force");
    let blocked = Case::wanting(0..0).judge();
    assert!(ApprovedPlan::new(Plan::default(), &blocked).is_none());
}
