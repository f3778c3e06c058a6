//! Named volumes.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListContainersOptions, ListVolumesOptions, RemoveVolumeOptions};
use devrun_core::spec::label;

use super::networks::Found;
use super::{Engine, EngineError, PATIENT, PROMPT, filters, optional, to_hash_map, within};

/// Nobody takes a volume of that age into use for the first time.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// A running container that mounts a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeUser {
    /// The container's name.
    pub(crate) container: String,
    /// The stack that it belongs to; empty if it is not ours.
    pub(crate) stack: String,
    /// Whether it can write.
    pub(crate) writable: bool,
}

impl Engine {
    /// The volume of that name, made if there is none.
    pub(crate) async fn ensure_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Found, EngineError> {
        if let Some(labels) = self.volume(name).await? {
            return Ok(Found::Existing(labels));
        }
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(to_hash_map(labels)),
            ..Default::default()
        };
        let docker = self.docker.clone();
        let call = async move { docker.create_volume(request).await };
        self.make(format!("creating the volume {name}"), call)
            .await?;
        Ok(Found::Made)
    }

    /// The labels of a volume; `None` if there is none of that name.
    pub(crate) async fn volume(
        &self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, EngineError> {
        Ok(self.volumes("name", name).await?.remove(name))
    }

    /// Volumes with that label (`NAME` or `NAME=VALUE`) and all their labels, by name.
    pub(crate) async fn volumes_labelled(
        &self,
        label: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, EngineError> {
        self.volumes("label", label).await
    }

    async fn volumes(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, EngineError> {
        let options = ListVolumesOptions {
            filters: filters(&[(filter, &[value])]),
        };
        let list = within(
            "listing volumes",
            PROMPT,
            self.docker.list_volumes(Some(options)),
        )
        .await?;
        let named = list.volumes.unwrap_or_default().into_iter();
        Ok(named
            .map(|volume| (volume.name, volume.labels.into_iter().collect()))
            .collect())
    }

    /// Whether it was not made a moment ago, for somebody who is about to use it.
    pub(super) async fn is_old_volume(&self, name: &str) -> Result<bool, EngineError> {
        let doing = format!("inspecting the volume {name}");
        let call = self.docker.inspect_volume(name);
        let made = optional(within(&doing, PROMPT, call).await)?.and_then(|one| one.created_at);
        Ok(made.is_some_and(|made| time::OffsetDateTime::now_utc() - made > OLD))
    }

    /// Removes a volume with what is in it; one that is not there is fine.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let doing = format!("removing the volume {name}");
        let call = self.docker.remove_volume(name, None::<RemoveVolumeOptions>);
        match within(&doing, PATIENT, call).await {
            Err(EngineError::Other { detail, .. }) if detail.contains("no such volume") => Ok(()),
            Err(EngineError::Other { detail, .. }) if detail.contains("volume is in use") => {
                let users = self
                    .mounting(name, true)
                    .await?
                    .into_iter()
                    .map(|user| user.container)
                    .collect();
                Err(EngineError::InUse { doing, users })
            }
            other => other,
        }
    }

    /// Running containers that mount the volume.
    pub(crate) async fn volume_users(&self, name: &str) -> Result<Vec<VolumeUser>, EngineError> {
        self.mounting(name, false).await
    }

    pub(super) async fn mounting(
        &self,
        name: &str,
        stopped_too: bool,
    ) -> Result<Vec<VolumeUser>, EngineError> {
        let options = ListContainersOptions {
            all: stopped_too,
            filters: filters(&[("volume", &[name])]),
            ..Default::default()
        };
        let doing = "listing the containers of a volume";
        let list = within(doing, PROMPT, self.docker.list_containers(Some(options))).await?;
        let users = list.into_iter().map(|container| {
            let mounts = container.mounts.unwrap_or_default();
            VolumeUser {
                container: super::ports::first_name(container.names),
                stack: container
                    .labels
                    .and_then(|labels| labels.get(label::STACK).cloned())
                    .unwrap_or_default(),
                writable: mounts
                    .iter()
                    .any(|mount| mount.name.as_deref() == Some(name) && mount.rw.unwrap_or(true)),
            }
        });
        Ok(users.collect())
    }
}
