//! What layout promises, checked against naive code on worlds small enough to be searched through.

mod bound;
mod replacing;
mod safety;
mod scenarios;
mod search;
mod stability;
mod world;
