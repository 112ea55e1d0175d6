//! Five plans, and every fault at each of their calls.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;
use wafsync_test_aws::{Attempt, Aws, Fault, FaultKind, Phase, When};

use crate::faults;
use crate::world::{Process, World, small};

/// A world whose next run makes the plan of this name.
#[derive(Clone, Copy, Debug)]
enum Named {
    FirstRun,
    OneChange,
    Growth,
    Adoption,
    Aggregation,
}

impl Named {
    async fn world(self) -> World {
        let adopting = ["--adopt=offices"];
        let aggregating = ["--aggregate"];
        let args: &[&str] = match self {
            Self::Adoption => &adopting,
            Self::Aggregation => &aggregating,
            _ => &[],
        };
        let mut world = World::new(small(), args);
        world.settings.table.aggregate = false;
        world.aws.put_ip_set("REGIONAL", "foreign", "IPV4", &["192.0.2.0/24"], None);
        if matches!(self, Self::Adoption) {
            world.aws.put_ip_set(
                "REGIONAL",
                "offices",
                "IPV4",
                &["198.51.100.1/32", "203.0.113.9/32"],
                Some("Offices"),
            );
        }
        world.item("a", &["198.51.100.0/32", "198.51.100.1/32"]);
        world.item("b", &["198.51.100.2/32", "2001:db8:1::/48"]);
        match self {
            Self::FirstRun => {
                world.item("c", &["198.51.100.3/32", "203.0.113.0/28"]);
            }
            Self::Adoption => {}
            Self::OneChange => {
                world.converges().await;
                world.item("a", &["198.51.100.0/32", "198.51.100.9/32"]);
            }
            Self::Growth => {
                world.item("c", &["198.51.100.3/32"]);
                world.converges().await;
                world.item("d", &["203.0.113.1/32", "203.0.113.2/32"]);
                world.item("e", &["203.0.113.3/32", "203.0.113.4/32", "203.0.113.5/32"]);
                world.item("f", &["2001:db8:2::/48"]);
            }
            Self::Aggregation => {
                world.item("c", &["198.51.100.3/32"]);
                world.item("d", &["198.51.100.4/31", "198.51.100.6/32"]);
                world.converges().await;
                world.settings.table.aggregate = true;
            }
        }
        world.set_foreign(&[]);
        world.later().await;
        world.aws.clear_log();
        world
    }

    /// The run under test. The removals of an adoption need approval, so their plan is printed first.
    async fn run(self, world: &World) -> Process {
        let mut process = world.process("run");
        if matches!(self, Self::Adoption) {
            let shown = world.plan(&process).await;
            process.settings.guards.approve = shown.digest;
            world.later().await;
            world.aws.clear_log();
        }
        process
    }

    /// Every call of a run without faults, timed from the start of the run.
    async fn calls(self) -> Vec<Attempt> {
        let world = self.world().await;
        world.apply(&self.run(&world).await).await;
        let mut log = world.aws.log();
        let start = log.first().map(|attempt| attempt.at).unwrap_or_default();
        for attempt in &mut log {
            attempt.at -= start;
        }
        world.converges().await;
        log
    }
}

/// How late a write takes effect after its caller gave up. The program waits twelve seconds.
const LATE: Duration = Duration::from_secs(20);

/// A run in a new world with this fault at one call, or at every call from there on, then runs without faults.
async fn with_fault(named: Named, index: usize, times: usize, when: When, kind: FaultKind) {
    let world = named.world().await;
    let run = named.run(&world).await;
    world.aws.fail(Fault { operation: None, target: None, skip: index, times, when, kind });
    world.apply(&run).await;
    world.converges().await;
}

/// A run that is killed during a call, before or after its effect, then runs without faults.
async fn killed(named: Named, index: usize, when: When) {
    let long = FaultKind::Slow(Duration::from_hours(24));
    let world = named.world().await;
    kill(named, &world, index, when, long).await;
    world.converges().await;
}

/// A run that is killed while a write is in flight. The write takes effect when the next run is about to write.
async fn with_late_write(named: Named, index: usize) {
    let world = named.world().await;
    kill(named, &world, index, When::Before, FaultKind::Late(LATE)).await;
    world.aws.clear_faults();
    tokio::time::sleep(LATE.saturating_sub(Duration::from_millis(1500))).await;
    world.apply(&world.process("next")).await;
    world.converges().await;
}

async fn kill(named: Named, world: &World, index: usize, when: When, kind: FaultKind) {
    let run = named.run(world).await;
    world.aws.fail(Fault { operation: None, target: None, skip: index, times: 1, when, kind });
    let now = Arc::new(Notify::new());
    let notify = Arc::clone(&now);
    let mut calls = 0;
    world.aws.on_call(move |_, call| {
        let phase = if when == When::Before { Phase::Before } else { Phase::After };
        if call.phase == phase {
            if calls == index {
                notify.notify_one();
            }
            calls += 1;
        }
    });
    world.killed(&run, now.notified()).await;
}

