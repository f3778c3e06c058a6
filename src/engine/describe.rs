//! From the engine's description of a container to ours.

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, HostConfig, PortMap,
    RestartPolicyNameEnum,
};
use devrun_core::live::Live;
use devrun_core::spec::{Container, ContainerState, Health, PortSpec};
use devrun_stack::Restart;

use super::logs::nanoseconds;

pub(super) fn container(inspect: ContainerInspectResponse) -> Container {
    let engine_state = inspect.state.unwrap_or_default();
    let config = inspect.config.unwrap_or_default();
    let host = inspect.host_config.unwrap_or_default();
    let state = state(engine_state.status);
    let ended = matches!(
        state,
        ContainerState::Exited | ContainerState::Restarting | ContainerState::Dead
    );
    Container {
        id: inspect.id.unwrap_or_default(),
        name: inspect
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state,
        health: engine_state
            .health
            .and_then(|health| self::health(health.status)),
        exit_code: if ended { engine_state.exit_code } else { None },
        started_ns: engine_state
            .started_at
            .as_deref()
            .and_then(nanoseconds)
            .unwrap_or(0),
        started_at: engine_state.started_at.unwrap_or_default(),
        finished_at: engine_state.finished_at.unwrap_or_default(),
        restarts: inspect
            .restart_count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        image_id: inspect.image.unwrap_or_default(),
        image: config.image.unwrap_or_default(),
        live: live(&host),
        ports: ports(host.port_bindings.unwrap_or_default()),
    }
}

fn state(status: Option<ContainerStateStatusEnum>) -> ContainerState {
    match status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
            ContainerState::Running
        }
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
        Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD) => {
            ContainerState::Dead
        }
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => {
            ContainerState::Created
        }
    }
}

fn health(status: Option<HealthStatusEnum>) -> Option<Health> {
    match status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn live(host: &HostConfig) -> Live {
    // A bound below zero is none.
    let amount = |said: Option<i64>| said.unwrap_or(0).max(0);
    let policy = host.restart_policy.as_ref();
    let most = policy.and_then(|policy| policy.maximum_retry_count);
    let most = most.and_then(|most| u32::try_from(most).ok());
    Live {
        nano_cpus: amount(host.nano_cpus),
        memory: amount(host.memory),
        cpu_shares: amount(host.cpu_shares),
        memory_reservation: amount(host.memory_reservation),
        pids: amount(host.pids_limit),
        restart: match policy.and_then(|policy| policy.name) {
            Some(RestartPolicyNameEnum::ALWAYS) => Restart::Always,
            Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::UnlessStopped,
            Some(RestartPolicyNameEnum::ON_FAILURE) => {
                Restart::OnFailure(most.filter(|most| *most > 0))
            }
            _ => Restart::No,
        },
    }
}

/// From the configuration, not from the network's state: a stopped container has ports too.
fn ports(bindings: PortMap) -> Vec<PortSpec> {
    let mut ports = Vec::new();
    for (key, bound) in bindings {
        let (container, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let Ok(container) = container.parse() else {
            continue;
        };
        for binding in bound.unwrap_or_default() {
            let Some(host) = binding.host_port.and_then(|port| port.parse().ok()) else {
                continue;
            };
            let bind = binding.host_ip.unwrap_or_default();
            ports.push(PortSpec {
                bind,
                host,
                container,
                protocol: protocol.to_owned(),
            });
        }
    }
    ports.sort_by(|a, b| (a.container, &a.bind, a.host).cmp(&(b.container, &b.bind, b.host)));
    ports
}
