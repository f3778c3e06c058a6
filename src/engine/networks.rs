//! Networks of stacks.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use tokio::time::Instant;

use super::{Engine, EngineError, PATIENT, PROMPT, filters, pause, to_hash_map, within};

/// Whether something had to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was made now.
    Made,
    /// It was there, with these labels.
    Existing(BTreeMap<String, String>),
}

/// How long containers that are being removed may hold their network.
const LETTING_GO: Duration = Duration::from_secs(10);

impl Engine {
    /// The network of that name, made if there is none.
    pub(crate) async fn ensure_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Found, EngineError> {
        // Names of networks are not unique on older engines: look before making.
        if let Some(labels) = self.networks("name", name).await?.remove(name) {
            return Ok(Found::Existing(labels));
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".into()),
            labels: Some(to_hash_map(labels)),
            ..Default::default()
        };
        within(
            &format!("creating the network {name}"),
            PATIENT,
            self.docker.create_network(request),
        )
        .await?;
        Ok(Found::Made)
    }

    /// Removes a network; one that is not there is fine. Waits a while for containers that are
    /// on their way out.
    pub(crate) async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        let doing = format!("removing the network {name}");
        let end = Instant::now() + LETTING_GO;
        loop {
            match within(&doing, PATIENT, self.docker.remove_network(name)).await {
                Err(EngineError::Other { detail, .. }) if detail.contains("active endpoints") => {
                    if Instant::now() > end {
                        let users = self.network_users(name).await?;
                        return Err(EngineError::InUse { doing, users });
                    }
                    pause(Duration::from_millis(100)).await;
                }
                Err(error) if error.is_absent() => return Ok(()),
                other => return other,
            }
        }
    }

    async fn network_users(&self, name: &str) -> Result<Vec<String>, EngineError> {
        let call = self
            .docker
            .inspect_network(name, None::<InspectNetworkOptions>);
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
        self.networks("label", label).await
    }

    async fn networks(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, EngineError> {
        let options = ListNetworksOptions {
            filters: filters(&[(filter, &[value])]),
        };
        let list = within(
            "listing networks",
            PROMPT,
            self.docker.list_networks(Some(options)),
        )
        .await?;
        let named = list.into_iter().filter_map(|network| {
            Some((
                network.name?,
                network.labels.unwrap_or_default().into_iter().collect(),
            ))
        });
        Ok(named.collect())
    }
}
