//! The part of a draft that is passed on to the engine as it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Emptiable, Once, Said};
use crate::model::{Command, Device, Gpus, Pull, Settings, Tmpfs, Trigger, Ulimit};

/// What was said of [`Settings`] so far.
#[derive(Debug, Default)]
pub(crate) struct DraftSettings {
    pub(crate) entrypoint: Once<Command>,
    pub(crate) user: Once<String>,
    pub(crate) group_add: Vec<Said<String>>,
    pub(crate) working_dir: Once<String>,
    pub(crate) hostname: Once<String>,
    pub(crate) domainname: Once<String>,
    pub(crate) network_mode: Once<String>,
    pub(crate) pid: Once<String>,
    pub(crate) ipc: Once<String>,
    pub(crate) uts: Once<String>,
    pub(crate) userns_mode: Once<String>,
    pub(crate) cgroup_parent: Once<String>,
    pub(crate) runtime: Once<String>,
    pub(crate) cpuset: Once<String>,
    pub(crate) memory_swap: Once<i64>,
    pub(crate) pids_limit: Once<i64>,
    pub(crate) oom_score_adj: Once<i64>,
    pub(crate) extra_hosts: Vec<Said<(String, String)>>,
    pub(crate) dns: Vec<Said<String>>,
    pub(crate) dns_search: Vec<Said<String>>,
    pub(crate) dns_opt: Vec<Said<String>>,
    pub(crate) expose: Vec<Said<String>>,
    pub(crate) tmpfs: Vec<Said<Tmpfs>>,
    pub(crate) read_only: Once<bool>,
    pub(crate) stdin_open: Once<bool>,
    pub(crate) tty: Once<bool>,
    pub(crate) stop_signal: Once<String>,
    pub(crate) stop_grace_period: Once<Duration>,
    pub(crate) privileged: Once<bool>,
    pub(crate) cap_add: Vec<Said<String>>,
    pub(crate) cap_drop: Vec<Said<String>>,
    pub(crate) security_opt: Vec<Said<String>>,
    pub(crate) ulimits: Vec<Said<(String, Ulimit)>>,
    pub(crate) sysctls: Vec<Said<(String, String)>>,
    pub(crate) shm_size: Once<u64>,
    pub(crate) devices: Vec<Said<Device>>,
    pub(crate) gpus: Once<Gpus>,
    pub(crate) labels: Vec<Said<(String, String)>>,
    pub(crate) platform: Once<String>,
    pub(crate) pull: Once<Pull>,
    pub(crate) trigger: Once<Trigger>,
    pub(crate) replicas: Once<u32>,
}

impl DraftSettings {
    /// Forgets what was said with this word; false where nothing was.
    pub(super) fn clear(&mut self, word: &str) -> bool {
        macro_rules! emptied {
            ($place:ident) => {
                !std::mem::take(&mut self.$place).is_nothing()
            };
        }
        match word {
            "entrypoint" => emptied!(entrypoint),
            "user" => emptied!(user),
            "group-add" => emptied!(group_add),
            "working-dir" => emptied!(working_dir),
            "hostname" => emptied!(hostname),
            "domainname" => emptied!(domainname),
            "network-mode" => emptied!(network_mode),
            "pid" => emptied!(pid),
            "ipc" => emptied!(ipc),
            "uts" => emptied!(uts),
            "userns-mode" => emptied!(userns_mode),
            "cgroup-parent" => emptied!(cgroup_parent),
            "runtime" => emptied!(runtime),
            "cpuset" => emptied!(cpuset),
            "memory-swap" => emptied!(memory_swap),
            "pids-limit" => emptied!(pids_limit),
            "oom-score-adj" => emptied!(oom_score_adj),
            "extra-host" => emptied!(extra_hosts),
            "dns" => emptied!(dns),
            "dns-search" => emptied!(dns_search),
            "dns-opt" => emptied!(dns_opt),
            "expose" => emptied!(expose),
            "tmpfs" => emptied!(tmpfs),
            "read-only" => emptied!(read_only),
            "stdin-open" => emptied!(stdin_open),
            "tty" => emptied!(tty),
            "stop-signal" => emptied!(stop_signal),
            "stop-grace-period" => emptied!(stop_grace_period),
            "privileged" => emptied!(privileged),
            "cap-add" => emptied!(cap_add),
            "cap-drop" => emptied!(cap_drop),
            "security-opt" => emptied!(security_opt),
            "ulimit" => emptied!(ulimits),
            "sysctl" => emptied!(sysctls),
            "shm-size" => emptied!(shm_size),
            "device" => emptied!(devices),
            "gpus" => emptied!(gpus),
            "label" => emptied!(labels),
            "platform" => emptied!(platform),
            "pull" => emptied!(pull),
            "trigger" => emptied!(trigger),
            "replicas" => emptied!(replicas),
            _ => false,
        }
    }

