//! From what a container is made of to the engine's words for it.

mod settings;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount, MountType, MountVolumeOptions, NetworkingConfig, PortBinding,
    PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use devrun_core::live::{Capacity, Live};
use devrun_core::spec::{ContainerSpec, HealthSpec, PortSpec};
use devrun_stack::{Attachment, MountSource, Restart};

use super::subnets::{self, Addresses};
use super::to_hash_map;

/// Where the agent's volume is mounted.
pub(super) const AGENT_FOLDER: &str = "/.devrun";

/// What of the engine's machine the translation depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub(super) capacity: Capacity,
    pub(super) ipv6: bool,
}

/// The engine's form, and what had to give way.
pub(super) fn container(
    spec: &ContainerSpec,
    agent_volume: Option<&str>,
    machine: Machine,
    addresses: &Addresses,
) -> (ContainerCreateBody, Vec<String>) {
    let warnings = cuts(spec, machine.capacity);
    let live = Live::of_spec(spec).within(machine.capacity);
    // Older engines take one network here; the container joins the others once it is made.
    let first = spec.networks.first();
    let ports = usable(&spec.ports, machine.ipv6);
    let mut mounts: Vec<Mount> = spec.mounts.iter().map(mount).collect();
    mounts.extend(spec.folders.iter().map(|folder| nameless(folder)));
    mounts.extend(agent_volume.map(agent_mount));
    let mut host_config = HostConfig {
        init: Some(spec.init),
        nano_cpus: said(live.nano_cpus),
        memory: said(live.memory),
        memory_reservation: said(live.memory_reservation),
        cpu_shares: said(live.cpu_shares),
        restart_policy: Some(restart(live.restart)),
        log_config: spec.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: Some(logging.driver.clone()),
            config: Some(to_hash_map(&logging.options)),
        }),
        network_mode: spec
            .settings
            .network_mode
            .clone()
            .or_else(|| first.map(|one| one.network.clone())),
        port_bindings: Some(bindings(&ports)),
        mounts: Some(mounts),
        ..Default::default()
    };
    let mut exposed: Vec<String> = ports.iter().map(|port| key(port)).collect();
    exposed.dedup();
    let mut body = ContainerCreateBody {
        image: Some(if spec.image_id.is_empty() {
            spec.image.clone()
        } else {
            spec.image_id.clone()
        }),
        cmd: spec.command.clone(),
        env: Some(
            spec.environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(to_hash_map(&spec.labels)),
        exposed_ports: Some(exposed),
        healthcheck: spec.healthcheck.as_ref().map(healthcheck),
        networking_config: first.map(|one| {
            let place = endpoint(one, addresses.get(&one.network));
            NetworkingConfig {
                endpoints_config: Some(HashMap::from([(one.network.clone(), place)])),
            }
        }),
        ..Default::default()
    };
    settings::apply(&spec.settings, &mut body, &mut host_config);
    body.host_config = Some(host_config);
    (body, warnings)
}

/// A container's place on a network; the engine chooses its address where none is given.
pub(super) fn endpoint(attachment: &Attachment, address: Option<&Ipv4Addr>) -> EndpointSettings {
    EndpointSettings {
        ipam_config: subnets::at(address),
        aliases: Some(attachment.aliases.clone()),
        ..Default::default()
    }
}

/// The limits that are above what the machine has, for people.
fn cuts(spec: &ContainerSpec, machine: Capacity) -> Vec<String> {
    let name = &spec.name;
    let amount = |bytes: u64| format!("{:.1} GB", bytes as f64 / f64::from(1 << 30));
    let cpus = spec.limits.cpus.filter(|cpus| {
        let most = f64::from(machine.cpus);
        most > 0.0 && *cpus > most
    });
    let cpus = cpus.map(|cpus| {
        let most = machine.cpus;
        format!("{name}: its limit of {cpus} CPUs is cut to the {most} of this machine")
    });
    let memory = spec.limits.memory;
    let memory = memory.filter(|bytes| machine.memory > 0 && *bytes > machine.memory);
    let memory = memory.map(|bytes| {
        let (asked, most) = (amount(bytes), amount(machine.memory));
        format!("{name}: its limit of {asked} of memory is cut to the {most} of this machine")
    });
    cpus.into_iter().chain(memory).collect()
}

