//! `explain`: the items that ask for an address, rejections, and the chain from the table to the web ACLs that lets it in.

mod answer;
mod mentions;
mod report;
mod text;

pub use self::answer::{
    AclEnforcement, Acls, Explanation, ForeignReference, Link, Lookup, Place, RejectedValue, explain,
};
pub use self::report::{Answers, ItemAnswer};
