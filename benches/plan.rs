//! Measures the pure core, with up to a million addresses in a hundred IP sets: `cargo bench`.
//!
//! Each bench runs at three sizes, so the ratio of two lines of one run shows how the cost grows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench should stop at once")]

mod world;

use divan::Bencher;
use divan::counter::ItemsCount;
use wafsync::model::desired::Desired;
use wafsync::model::item::Item;
use wafsync::report::{Approving, Command, Context, Document, text};

use world::{World, item, rules, view};

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// One in this many addresses is replaced.
const CHANGED: usize = 100;

fn main() {
    divan::main();
}

/// From items to the wanted CIDRs.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn read_the_table(bencher: Bencher<'_, '_>, size: usize) {
    let items: Vec<Item> = (0..size).map(item).collect();
    bencher.counter(ItemsCount::new(size)).bench_local(|| Desired::new(view(&items), &[], false, rules().widest));
}

/// From items to the wanted CIDRs, aggregated into the fewest.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn aggregate_the_table(bencher: Bencher<'_, '_>, size: usize) {
    let items: Vec<Item> = (0..size).map(item).collect();
    bencher.counter(ItemsCount::new(size)).bench_local(|| Desired::new(view(&items), &[], true, rules().widest));
}

/// A plan that finds nothing to do.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn plan_nothing(bencher: Bencher<'_, '_>, size: usize) {
    let world = World::new(size, 0);
    bencher.counter(ItemsCount::new(size)).bench_local(|| world.decide());
}

/// A plan that replaces one address in a hundred, across all IP sets.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn plan_changes(bencher: Bencher<'_, '_>, size: usize) {
    let world = World::new(size, size / CHANGED);
    bencher.counter(ItemsCount::new(size)).bench_local(|| world.decide());
}

/// A plan that splits up ranges: `--aggregate` switched off.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn plan_split(bencher: Bencher<'_, '_>, size: usize) {
    let world = World::of_ranges(size);
    bencher.counter(ItemsCount::new(size)).bench_local(|| world.decide());
}

/// The text report of a plan with 10,000 changed addresses among a million.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn print_10_000_changes_as_text(bencher: Bencher<'_, '_>) {
    let world = World::new(1_000_000, 10_000);
    let run = world.run();
    bencher.bench_local(|| {
        let document = Document::new(&run, &world.settings);
        let approving = &Approving::Command(Some("wafsync apply --table clusters".to_owned()));
        let (command, target, desired) = (Command::Plan, &run.target, run.newest());
        let context =
            Context { command, target, desired, approving, color: false, full: false, asks: false, items: &[] };
        text::render(&document, context)
    });
}

/// The complete JSON document of the same plan.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn print_10_000_changes_as_json(bencher: Bencher<'_, '_>) {
    let world = World::new(1_000_000, 10_000);
    let run = world.run();
    bencher.bench_local(|| serde_json::to_string(&Document::new(&run, &world.settings)).expect("a document is JSON"));
}
