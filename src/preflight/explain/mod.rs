//! What is known of addresses and items: who asks for them, where they were rejected, and whether a client is let in,
//! from the table through IP sets, rules, and rule groups up to the web ACLs.

mod answer;
mod mentions;
mod report;
mod text;

pub use self::answer::{AclEnforcement, Acls, Explanation, Input, Link, Place, RejectedValue, explain};
pub use self::report::{Answers, ItemAnswer};
