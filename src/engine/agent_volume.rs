//! The volume that carries the agent into every container.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::CreateContainerOptions;
use devrun_core::spec::{Container, ContainerState, label};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::archive::{PathKind, PathStat};
use super::translate::AGENT_FOLDER;
use super::{Engine, EngineError, PATIENT, PROMPT, pause, within};

/// Its name in the volume.
const AGENT: &str = "agent";
const MODE: u32 = 0o755;

/// A program for the volume, as the engine takes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedAgent<'a> {
    /// A tar with it alone, called `agent`; may be compressed by gzip, which the engine undoes.
    pub(crate) tar: &'a [u8],
    /// Its bytes once it is unpacked.
    pub(crate) size: u64,
}

impl PackedAgent<'_> {
    fn hash(&self) -> String {
        let digest = Sha256::digest(self.tar);
        let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

/// How long another session may take to fill the volume before it is taken for dead.
const FILLING: Duration = Duration::from_secs(20);
/// The same where the volume is full already, so that it only has to let go.
const LETTING_GO: Duration = Duration::from_secs(2);

impl Engine {
    /// The volume with this agent in it, made and filled if need be. `image` is any image that is
    /// on this machine: the files go in through a container of it that is never started.
    pub(crate) async fn ensure_agent_volume(
        &self,
        agent: PackedAgent<'_>,
        image: &str,
    ) -> Result<String, EngineError> {
        let hash = agent.hash();
        let volume = format!("devrun-agent-{hash}");
        let labels = BTreeMap::from([(label::AGENT.to_owned(), hash)]);
        self.ensure_volume(&volume, &labels).await?;
        let container = self.filler(&volume, &labels, (image, agent)).await?;
        let filled = self.fill(&container, agent).await;
        // A left-over is in nobody's way: the next session takes it over, and `down` removes it.
        let removed = self.discard(&container).await;
        filled.and(removed)?;
        Ok(volume)
    }

    /// Removes containers through which a session that was killed, or cut off, filled its volume.
    /// Those that go by themselves are of somebody who fills it just now.
    pub(crate) async fn clear_fillers(&self, agent: PackedAgent<'_>) -> Result<(), EngineError> {
        let mut left = Vec::new();
        for one in self.fillers().await? {
            match self.is_left_over(&one, agent).await {
                Ok(true) => left.push(one.id),
                Ok(false) => {}
                // One that goes meanwhile needs nobody. The engine has many words for that, and
                // none at all where only the head of a file is asked for.
                Err(error) if self.is_filler(&one.id).await? => return Err(error),
                Err(_) => {}
            }
        }
        let end = Instant::now() + LETTING_GO;
        while !left.is_empty() && Instant::now() < end {
            pause(Duration::from_millis(100)).await;
            let now = self.fillers().await?;
            left.retain(|id| now.iter().any(|one| one.id == *id));
        }
        for id in &left {
            self.discard(id).await?;
        }
        Ok(())
    }

    async fn is_filler(&self, id: &str) -> Result<bool, EngineError> {
        Ok(self.fillers().await?.iter().any(|one| one.id == id))
    }

    async fn fillers(&self) -> Result<Vec<Container>, EngineError> {
        let mut all = self.containers_labelled(label::AGENT).await?;
        all.retain(|one| {
            let own = format!("devrun-agent-{}", one.label(label::AGENT));
            one.state == ContainerState::Created && one.name == own
        });
        Ok(all)
    }

    /// Whether nobody needs it any more: its work is done, or nobody takes so long for it.
    async fn is_left_over(
        &self,
        filler: &Container,
        agent: PackedAgent<'_>,
    ) -> Result<bool, EngineError> {
        if filler.label(label::AGENT) == agent.hash() && self.is_full(&filler.id, agent).await? {
            return Ok(true);
        }
        let call = self.docker.inspect_container(&filler.id, None);
        let found = within("looking at what an agent was made by", PROMPT, call).await?;
        let age = found.created.map(|made| OffsetDateTime::now_utc() - made);
        Ok(age.is_some_and(|age| age > FILLING))
    }

    /// Volumes with agents of other versions, old ones, that no container has, not even one that
    /// stands still.
    pub(crate) async fn old_agent_volumes(
        &self,
        agent: PackedAgent<'_>,
    ) -> Result<Vec<String>, EngineError> {
        let mut old = Vec::new();
        for (volume, labels) in self.volumes_labelled(label::AGENT).await? {
            let other = labels.get(label::AGENT) != Some(&agent.hash());
            if other
                && self.is_old_volume(&volume).await?
                && self.mounting(&volume, true).await?.is_empty()
            {
                old.push(volume);
            }
        }
        Ok(old)
    }

    /// The container through which the volume is seen. Its name is the lock: the engine gives it
    /// to one session at a time, and what another one left behind is taken over.
    async fn filler(
        &self,
        volume: &str,
        labels: &BTreeMap<String, String>,
        (image, agent): (&str, PackedAgent<'_>),
    ) -> Result<String, EngineError> {
        let mut end = Instant::now() + FILLING;
        let mut full = false;
        loop {
            match self.create_filler(volume, labels, image).await {
                Err(EngineError::NameTaken { .. }) if Instant::now() < end => {
                    if !full && matches!(self.is_full(volume, agent).await, Ok(true)) {
                        full = true;
                        end = Instant::now() + LETTING_GO;
                    }
                    pause(Duration::from_millis(50)).await;
                }
                Err(EngineError::NameTaken { .. }) => {
                    self.discard(volume).await?;
                    end = Instant::now() + FILLING;
                }
                other => return other,
            }
        }
    }

    async fn create_filler(
        &self,
        volume: &str,
        labels: &BTreeMap<String, String>,
        image: &str,
    ) -> Result<String, EngineError> {
        let mount = Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.to_owned()),
            target: Some(AGENT_FOLDER.into()),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            // Never run, but the engine insists on a command.
            cmd: Some(vec![AGENT.into()]),
            labels: Some(super::to_hash_map(labels)),
            network_disabled: Some(true),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptions {
            name: Some(volume.to_owned()),
            ..Default::default()
        };
        let call = self.docker.create_container(Some(options), body);
        Ok(within("preparing the agent", PATIENT, call).await?.id)
    }

    /// Whether the whole agent is there. A session that was killed while it filled the volume left
    /// a shorter file, or none.
    async fn is_full(&self, container: &str, agent: PackedAgent<'_>) -> Result<bool, EngineError> {
        let stat = self.stat(container, &path()).await?;
        Ok(stat.is_some_and(|stat| stat == whole(agent)))
    }

    async fn fill(&self, container: &str, agent: PackedAgent<'_>) -> Result<(), EngineError> {
        if self.is_full(container, agent).await? {
            return Ok(());
        }
        let tar = agent.tar.to_vec();
        self.upload_tar_bytes(container, AGENT_FOLDER, tar).await?;
        match self.stat(container, &path()).await? {
            Some(stat) if stat == whole(agent) => Ok(()),
            other => Err(EngineError::Other {
                doing: "preparing the agent".into(),
                detail: format!("the engine stored it as {other:?}"),
            }),
        }
    }
}

fn path() -> String {
    format!("{AGENT_FOLDER}/{AGENT}")
}

fn whole(agent: PackedAgent<'_>) -> PathStat {
    PathStat {
        size: agent.size,
        mode: MODE,
        kind: PathKind::Other,
    }
}
