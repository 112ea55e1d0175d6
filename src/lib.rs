//! wafsync (map to come)
pub mod cidr;
pub mod current;
pub mod item;
pub mod layout;
pub mod limits;
pub mod settings;
