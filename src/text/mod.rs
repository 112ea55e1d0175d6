//! Text as people and programs read it: foreign text made safe, numbers, wrapped lines.

mod escape;
mod hint;
pub mod number;
pub mod wrap;

pub use self::escape::*;
pub use self::hint::with_hint;
