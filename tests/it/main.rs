//! What needs a service: the library and the binary against the stand-in for AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test should stop at once")]

mod basics;
mod drift;
mod growth;
mod guards;
mod pages;
mod world;
