//! What the client does, seen from a server it talks to.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail like tests do")]

mod administration;
mod cluster;
mod connection;
mod consuming;
mod producing;
mod routing;
