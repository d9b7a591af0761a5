//! What operators' tools and consoles ask a broker for: as raw exchanges, with hand-made consumers that answer or do not, and
//! with the stock tools.

mod assignment;
mod cleaning;
mod lists;
mod positions;
mod queries;
mod refusals;
mod relays;
mod replies;
mod resets;
mod settings;
mod stand;
mod statistics;
mod tools;
