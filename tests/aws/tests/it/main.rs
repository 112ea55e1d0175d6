//! Checks that the stand-in is as strict as the documentation, by breaking each rule through the plain SDK.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod behavior;
mod ip_sets;
mod lists;
mod old;
mod people;
mod preload;
mod protocol;
mod rule_groups;
mod scan;
mod support;
