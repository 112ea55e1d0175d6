use super::*;
use crate::model::cidrs::Cidrs;
use crate::model::current::LockToken;
use crate::model::naming::GroupDescription;
use crate::model::policy::{Action, RulePolicy};
use crate::model::spec::{IpSetSpec, Reference, RuleGroupSpec};
use crate::planning::change::Write;
use crate::planning::diff::{Class, Unwanted};
use crate::planning::rule_changes::tests::target;

const GONE: &str = "198.51.100.1/32";
const DRIFT: &str = "198.51.100.2/32";
const UNWIRED: &str = "198.51.100.3/32";
const NEW: &str = "198.51.100.4/32";

fn cidrs(list: &[&str]) -> Vec<Cidr> {
    list.iter().map(|text| Cidr::parse(text).unwrap()).collect()
}

fn change(stage: Stage, write: Write) -> Change {
    Change { stage, write, add: [].into(), remove: [].into(), relies_on: vec![], refer: vec![], unrefer: vec![] }
}

fn set(stage: Stage, name: &str, add: &[&str], remove: &[&str]) -> Change {
    let (name, description) = (name.to_owned(), String::new());
    let spec = IpSetSpec { name, family: Family::Ipv4, cidrs: Cidrs::default(), description };
    let write = Write::UpdateIpSet { id: String::new(), token: LockToken(String::new()), spec };
    Change { add: cidrs(add).into(), remove: cidrs(remove).into(), ..change(stage, write) }
}

fn group(stage: Stage, name: &str, refer: &[&str]) -> Change {
    let reference = |set: &&str| Reference { name: (*set).to_owned(), arn: None };
    let description: GroupDescription = target().group_description(None);
    let spec = RuleGroupSpec {
        name: name.to_owned(),
        rule_name: "wafsync".to_owned(),
        description,
        capacity: 120,
        policy: RulePolicy { action: Action::Allow, forwarded: None },
        references: refer.iter().map(reference).collect(),
    };
    Change { refer: refer.iter().map(|set| (*set).to_owned()).collect(), ..change(stage, Write::CreateRuleGroup(spec)) }
}

fn decision(changes: Vec<Change>) -> Decision {
    let unwanted = |cidr, class| Unwanted { cidr: Cidr::parse(cidr).unwrap(), class };
    let diff = Diff {
        unwanted: vec![vec![
            unwanted(GONE, Class::Withdrawn),
            unwanted(DRIFT, Class::Drift),
            unwanted(UNWIRED, Class::Unwired),
        ]],
        ..Diff::default()
    };
    let judgment = Judgment {
        verdict: Verdict::Pass,
        reasons: vec![],
        held: vec![],
        waiting: vec![],
        additions: vec![],
        closed: vec![],
        digest: String::new(),
        approval: None,
    };
    Decision { plan: Plan { minimum: changes.len(), changes, ..Plan::default() }, diff, judgment }
}

/// The targets of both parts, and the lower bound of each.
fn split(changes: Vec<Change>) -> [(Vec<String>, usize); 2] {
    let (first, rest) = decision(changes).approve().unwrap().split();
    [first, rest].map(|part| {
        let Plan { changes, minimum, .. } = part.into_record().plan;
        (changes.iter().map(|change| change.write.target().to_owned()).collect(), minimum)
    })
}

#[test]
fn an_update_that_only_adds_does_not_wait() {
    let [first, rest] = split(vec![set(Stage::Add, "a", &[NEW], &[]), set(Stage::Remove, "b", &[], &[GONE])]);
    assert_eq!(first, (vec!["a".to_owned()], 1));
    assert_eq!(rest, (vec!["b".to_owned()], 1));
}

#[test]
fn additions_wait_with_the_removals_in_the_same_call() {
    let [first, rest] = split(vec![set(Stage::Add, "a", &[NEW], &[GONE])]);
    assert_eq!((first.0.len(), rest.0.len()), (0, 1));
}

#[test]
fn drift_waits_too() {
    let [first, rest] = split(vec![set(Stage::Remove, "a", &[], &[DRIFT])]);
    assert_eq!((first.0.len(), rest.0.len()), (0, 1));
}

#[test]
fn a_set_of_this_run_that_no_rule_refers_to_is_stripped_without_proof() {
    let strip = |cidr| set(Stage::Strip, "a", &[], &[cidr]);
    let wire = || group(Stage::Wire, "wafsync-1", &["a"]);
    let [first, _] = split(vec![strip(UNWIRED), wire()]);
    assert_eq!(first.0, ["a", "wafsync-1"]);
    // What may be in force by a rule that was not seen needs proof there too.
    for unproven in [GONE, DRIFT] {
        let [first, rest] = split(vec![strip(unproven), wire()]);
        assert_eq!((first.0.len(), rest.0.len()), (0, 2));
    }
}

#[test]
fn a_rule_group_waits_with_a_set_that_it_is_to_refer_to() {
    let changes = vec![
        set(Stage::Add, "a", &[NEW], &[]),
        set(Stage::Add, "b", &[NEW], &[GONE]),
        group(Stage::Wire, "wafsync-1", &["a"]),
        group(Stage::Wire, "wafsync-2", &["a", "b"]),
    ];
    let [first, rest] = split(changes);
    assert_eq!(first.0, ["a", "wafsync-1"]);
    assert_eq!(rest.0, ["b", "wafsync-2"]);
}

#[test]
fn a_rule_group_that_drops_a_reference_waits() {
    let edited = group(Stage::Unwire, "wafsync-1", &["a"]);
    let dropping = Change { unrefer: vec!["b".to_owned()], ..group(Stage::Unwire, "wafsync-2", &[]) };
    let [first, rest] = split(vec![edited.clone(), dropping]);
    assert_eq!((first.0, rest.0), (vec!["wafsync-1".to_owned()], vec!["wafsync-2".to_owned()]));
    // A hand's rule may let in what is added later.
    let [first, rest] = split(vec![edited, set(Stage::Add, "b", &[NEW], &[GONE])]);
    assert_eq!((first.0.len(), rest.0.len()), (0, 2));
}

#[test]
fn care_is_what_the_most_doubtful_removal_needs() {
    let care = |removed: &[&str]| decision(vec![set(Stage::Remove, "a", &[], removed)]).care();
    assert_eq!(care(&[GONE, DRIFT]), Some(Care::Settled));
    assert_eq!(care(&[DRIFT]), Some(Care::Immediate));
    assert_eq!(care(&[UNWIRED]), None);
    assert_eq!(care(&[]), None);
}

#[test]
fn a_plan_that_a_guard_stops_is_not_approved() {
    let mut blocked = decision(vec![]);
    blocked.judgment.verdict = Verdict::Blocked;
    assert!(matches!(blocked.approve().unwrap_err().refusal(), End::Blocked));
    let mut removes_held = decision(vec![set(Stage::Remove, "a", &[], &[GONE])]);
    removes_held.judgment.held = cidrs(&[GONE]);
    assert!(matches!(removes_held.approve().unwrap_err().refusal(), End::Failed(_)));
}
