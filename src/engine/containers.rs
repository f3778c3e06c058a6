//! Containers: what there is, and the verbs on them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions, ListContainersOptions,
    RemoveContainerOptions, RenameContainerOptions, RestartContainerOptions, StopContainerOptions,
    WaitContainerOptions,
};
use devrun_core::live::Live;
use devrun_core::spec::{Container, ContainerSpec, ContainerState, label};
use futures_util::StreamExt;

use super::classify::classify;
use super::subnets::Addresses;
use super::translate::{self, Machine};
use super::{Engine, EngineError, PATIENT, PROMPT, describe, filters, optional, pause, within};

/// A container that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// The engine's id.
    pub(crate) id: String,
    /// What of its specification had to give way, for people.
    pub(crate) warnings: Vec<String>,
}

/// What is said of a container beside what it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making<'m> {
    /// What it is called, for now.
    pub(crate) name: &'m str,
    /// The volume with the agent.
    pub(crate) agent_volume: Option<&'m str>,
    /// Those that are not the engine's choice.
    pub(crate) addresses: &'m Addresses,
}

/// Questions to the engine at once while a snapshot is taken.
const SIDE_BY_SIDE: usize = 8;

impl Engine {
    /// All containers of the stack, stopped ones too, ordered by name. One that somebody else made
    /// of an image of the stack has the image's label, but is of no checkout.
    pub(crate) async fn snapshot(&self, stack: &str) -> Result<Vec<Container>, EngineError> {
        let mut containers = self.all_of(stack).await?;
        containers.retain(|container| !container.is_aside());
        Ok(containers)
    }

    /// The same with those that are about to take the place of others, or have left it.
    pub(crate) async fn all_of(&self, stack: &str) -> Result<Vec<Container>, EngineError> {
        let of_stack = format!("{}={stack}", label::STACK);
        let mut containers = self.containers_labelled(&of_stack).await?;
        containers.retain(|container| !container.label(label::ROOT).is_empty());
        Ok(containers)
    }

