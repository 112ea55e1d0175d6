//! A run as one document, and the document as text, JSON and Markdown.

mod document;
pub mod markdown;
pub mod text;

pub use self::document::{Acl, Document, Guard, IpSet, Names, Rejected, Table, VERSION, Write, Writes};
pub use crate::run::record::Command;
