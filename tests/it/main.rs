//! What needs a service: the library and the binary against the stand-in for AWS.

mod basics;
mod world;
