//! What keeps a broker from starting is said clearly and changes nothing; what does not, is said too, and the broker
//! keeps its promises.

mod machine;
mod ports;
mod rings;
mod settings;
mod store;
