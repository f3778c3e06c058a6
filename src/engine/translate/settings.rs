//! What is passed on to the engine as it stands.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, ResourcesUlimits,
};
use devrun_stack::{Command, Gpus, Settings, Tmpfs};

use super::{signed, to_hash_map};

/// Puts the settings into the engine's form; what was not said stays the image's or the engine's.
pub(super) fn apply(settings: &Settings, body: &mut ContainerCreateBody, host: &mut HostConfig) {
    body.entrypoint = settings.entrypoint.as_ref().map(Command::argv);
    body.user.clone_from(&settings.user);
    body.working_dir.clone_from(&settings.working_dir);
    body.hostname.clone_from(&settings.hostname);
    body.domainname.clone_from(&settings.domainname);
    body.tty = settings.tty.then_some(true);
    body.open_stdin = settings.stdin_open.then_some(true);
    body.stop_signal = settings
        .stop_signal
        .as_ref()
        .map(|name| format!("SIG{name}"));
    body.stop_timeout = settings
        .stop_grace_period
        .map(|period| signed(period.as_secs_f64().ceil() as u64));
    let exposed = body.exposed_ports.get_or_insert_default();
    for port in &settings.expose {
        if !exposed.contains(port) {
            exposed.push(port.clone());
        }
    }
    host.group_add = said(&settings.group_add);
    host.pid_mode.clone_from(&settings.pid);
    host.ipc_mode.clone_from(&settings.ipc);
    host.uts_mode.clone_from(&settings.uts);
    host.userns_mode.clone_from(&settings.userns_mode);
    host.extra_hosts = said(&pairs(&settings.extra_hosts, ":"));
    host.dns = said(&settings.dns);
    host.dns_search = said(&settings.dns_search);
    host.dns_options = said(&settings.dns_opt);
    host.readonly_rootfs = settings.read_only.then_some(true);
    host.privileged = settings.privileged.then_some(true);
    host.cap_add = said(&settings.cap_add);
    host.cap_drop = said(&settings.cap_drop);
    host.security_opt = said(&settings.security_opt);
    host.shm_size = settings.shm_size.map(signed);
    if !settings.sysctls.is_empty() {
        host.sysctls = Some(to_hash_map(&settings.sysctls));
    }
    limits_and_devices(settings, host);
}

fn limits_and_devices(settings: &Settings, host: &mut HostConfig) {
    host.cgroup_parent.clone_from(&settings.cgroup_parent);
    host.runtime.clone_from(&settings.runtime);
    host.cpuset_cpus.clone_from(&settings.cpuset);
    host.memory_swap = settings.memory_swap;
    host.pids_limit = settings.pids_limit;
    host.oom_score_adj = settings.oom_score_adj;
    let tmpfs: HashMap<String, String> = settings
        .tmpfs
        .iter()
        .map(|tmpfs| (tmpfs.target.clone(), options(tmpfs)))
        .collect();
    host.tmpfs = (!tmpfs.is_empty()).then_some(tmpfs);
    let ulimit = |(name, limit): (&String, &devrun_stack::Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    host.ulimits = said(&settings.ulimits.iter().map(ulimit).collect::<Vec<_>>());
    let device = |device: &devrun_stack::Device| DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    };
    host.devices = said(&settings.devices.iter().map(device).collect::<Vec<_>>());
    host.device_requests = settings.gpus.map(|gpus| {
        vec![DeviceRequest {
            count: Some(match gpus {
                Gpus::All => -1,
                Gpus::Count(count) => i64::from(count),
            }),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..Default::default()
        }]
    });
}

fn said<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn pairs(map: &std::collections::BTreeMap<String, String>, between: &str) -> Vec<String> {
    map.iter()
        .map(|(key, value)| format!("{key}{between}{value}"))
        .collect()
}

/// As `mount` takes them.
fn options(tmpfs: &Tmpfs) -> String {
    let size = tmpfs.size.map(|size| format!("size={size}"));
    let mode = tmpfs.mode.map(|mode| format!("mode={mode:o}"));
    [size, mode]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphics_processors_are_asked_for_by_number() {
        let asked = |gpus| {
            let mut host = HostConfig::default();
            let settings = Settings {
                gpus: Some(gpus),
                ..Settings::default()
            };
            apply(&settings, &mut ContainerCreateBody::default(), &mut host);
            host.device_requests.unwrap()[0].count
        };
        assert_eq!(
            (asked(Gpus::All), asked(Gpus::Count(2))),
            (Some(-1), Some(2))
        );
    }

    #[test]
    fn what_is_not_said_is_left_to_the_image_and_the_engine() {
        let mut body = ContainerCreateBody::default();
        let mut host = HostConfig::default();
        apply(&Settings::default(), &mut body, &mut host);
        assert_eq!(host, HostConfig::default());
        body.exposed_ports = None;
        assert_eq!(body, ContainerCreateBody::default());
    }
}
