//! Whatever arrives on a live port: it is answered with the protocol's code, or its connection is closed and logged
//! once; nothing refused is stored, memory stays bounded, and other clients notice nothing.
//!
//! Expected codes are those of the reference, not what this broker happened to answer.

mod bodies;
mod crowds;
mod fields;
mod framing;
mod physical_offsets;
mod pulls;
mod request_codes;
mod sends;
mod slow_readers;
