//! One fault of a replicated broker after the other, under stock clients: what can happen ([`fault`]), one time of it
//! ([`round`]), and what clients saw of it as a table ([`table`]).

pub mod fault;
pub mod probe;
pub mod round;
pub mod table;
