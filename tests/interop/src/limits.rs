//! What a broker promises to hold at once, measured with real processes: `make limits`.

pub mod pending;
pub mod produce_latency;
pub mod row;
pub mod scale;
pub mod tables;
