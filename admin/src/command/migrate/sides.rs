//! Where a migration goes from and to: brokers by name, with the addresses they have now.

use client::{Admin, Client, MASTER_ID};
use protocol::body::{BrokerData, ClusterInfo};
use serde::Serialize;

use super::record::Record;
use crate::command::Context;
use crate::failure::Failure;
use crate::resolve;

/// A broker's master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Broker {
    pub(super) name: String,
    pub(super) address: String,
}

/// Both sides.
pub(super) struct Sides {
    pub(super) from: Broker,
    /// Asks the source's name servers.
    pub(super) from_admin: Admin,
    pub(super) to: Vec<Broker>,
    /// Asks the targets' name servers.
    pub(super) to_admin: Admin,
    /// Clients find both sides at once.
    pub(super) is_one_set: bool,
}

impl Sides {
    /// By the names, or addresses, that an operator gives.
    pub(super) async fn given(
        context: &Context<'_>,
        from: &str,
        to: &[String],
        to_name_servers: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut sides = Self::without_targets(context, from, to_name_servers).await?;
        sides.find_targets(to).await?;
        Ok(sides)
    }

    /// Those of a migration that is under way.
    pub(super) async fn of(context: &Context<'_>, record: &Record) -> Result<Self, Failure> {
        Self::given(context, &record.from, &record.to, record.to_name_servers.as_deref()).await
    }

    /// With a source only, as the targets may not be there.
    pub(super) async fn without_targets(
        context: &Context<'_>,
        from: &str,
        to_name_servers: Option<&str>,
    ) -> Result<Self, Failure> {
        let from_admin = context.admin.clone();
        let from = find(&from_admin.cluster_info().await?, from)?;
        let to_admin = match to_name_servers {
            None => from_admin.clone(),
            Some(list) => Client::new(list, context.client.options().clone()).await?.admin(),
        };
        Ok(Self { from, from_admin, to: Vec::new(), to_admin, is_one_set: to_name_servers.is_none() })
    }

    /// Finds the targets.
    pub(super) async fn find_targets(&mut self, to: &[String]) -> Result<(), Failure> {
        let info = self.to_admin.cluster_info().await?;
        self.to = to.iter().map(|target| find(&info, target)).collect::<Result<_, _>>()?;
        if self.to.iter().any(|target| target.address == self.from.address) {
            return Err(Failure::Usage(format!("{} cannot move to itself: --to names it too", self.from.name)));
        }
        Ok(())
    }

    pub(super) fn source_name_servers(&self) -> &[String] {
        self.from_admin.client().name_servers()
    }

    pub(super) fn target_name_servers(&self) -> &[String] {
        self.to_admin.client().name_servers()
    }
}

/// The name of the source that an operator names by name or address: records are kept by name.
pub(super) async fn source_name(admin: &Admin, given: &str) -> Result<String, Failure> {
    if given.contains(':') { Ok(find(&admin.cluster_info().await?, given)?.name) } else { Ok(given.to_owned()) }
}

fn find(info: &ClusterInfo, given: &str) -> Result<Broker, Failure> {
    let is_meant = |broker: &&BrokerData| match given.contains(':') {
        true => broker.broker_addrs.values().any(|address| address == given),
        false => broker.broker_name == given,
    };
    let Some(broker) = info.broker_addr_table.values().find(is_meant) else {
        return Err(resolve::unregistered_broker(info, given));
    };
    match broker.broker_addrs.get(&MASTER_ID) {
        Some(address) => Ok(Broker { name: broker.broker_name.clone(), address: address.clone() }),
        None => Err(Failure::Usage(format!("broker {} has no master at present", broker.broker_name))),
    }
}