/// A run that gets a signal when a call begins.
async fn with_signal(named: Named, index: usize) {
    let world = named.world().await;
    let process = Process { hurried: true, ..named.run(&world).await };
    let (signal, mut calls) = (process.signal.clone(), 0);
    world.aws.on_call(move |_, call| {
        if call.phase == Phase::Before {
            if calls == index {
                signal.raise();
            }
            calls += 1;
        }
    });
    world.apply(&process).await;
    world.converges().await;
}

/// A run with a deadline.
async fn hurried(named: Named, deadline: Duration) {
    let world = named.world().await;
    let mut process = Process { hurried: true, ..named.run(&world).await };
    process.settings.run.deadline = deadline;
    world.apply(&process).await;
    world.converges().await;
}

/// An edit of WAF in the console.
type ManualEdit = fn(&Aws);

/// An edit with a name.
#[derive(Clone)]
struct NamedEdit(&'static str, ManualEdit);

impl fmt::Debug for NamedEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Every kind of edit.
const MANUAL_EDITS: [(&str, ManualEdit); 9] = [
    ("adds an unwanted address", |aws| edit(aws, |cidrs| cidrs.push("203.0.113.200/32".to_owned()))),
    ("removes an address", |aws| edit(aws, |cidrs| drop(cidrs.pop()))),
    ("empties a set", |aws| edit(aws, Vec::clear)),
    ("edits the description of a set", |aws| aws.describe_ip_set(SET, Some("edited"))),
    ("removes the mark of a set", |aws| aws.describe_ip_set(SET, None)),
    ("removes the references of a rule group", |aws| aws.edit_rule_group(GROUP, |rules| *rules = json!([]))),
    ("makes a rule block", |aws| edit_rule(aws, "Action", json!({"Block": {}}))),
    ("renames a rule", |aws| edit_rule(aws, "Name", json!("renamed"))),
    ("edits the description of a rule group", |aws| {
        aws.describe_rule_group(GROUP, Some("wafsync wafsync table:00000000"));
    }),
];

const SET: &str = "wafsync-ipv4-000";
const GROUP: &str = "wafsync-1";

fn edit(aws: &Aws, edit: impl FnOnce(&mut Vec<String>)) {
    if aws.ip_set(SET).is_some_and(|set| set.addresses.len() < small().set_capacity) {
        aws.edit_ip_set(SET, edit);
    }
}

fn edit_rule(aws: &Aws, member: &str, value: Value) {
    aws.edit_rule_group(GROUP, |rules| {
        if let Some(rule) = rules.get_mut(0) {
            rule[member] = value;
        }
    });
}

/// A run during which WAF is edited by hand at one call.
async fn with_edit(named: Named, index: usize, edit: ManualEdit) {
    let world = named.world().await;
    let run = named.run(&world).await;
    let (observer, mut calls) = (world.observer.clone(), 0);
    world.aws.on_call(move |aws, call| {
        if call.phase == Phase::Before {
            if calls == index && aws.ip_set(SET).is_some() && aws.rule_group(GROUP).is_some() {
                observer.by_hand(aws, edit);
            }
            calls += 1;
        }
    });
    world.apply(&run).await;
    world.converges().await;
}

/// Something that goes wrong during a run.
#[derive(Clone, Debug)]
enum Mishap {
    OneFault(usize, When, FaultKind),
    /// From this call on.
    LastingFault(usize, FaultKind),
    Killed(usize, When),
    LateWrite(usize),
    Signal(usize),
    Deadline(Duration),
    /// This many reads, from this call on, are this old.
    OldReads(usize, usize, Duration),
    /// This many reads, from this call on, omit the resource of this name.
    Omissions(usize, usize, String),
    /// WAF is edited by hand when this call arrives.
    Edit(usize, NamedEdit),
}

async fn run_with(named: Named, mishap: Mishap) {
    match mishap {
        Mishap::OneFault(index, when, kind) => with_fault(named, index, 1, when, kind).await,
        Mishap::LastingFault(index, kind) => with_fault(named, index, usize::MAX, When::Before, kind).await,
        Mishap::Killed(index, when) => killed(named, index, when).await,
        Mishap::LateWrite(index) => with_late_write(named, index).await,
        Mishap::Signal(index) => with_signal(named, index).await,
        Mishap::Deadline(deadline) => hurried(named, deadline).await,
        Mishap::OldReads(index, times, age) => with_fault(named, index, times, When::Before, FaultKind::Old(age)).await,
        Mishap::Omissions(index, times, name) => {
            with_fault(named, index, times, When::Before, FaultKind::Omits(name)).await;
        }
        Mishap::Edit(index, NamedEdit(_, edit)) => with_edit(named, index, edit).await,
    }
}

/// Faults that do not end by themselves: an unavailable service, credentials that expire, or a quota used up midway.
const LASTING: [FaultKind; 7] = [
    FaultKind::Throttled,
    FaultKind::Unavailable503,
    FaultKind::ConnectionLost,
    FaultKind::Never,
    FaultKind::AccessDenied,
    FaultKind::ExpiredToken,
    FaultKind::LimitsExceeded,
];

async fn everything(named: Named) {
    let calls = named.calls().await;
    let mut mishaps = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        for when in [When::Before, When::After] {
            // After its effect, a read can only be slow, or its answer be cut off.
            let differs = |kind: &FaultKind| {
                let of_reads = matches!(kind, FaultKind::Slow(_) | FaultKind::Truncated);
                faults::is_possible(kind, &call.operation) && (when == When::Before || call.effect || of_reads)
            };
            let kinds = faults::kinds().into_iter().map(|(_, kind)| kind);
            mishaps.extend(kinds.filter(differs).map(|kind| Mishap::OneFault(index, when, kind)));
            mishaps.push(Mishap::Killed(index, when));
        }
        if ["Get", "List"].iter().any(|verb| call.operation.starts_with(verb)) {
            for times in [1, usize::MAX] {
                // As before the newest write of this run, and as before everything else.
                let ages = [Duration::from_secs(3), Duration::from_hours(1)];
                mishaps.extend(ages.map(|age| Mishap::OldReads(index, times, age)));
                mishaps.extend([SET, GROUP].map(|name| Mishap::Omissions(index, times, name.to_owned())));
            }
        }
        mishaps.extend(MANUAL_EDITS.map(|(name, edit)| Mishap::Edit(index, NamedEdit(name, edit))));
        mishaps.extend(LASTING.map(|kind| Mishap::LastingFault(index, kind)));
        if call.effect {
            mishaps.push(Mishap::LateWrite(index));
            mishaps.push(Mishap::OneFault(index, When::Before, FaultKind::Late(LATE)));
        }
        mishaps.push(Mishap::Signal(index));
        // The latest moment at which this call must not begin, and one at which it may.
        mishaps.extend([900, 1100].map(|left| Mishap::Deadline(call.at + Duration::from_millis(left))));
    }
    let tried = mishaps.len();
    let mut found = Vec::new();
    for mishap in mishaps {
        let suffering = AssertUnwindSafe(run_with(named, mishap.clone())).catch_unwind();
        if suffering.await.is_err() {
            found.push(mishap);
        }
    }
    println!("{named:?}: {} calls, {tried} runs with a fault", calls.len());
    assert!(found.is_empty(), "{named:?}: {} of {tried} broke a promise: {found:?}", found.len());
}

