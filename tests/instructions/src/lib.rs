//! The pure part of wafsync, from its own files.

#![allow(dead_code, reason = "a part of a program")]

pub mod aws;
#[path = "../../../src/defects.rs"]
pub mod defects;
#[path = "../../../src/model/mod.rs"]
pub mod model;
#[path = "../../../src/planning/mod.rs"]
pub mod planning;
#[path = "../../../src/text/mod.rs"]
pub mod text;