    /// All containers with that label (`NAME` or `NAME=VALUE`), stopped ones too, ordered by name.
    pub(crate) async fn containers_labelled(
        &self,
        label: &str,
    ) -> Result<Vec<Container>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            filters: filters(&[("label", &[label])]),
            ..Default::default()
        };
        let list = within(
            "listing containers",
            PROMPT,
            self.docker.list_containers(Some(options)),
        )
        .await?;
        let ids: Vec<String> = list.into_iter().filter_map(|summary| summary.id).collect();
        let mut answers = futures_util::stream::iter(ids)
            .map(|id| async move { self.inspect(&id).await })
            .buffer_unordered(SIDE_BY_SIDE);
        let mut containers = Vec::new();
        while let Some(answer) = answers.next().await {
            // One that went away meanwhile is not part of the picture any more.
            containers.extend(answer?);
        }
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// The container of exactly that name, whoever made it.
    pub(crate) async fn find_by_name(&self, name: &str) -> Result<Option<Container>, EngineError> {
        // The engine also takes the beginning of an id for a name.
        Ok(self
            .inspect(name)
            .await?
            .filter(|container| container.name == name))
    }

    /// What the engine knows of a container; `None` if there is none.
    pub(crate) async fn inspect(&self, id: &str) -> Result<Option<Container>, EngineError> {
        let call = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>);
        let found = optional(within(&format!("inspecting {}", short(id)), PROMPT, call).await)?;
        Ok(found.map(describe::container))
    }

    /// Its IPv4 addresses, by the name of the network.
    pub(crate) async fn addresses(
        &self,
        id: &str,
    ) -> Result<BTreeMap<String, Ipv4Addr>, EngineError> {
        let call = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>);
        let found = within(&format!("inspecting {}", short(id)), PROMPT, call).await?;
        let networks = found.network_settings.and_then(|it| it.networks);
        let addresses = networks.into_iter().flatten().filter_map(|(name, end)| {
            let address = end.ip_address?.parse().ok()?;
            Some((name, address))
        });
        Ok(addresses.collect())
    }

    /// The first process of a running container and how it is told to end.
    pub(crate) async fn first_process(&self, id: &str) -> Option<FirstProcess> {
        let call = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>);
        let found = within(&format!("inspecting {}", short(id)), PROMPT, call).await;
        let found = found.ok()?;
        let state = found.state.filter(|state| state.running == Some(true))?;
        let name = found.config.and_then(|config| config.stop_signal);
        Some(FirstProcess {
            pid: u32::try_from(state.pid?).ok()?,
            container: found.id?,
            stop_signal: signal_number(&name.unwrap_or_default()),
        })
    }

    /// Whether the container's first process has a terminal, and whether it has an input.
    pub(crate) async fn streams(&self, id: &str) -> Result<(bool, bool), EngineError> {
        let call = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>);
        let found = within(&format!("inspecting {}", short(id)), PROMPT, call).await?;
        let config = found.config.unwrap_or_default();
        Ok((config.tty == Some(true), config.open_stdin == Some(true)))
    }

    /// Makes a container; it is not started.
    pub(crate) async fn create(
        &self,
        spec: &ContainerSpec,
        agent_volume: Option<&str>,
    ) -> Result<Created, EngineError> {
        let options = Making {
            name: &spec.name,
            agent_volume,
            addresses: &Addresses::new(),
        };
        self.create_as(spec, options, |_| {}).await
    }

    /// The same under another name for now, and with addresses of ours.
    pub(crate) async fn create_aside(
        &self,
        spec: &ContainerSpec,
        options: Making<'_>,
    ) -> Result<Created, EngineError> {
        self.create_as(spec, options, |_| {}).await
    }

    /// Makes a container whose first process is to be talked to, with a terminal or without; see
    /// [`Engine::run_attached`].
    pub(crate) async fn create_attached(
        &self,
        spec: &ContainerSpec,
        tty: bool,
    ) -> Result<Created, EngineError> {
        let talkative = |body: &mut ContainerCreateBody| {
            body.tty = Some(tty);
            body.open_stdin = Some(true);
            body.stdin_once = Some(true);
        };
        let options = Making {
            name: &spec.name,
            agent_volume: None,
            addresses: &Addresses::new(),
        };
        self.create_as(spec, options, talkative).await
    }

    async fn create_as(
        &self,
        spec: &ContainerSpec,
        making: Making<'_>,
        more: impl FnOnce(&mut ContainerCreateBody),
    ) -> Result<Created, EngineError> {
        let version = self.version().await?;
        let machine = Machine {
            capacity: version.capacity(),
            ipv6: self.has_ipv6(),
        };
        let (mut body, mut warnings) =
            translate::container(spec, making.agent_volume, machine, making.addresses);
        more(&mut body);
        let options = CreateContainerOptions {
            name: Some(making.name.to_owned()),
            platform: spec.settings.platform.clone().unwrap_or_default(),
        };
        let doing = format!("creating {}", spec.name);
        let docker = self.docker.clone();
        let call = async move { docker.create_container(Some(options), body).await };
        let answer = self.make(doing, call).await;
        let created = answer.map_err(|error| match error {
            // The engine says the id; people know the tag.
            EngineError::ImageMissing { .. } => EngineError::ImageMissing {
                image: spec.image.clone(),
            },
            other => other,
        })?;
        warnings.extend(
            created
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", spec.name)),
        );
        for attachment in spec.networks.iter().skip(1) {
            let address = making.addresses.get(&attachment.network);
            if let Err(error) = self.join_network(&created.id, attachment, address).await {
                // Half a container would stand in the way of the next attempt.
                let _ = self.remove(&created.id, true).await;
                return Err(error);
            }
        }
        Ok(Created {
            id: created.id,
            warnings,
        })
    }

    /// Whether this machine has `::1`; the machine of an engine elsewhere is believed to.
    fn has_ipv6(&self) -> bool {
        self.endpoint().elsewhere().is_some() || std::net::TcpListener::bind("[::1]:0").is_ok()
    }

    /// Calls a container otherwise.
    pub(crate) async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        let doing = format!("calling a container {name}");
        within(&doing, PROMPT, self.docker.rename_container(id, options)).await
    }

    /// Starts a container; one that runs already is fine.
    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        let call = self.docker.start_container(id, None);
        let started = within(&format!("starting {}", short(id)), PATIENT, call).await;
        self.who_is_missing(id, started).await
    }

    /// The engine's "no such container" may be about the one whose network this one has.
    async fn who_is_missing(
        &self,
        id: &str,
        done: Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let Err(EngineError::NoSuchContainer { doing }) = done else {
            return done;
        };
        Err(match self.inspect(id).await? {
            Some(found) if found.state != ContainerState::Dead => {
                EngineError::LenderMissing { doing }
            }
            _ => EngineError::NoSuchContainer { doing },
        })
    }

    /// Asks it to end and kills it after `grace`; one that is stopped already is fine.
    pub(crate) async fn stop(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let options = StopContainerOptions {
            t: Some(whole_seconds(grace)),
            ..Default::default()
        };
        let call = self.docker.stop_container(id, Some(options));
        within(&format!("stopping {}", short(id)), grace + PATIENT, call).await
    }

    /// Changes limits and restart policy of one that is there.
    pub(crate) async fn update(
        &self,
        id: &str,
        live: Live,
        memory_swap: Option<i64>,
    ) -> Result<(), EngineError> {
        let body = translate::update(live, memory_swap);
        let call = self.docker.update_container(id, body);
        within(&format!("changing {}", short(id)), PATIENT, call).await
    }

    /// Sends a signal (`KILL`, `HUP`) to its process.
    pub(crate) async fn kill(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        let doing = format!("sending {signal} to {}", short(id));
        within(
            &doing,
            PROMPT,
            self.docker.kill_container(id, Some(options)),
        )
        .await
    }

    /// Stops it as [`Engine::stop`] does and starts it again.
    pub(crate) async fn restart(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let options = RestartContainerOptions {
            t: Some(whole_seconds(grace)),
            ..Default::default()
        };
        let call = self.docker.restart_container(id, Some(options));
        let restarted = within(&format!("restarting {}", short(id)), grace + PATIENT, call).await;
        self.who_is_missing(id, restarted).await
    }

    /// Removes a container, a running one only with `force`. Its anonymous volumes stay:
    /// they may hold data.
    pub(crate) async fn remove(&self, id: &str, force: bool) -> Result<(), EngineError> {
        self.remove_with(
            id,
            RemoveContainerOptions {
                force,
                ..Default::default()
            },
        )
        .await
    }

    /// Removes a throw-away container with its anonymous volumes, running or not.
    pub(crate) async fn discard(&self, id: &str) -> Result<(), EngineError> {
        self.remove_with(
            id,
            RemoveContainerOptions {
                force: true,
                v: true,
                ..Default::default()
            },
        )
        .await
    }

    async fn remove_with(
        &self,
        id: &str,
        options: RemoveContainerOptions,
    ) -> Result<(), EngineError> {
        let doing = format!("removing {}", short(id));
        match within(
            &doing,
            PATIENT,
            self.docker.remove_container(id, Some(options)),
        )
        .await
        {
            Err(error) if error.is_absent() => Ok(()),
            Err(EngineError::Other { detail, .. }) if detail.contains("already in progress") => {
                self.until_removed(id, &doing).await
            }
            other => other,
        }
    }

    async fn until_removed(&self, id: &str, doing: &str) -> Result<(), EngineError> {
        let gone = async {
            while self.inspect(id).await?.is_some() {
                pause(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        let timed_out = |_| EngineError::TimedOut {
            doing: doing.to_owned(),
            limit: PATIENT,
        };
        tokio::time::timeout(PATIENT, gone)
            .await
            .map_err(timed_out)?
    }

    /// Waits until it does not run (any more); the exit code. Without an end of its own.
    pub(crate) async fn wait(&self, id: &str) -> Result<i64, EngineError> {
        self.wait_until(id, "not-running").await
    }

    /// Waits until its process ends, also where the engine starts it again; the exit code. Without
    /// an end of its own.
    pub(crate) async fn next_exit(&self, id: &str) -> Result<i64, EngineError> {
        self.wait_until(id, "next-exit").await
    }

    async fn wait_until(&self, id: &str, condition: &str) -> Result<i64, EngineError> {
        let doing = format!("waiting for {}", short(id));
        let options = WaitContainerOptions {
            condition: condition.into(),
        };
        let mut answers = self.docker.wait_container(id, Some(options));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // The client calls every code but 0 an error.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, error }))
                if error.is_empty() =>
            {
                Ok(code)
            }
            Some(Err(error)) => Err(classify(&doing, error)),
            None => Err(EngineError::Lost {
                doing,
                detail: "it ended without an answer".into(),
            }),
        }
    }
}

/// The first process of a container, as the engine's machine numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstProcess {
    /// Its number on the machine of the engine, which need not be this one.
    pub(crate) pid: u32,
    /// The container's whole id.
    pub(crate) container: String,
    /// The number of the signal by which it is told to end; that of TERM unless its image or its
    /// settings say otherwise.
    pub(crate) stop_signal: u32,
}

fn signal_number(name: &str) -> u32 {
    match name.trim_start_matches("SIG") {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "USR1" => 10,
        "USR2" => 12,
        "WINCH" => 28,
        other => other.parse().unwrap_or(15),
    }
}

/// The engine counts in seconds, and half a second of grace must not become none.
fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_secs() + u64::from(grace.subsec_nanos() > 0)).unwrap_or(i32::MAX)
}

/// An id as `docker ps` shows it; a name as it is.
pub(super) fn short(id: &str) -> &str {
    match id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => &id[..12],
        false => id,
    }
}
