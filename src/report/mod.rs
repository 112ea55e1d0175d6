//! Reports: a run as one document, rendered as JSON, text, Markdown or HTML.

mod approving;
mod context;
mod counts;
mod document;
mod from_run;
mod holding;
pub mod html;
mod items;
pub mod markdown;
mod ranges;
mod reason;
mod style;
pub mod text;
mod verdict;

pub use self::approving::Approving;
pub use self::context::Context;
pub use self::document::{Acl, Document, Guard, IpSet, Names, Table, VERSION, Write, Writes};
pub use self::holding::{HeldIn, Lockout};
pub use self::ranges::ranges_in_words;
pub use self::verdict::lockout;
pub use crate::run::record::Command;
