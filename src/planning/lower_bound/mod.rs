//! A lower bound on the API writes of any plan, computed from counts and independently of the layout.

mod bound;
pub mod counts;

pub use self::bound::{Counts, FamilyCounts, GroupCounts, ShardCounts, writes};
