//! The wafsync binary.
fn main() {}
