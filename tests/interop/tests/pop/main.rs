//! POP by hand-made clients, where each single answer counts.

mod bad_input;
mod crashes;
mod held;
mod ordered;
mod stand;
mod takes;
