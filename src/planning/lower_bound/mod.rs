//! How few API writes any plan could do with, worked out apart from the layout: from counts alone.

mod bound;
pub mod counts;

pub use self::bound::{Counts, FamilyCounts, GroupCounts, ShardCounts, writes};
