//! What layout promises, checked against naive code on worlds small enough to be searched through.

mod bound;
mod exhaustive;
mod lookup;
mod replacing;
mod safety;
mod scenarios;
mod search;
mod stability;
mod world;
