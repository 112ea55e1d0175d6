//! A run: observe, plan, guard, confirm, apply, verify.

pub mod apply;
pub mod outcome;
pub mod reconcile;