    /// Forgets what this word says of one of these keys; `None` where the word has no keys.
    pub(crate) fn drop_keyed(&mut self, word: &str, named: impl Fn(&str) -> bool) -> Option<bool> {
        fn drop<T>(list: &mut Vec<Said<T>>, gone: impl Fn(&T) -> bool) -> bool {
            let before = list.len();
            list.retain(|said| !gone(&said.value));
            list.len() < before
        }
        let pair = |pair: &(String, String)| named(&pair.0);
        let text = |text: &String| named(text);
        Some(match word {
            "group-add" => drop(&mut self.group_add, text),
            "extra-host" => drop(&mut self.extra_hosts, pair),
            "dns" => drop(&mut self.dns, text),
            "dns-search" => drop(&mut self.dns_search, text),
            "dns-opt" => drop(&mut self.dns_opt, text),
            "expose" => drop(&mut self.expose, |port| {
                named(port) || port.strip_suffix("/tcp").is_some_and(&named)
            }),
            "tmpfs" => drop(&mut self.tmpfs, |tmpfs| named(&tmpfs.target)),
            "cap-add" => drop(&mut self.cap_add, text),
            "cap-drop" => drop(&mut self.cap_drop, text),
            "security-opt" => drop(&mut self.security_opt, text),
            "ulimit" => drop(&mut self.ulimits, |ulimit| named(&ulimit.0)),
            "sysctl" => drop(&mut self.sysctls, pair),
            "device" => drop(&mut self.devices, |device| named(&device.host)),
            "label" => drop(&mut self.labels, pair),
            _ => return None,
        })
    }

    /// With what was not said left at what it is anyway.
    pub(crate) fn settled(&self) -> Settings {
        fn once<T: Clone>(place: &Once<T>) -> Option<T> {
            place.as_ref().map(|said| said.value.clone())
        }
        fn flag(place: &Once<bool>) -> bool {
            once(place).unwrap_or_default()
        }
        fn list<T: Clone>(list: &[Said<T>]) -> Vec<T> {
            list.iter().map(|said| said.value.clone()).collect()
        }
        fn table<T: Clone>(pairs: &[Said<(String, T)>]) -> BTreeMap<String, T> {
            list(pairs).into_iter().collect()
        }
        Settings {
            entrypoint: once(&self.entrypoint),
            user: once(&self.user),
            group_add: list(&self.group_add),
            working_dir: once(&self.working_dir),
            hostname: once(&self.hostname),
            domainname: once(&self.domainname),
            network_mode: once(&self.network_mode),
            pid: once(&self.pid),
            ipc: once(&self.ipc),
            uts: once(&self.uts),
            userns_mode: once(&self.userns_mode),
            cgroup_parent: once(&self.cgroup_parent),
            runtime: once(&self.runtime),
            cpuset: once(&self.cpuset),
            memory_swap: once(&self.memory_swap),
            pids_limit: once(&self.pids_limit),
            oom_score_adj: once(&self.oom_score_adj),
            extra_hosts: table(&self.extra_hosts),
            dns: list(&self.dns),
            dns_search: list(&self.dns_search),
            dns_opt: list(&self.dns_opt),
            expose: list(&self.expose),
            tmpfs: list(&self.tmpfs),
            read_only: flag(&self.read_only),
            stdin_open: flag(&self.stdin_open),
            tty: flag(&self.tty),
            stop_signal: once(&self.stop_signal),
            stop_grace_period: once(&self.stop_grace_period),
            privileged: flag(&self.privileged),
            cap_add: list(&self.cap_add),
            cap_drop: list(&self.cap_drop),
            security_opt: list(&self.security_opt),
            ulimits: table(&self.ulimits),
            sysctls: table(&self.sysctls),
            shm_size: once(&self.shm_size),
            devices: list(&self.devices),
            gpus: once(&self.gpus),
            labels: table(&self.labels),
            platform: once(&self.platform),
        }
    }
}
