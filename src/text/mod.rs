//! Text for people and programs: escapes foreign text, formats numbers, wraps lines.

mod escape;
mod hint;
pub mod number;
pub mod wrap;

pub use self::escape::*;
pub use self::hint::with_hint;
