//! Administration calls, a family a file: `topic`, `group`, `position`, `cluster`, `settings`, `message` and `key_value`.

mod cluster;
mod group;
mod key_value;
mod message;
mod position;
mod settings;
mod topic;

use protocol::code::RequestCode;
use protocol::command::CommandEncoder;

use crate::answer::Answer;
use crate::client::Client;
use crate::error::ClientError;

pub use self::key_value::ORDER_TOPIC_CONFIG;
pub use self::message::{IndexType, KeySearch, MessageQuery};
pub use self::position::OffsetReset;
pub use self::settings::Cleaning;

/// Administration of a cluster: each call is one request, or one to every name server.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client it works through.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A request to a broker that has to succeed.
    async fn request(
        &self,
        address: &str,
        code: RequestCode,
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        self.send(address, code, &[], fields).await
    }

    /// The same with a body.
    async fn send(
        &self,
        address: &str,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        self.client.request(address, code, body, fields).await?.success()
    }

    /// A request to one name server that has to succeed.
    async fn ask(&self, code: RequestCode, fields: impl Fn(&mut CommandEncoder<'_>)) -> Result<Answer, ClientError> {
        self.client.ask_name_server(code, fields).await?.success()
    }
}