/// The engine's form of a change of one that is there. Memory without a word about swap has as
/// much swap again, as in a new container.
pub(super) fn update(live: Live, memory_swap: Option<i64>) -> ContainerUpdateBody {
    let swap = said(live.memory).map(|memory| memory_swap.unwrap_or(memory.saturating_mul(2)));
    ContainerUpdateBody {
        nano_cpus: said(live.nano_cpus),
        memory: said(live.memory),
        memory_swap: swap,
        memory_reservation: said(live.memory_reservation),
        cpu_shares: said(live.cpu_shares),
        // Here nothing is no bound; everywhere else it would mean "as it is".
        pids_limit: Some(live.pids),
        restart_policy: Some(restart(live.restart)),
        ..Default::default()
    }
}

fn said(amount: i64) -> Option<i64> {
    (amount != 0).then_some(amount)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn restart(policy: Restart) -> RestartPolicy {
    let (name, most) = match policy {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::OnFailure(most) => (RestartPolicyNameEnum::ON_FAILURE, most.map(i64::from)),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: most,
    }
}

fn healthcheck(spec: &HealthSpec) -> HealthConfig {
    HealthConfig {
        test: Some(spec.test.clone()),
        interval: Some(nanoseconds(spec.interval)),
        timeout: Some(nanoseconds(spec.timeout)),
        retries: Some(i64::from(spec.retries)),
        start_period: Some(nanoseconds(spec.start_period)),
        start_interval: None,
    }
}

fn mount(mount: &devrun_stack::Mount) -> Mount {
    let (typ, source) = match &mount.source {
        MountSource::Volume(name) => (MountType::VOLUME, name.clone()),
        MountSource::Bind(path) => (MountType::BIND, path.display().to_string()),
    };
    Mount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Default::default()
    }
}

/// A volume that goes with its container.
fn nameless(folder: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        target: Some(folder.to_owned()),
        ..Default::default()
    }
}

fn agent_mount(volume: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(AGENT_FOLDER.into()),
        read_only: Some(true),
        // An image that happens to have files there must not fill the volume.
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Leaves out bindings to IPv6 where there is none, unless nothing would be left of the port:
/// `localhost` is both addresses by default, and half of it is better than an error.
fn usable(ports: &[PortSpec], ipv6: bool) -> Vec<&PortSpec> {
    let is_v6 = |port: &PortSpec| {
        port.bind
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_ipv6())
    };
    let has_other = |port: &PortSpec| {
        ports
            .iter()
            .any(|other| key(other) == key(port) && other.host == port.host && !is_v6(other))
    };
    ports
        .iter()
        .filter(|port| ipv6 || !is_v6(port) || !has_other(port))
        .collect()
}