#[tokio::test(start_paused = true)]
async fn any_fault_in_a_first_run() {
    everything(Named::FirstRun).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_in_one_change() {
    everything(Named::OneChange).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_in_growth_beyond_a_set() {
    everything(Named::Growth).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_in_an_adoption() {
    everything(Named::Adoption).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_when_aggregation_is_switched_on() {
    everything(Named::Aggregation).await;
}

#[tokio::test(start_paused = true)]
async fn without_faults_the_five_plans_make_their_calls() {
    let groups = ["CreateRuleGroup wafsync-1", "CreateRuleGroup wafsync-2", "CreateRuleGroup wafsync-3"];
    let sets = ["CreateIPSet wafsync-ipv4-000", "CreateIPSet wafsync-ipv4-001", "CreateIPSet wafsync-ipv6-000"];
    let growth = [
        "CreateIPSet wafsync-ipv4-001",
        "UpdateIPSet wafsync-ipv6-000",
        "CreateIPSet wafsync-ipv4-002",
        "UpdateRuleGroup wafsync-2",
    ];
    // Writes that need no second scan come first.
    let adoption = [sets[2], groups[1], groups[2], "UpdateIPSet offices", groups[0]];
    let cases = [
        (Named::FirstRun, [&sets[..], &groups].concat()),
        (Named::OneChange, vec!["UpdateIPSet wafsync-ipv4-000"]),
        (Named::Growth, growth.to_vec()),
        // Unwanted addresses in the adopted set are removed, with approval, and the set gets its mark.
        (Named::Adoption, adoption.to_vec()),
        (Named::Aggregation, vec!["UpdateIPSet wafsync-ipv4-000"]),
    ];
    for (named, expected) in cases {
        let calls = named.calls().await;
        let writes: Vec<String> =
            calls.iter().filter(|call| call.effect).map(|call| format!("{} {}", call.operation, call.target)).collect();
        assert_eq!(writes, expected, "{named:?}");
    }
}
