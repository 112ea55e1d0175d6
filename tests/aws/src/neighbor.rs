//! Another client of the same account, which wants half of the rate of every action that wafsync calls.
//!
//! It has no effect on what WAF holds, only on its rates ([`Aws::another_client_calls`]). It lives in tokio's clock, so in a
//! test that pauses it, its waits take no time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::aws::Aws;

/// The actions that a run calls, with their calls a second.
const ACTIONS: [(&str, u32); 8] = [
    ("ListIPSets", 5),
    ("GetIPSet", 5),
    ("ListRuleGroups", 5),
    ("GetRuleGroup", 5),
    ("CreateIPSet", 1),
    ("UpdateIPSet", 1),
    ("CreateRuleGroup", 1),
    ("UpdateRuleGroup", 1),
];

/// How often it tries a refused call again: as often as AWS's SDKs for Python do.
const RETRIES: u32 = 4;

/// The time between two bursts.
const BURST: Duration = Duration::from_secs(2);

/// How long it comes, and how long it goes.
const SPELL: Duration = Duration::from_secs(10);

/// What the other client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Calls evenly, at half of the rate. Refused calls are lost.
    Even,
    /// The same, but repeats refused calls after up to one second at random, then two, four and eight.
    Patient,
    /// Every two seconds, the calls of one second at once. Repeats what is refused.
    Bursts,
    /// Ten seconds at the whole rate, and right after what is refused; ten seconds nothing.
    ComesAndGoes,
}

/// A running client. It stops when this is dropped.
#[derive(Debug)]
pub struct Neighbor {
    _tasks: JoinSet<()>,
    habit: Habit,
    /// When its first call of each action comes.
    began: BTreeMap<&'static str, Instant>,
    admitted: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Neighbor {
    /// Starts it. `seed` determines when it calls.
    #[must_use]
    pub fn start(aws: &Aws, region: &'static str, habit: Habit, seed: u64) -> Self {
        let admitted: Arc<Mutex<BTreeMap<&'static str, u64>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let mut began = BTreeMap::new();
        for (number, (operation, rate)) in (0_u64..).zip(ACTIONS) {
            let mut caller = Caller {
                aws: aws.clone(),
                region,
                operation,
                rate,
                habit,
                began: Instant::now(),
                random: fastrand::Rng::with_seed(seed.wrapping_mul(8).wrapping_add(number)),
                due: BinaryHeap::new(),
            };
            caller.start();
            began.insert(operation, caller.began);
            let admitted = Arc::clone(&admitted);
            tasks.spawn(async move {
                loop {
                    let count = caller.step().await;
                    *admitted.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += count;
                }
            });
        }
        Self { _tasks: tasks, habit, began, admitted }
    }

    /// The first moment from this one on at which it does not take all calls of this action. Only one that comes and goes
    /// ever does.
    #[must_use]
    pub fn leaves_some(&self, operation: &str, at: Instant) -> Instant {
        let began = self.began.get(operation).filter(|_| self.habit == Habit::ComesAndGoes);
        let Some((began, elapsed)) = began.and_then(|began| Some((*began, at.checked_duration_since(*began)?))) else {
            return at;
        };
        let spells = spells(elapsed);
        if spells.is_multiple_of(2) { began + SPELL * (spells + 1) } else { at }
    }

    /// How many of its calls of this action were admitted so far.
    #[must_use]
    pub fn admitted(&self, operation: &str) -> u64 {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner).get(operation).copied().unwrap_or_default()
    }
}

/// Its calls of one action.
struct Caller {
    aws: Aws,
    region: &'static str,
    operation: &'static str,
    rate: u32,
    habit: Habit,
    began: Instant,
    random: fastrand::Rng,
    /// When it calls, with how often that call was refused.
    due: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Caller {
    fn start(&mut self) {
        let phase = BURST.mul_f64(self.random.f64());
        self.began += phase;
        self.due.push(Reverse((self.began, 0)));
    }

    /// Waits for the next call and makes it. Returns how many were admitted.
    async fn step(&mut self) -> u64 {
        let Some(Reverse((at, refused))) = self.due.pop() else { return 0 };
        // Time in the clock of the stand-in.
        tokio::time::sleep_until(at).await;
        let second = Duration::from_secs(1);
        let (calls, next) = match self.habit {
            Habit::Even | Habit::Patient => (1, at + second * 2 / self.rate),
            Habit::Bursts => (self.rate, at + BURST),
            Habit::ComesAndGoes => (1, self.in_spell(at + second / self.rate)),
        };
        if refused == 0 {
            self.due.push(Reverse((next, 0)));
        }
        let mut admitted = 0;
        for _ in 0..if refused == 0 { calls } else { 1 } {
            if self.aws.another_client_calls(self.region, self.operation) {
                admitted += 1;
            } else if self.habit == Habit::ComesAndGoes {
                let again = second.mul_f64(0.5 * self.random.f64()) / self.rate;
                self.due.clear();
                self.due.push(Reverse((self.in_spell(at + again), 0)));
            } else if self.habit != Habit::Even && refused < RETRIES {
                let wait = second.mul_f64(self.random.f64()) * 2_u32.pow(refused);
                self.due.push(Reverse((at + wait, refused + 1)));
            }
        }
        admitted
    }

    /// This time, or when it comes again.
    fn in_spell(&self, at: Instant) -> Instant {
        let spells = spells(at - self.began);
        if spells.is_multiple_of(2) { at } else { self.began + SPELL * (spells + 1) }
    }
}

/// The whole spells that have passed: in an even one it calls.
fn spells(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_secs() / SPELL.as_secs()).expect("a test takes less than a century")
}