fn key(port: &PortSpec) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn bindings(ports: &[&PortSpec]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: Some(port.bind.clone()),
            host_port: Some(port.host.to_string()),
        };
        map.entry(key(port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::kit;

    const MACHINE: Machine = Machine {
        capacity: Capacity {
            cpus: 2,
            memory: 4 << 30,
        },
        ipv6: true,
    };

    fn port(bind: &str) -> PortSpec {
        PortSpec {
            bind: bind.into(),
            host: 8080,
            container: 80,
            protocol: "tcp".into(),
        }
    }

    fn host_config(spec: &ContainerSpec, machine: Machine) -> HostConfig {
        container(spec, Some("devrun-agent-1"), machine, &Addresses::new())
            .0
            .host_config
            .unwrap()
    }

    #[test]
    fn more_cpus_than_there_are_are_cut_and_said() {
        let mut spec = kit::spec("app-web", "web");
        spec.limits.cpus = Some(8.0);
        spec.reservations.cpus = Some(0.5);
        let (body, warnings) = container(&spec, None, MACHINE, &Addresses::new());
        let host = body.host_config.unwrap();
        assert_eq!(
            (host.nano_cpus, host.cpu_shares),
            (Some(2_000_000_000), Some(512))
        );
        assert_eq!(
            warnings,
            ["app-web: its limit of 8 CPUs is cut to the 2 of this machine"]
        );
    }

    #[test]
    fn more_memory_than_there_is_is_cut_and_said() {
        let mut spec = kit::spec("app-web", "web");
        let cut = |bytes, spec: &mut ContainerSpec| {
            spec.limits.memory = Some(bytes);
            let (body, warnings) = container(spec, None, MACHINE, &Addresses::new());
            (body.host_config.unwrap().memory, warnings)
        };
        assert_eq!(cut(1 << 30, &mut spec), (Some(1 << 30), Vec::new()));
        assert_eq!(
            cut(16 << 30, &mut spec),
            (
                Some(4 << 30),
                vec![
                    "app-web: its limit of 16.0 GB of memory is cut to the 4.0 GB of this machine"
                        .to_owned()
                ]
            )
        );
    }

    #[test]
    fn a_change_of_memory_takes_its_swap_along_and_says_nothing_of_what_is_not_declared() {
        let live = Live {
            memory: 1 << 30,
            ..Live::default()
        };
        let body = update(live, None);
        assert_eq!(
            (body.memory, body.memory_swap),
            (Some(1 << 30), Some(2 << 30))
        );
        assert_eq!((body.nano_cpus, body.pids_limit), (None, Some(0)));
        assert_eq!(update(live, Some(-1)).memory_swap, Some(-1));
        assert_eq!(update(Live::default(), Some(-1)).memory_swap, None);
    }

    #[test]
    fn both_addresses_of_localhost_are_bound_where_there_are_both() {
        let mut spec = kit::spec("app-web", "web");
        spec.ports = vec![port("127.0.0.1"), port("::1")];
        let bound = |ipv6| {
            let bindings = host_config(&spec, Machine { ipv6, ..MACHINE })
                .port_bindings
                .unwrap();
            let of_port = bindings["80/tcp"].clone().unwrap();
            of_port
                .into_iter()
                .map(|binding| binding.host_ip.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(bound(true), ["127.0.0.1", "::1"]);
        assert_eq!(bound(false), ["127.0.0.1"]);
        spec.ports = vec![port("::1")];
        let alone = host_config(
            &spec,
            Machine {
                ipv6: false,
                ..MACHINE
            },
        )
        .port_bindings
        .unwrap();
        assert_eq!(alone["80/tcp"].as_ref().map(Vec::len), Some(1));
    }

    #[test]
    fn the_engine_chooses_an_address_unless_one_is_given() {
        let spec = kit::spec("app-web", "web");
        let given = |addresses: &Addresses| {
            let (body, _) = container(&spec, None, MACHINE, addresses);
            let mut places = body.networking_config.unwrap().endpoints_config.unwrap();
            let place = places.remove("network").unwrap();
            place.ipam_config.map(|config| config.ipv4_address.unwrap())
        };
        assert_eq!(given(&Addresses::new()), None);
        let address = Ipv4Addr::new(172, 21, 128, 7);
        let ours = Addresses::from([("network".to_owned(), address)]);
        assert_eq!(given(&ours).as_deref(), Some("172.21.128.7"));
    }

    #[test]
    fn the_agent_is_mounted_read_only_beside_the_service_s_own() {
        let mut spec = kit::spec("app-web", "web");
        spec.mounts = vec![devrun_stack::Mount {
            source: MountSource::Volume("app-data".into()),
            target: "/data".into(),
            read_only: false,
            at: devrun_stack::Location::default(),
        }];
        let mounts = host_config(&spec, MACHINE).mounts.unwrap();
        let seen: Vec<_> = mounts
            .iter()
            .map(|mount| (mount.target.as_deref().unwrap(), mount.read_only.unwrap()))
            .collect();
        assert_eq!(seen, [("/data", false), ("/.devrun", true)]);
    }
}
