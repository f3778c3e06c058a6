//! Networks of stacks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{NetworkConnectRequest, NetworkCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use devrun_stack::Attachment;
use tokio::time::Instant;

use super::translate::endpoint;
use super::{Engine, EngineError, PATIENT, PROMPT, filters, pause, to_hash_map, within};

/// Whether something had to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was made now.
    Made,
    /// It was there, with these labels.
    Existing(BTreeMap<String, String>),
}

struct Network {
    id: String,
    name: String,
    labels: BTreeMap<String, String>,
}

/// How long containers that are being removed may hold their network.
const LETTING_GO: Duration = Duration::from_secs(10);

impl Engine {
    /// The network of that name, made if there is none.
    pub(crate) async fn ensure_network(
        &self,
        network: &devrun_stack::Network,
        labels: &BTreeMap<String, String>,
    ) -> Result<Found, EngineError> {
        let name = network.engine_name.as_str();
        // Names of networks are not unique on older engines: look before making, and after it.
        if let Some(labels) = self.the_one_network(name).await? {
            return Ok(Found::Existing(labels));
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some(network.driver.clone().unwrap_or_else(|| "bridge".into())),
            internal: Some(network.internal),
            labels: Some(to_hash_map(labels)),
            ..Default::default()
        };
        // Nothing is published from an internal one, and other drivers have addresses of their own.
        match network.driver.as_deref() {
            None | Some("bridge") if !network.internal => self.create_divided(request).await?,
            _ => self.create_network(request).await?,
        }
        self.the_one_network(name).await?;
        Ok(Found::Made)
    }

    /// Whether there is a network of that name.
    pub(crate) async fn has_network(&self, name: &str) -> Result<bool, EngineError> {
        Ok(!self.networks_named(name).await?.is_empty())
    }

    /// Puts a container that does not run yet on one more network.
    pub(super) async fn join_network(
        &self,
        container: &str,
        attachment: &Attachment,
        address: Option<&Ipv4Addr>,
    ) -> Result<(), EngineError> {
        let name = &attachment.network;
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint(attachment, address)),
        };
        within(
            &format!("connecting to the network {name}"),
            PROMPT,
            self.docker.connect_network(name, request),
        )
        .await
    }

    /// The labels of the network of that name. Whoever was killed while the engine made it may
    /// have left a second one, and then no container can be started in either: one is kept, and
    /// everybody keeps the same one.
    async fn the_one_network(
        &self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, EngineError> {
        let mut found = self.networks_named(name).await?.into_iter();
        let kept = found.next();
        for other in found {
            self.remove_network_by_id(&other.id, name).await?;
        }
        Ok(kept.map(|network| network.labels))
    }

    /// Removes a network; one that is not there is fine. Waits a while for containers that are
    /// on their way out.
    pub(crate) async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        for network in self.networks_named(name).await? {
            self.remove_network_by_id(&network.id, name).await?;
        }
        Ok(())
    }

    async fn remove_network_by_id(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let doing = format!("removing the network {name}");
        let end = Instant::now() + LETTING_GO;
        loop {
            match within(&doing, PATIENT, self.docker.remove_network(id)).await {
                Err(EngineError::Other { detail, .. }) if detail.contains("active endpoints") => {
                    if Instant::now() > end {
                        let users = self.network_users(id).await?;
                        return Err(EngineError::InUse { doing, users });
                    }
                    pause(Duration::from_millis(100)).await;
                }
                Err(error) if error.is_absent() => return Ok(()),
                other => return other,
            }
        }
    }

    async fn network_users(&self, id: &str) -> Result<Vec<String>, EngineError> {
        let call = self
            .docker
            .inspect_network(id, None::<InspectNetworkOptions>);
        let network = within("inspecting a network", PROMPT, call).await?;
        let containers = network.containers.unwrap_or_default();
        Ok(containers
            .into_values()
            .filter_map(|container| container.name)
            .collect())
    }

    /// Networks with that label (`NAME` or `NAME=VALUE`) and all their labels, by name.
    pub(crate) async fn networks_labelled(
        &self,
        label: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, EngineError> {
        let found = self.networks("label", label).await?;
        Ok(found
            .into_iter()
            .map(|network| (network.name, network.labels))
            .collect())
    }

    /// All of exactly that name, always in the same order.
    async fn networks_named(&self, name: &str) -> Result<Vec<Network>, EngineError> {
        let mut found = self.networks("name", name).await?;
        found.retain(|network| network.name == name);
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    async fn networks(&self, filter: &str, value: &str) -> Result<Vec<Network>, EngineError> {
        let options = ListNetworksOptions {
            filters: filters(&[(filter, &[value])]),
        };
        let list = within(
            "listing networks",
            PROMPT,
            self.docker.list_networks(Some(options)),
        )
        .await?;
        let found = list.into_iter().filter_map(|network| {
            Some(Network {
                id: network.id?,
                name: network.name?,
                labels: network.labels.unwrap_or_default().into_iter().collect(),
            })
        });
        Ok(found.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::kit::{self, Stage};

    #[tokio::test]
    async fn of_two_networks_of_one_name_one_is_left() {
        let stage = Stage::set("networks").await;
        let second = NetworkCreateRequest {
            name: stage.stack.clone(),
            labels: Some(to_hash_map(&stage.labels(""))),
            ..Default::default()
        };
        // Newer engines refuse it.
        let _ = stage.engine.docker.create_network(second).await;
        let found = stage
            .engine
            .ensure_network(&kit::network(&stage.stack), &stage.labels(""))
            .await
            .unwrap();
        assert!(matches!(found, Found::Existing(_)));
        let left = stage.engine.networks_named(&stage.stack).await.unwrap();
        assert_eq!(left.len(), 1);
    }
}
