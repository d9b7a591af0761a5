//! Transactional messages: stock producers, and hand-made ones where each single answer counts.

mod bad_input;
mod crashes;
mod crowd;
mod ends;
mod questions;
mod stand;
mod stock;
