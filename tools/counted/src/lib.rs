//! Instructions that a message costs on its way through the broker, counted by callgrind: the same in every run, where
//! times are not.
//!
//! Start at [`bench`]; what is counted is in [`benches`], the requests in [`inputs`], what a shard runs on in [`world`].

pub mod bench;
pub mod benches;
pub mod callgrind;
pub mod cli;
pub mod counts;
pub mod inputs;
pub mod region;
pub mod verdict;
pub mod world;
