//! From values to a plan: what differs, what a guard says to it, where it goes, and in which order.

pub mod capacity;
pub mod diff;
pub mod guard;
pub mod layout;
pub mod lower_bound;
pub mod plan;
pub mod rule_changes;
