//! What a name server shows at its endpoint.

mod endpoint;
mod name_server_report;
mod name_server_view;

pub use endpoint::{Endpoint, bind};
pub use name_server_report::{NameServerMessage, NameServerReport};
pub use name_server_view::NameServerView;
