//! A run: observe, plan, guard, confirm, apply, verify. The one layer that sees both the pure core and AWS.

pub mod applied;
pub(crate) mod apply;
mod confirm;
mod decide;
pub mod decision;
mod effect;
pub mod end;
mod history;
mod observation;
pub mod outcome;
pub mod reconcile;
pub mod record;
mod send;
mod state;
mod verify;
