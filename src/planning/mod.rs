//! Planning: the difference, the guards' judgment, the layout, and the changes in order.

pub mod capacity;
pub mod change;
pub mod diff;
pub mod guard;
pub mod layout;
pub mod lower_bound;
pub mod plan;
pub mod rule_changes;
